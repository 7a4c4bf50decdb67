/*
 * A real loop with its thread, for integration tests, and a way to say things to it: the
 * test's thread has a call run on the loop's thread and waits for it, or waits until
 * something has happened, always with a deadline. What both threads look at is guarded by
 * the rig's lock.
 */
#ifndef TESTS_SUPPORT_LOOP_RIG_H
#define TESTS_SUPPORT_LOOP_RIG_H

#include <pthread.h>

#include "base/buf.h"
#include "core/loop.h"

typedef struct rig {
    fwi_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void (*call)(void *arg); /* to be run by the loop; NULL when it has been */
    void *arg;
    unsigned wakes, turns;
    bool runs;
    bool in_call; /* the loop's thread is inside a call: no event may come from there */
} rig;

void rig_new(rig *r);  /* the loop, without its thread */
void rig_run(rig *r);  /* the thread */
void rig_halt(rig *r); /* ends the thread */
void rig_free(rig *r); /* ends the thread if it runs, frees the loop */

/* Runs it on the loop's thread and waits for that. */
void rig_do(rig *r, void (*call)(void *arg), void *arg);

/* Waits until the question, asked under the lock, is answered with yes; false after 20 s.
 */
bool rig_wait(rig *r, bool (*question)(void *arg), void *arg);

/* Around what callbacks note down. */
void rig_note_begin(rig *r);
void rig_note_end(rig *r);

/* --- a stream that notes down what it is told --- */

typedef struct rig_stream {
    rig *r;
    fwi_stream *s;
    fwi_stream_target target;
    const char *early; /* written right after stream_open */
    bool close_in_open, close_in_data;
    unsigned opened, closed, after_end;
    bool ended;
    fwi_buf data;
    char why[512];
    const void *bytes; /* for rig_stream_write */
    size_t len, pending;
} rig_stream;

void rig_stream_open(rig_stream *rs, rig *r, const fwi_stream_target *target);
void rig_stream_write(rig_stream *rs, const void *bytes, size_t len);
void rig_stream_close(rig_stream *rs);
void rig_stream_fini(rig_stream *rs);

bool rig_stream_wait_open(rig_stream *rs);
bool rig_stream_wait_closed(rig_stream *rs);
bool rig_stream_wait_bytes(rig_stream *rs, size_t len);

/* How many descriptors this process has. */
unsigned rig_count_fds(void);

#endif
