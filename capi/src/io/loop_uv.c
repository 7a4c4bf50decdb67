/*
 * The loop port on libuv. One turn is: wait, serve what is ready, fire timers, tell the
 * owner that the turn ends.
 *
 * libuv runs for as long as the thread lives. A turn ends in its prepare hook, behind
 * everything that it runs without waiting and right before it waits: so nothing that was
 * gathered waits through a poll, and a turn is one system call. What libuv has no hook
 * for is the moment after the waiting, before the first callback. So nobody is told the
 * time: it is taken when the first in a turn asks (fwi_loop_now_us).
 *
 * Timers fire behind what was served: a pong that lay there when a loop comes late is
 * read before the time-out that it answers.
 *
 * Knows nothing of sessions or Redis. @thread loop, unless said otherwise
 */
#include "io/uv_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
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

static uint64_t loop_clock_us(fwi_loop *loop)
{
    (void)loop;
    return fwi_clock_us();
}

static uint64_t loop_wall_ms(fwi_loop *loop)
{
    (void)loop;
    return fwi_clock_wall_ms();
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
    .clock_us = loop_clock_us,
    .wall_ms = loop_wall_ms,
    .native = loop_native,
};

static void on_wake(uv_async_t *handle)
{
    fwi_uv_loop *u = handle->data;
    if (u->running) {
        fwi_uv_turn_begins(u);
        u->events->on_wake(u->user);
    }
}

/* --- turns --- */

/* The longest turn of the last one or two windows: a peak is seen by whoever looks every
 * few seconds, and is forgotten again. Returns how long this one took. */
static uint64_t note_lag(fwi_uv_loop *u)
{
    uint64_t now_us = fwi_loop_now_us(&u->loop), took_us = fwi_clock_us() - now_us;
    if (now_us - u->window_us > LAG_WINDOW_US) {
        u->window_us = now_us;
        u->lag_before_us = u->lag_us;
        u->lag_us = 0;
    }
    fwi_histogram_add(&u->loop.turns, fwi_bounds_us, took_us);
    u->lag_us = FWI_MAX(u->lag_us, took_us);
    atomic_store_explicit(&u->loop.lag_us, FWI_MAX(u->lag_us, u->lag_before_us),
                          memory_order_relaxed);
    return took_us;
}

static void on_alarm(uv_timer_t *handle)
{
    fwi_uv_loop *u = handle->data;
    u->alarm_ms = UINT64_MAX; /* the turn that this begins does the rest */
}

/* libuv is to wake up in time for the wheel. Its clock is the wheel's in whole
 * milliseconds. */
