/*
 * The loop port on libuv. One turn is: read the clock, fire timers, serve what is ready,
 * tell the owner that the turn ends, wait.
 *
 * The waiting is done here, by poll() on libuv's own epoll descriptor, and libuv is then
 * run without waiting. Its hooks would not do: callbacks of ready descriptors run before
 * uv_check, so a loop that slept for 25 s would tell them a time 25 s old, and a timer
 * set by them would fire at once. Here everybody in a turn, libwebsockets too, sees the
 * time at which the waiting ended; nothing that was gathered waits through a poll; and
 * the wheel needs no timer of libuv. It costs one system call a turn.
 *
 * Knows nothing of sessions or Redis. @thread loop, unless said otherwise
 */
#include "io/uv_inside.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/error.h"

/* Peaks of a turn's length are remembered for one to two of these. */
enum { LAG_WINDOW_US = 5000000 };

const char *fwi_uv_strerror(int err, char *out, size_t cap)
{
    return uv_strerror_r(err, out, cap);
}

/* --- the port --- */

static void loop_wake(fwi_loop *loop)
{
    uv_async_send(&fwi_uv_of(loop)->wake);
}

static void *loop_native(fwi_loop *loop)
{
    return &fwi_uv_of(loop)->uv;
}

static const fwi_loop_ops loop_ops = {
    .wake = loop_wake,
    .stream_open = fwi_uv_stream_open,
    .stream_write = fwi_uv_stream_write,
    .stream_pending = fwi_uv_stream_pending,
    .stream_close = fwi_uv_stream_close,
    .native = loop_native,
};

static void on_wake(uv_async_t *handle)
{
    fwi_uv_loop *u = handle->data;
    if (u->running) {
        u->events->on_wake(u->user);
    }
}

fwi_loop *fwi_loop_uv_new(const fwi_loop_events *events, void *user)
{
    fwi_uv_loop *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return NULL;
    }
    u->loop.ops = &loop_ops;
    u->events = events;
    u->user = user;
    fwi_list_init(&u->streams);
    fwi_list_init(&u->listeners);
    if (uv_loop_init(&u->uv) != 0) {
        free(u);
        return NULL;
    }
    if (uv_async_init(&u->uv, &u->wake, on_wake) != 0) {
        FWI_ASSERT(uv_loop_close(&u->uv) == 0);
        free(u);
        return NULL;
    }
    u->wake.data = u;
    u->open = 1; /* the wake-up */
    u->loop.now_us = fwi_clock_us();
    fwi_wheel_init(&u->loop.wheel, fwi_loop_now_ms(&u->loop));
    return &u->loop;
}

/* --- turns --- */

/* How long the poll may last: what libuv's own timers (libwebsockets has one) and the
 * wheel allow. Rounded up, so that nobody wakes up a moment too early and polls again. */
static int wait_ms(fwi_uv_loop *u)
{
    uv_update_time(&u->uv);
    int ms = uv_backend_timeout(&u->uv);
    uint64_t next_ms = fwi_wheel_next_ms(&u->loop.wheel);
    if (ms == 0 || next_ms == UINT64_MAX) {
        return ms;
    }
    uint64_t now_us = fwi_clock_us();
    /* Far timers are looked at once an hour: the product below must not overflow. */
    uint64_t now_ms = now_us / 1000u;
    if (next_ms <= now_ms) {
        return 0;
    }
    if (next_ms - now_ms > 3600000u) {
        next_ms = now_ms + 3600000u;
    }
    int wheel = (int)((next_ms * 1000u - now_us + 999u) / 1000u);
    return ms < 0 ? wheel : FWI_MIN(ms, wheel);
}

static void wait_for_work(fwi_uv_loop *u)
{
    int ms = wait_ms(u);
    if (ms == 0) {
        return; /* libuv has work, or descriptors that its epoll doesn't know yet */
    }
    struct pollfd p = {.fd = uv_backend_fd(&u->uv), .events = POLLIN};
    int n = poll(&p, 1, ms);
    FWI_ASSERT(n >= 0 || errno == EINTR || errno == ENOMEM);
}

/* The longest turn of the last one or two windows: a peak is seen by whoever looks every
 * few seconds, and is forgotten again. */
static void note_lag(fwi_uv_loop *u)
{
    uint64_t took_us = fwi_clock_us() - u->loop.now_us;
    if (u->loop.now_us - u->window_us > LAG_WINDOW_US) {
        u->window_us = u->loop.now_us;
        u->lag_before_us = u->lag_us;
        u->lag_us = 0;
    }
    u->lag_us = FWI_MAX(u->lag_us, took_us);
    atomic_store_explicit(&u->loop.lag_us, FWI_MAX(u->lag_us, u->lag_before_us),
                          memory_order_relaxed);
}

static void run_turn(fwi_uv_loop *u)
{
    u->turns++;
    u->loop.now_us = fwi_clock_us();
    fwi_wheel_advance(&u->loop.wheel, fwi_loop_now_ms(&u->loop));
    uv_run(&u->uv, UV_RUN_NOWAIT);
    u->events->on_turn_end(u->user);
    note_lag(u);
}

