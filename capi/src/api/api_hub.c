/*
 * A hub's life: the adapters are picked and put together here, and taken apart again.
 */
#include "api/hub_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* What waits for this long on stop is reset: Close frames have been sent, and the kernel
 * goes on delivering them. */
enum { STOP_GRACE_MS = 1000, REQUIRED_MS = 5000 };

/* --- entering --- */

static void close_event_fds(fw_hub *hub)
{
    int *const fds[] = {&hub->event_fd, &hub->wake_fd};
    for (size_t i = 0; i < FWI_ARRAY_LEN(fds); i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
            *fds[i] = -1;
        }
    }
}

/* The numbers may be the child's own by now, if it has closed what it inherited, as
 * daemons do. The eventfd stays open: none can be told from another, and nobody is at its
 * other end. */
static void abandon(fw_hub *hub)
{
    for (unsigned i = 0; i < hub->n_loops; i++) {
        if (hub->loop[i] != NULL) {
            fwi_loop_uv_abandon(hub->loop[i]);
        }
    }
    if (fwi_fdmark_fits(&hub->wake_mark, hub->wake_fd)) {
        close(hub->wake_fd);
    }
    for (size_t i = 0; i < hub->n_taken; i++) {
        if (fwi_fdmark_fits(&hub->taken[i].mark, hub->taken[i].fd)) {
            close(hub->taken[i].fd);
        }
    }
}

int fwi_api_enter(fw_hub *hub)
{
    if (fwi_forkmark_is_ours(&hub->process)) {
        return FW_OK;
    }
    if (!atomic_exchange(&hub->abandoned, true)) {
        abandon(hub);
    }
    return fwi_error(FW_ERR_FORKED, "this hub belongs to the parent process %d",
                     (int)hub->process.owner);
}

int fwi_api_enter_running(fw_hub *hub)
{
    int err = fwi_api_enter(hub);
    if (err == FW_OK && atomic_load(&hub->state) != FWI_HUB_RUNNING) {
        err = fwi_error(FW_ERR_CLOSED, "the hub is not running");
    }
    return err;
}

int fwi_api_enter_outside(fw_hub *hub)
{
    int err = fwi_api_enter(hub);
    if (err == FW_OK && fwi_shard_here(&hub->core) != NULL) {
        err = fwi_error(FW_ERR_STATE, "not on a thread of the hub's own");
    }
    return err;
}

fw_hub *fwi_api_hub_of(const fwi_shard *shard)
{
    return shard->hub->handle;
}

/* --- waiting --- */