static void set_alarm(fwi_uv_loop *u)
{
    uint64_t next_ms = fwi_wheel_next_ms(&u->loop.wheel);
    if (next_ms == u->alarm_ms) {
        return;
    }
    u->alarm_ms = next_ms;
    if (next_ms == UINT64_MAX) {
        uv_timer_stop(&u->alarm);
        return;
    }
    uint64_t now_ms = uv_now(&u->uv);
    uv_timer_start(&u->alarm, on_alarm, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

static void end_turn(fwi_uv_loop *u)
{
    u->turns++;
    fwi_wheel_advance(&u->loop.wheel, fwi_loop_now_ms(&u->loop));
    u->events->on_turn_end(u->user);
    /* libuv counts its waiting from what it last took for the time. */
    if (note_lag(u) >= 1000) {
        uv_update_time(&u->uv);
    }
    u->loop.turn_us = 0;
}

static void on_prepare(uv_prepare_t *handle)
{
    fwi_uv_loop *u = handle->data;
    if (u->running) {
        end_turn(u);
        set_alarm(u);
    }
}

/* --- a life --- */

static void on_handle_closed(uv_handle_t *handle)
{
    fwi_uv_loop *u = handle->data;
    u->handles--;
}

static void own(fwi_uv_loop *u, void *handle)
{
    ((uv_handle_t *)handle)->data = u;
    u->handles++;
}

bool fwi_uv_descriptors_left(int wanted)
{
    int fds[FWI_DESCRIPTORS_LOOP], n = 0;
    while (n < wanted && pipe2(fds + n, O_CLOEXEC) == 0) {
        n += 2;
    }
    int why = errno;
    bool enough = n == wanted;
    while (n > 0) {
        close(fds[--n]);
    }
    errno = why;
    return enough;
}

static void close_number(int fd)
{
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

/* False: errno says why. */
static bool init_uv(fwi_uv_loop *u)
{
    int err = uv_loop_init(&u->uv);
    if (err != 0) {
        close_number(u->uv.backend_fd); /* up to 1.51 libuv forgets its epoll */
    } else {
        err = uv_async_init(&u->uv, &u->wake, on_wake);
        FWI_ASSERT(err == 0 || uv_loop_close(&u->uv) == 0);
    }
    u->pipe = fwi_fdmark_of(u->uv.signal_pipefd[0]);
    errno = -err;
    return err == 0;
}

fwi_loop *fwi_loop_uv_new(const fwi_loop_events *events, void *user)
{
    bool enough = fwi_uv_descriptors_left(FWI_DESCRIPTORS_LOOP);
    fwi_uv_loop *u = enough ? calloc(1, sizeof *u) : NULL;
    if (u == NULL) {
        return NULL;
    }
    u->loop.ops = &loop_ops;
    u->events = events;
    u->user = user;
    fwi_list_init(&u->streams);
    fwi_list_init(&u->listeners);
    if (!init_uv(u)) {
        int why = errno;
        free(u);
        errno = why;
        return NULL;
    }
    own(u, &u->wake);
    uv_timer_init(&u->uv, &u->alarm);
    own(u, &u->alarm);
    u->alarm_ms = UINT64_MAX;
    uv_prepare_init(&u->uv, &u->prepare);
    own(u, &u->prepare);
    uv_prepare_start(&u->prepare, on_prepare);
    fwi_wheel_init(&u->loop.wheel, fwi_loop_now_ms(&u->loop));
    return &u->loop;
}

static void *thread_main(void *arg)
{
    fwi_uv_loop *u = arg;
    u->loop.turn_us = 0; /* what was set in advance counted from when the loop was made */
    u->running = true;
    while (!u->stopping) {
        uv_run(&u->uv, UV_RUN_DEFAULT);
    }
    end_turn(u);
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
        errno = err;
        return fwi_error(FW_ERR_SYSTEM, "thread of loop %u: %m", index);
    }
    u->has_thread = true;
    char name[16];
    snprintf(name, sizeof name, "fw-loop-%u", index % 1000u);
    pthread_setname_np(u->thread, name);
    return FW_OK;
}

void fwi_loop_uv_stop(fwi_loop *loop)
{
    fwi_uv_loop *u = fwi_uv_of(loop);
    u->stopping = true;
    uv_stop(&u->uv);
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

static void run_pending(fwi_uv_loop *u)
{
    FWI_ASSERT(!u->has_thread);
    /* A callback that closes a handle makes work for another round. The limit is for a
     * foreign idle handle, which would ask for rounds for ever. */
    int rounds = 0;
    do {
        uv_run(&u->uv, UV_RUN_NOWAIT);
    } while (uv_backend_timeout(&u->uv) == 0 && ++rounds < 64);
}

static void count_handle(uv_handle_t *handle, void *user)
{
    size_t *n = user;
    (void)handle;
    ++*n;
}

bool fwi_loop_uv_vacate(fwi_loop *loop)
{
    fwi_uv_loop *u = fwi_uv_of(loop);
    run_pending(u);
    size_t n = 0;
    uv_walk(&u->uv, count_handle, &n);
    u->inherits |= n > u->handles;
    return n == u->handles;
}

static void close_left(uv_handle_t *handle, void *user)
{
    (void)user;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
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
    uv_close((uv_handle_t *)&u->wake, on_handle_closed);
    uv_close((uv_handle_t *)&u->alarm, on_handle_closed);
    uv_close((uv_handle_t *)&u->prepare, on_handle_closed);
    /* Waits for nothing but our own: a name that is being looked up can't be called back
     * from the thread it blocks. */
    while (u->handles > 0 || u->requests > 0) {
        uv_run(&u->uv, UV_RUN_ONCE);
    }
    if (u->inherits) {
        uv_walk(&u->uv, close_left, NULL);
    }
    run_pending(u);
    int err = uv_loop_close(&u->uv);
    if (err != 0) {
        uv_print_all_handles(&u->uv, stderr);
    }
    FWI_ASSERT(err == 0);
    free(u);
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
 *
 * A child that has closed what it inherited, as daemons do, has given the numbers to
 * files of its own: whether it has, the signal pipe tells.
 */
void fwi_loop_uv_abandon(fwi_loop *loop)
{
    fwi_uv_loop *u = fwi_uv_of(loop);
    if (!fwi_fdmark_fits(&u->pipe, u->uv.signal_pipefd[0])) {
        return;
    }
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
