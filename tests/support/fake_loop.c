/*
 * See fake_loop.h. Being out of memory ends the test, except where it was asked for.
 * Streams stay in memory until the loop is freed, so that a test can look at those that
 * have been closed. fwi_stream is incomplete to its users: a pointer to one is a
 * fake_stream here.
 */
#include "support/fake_loop.h"

#include <stdatomic.h>
#include <string.h>

enum { BEGINS_US = 1000 * 1000000 };

typedef struct fake_loop {
    fwi_loop loop;
    fwi_loop_events events;
    void *user;
    atomic_bool woken;
    unsigned failing_opens;
    fwi_list streams;
    size_t n_streams;
} fake_loop;

struct fake_stream {
    fwi_list link;
    fake_loop *f;
    fwi_stream_target target;
    fwi_stream_events events;
    void *user;
    fwi_timer failing; /* a failed write is told later */
    fwi_buf written, waiting;
    unsigned writes;
    bool open, closed, blocked, fails_writes;
};

static fake_loop *fake_of(const fwi_loop *loop)
{
    return (fake_loop *)(uintptr_t)loop; /* the first member */
}

static fake_stream *stream_of(const fwi_stream *s)
{
    return (fake_stream *)(uintptr_t)s; /* the port's name for it */
}

/* --- the port --- */

static void fake_wake(fwi_loop *loop)
{
    atomic_store(&fake_of(loop)->woken, true);
}

static char *copy(const char *s)
{
    char *c = s ? strdup(s) : NULL;
    FWI_ASSERT(c != NULL || s == NULL);
    return c;
}

static void on_failing(fwi_timer *t)
{
    fake_stream_fail(fwi_container_of(t, fake_stream, failing), "write: out of memory");
}

static fwi_stream *fake_open(fwi_loop *loop, const fwi_stream_target *target,
                             const fwi_stream_events *events, void *user)
{
    fake_loop *f = fake_of(loop);
    if (f->failing_opens > 0) {
        f->failing_opens--;
        return NULL;
    }
    fake_stream *s = calloc(1, sizeof *s);
    FWI_ASSERT(s != NULL);
    s->f = f;
    s->events = *events;
    s->user = user;
    s->target = *target;
    s->target.host = copy(target->host);
    s->target.path = copy(target->path);
    s->target.tls_ca = copy(target->tls_ca);
    s->target.tls_cert = copy(target->tls_cert);
    s->target.tls_key = copy(target->tls_key);
    fwi_timer_init(&s->failing, on_failing);
    fwi_list_init(&s->link);
    fwi_list_append(&f->streams, &s->link);
    f->n_streams++;
    return (fwi_stream *)(void *)s;
}

static bool fake_write(fwi_stream *stream, const void *data, size_t len)
{
    fake_stream *s = stream_of(stream);
    FWI_ASSERT(!s->closed);
    s->writes++;
    if (s->fails_writes) {
        fwi_loop_timer_set(&s->f->loop, &s->failing, 0);
        return false;
    }
    /* Before it is open nothing reaches the peer either. */
    bool waits = s->blocked || !s->open;
    FWI_ASSERT(fwi_buf_append(waits ? &s->waiting : &s->written, data, len));
    return true;
}

static size_t fake_pending(const fwi_stream *stream)
{
    return stream_of(stream)->waiting.len;
}

static void end_stream(fake_stream *s)
{
    FWI_ASSERT(!s->closed);
    s->closed = true;
    s->open = false;
    fwi_loop_timer_clear(&s->f->loop, &s->failing);
}

static void fake_close(fwi_stream *stream)
{
    end_stream(stream_of(stream));
}

static uint64_t fake_clock(fwi_loop *loop)
{
    return loop->turn_us; /* never 0: nobody has to ask */
}

static uint64_t fake_wall(fwi_loop *loop)
{
    return FAKE_LOOP_WALL_S * 1000 + (loop->turn_us - BEGINS_US) / 1000;
}

static void *fake_native(fwi_loop *loop)
{
    (void)loop;
    return NULL;
}

static const fwi_loop_ops fake_ops = {fake_wake,  fake_open,  fake_write, fake_pending,
                                      fake_close, fake_clock, fake_wall,  fake_native};

/* --- the loop --- */

fwi_loop *fake_loop_new(const fwi_loop_events *events, void *user)
{
    fake_loop *f = calloc(1, sizeof *f);
    FWI_ASSERT(f != NULL);
    f->loop.ops = &fake_ops;
    f->loop.turn_us = BEGINS_US;
    fwi_wheel_init(&f->loop.wheel, fwi_loop_now_ms(&f->loop));
    if (events != NULL) {
        f->events = *events;
    }
    f->user = user;
    fwi_list_init(&f->streams);
    return &f->loop;
}

