/*
 * The loop port on libuv: a thread, its wake-up, its timers, its client streams, and
 * listening sockets.
 */
#ifndef FWI_IO_LOOP_UV_H
#define FWI_IO_LOOP_UV_H

#include "core/loop.h"

/* Makes a loop; its thread isn't there yet, so everything may be prepared on it from the
 * calling thread. NULL: out of memory or descriptors, by errno. @thread init */
fwi_loop *fwi_loop_uv_new(const fwi_loop_events *events, void *user);

/* Starts the thread (named "fw-loop-N" for debuggers). It takes none of the application's
 * signals. wake() and timers that came before are served then. 0 or FW_ERR_SYSTEM with
 * detail. */
int fwi_loop_uv_start(fwi_loop *loop, unsigned index);

/* Ends the turn and then the loop; the thread returns. @thread loop */
void fwi_loop_uv_stop(fwi_loop *loop);

/* Waits for the thread. @thread any other */
void fwi_loop_uv_join(fwi_loop *loop);

/* Lets what others have closed on the loop come to its end, when it has no thread (any
 * more); never waits, and tells no events. libwebsockets needs that between the two calls
 * of lws_context_destroy. false: they have handles here that they haven't closed. The
 * loop closes those when it is freed, so their memory must stay. @thread any */
bool fwi_loop_uv_vacate(fwi_loop *loop);

/* After join, or when never started. Takes NULL. Closes streams and listeners that are
 * left, without telling them. Waits for a name that is being looked up just then: the
 * resolver can't be interrupted. Ends the process if a handle of somebody else is still
 * open on the loop, unless fwi_loop_uv_vacate has said so (that is a bug). @thread any */
void fwi_loop_uv_free(fwi_loop *loop);

/* In a forked child: closes the descriptors that the loop has, those of its streams and
 * listeners and those that libwebsockets watches on it; frees nothing, and the loop can't
 * be used or freed afterwards. The parent's loop isn't disturbed. Only closes numbers, so
 * it is safe whatever the other threads did at the moment of the fork; and none if the
 * child has closed them itself, since they may be other files' by now. */
void fwi_loop_uv_abandon(fwi_loop *loop);

/* --- listening: at most 32 accepts a turn, so that a storm can't starve those who are
 * there already; out of descriptors it pauses for 100 ms and counts it. --- */

typedef struct fwi_listener fwi_listener;

typedef struct fwi_listen_at {
    const char *host; /* NULL for a Unix socket; name or address */
    int port;         /* 0: any. A name's IPv4 address is tried first */
    const char *file; /* Unix socket; a stale one is replaced, a live one is "in use" */
    bool shared;      /* SO_REUSEPORT */
} fwi_listen_at;

typedef struct fwi_listener_events {
    /* A connection: non-blocking, close-on-exec, TCP_NODELAY. fd is taken. peer is its
     * address as text without port, "" for a Unix socket. */
    void (*on_accept)(void *user, int fd, const char *peer);
    /* accept failed for want of descriptors or memory; it pauses. */
    void (*on_starved)(void *user);
} fwi_listener_events;

/* Binds and listens; accepting begins when the loop runs. 0, or FW_ERR_LISTEN with a
 * detail such as "address already in use". @thread init */
int fwi_listener_open(fwi_listener **out, fwi_loop *loop, const fwi_listen_at *at,
                      const fwi_listener_events *events, void *user);

/* The same with a socket that listens already (listener_fd.h), which is taken in any
 * case. It is lent: whoever it comes from may have it, too, and goes on accepting; here
 * accepting begins by fwi_listener_begin. @thread init */
int fwi_listener_adopt(fwi_listener **out, fwi_loop *loop, int fd,
                       const fwi_listener_events *events, void *user);

/* @thread loop */
void fwi_listener_begin(fwi_listener *l);

/* Do others have the socket, too? Then closing leaves it to them: who waits in its queue
 * goes on waiting, and a Unix socket's file stays. @thread loop */
void fwi_listener_lend(fwi_listener *l, bool lent);
bool fwi_listener_is_lent(const fwi_listener *l);

/* Another descriptor of the same socket, close-on-exec; -1 with errno. @thread loop, or
 * any while the listener isn't closed */
int fwi_listener_duplicate(const fwi_listener *l);

int fwi_listener_port(const fwi_listener *l); /* the one really taken */

/* Takes no newcomers from now on. Unless the socket is lent, what the kernel has queued
 * is accepted and closed first, so that nobody waits in vain, and the Unix socket's file
 * is removed. Frees the listener.
 * @thread loop, or any when it has no thread */
void fwi_listener_close(fwi_listener *l);

#endif