struct timespec fwi_api_deadline(uint64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool fwi_api_wait(fw_hub *hub, bool (*is_done)(fw_hub *hub), uint64_t timeout_ms)
{
    struct timespec until = fwi_api_deadline(timeout_ms);
    int err = 0;
    pthread_mutex_lock(&hub->lock);
    while (!is_done(hub) && err == 0) {
        err = pthread_cond_timedwait(&hub->changed, &hub->lock, &until);
    }
    bool done = is_done(hub);
    pthread_mutex_unlock(&hub->lock);
    return done;
}

static void tell_waiters(fw_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

void fwi_api_ack(fw_hub *hub, fwi_item *item)
{
    unsigned *waiting = item->ptr;
    fwi_item_free(item);
    if (waiting != NULL) {
        pthread_mutex_lock(&hub->lock);
        --*waiting;
        pthread_cond_broadcast(&hub->changed);
        pthread_mutex_unlock(&hub->lock);
    }
}

/* On the loops from..to-1. The items take no memory: a hub must end without any. */
static void on_loops(fw_hub *hub, fwi_item_fn run, unsigned from, unsigned to)
{
    _Alignas(16) char room[FWI_LOOPS_MAX][FWI_ITEM_ROOM];
    unsigned waiting = to - from, failed = 0;
    for (unsigned i = from; i < to; i++) {
        fwi_item *item = fwi_item_in(room[i], run);
        item->ptr = &waiting;
        failed += fwi_shard_post(hub->shard[i], item, false) != FW_OK;
    }
    pthread_mutex_lock(&hub->lock);
    while (waiting > failed) {
        pthread_cond_wait(&hub->changed, &hub->lock);
    }
    pthread_mutex_unlock(&hub->lock);
}

void fwi_api_on_loops(fw_hub *hub, fwi_item_fn run, bool only_first)
{
    on_loops(hub, run, 0, only_first ? 1 : hub->n_loops);
}

static bool is_empty(fw_hub *hub)
{
    return atomic_load(&hub->core.sessions) == 0;
}

/* Or somebody stops the hub meanwhile. */
static bool is_drained(fw_hub *hub)
{
    return is_empty(hub) || atomic_load(&hub->state) != FWI_HUB_RUNNING;
}

static bool is_up(fw_hub *hub)
{
    return atomic_load(&hub->core.backplane_up);
}

static void on_idle(void *user)
{
    tell_waiters(user);
}

static void on_backplane(void *user, bool up, const char *why)
{
    fw_hub *hub = user;
    pthread_mutex_lock(&hub->lock);
    snprintf(hub->down_why, sizeof hub->down_why, "%s", up || !why ? "" : why);
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

/* --- new and free --- */

static void notify_events(void *user, bool waiting)
{
    fw_hub *hub = user;
    uint64_t n = 1;
    ssize_t done;
    do {
        done = waiting ? write(hub->event_fd, &n, sizeof n)
                       : read(hub->event_fd, &n, sizeof n);
    } while (done < 0 && errno == EINTR);
    if (waiting) {
        fwi_api_wake(hub);
    }
}

static void node_name(const fw_options *o, char *out, size_t cap)
{
    const char *name = fwi_options_text(o, FWI_OPT_NODE_NAME);
    if (name[0] != '\0') {
        snprintf(out, cap, "%s", name);
        return;
    }
    char host[128] = "";
    gethostname(host, sizeof host - 1);
    snprintf(out, cap, "%s-%d", host[0] ? host : "node", (int)getpid());
}

static void forward_log(void *user, int level, const char *component, const char *message)
{
    fw_hub *hub = user;
    hub->log_fn(hub->log_user, (fw_log_level)level, component, message);
}

/* A line that finds the queue full is dropped and counted: who is behind needs no more to
 * do. */
static void queue_log(void *user, int level, const char *component, const char *message)
{
    fw_hub *hub = user;
    fwi_events *q = &hub->core.events;
    const fw_event line = {.type = FW_EVENT_LOG,
                           .code = level,
                           .reason = component,
                           .data = message,
                           .len = strlen(message)};
    bool full = fwi_events_is_full(q);
    fw_event *e = full ? NULL : fwi_events_copy(q, &line);
    if (e != NULL) {
        fwi_events_push(q, e);
        return;
    }
    fwi_stat_add_shared(&hub->core.outside, FWI_STAT_EVENTS_DROPPED, 1);
    if (full) {
        fwi_stat_add_shared(&hub->core.outside, FWI_STAT_LIMIT_EVENTS, 1);
    }
}

static void open_log(fw_hub *hub)
{
    bool queued = fwi_events_want(&hub->core.events, FW_EVENT_LOG);
    if (!queued && hub->log_fn == NULL) {
        return;
    }
    hub->log = (fwi_log){queued ? queue_log : forward_log, hub,
                         (int)fwi_options_int(hub->options, FWI_OPT_LOG_LEVEL)};
    hub->core.log = hub->log;
}

/* Nobody holds an event any more. */
static void free_rest(void *user)
{
    fw_hub *hub = user;
    fwi_shards_free(hub);
    fwi_forkmark_fini(&hub->process);
    free(hub);
}

int fw_hub_new(fw_hub **out, const fw_options *options)
{
    int err = FW_ERR_MEMORY;
    fwi_keys *keys = NULL;
    fw_hub *hub = calloc(1, sizeof *hub);
    fw_options *defaults = options ? NULL : fw_options_new();
    if (hub == NULL || (options == NULL && defaults == NULL)) {
        goto fail;
    }
    hub->event_fd = -1;
    hub->wake_fd = -1;
    hub->options = fwi_options_copy(options ? options : defaults);
    if (hub->options == NULL) {
        goto fail;
    }
    err = fwi_gates_prepare(hub);
    if (err == FW_OK) {
        err = fwi_redis_config_read(hub->options, &hub->redis);
    }
    if (err == FW_OK) {
        err = fwi_api_read_keys(hub->options, &keys);
    }
    if (err != FW_OK) {
        goto fail;
    }
    char name[256];
    node_name(hub->options, name, sizeof name);
    fwi_forkmark_init(&hub->process);
    if (!fwi_hub_init(&hub->core, hub, fwi_rand_secure(), name, hub->options)) {
        fwi_forkmark_fini(&hub->process);
        err = FW_ERR_MEMORY;
        goto fail;
    }
    fwi_rand_fill(hub->core.seal_key, sizeof hub->core.seal_key);
    fwi_tokens_exchange(&hub->core.tokens, keys);
    keys = NULL;
    hub->core.on_idle = on_idle;
    hub->core.on_backplane = on_backplane;
    hub->core.watcher = hub;
    hub->core.events.on_last = free_rest;
    hub->core.events.last_user = hub;
    if (hub->core.events.queued) {
        hub->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (hub->event_fd < 0) {
            err = fwi_error(FW_ERR_SYSTEM, "eventfd: %m");
            fwi_hub_fini(&hub->core);
            fwi_forkmark_fini(&hub->process);
            goto fail;
        }
        hub->core.events.notify = notify_events;
        hub->core.events.notify_user = hub;
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    FWI_ASSERT(pthread_mutex_init(&hub->life, NULL) == 0);
    FWI_ASSERT(pthread_mutex_init(&hub->lock, NULL) == 0);
    FWI_ASSERT(pthread_cond_init(&hub->changed, &attr) == 0);
    pthread_condattr_destroy(&attr);
    fw_options_free(defaults);
    *out = hub;
    return FW_OK;
fail:
    if (err == FW_ERR_MEMORY) {
        fwi_error(err, "out of memory");
    }
    fwi_keys_unref(keys);
    if (hub != NULL) {
        fwi_gates_free(hub);
        fw_options_free(hub->options);
    }
    fw_options_free(defaults);
    free(hub);
    return err;
}

void fw_hub_free(fw_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    if (fwi_api_enter(hub) != FW_OK) {
        return; /* threads that aren't here may have held its locks: leave it be */
    }
    FWI_ASSERT(fwi_shard_here(&hub->core) == NULL);
    if (atomic_load(&hub->state) == FWI_HUB_RUNNING) {
        fw_hub_stop(hub);
    }
    fwi_hub_fini(&hub->core);
    fwi_gates_free(hub);
    fwi_taken_free(hub);
    fw_options_free(hub->options);
    close_event_fds(hub);
    pthread_mutex_destroy(&hub->life);
    pthread_mutex_destroy(&hub->lock);
    pthread_cond_destroy(&hub->changed);
    /* Its memory stays while somebody holds an event: fw_events_done needs a hub. */
    fwi_events_unref(&hub->core.events);
}

/* --- starting --- */

static void run_boot(fwi_shard *shard, fwi_item *item)
{
    fwi_hub *core = shard->hub;
    int err = core->bp->ops->start(core->bp);
    if (err == FW_OK && !fwi_hub_subscribe_own(core)) {
        err = FW_ERR_MEMORY;
    }
    core->handle->boot_err = err;
    fwi_api_ack(core->handle, item);
}

static void run_end(fwi_shard *shard, fwi_item *item);

/* Loop 0 last: it is the one that accepts, and hands over to the others. */
static int start_threads(fw_hub *hub)
{
    for (unsigned i = hub->n_loops; i-- > 0;) {
        int err = fwi_loop_uv_start(hub->loop[i], i);
        if (err != FW_OK) {
            on_loops(hub, run_end, i + 1, hub->n_loops);
            return err;
        }
        hub->thread[i] = true;
    }
    return FW_OK;
}

/* The loops run: connects, and waits for the other nodes if they are required. */
static int boot(fw_hub *hub)
{
    fwi_api_on_loops(hub, run_boot, true);
    if (hub->boot_err != FW_OK) {
        return fwi_error(hub->boot_err, "%s", fw_strerror(hub->boot_err));
    }
    if (fwi_options_int(hub->options, FWI_OPT_REDIS_REQUIRED) &&
        !fwi_api_wait(hub, is_up, REQUIRED_MS)) {
        return fwi_error(FW_ERR_BACKPLANE, "redis.url: %s",
                         hub->down_why[0] ? hub->down_why : "no answer");
    }
    return FW_OK;
}

static int stop(fw_hub *hub);

static int start(fw_hub *hub)
{
    if (atomic_load(&hub->state) != FWI_HUB_NEW) {
        return fwi_error(FW_ERR_STATE, "the hub has been started before");
    }
    open_log(hub);
    hub->started_us = fwi_clock_us();
    hub->core.backplane_told = false;
    atomic_store(&hub->core.released, false);
    int err = fwi_put_together(hub);
    if (err == FW_OK) {
        /* Before the threads: handlers may call back as soon as these run. */
        atomic_store(&hub->state, FWI_HUB_RUNNING);
        err = start_threads(hub);
    }
    if (err != FW_OK) {
        fwi_take_apart(hub);
        atomic_store(&hub->state, FWI_HUB_NEW);
        return err;
    }
    FWI_LOG(&hub->log, FWI_LOG_INFO, "hub",
            "started node=%016" PRIx64 " name=%s threads=%u", hub->core.node,
            hub->core.name, hub->n_loops);
    err = boot(hub);
    if (err != FW_OK) {
        char why[sizeof hub->down_why + 16];
        snprintf(why, sizeof why, "%s", fw_error_detail());
        stop(hub);
        atomic_store(&hub->silent, false);
        atomic_store(&hub->state, FWI_HUB_NEW);
        return fwi_error(err, "%s", why);
    }
    fwi_taken_serve(hub);
    return FW_OK;
}

int fw_hub_start(fw_hub *hub)
{
    int err = fwi_api_enter_outside(hub);
    if (err == FW_OK) {
        pthread_mutex_lock(&hub->life);
        err = start(hub);
        pthread_mutex_unlock(&hub->life);
    }
    return err;
}

/* --- draining and stopping --- */

static void run_close_gates(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    fwi_gates_close(hub, false);
    fwi_api_ack(hub, item);
}

static void run_drain(fwi_shard *shard, fwi_item *item)
{
    fwi_shard_drain(shard);
    fwi_api_ack(fwi_api_hub_of(shard), item);
}

static void run_close_all(fwi_shard *shard, fwi_item *item)
{
    fwi_shard_close_all(shard);
    fwi_api_ack(fwi_api_hub_of(shard), item);
}

/* The last that a loop does. */
static void run_end(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    fwi_shard_close_all(shard);
    fwi_shard_abort_all(shard);
    fwi_inbox_close(&shard->inbox);
    if (shard->index == 0) {
        fwi_gates_close(hub, true);
        hub->core.bp->ops->stop(hub->core.bp);
    }
    fwi_transport_close(hub->transport[shard->index]);
    if (shard->index == 0) {
        fwi_site_stop(&hub->site);
    }
    fwi_loop_uv_stop(shard->loop);
    fwi_api_ack(hub, item);
}

int fw_hub_drain(fw_hub *hub, int timeout_ms)
{
    int err = fwi_api_enter_outside(hub);
    if (err != FW_OK) {
        return err;
    }
    uint64_t wait =
        timeout_ms >= 0 ? (uint64_t)timeout_ms : hub->core.set.drain_timeout_ms;
    pthread_mutex_lock(&hub->life);
    bool running = atomic_load(&hub->state) == FWI_HUB_RUNNING;
    if (running) {
        fwi_api_on_loops(hub, run_close_gates, true);
    }
    pthread_mutex_unlock(&hub->life);
    if (!running) {
        return fwi_error(FW_ERR_STATE, "the hub is not running");
    }
    wait = fwi_let_in_last(hub, wait);
    pthread_mutex_lock(&hub->life);
    if (atomic_load(&hub->state) == FWI_HUB_RUNNING) { /* and not stopped meanwhile */
        atomic_store(&hub->core.draining, true);
        fwi_api_on_loops(hub, run_drain, false);
    }
    pthread_mutex_unlock(&hub->life);
    if (!fwi_api_wait(hub, is_drained, wait)) {
        return fwi_error(FW_ERR_TIMEOUT, "%ld sessions are left",
                         atomic_load(&hub->core.sessions));
    }
    return FW_OK;
}

static int stop(fw_hub *hub)
{
    FWI_LOG(&hub->log, FWI_LOG_INFO, "hub", "stopping sessions=%ld",
            atomic_load(&hub->core.sessions));
    switch (atomic_load(&hub->state)) {
    case FWI_HUB_NEW:
        return fwi_error(FW_ERR_STATE, "the hub has never been started");
    case FWI_HUB_STOPPED:
        return FW_OK;
    default:
        break;
    }
    atomic_store(&hub->core.draining, true);
    fwi_api_on_loops(hub, run_close_gates, true);
    fwi_api_on_loops(hub, run_close_all, false);
    fwi_api_wait(hub, is_empty, STOP_GRACE_MS);
    atomic_store(&hub->state, FWI_HUB_STOPPED);
    fwi_api_on_loops(hub, run_end, false);
    tell_waiters(hub);
    fwi_take_apart(hub);
    atomic_store(&hub->silent, true);
    atomic_store(&hub->core.draining, false);
    return FW_OK;
}

int fw_hub_stop(fw_hub *hub)
{
    int err = fwi_api_enter_outside(hub);
    if (err == FW_OK) {
        pthread_mutex_lock(&hub->life);
        err = stop(hub);
        pthread_mutex_unlock(&hub->life);
    }
    return err;
}

/* --- what it is --- */

uint64_t fw_hub_node(const fw_hub *hub)
{
    return hub->core.node;
}

const char *fw_hub_node_name(const fw_hub *hub)
{
    return hub->core.name;
}

int fw_hub_on_log(fw_hub *hub, fw_log_fn fn, void *user)
{
    int err = fwi_api_enter(hub);
    if (err == FW_OK && atomic_load(&hub->state) != FWI_HUB_NEW) {
        err = fwi_error(FW_ERR_STATE, "the hub has been started");
    }
    if (err == FW_OK) {
        hub->log_fn = fn;
        hub->log_user = user;
    }
    return err;
}
