/*
 * What the files of this folder share: the loop's insides and the doors between loop,
 * streams and listeners. Nobody outside of src/io includes it.
 *
 * Everything here is for the loop's thread, or for any when the loop has no thread.
 */
#ifndef FWI_IO_UV_INSIDE_H
#define FWI_IO_UV_INSIDE_H

#include <pthread.h>
#include <sys/types.h>
#include <uv.h>

#include "base/fdmark.h"
#include "base/list.h"
#include "core/loop.h"
#include "io/loop_uv.h"

/* What one read takes at most. Reads end before the next begins, so a loop has one. */
enum { FWI_READ_BYTES = 65536 };

typedef struct fwi_uv_loop {
    fwi_loop loop;
    uv_loop_t uv;
    fwi_fdmark pipe; /* libuv's for signals: are the loop's numbers still the loop's? */
    uv_async_t wake;
    uv_prepare_t prepare; /* a turn ends there */
    uv_timer_t alarm;     /* wakes libuv up for the wheel */
    uint64_t alarm_ms;    /* what it is set to; UINT64_MAX: it isn't set */
    const fwi_loop_events *events;
    void *user;
    pthread_t thread;
    bool has_thread;
    bool running; /* events may be told */
    bool stopping;
    uint64_t window_us, lag_us, lag_before_us; /* for loop.lag_us */
    uint64_t turns;   /* counts the turns, so that "once a turn" can be asked */
    size_t handles;   /* of ours, that libuv hasn't given back */
    size_t requests;  /* likewise: names looked up, writes */
    bool inherits;    /* what others have left here is ours to close */
    fwi_list streams; /* fwi_stream.link */
    fwi_list listeners;
    char read_bytes[FWI_READ_BYTES];
} fwi_uv_loop;

static inline fwi_uv_loop *fwi_uv_of(fwi_loop *loop)
{
    return fwi_container_of(loop, fwi_uv_loop, loop);
}

/* First in every callback of libuv: from here on the turn's length counts. */
static inline void fwi_uv_turn_begins(fwi_uv_loop *u)
{
    (void)fwi_loop_now_us(&u->loop);
}

/* What ends the process if it can't have its descriptors, and so is asked for only where
 * they can be had. libuv takes six for the first loop of a process, and since 1.45, where
 * there is io_uring, one or two more; libwebsockets takes two for a context. */
enum { FWI_DESCRIPTORS_LOOP = 8, FWI_DESCRIPTORS_GUEST = 2 };

/* Can so many, by twos, be had just now? errno says why not. */
bool fwi_uv_descriptors_left(int wanted);

/* libuv's sentence for an error, "connection refused". Returns out. */
const char *fwi_uv_strerror(int err, char *out, size_t cap);

/* The streams' part of the port (stream_uv.c). */
fwi_stream *fwi_uv_stream_open(fwi_loop *loop, const fwi_stream_target *target,
                               const fwi_stream_events *events, void *user);
bool fwi_uv_stream_write(fwi_stream *s, const void *data, size_t len);
size_t fwi_uv_stream_pending(const fwi_stream *s);
void fwi_uv_stream_close(fwi_stream *s);
/* The stream that has this link in the loop's list. */
fwi_stream *fwi_uv_stream_at(fwi_list *link);

/* The listener that has this link in the loop's list. */
fwi_listener *fwi_uv_listener_at(fwi_list *link);
int fwi_uv_listener_fd(const fwi_listener *l);

#endif
