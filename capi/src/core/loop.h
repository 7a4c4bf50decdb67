/*
 * Port: what core and the backplane need of an event loop. The io layer implements it on
 * libuv; the unit tests and the simulator lend one whose clock is wound by hand.
 *
 * A loop is one thread. All functions are for that thread, but for those marked "any".
 * Nothing here blocks.
 */
#ifndef FWI_CORE_LOOP_H
#define FWI_CORE_LOOP_H

#include <stdatomic.h>

#include "base/histogram.h"
#include "base/wheel.h"

typedef struct fwi_loop fwi_loop;
typedef struct fwi_stream fwi_stream;

/* What a loop tells its owner, on its own thread. */
typedef struct fwi_loop_events {
    /* Somebody called wake(); several calls may come as one. */
    void (*on_wake)(void *user);
    /* The loop has served what there was, timers last, and is about to wait: write what
     * was gathered.
     * Called at least once after each batch of work; cheap when there is nothing to do.
     */
    void (*on_turn_end)(void *user);
} fwi_loop_events;

/* Where a client stream leads. Strings are borrowed for the call of stream_open. */
typedef struct fwi_stream_target {
    const char *host; /* name or address; NULL for a Unix socket */
    int port;
    const char *path; /* Unix socket */
    bool tls;
    const char *tls_ca;          /* file; NULL: the system's */
    const char *tls_cert;        /* file; NULL: none */
    const char *tls_key;         /* file */
    bool tls_insecure;           /* don't check the server's certificate */
    uint64_t connect_timeout_us; /* name, connect and TLS together */
} fwi_stream_target;

/* Never called from inside stream_open, stream_write or stream_close. After on_close, and
 * after stream_close, nothing more comes and the stream must not be used. */
typedef struct fwi_stream_events {
    void (*on_open)(void *user);
    void (*on_data)(void *user, const void *data, size_t len); /* valid for the call */
    void (*on_close)(void *user,
                     const char *why); /* refused, timed out, reset, EOF, TLS */
} fwi_stream_events;

typedef struct fwi_loop_ops {
    /* any. on_wake comes soon; safe from signal handlers too. */
    void (*wake)(fwi_loop *loop);

    /* Never NULL unless out of memory; what goes wrong comes as on_close. */
    fwi_stream *(*stream_open)(fwi_loop *loop, const fwi_stream_target *target,
                               const fwi_stream_events *events, void *user);
    /* Copies. Written at once as far as the kernel takes it; the rest when it can.
     * false: out of memory (the stream then closes by itself). */
    bool (*stream_write)(fwi_stream *s, const void *data, size_t len);
    /* Bytes given to stream_write that the kernel hasn't taken yet. */
    size_t (*stream_pending)(const fwi_stream *s);
    /* Ends it; no callback afterwards. What the kernel has taken is left to the peer to
     * read; what it hasn't is forgotten. */
    void (*stream_close)(fwi_stream *s);

    /* The monotonic clock, read for fwi_loop_now_us. */
    uint64_t (*clock_us)(fwi_loop *loop);
    /* The clock on the wall, since 1970: for what other people's clocks have set an end
     * to. It may be put back, so nothing is measured by it. */
    uint64_t (*wall_ms)(fwi_loop *loop);

    /* The native loop (uv_loop_t) for the transport; NULL if there is none. */
    void *(*native)(fwi_loop *loop);
} fwi_loop_ops;

/* Who else lives on a loop, that knows its native loop alone: libwebsockets. The loop has
 * no thread when a guest comes, and none when it goes. */
typedef struct fwi_guest fwi_guest;

typedef struct fwi_guest_ops {
    /* Before it comes. NULL: out of memory, or of descriptors for the guest, too; errno
     * says which. */
    fwi_guest *(*arrive)(fwi_loop *loop);
    /* When it is there, or hasn't come after all. */
    void (*settle)(fwi_guest *g);
    /* Before it begins to close what it has there. */
    void (*pack)(fwi_guest *g);
    /* When it has begun to. Runs the loop until that is gone, and frees g. false: there
     * is something still, or will be; its memory must stay. The loop can be freed then,
     * too.
     */
    bool (*leave)(fwi_guest *g);
} fwi_guest_ops;

struct fwi_loop {
    const fwi_loop_ops *ops;
    fwi_wheel wheel;         /* the loop advances it, and wakes up in time for it */
    uint64_t turn_us;        /* fwi_loop_now_us; 0: nobody has asked in this turn */
    _Atomic uint64_t lag_us; /* how long the longest turn of the last seconds took */
    fwi_histogram turns;     /* how long each took, in microseconds */
};

/* @thread any */
static inline uint64_t fwi_loop_lag_us(fwi_loop *loop)
{
    return atomic_load_explicit(&loop->lag_us, memory_order_relaxed);
}

/* The time of this turn, the same for everybody in it. It is taken when the first asks,
 * which is after the loop has waited: so nobody, whoever he is called by, can be told the
 * time at which the waiting began. */
static inline uint64_t fwi_loop_now_us(fwi_loop *loop)
{
    if (loop->turn_us == 0) {
        loop->turn_us = loop->ops->clock_us(loop);
    }
    return loop->turn_us;
}

static inline uint64_t fwi_loop_now_ms(fwi_loop *loop)
{
    return fwi_loop_now_us(loop) / 1000u;
}

/* Milliseconds since 1970. */
static inline uint64_t fwi_loop_wall_ms(fwi_loop *loop)
{
    return loop->ops->wall_ms(loop);
}

/* Fires once, at the earliest `delay_ms` from now. */
static inline void fwi_loop_timer_set(fwi_loop *loop, fwi_timer *t, uint64_t delay_ms)
{
    fwi_wheel_set(&loop->wheel, t, fwi_loop_now_ms(loop) + delay_ms);
}

static inline void fwi_loop_timer_clear(fwi_loop *loop, fwi_timer *t)
{
    fwi_wheel_clear(&loop->wheel, t);
}

#endif