static void *thread_main(void *arg)
{
    fwi_uv_loop *u = arg;
    u->running = true;
    for (;;) {
        run_turn(u);
        if (u->stopping) {
            break;
        }
        wait_for_work(u);
    }
    u->running = false;
    return NULL;
}

/* The application's signals are not for this thread; SIGPIPE above all, since libuv
 * writes without MSG_NOSIGNAL. What a fault raises and what profilers use stays. */
static void mask_of_thread(sigset_t *set)
{
    static const int kept[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                               SIGABRT, SIGTRAP, SIGPROF};
    sigfillset(set);
    for (size_t i = 0; i < FWI_ARRAY_LEN(kept); i++) {
        sigdelset(set, kept[i]);
    }
}

int fwi_loop_uv_start(fwi_loop *loop, unsigned index)
{
    fwi_uv_loop *u = fwi_uv_of(loop);
    FWI_ASSERT(!u->has_thread);
    sigset_t ours, before;
    mask_of_thread(&ours);
    pthread_sigmask(SIG_SETMASK, &ours, &before);
    int err = pthread_create(&u->thread, NULL, thread_main, u);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        return fwi_error(FW_ERR_SYSTEM, "thread of loop %u: %s", index, strerror(err));
    }
    u->has_thread = true;
    char name[16];
    snprintf(name, sizeof name, "fw-loop-%u", index % 1000u);
    pthread_setname_np(u->thread, name);
    return FW_OK;
}

void fwi_loop_uv_stop(fwi_loop *loop)
{
    fwi_uv_of(loop)->stopping = true;
}

void fwi_loop_uv_join(fwi_loop *loop)
{
    fwi_uv_loop *u = fwi_uv_of(loop);
    if (u->has_thread) {
        pthread_join(u->thread, NULL);
        u->has_thread = false;
    }
}

/* --- the end --- */

void fwi_loop_uv_run_pending(fwi_loop *loop)
{
    fwi_uv_loop *u = fwi_uv_of(loop);
    FWI_ASSERT(!u->has_thread);
    /* A callback that closes a handle makes work for another round. The limit is for a
     * foreign idle handle, which would ask for rounds for ever. */
    int rounds = 0;
    do {
        uv_run(&u->uv, UV_RUN_NOWAIT);
    } while (uv_backend_timeout(&u->uv) == 0 && ++rounds < 64);
}

static void on_wake_closed(uv_handle_t *handle)
{
    fwi_uv_loop *u = handle->data;
    u->open--;
}

void fwi_loop_uv_free(fwi_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    fwi_uv_loop *u = fwi_uv_of(loop);
    FWI_ASSERT(!u->has_thread);
    while (!fwi_list_is_empty(&u->streams)) {
        fwi_uv_stream_close(fwi_uv_stream_at(u->streams.next));
    }
    while (!fwi_list_is_empty(&u->listeners)) {
        fwi_listener_close(fwi_uv_listener_at(u->listeners.next));
    }
    uv_close((uv_handle_t *)&u->wake, on_wake_closed);
    /* Waits for nothing but our own: a name that is being looked up can't be called back
     * from the thread it blocks. */
    while (u->open > 0) {
        uv_run(&u->uv, UV_RUN_ONCE);
    }
    fwi_loop_uv_run_pending(loop);
    int err = uv_loop_close(&u->uv);
    if (err != 0) {
        uv_print_all_handles(&u->uv, stderr);
    }
    FWI_ASSERT(err == 0);
    free(u);
}

static void close_number(int fd)
{
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

/*
 * After fork the child shares the parent's epoll instance: uv_close() here would take the
 * parent's descriptors out of it (EPOLL_CTL_DEL acts on the shared instance), and
 * uv_loop_fork() opens descriptors and allocates, which the child of a process with
 * threads shouldn't. So numbers are closed (twice does no harm: nothing is opened
 * meanwhile) and nothing else is touched:
 *  - our listeners, by our list: one that pauses is known to nobody else;
 *  - what libuv watches: our streams, and the sockets that libwebsockets has here. What
 * is not watched at the moment of the fork (a session whose reading is stopped) stays
 * open in the child. It does no harm: the parent shuts sockets down before it closes
 * them;
 *  - the eventfd of the wake-up, the signal pipe, epoll.
 * Their numbers are read from uv_loop_t, whose layout is part of libuv's ABI. The loop's
 * thread may have been anywhere when the fork came, so slots of its table are compared
 * with NULL but not followed, and the memory stays as it is: it may be half changed.
 */
void fwi_loop_uv_abandon(fwi_loop *loop)
{
    fwi_uv_loop *u = fwi_uv_of(loop);
    for (fwi_list *e = u->listeners.next; e != &u->listeners; e = e->next) {
        close_number(fwi_uv_listener_fd(fwi_uv_listener_at(e)));
    }
    for (unsigned i = 0; i < u->uv.nwatchers; i++) {
        if (u->uv.watchers[i] != NULL) {
            close_number((int)i);
        }
    }
    close_number(u->uv.async_io_watcher.fd);
    close_number(u->uv.signal_pipefd[0]);
    close_number(u->uv.signal_pipefd[1]);
    close_number(u->uv.backend_fd);
}
