/*
 * See loop_rig.h. A deadline that passes answers false, and the test says what it missed.
 */
#include "support/loop_rig.h"

#include <dirent.h>
#include <string.h>
#include <time.h>

#include "io/loop_uv.h"

enum { DEADLINE_S = 20 };

void rig_note_begin(rig *r)
{
    pthread_mutex_lock(&r->lock);
}

void rig_note_end(rig *r)
{
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void on_wake(void *user)
{
    rig *r = user;
    rig_note_begin(r);
    r->wakes++;
    void (*call)(void *) = r->call;
    void *arg = r->arg;
    rig_note_end(r);
    if (call != NULL) {
        r->in_call = true;
        call(arg);
        r->in_call = false;
        rig_note_begin(r);
        r->call = NULL;
        rig_note_end(r);
    }
}

static void on_turn_end(void *user)
{
    rig *r = user;
    rig_note_begin(r);
    r->turns++;
    rig_note_end(r);
}

static const fwi_loop_events loop_events = {on_wake, on_turn_end};

void rig_new(rig *r)
{
    memset(r, 0, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->loop = fwi_loop_uv_new(&loop_events, r);
    FWI_ASSERT(r->loop != NULL);
}

void rig_run(rig *r)
{
    FWI_ASSERT(fwi_loop_uv_start(r->loop, 0) == 0);
    r->runs = true;
}

static void stop_loop(void *arg)
{
    rig *r = arg;
    fwi_loop_uv_stop(r->loop);
}

void rig_halt(rig *r)
{
    rig_do(r, stop_loop, r);
    fwi_loop_uv_join(r->loop);
    r->runs = false;
}

void rig_free(rig *r)
{
    if (r->runs) { /* a test that failed in its midst */
        rig_halt(r);
    }
    fwi_loop_uv_free(r->loop);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

bool rig_wait(rig *r, bool (*question)(void *arg), void *arg)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    int err = 0;
    pthread_mutex_lock(&r->lock);
    bool yes = question(arg);
    while (!yes && err == 0) {
        err = pthread_cond_timedwait(&r->changed, &r->lock, &until);
        yes = question(arg);
    }
    pthread_mutex_unlock(&r->lock);
    return yes;
}

static bool call_is_done(void *arg)
{
    const rig *r = arg;
    return r->call == NULL;
}

void rig_do(rig *r, void (*call)(void *arg), void *arg)
{
    rig_note_begin(r);
    r->call = call;
    r->arg = arg;
    rig_note_end(r);
    r->loop->ops->wake(r->loop);
    FWI_ASSERT(rig_wait(r, call_is_done, r));
}

/* --- streams --- */

static void note_event(rig_stream *rs)
{
    FWI_ASSERT(!rs->r->in_call); /* the port promises that */
    rs->after_end += rs->ended;
}

static void on_open(void *user)
{
    rig_stream *rs = user;
    rig_note_begin(rs->r);
    note_event(rs);
    rs->opened++;
    if (rs->close_in_open) {
        rs->ended = true;
        rs->r->loop->ops->stream_close(rs->s);
    }
    rig_note_end(rs->r);
}

static void on_data(void *user, const void *data, size_t len)
{
    rig_stream *rs = user;
    rig_note_begin(rs->r);
    note_event(rs);
    FWI_ASSERT(fwi_buf_append(&rs->data, data, len));
    if (rs->close_in_data) {
        rs->ended = true;
        rs->r->loop->ops->stream_close(rs->s);
    }
    rig_note_end(rs->r);
}

static void on_close(void *user, const char *why)
{
    rig_stream *rs = user;
    rig_note_begin(rs->r);
    note_event(rs);
    rs->ended = true;
    rs->closed++;
    snprintf(rs->why, sizeof rs->why, "%s", why);
    rig_note_end(rs->r);
}

static const fwi_stream_events stream_events = {on_open, on_data, on_close};

static void open_call(void *arg)
{
    rig_stream *rs = arg;
    fwi_loop *loop = rs->r->loop;
    rs->s = loop->ops->stream_open(loop, &rs->target, &stream_events, rs);
    FWI_ASSERT(rs->s != NULL);
    if (rs->early != NULL) {
        FWI_ASSERT(loop->ops->stream_write(rs->s, rs->early, strlen(rs->early)));
    }
}

void rig_stream_open(rig_stream *rs, rig *r, const fwi_stream_target *target)
{
    rs->r = r;
    rs->target = *target;
    rig_do(r, open_call, rs);
}

static void write_call(void *arg)
{
    rig_stream *rs = arg;
    if (!rs->ended) {
        FWI_ASSERT(rs->r->loop->ops->stream_write(rs->s, rs->bytes, rs->len));
        rs->pending = rs->r->loop->ops->stream_pending(rs->s);
    }
}

void rig_stream_write(rig_stream *rs, const void *bytes, size_t len)
{
    rs->bytes = bytes;
    rs->len = len;
    rig_do(rs->r, write_call, rs);
}

static void close_call(void *arg)
{
    rig_stream *rs = arg;
    if (!rs->ended) {
        rs->ended = true;
        rs->r->loop->ops->stream_close(rs->s);
    }
}

void rig_stream_close(rig_stream *rs)
{
    rig_do(rs->r, close_call, rs);
}

void rig_stream_fini(rig_stream *rs)
{
    fwi_buf_fini(&rs->data);
}

static bool is_open(void *arg)
{
    const rig_stream *rs = arg;
    return rs->opened > 0;
}

static bool is_closed(void *arg)
{
    const rig_stream *rs = arg;
    return rs->closed > 0;
}

static bool has_bytes(void *arg)
{
    const rig_stream *rs = arg;
    return rs->data.len >= rs->len;
}

bool rig_stream_wait_open(rig_stream *rs)
{
    return rig_wait(rs->r, is_open, rs);
}

bool rig_stream_wait_closed(rig_stream *rs)
{
    return rig_wait(rs->r, is_closed, rs);
}

bool rig_stream_wait_bytes(rig_stream *rs, size_t len)
{
    rs->len = len;
    return rig_wait(rs->r, has_bytes, rs);
}

unsigned rig_count_fds(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    FWI_ASSERT(dir != NULL);
    while (readdir(dir) != NULL) { // NOLINT(concurrency-mt-unsafe): a DIR of its own
        n++;
    }
    closedir(dir);
    return n;
}