static void free_stream(fake_stream *s)
{
    free((void *)(uintptr_t)s->target.host);
    free((void *)(uintptr_t)s->target.path);
    free((void *)(uintptr_t)s->target.tls_ca);
    free((void *)(uintptr_t)s->target.tls_cert);
    free((void *)(uintptr_t)s->target.tls_key);
    fwi_buf_fini(&s->written);
    fwi_buf_fini(&s->waiting);
    free(s);
}

void fake_loop_free(fwi_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    fake_loop *f = fake_of(loop);
    for (fwi_list *e; (e = fwi_list_pop(&f->streams)) != NULL;) {
        free_stream(fwi_list_entry(e, fake_stream, link));
    }
    free(f);
}

bool fake_loop_deliver_wake(fwi_loop *loop)
{
    fake_loop *f = fake_of(loop);
    if (!atomic_exchange(&f->woken, false)) {
        return false;
    }
    if (f->events.on_wake != NULL) {
        f->events.on_wake(f->user);
    }
    return true;
}

static void end_turn(fake_loop *f)
{
    if (f->events.on_turn_end != NULL) {
        f->events.on_turn_end(f->user);
    }
}

void fake_loop_turn(fwi_loop *loop)
{
    fake_loop *f = fake_of(loop);
    int rounds = 0;
    do {
        fake_loop_deliver_wake(loop);
        end_turn(f);
        FWI_ASSERT(++rounds <= 1000); /* it wakes itself for ever */
    } while (fake_loop_is_woken(loop));
}

void fake_loop_advance(fwi_loop *loop, uint64_t ms)
{
    fake_loop_turn(loop);
    uint64_t target_us = loop->turn_us + ms * 1000u;
    for (;;) {
        uint64_t next_ms = fwi_wheel_next_ms(&loop->wheel);
        if (next_ms > target_us / 1000u) {
            break;
        }
        if (next_ms * 1000u > loop->turn_us) {
            loop->turn_us = next_ms * 1000u;
        }
        fwi_wheel_advance(&loop->wheel, next_ms);
        fake_loop_turn(loop);
    }
    loop->turn_us = target_us;
    fwi_wheel_advance(&loop->wheel, target_us / 1000u);
    fake_loop_turn(loop);
}

bool fake_loop_is_woken(const fwi_loop *loop)
{
    return atomic_load(&fake_of(loop)->woken);
}

void fake_loop_fail_opens(fwi_loop *loop, unsigned n)
{
    fake_of(loop)->failing_opens = n;
}

/* --- streams --- */

size_t fake_loop_stream_count(const fwi_loop *loop)
{
    return fake_of(loop)->n_streams;
}

fake_stream *fake_loop_stream(const fwi_loop *loop, size_t i)
{
    fake_loop *f = fake_of(loop);
    if (i >= f->n_streams) {
        return NULL;
    }
    fwi_list *e = f->streams.next;
    while (i-- > 0) {
        e = e->next;
    }
    return fwi_list_entry(e, fake_stream, link);
}

fake_stream *fake_loop_last_stream(const fwi_loop *loop)
{
    size_t n = fake_loop_stream_count(loop);
    return n > 0 ? fake_loop_stream(loop, n - 1) : NULL;
}

const fwi_stream_target *fake_stream_target(const fake_stream *s)
{
    return &s->target;
}

static void take_waiting(fake_stream *s)
{
    if (s->waiting.len > 0) {
        FWI_ASSERT(fwi_buf_append(&s->written, s->waiting.data, s->waiting.len));
        fwi_buf_consume(&s->waiting, s->waiting.len);
    }
}

void fake_stream_open(fake_stream *s)
{
    FWI_ASSERT(!s->closed && !s->open);
    s->open = true;
    if (!s->blocked) {
        take_waiting(s);
    }
    s->events.on_open(s->user);
}

void fake_stream_feed(fake_stream *s, const void *data, size_t len)
{
    FWI_ASSERT(!s->closed && s->open);
    /* A block of its own, so that a sanitizer sees who keeps it after the call. */
    void *bytes = malloc(len > 0 ? len : 1);
    FWI_ASSERT(bytes != NULL);
    if (len > 0) {
        memcpy(bytes, data, len);
    }
    s->events.on_data(s->user, bytes, len);
    free(bytes);
}

void fake_stream_feed_text(fake_stream *s, const char *text)
{
    fake_stream_feed(s, text, strlen(text));
}

void fake_stream_fail(fake_stream *s, const char *why)
{
    end_stream(s);
    char *text = copy(why);
    s->events.on_close(s->user, text);
    free(text);
}

void fake_stream_block(fake_stream *s, bool blocked)
{
    s->blocked = blocked;
    if (!blocked && s->open) {
        take_waiting(s);
    }
}

void fake_stream_fail_writes(fake_stream *s)
{
    s->fails_writes = true;
}

fwi_buf *fake_stream_written(fake_stream *s)
{
    return &s->written;
}

unsigned fake_stream_writes(const fake_stream *s)
{
    return s->writes;
}

bool fake_stream_is_open(const fake_stream *s)
{
    return s->open;
}

bool fake_stream_is_closed(const fake_stream *s)
{
    return s->closed;
}
