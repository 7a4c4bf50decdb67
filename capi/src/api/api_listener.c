/*
 * Listening sockets that are taken over and handed on. Until the hub is started those
 * that it was given wait here; what becomes of an address is in api_listen.c.
 */
#include "api/hub_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <fanwire/listener.h>

#include "base/clock.h"
#include "io/listener_fd.h"

/* --- sockets that wait for the start --- */

/* A number that is here twice would be closed twice, and be somebody else's by then. */
static bool is_here(const fw_hub *hub, int fd)
{
    bool here = false;
    for (size_t i = 0; i < hub->n_taken; i++) {
        here |= hub->taken[i].fd == fd;
    }
    return here;
}

int fw_hub_listener_take(fw_hub *hub, int fd)
{
    int err = fwi_api_enter(hub);
    if (err != FW_OK) {
        return err;
    }
    if (!fwi_listener_fd_is_one(fd)) {
        return fwi_error(FW_ERR_INVALID, "descriptor %d is no stream socket that listens",
                         fd);
    }
    if (is_here(hub, fd)) {
        return fwi_error(FW_ERR_INVALID, "descriptor %d was given before", fd);
    }
    fwi_taken *more = NULL;
    if (atomic_load(&hub->state) != FWI_HUB_NEW) {
        err = fwi_error(FW_ERR_STATE, "the hub has been started");
    } else {
        more = realloc(hub->taken, (hub->n_taken + 1) * sizeof *more);
        err = more != NULL ? FW_OK : fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    if (more == NULL) {
        close(fd);
        return err;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    hub->taken = more;
    hub->taken[hub->n_taken++] = (fwi_taken){.fd = fd, .mark = fwi_fdmark_of(fd)};
    return FW_OK;
}

int fwi_taken_for(fw_hub *hub, const fwi_listen_at *at)
{
    for (size_t i = 0; i < hub->n_taken; i++) {
        fwi_taken *t = &hub->taken[i];
        if (!t->used && fwi_listener_fd_fits(t->fd, at)) {
            t->used = true;
            int fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
            return fd >= 0 ? fd : -errno;
        }
    }
    return -ENOENT;
}

static void run_begin(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    for (size_t i = 0; i < hub->n_gates; i++) {
        if (hub->gates[i].listener != NULL) {
            fwi_listener_begin(hub->gates[i].listener);
        }
    }
    fwi_api_ack(hub, item);
}

void fwi_taken_serve(fw_hub *hub)
{
    if (hub->n_taken > 0) {
        fwi_api_on_loops(hub, run_begin, true);
    }
    for (size_t i = 0; i < hub->n_taken; i++) {
        /* Two of one address are no mistake: of a service manager and of a forerunner. */
        if (!hub->taken[i].used && !fwi_gates_want(hub, hub->taken[i].fd)) {
            char text[128];
            fwi_listener_fd_text(hub->taken[i].fd, text, sizeof text);
            FWI_LOG(&hub->log, FWI_LOG_WARN, "listen",
                    "a socket was passed on that no option wants address=%s", text);
        }
    }
    fwi_taken_free(hub);
}

void fwi_taken_free(fw_hub *hub)
{
    for (size_t i = 0; i < hub->n_taken; i++) {
        close(hub->taken[i].fd);
    }
    free(hub->taken);
    hub->taken = NULL;
    hub->n_taken = 0;
}

/* --- sockets of a hub that runs --- */

static void run_release(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    for (size_t i = 0; i < hub->n_gates; i++) {
        if (hub->gates[i].listener != NULL) {
            fwi_listener_lend(hub->gates[i].listener, true);
        }
    }
    fwi_gates_close(hub, true);
    fwi_api_ack(hub, item);
}

static void run_own(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    for (size_t i = 0; i < hub->n_gates; i++) {
        if (hub->gates[i].listener != NULL) {
            fwi_listener_lend(hub->gates[i].listener, false);
        }
    }
    fwi_api_ack(hub, item);
}

/* Everybody who was accepted has come to his loop when this has. */
static void run_nothing(fwi_shard *shard, fwi_item *item)
{
    fwi_api_ack(fwi_api_hub_of(shard), item);
}

int fw_hub_listener_fd(fw_hub *hub, size_t index)
{
    int result = fwi_api_enter_outside(hub);
    if (result != FW_OK) {
        return result;
    }
    /* Whoever closes listeners holds this, too. */
    pthread_mutex_lock(&hub->life);
    if (atomic_load(&hub->state) != FWI_HUB_RUNNING) {
        result = fwi_error(FW_ERR_CLOSED, "the hub is not running");
    } else if (index >= hub->n_gates) {
        result = fwi_error(FW_ERR_INVALID, "there are %zu listeners", hub->n_gates);
    } else if (hub->gates[index].listener == NULL) {
        result = fwi_error(FW_ERR_CLOSED, "it listens no more");
    } else {
        result = fwi_listener_duplicate(hub->gates[index].listener);
        if (result < 0) {
            char why[128];
            result = fwi_error(FW_ERR_SYSTEM, "%s", strerror_r(errno, why, sizeof why));
        }
    }
    pthread_mutex_unlock(&hub->life);
    return result;
}

static int on_listeners(fw_hub *hub, fwi_item_fn run)
{
    int err = fwi_api_enter_outside(hub);
    if (err != FW_OK) {
        return err;
    }
    pthread_mutex_lock(&hub->life);
    if (atomic_load(&hub->state) == FWI_HUB_RUNNING) {
        fwi_api_on_loops(hub, run, true);
    } else {
        err = fwi_error(FW_ERR_STATE, "the hub is not running");
    }
    pthread_mutex_unlock(&hub->life);
    return err;
}

int fw_hub_listener_release(fw_hub *hub)
{
    return on_listeners(hub, run_release);
}

int fw_hub_listener_own(fw_hub *hub)
{
    return on_listeners(hub, run_own);
}

/* A client that stays silent could else use up the time in which the others go. */
enum { UNDECIDED_MS = 2000 };

static bool is_decided(fw_hub *hub)
{
    return atomic_load(&hub->core.pending) == 0 ||
           atomic_load(&hub->state) != FWI_HUB_RUNNING;
}

uint64_t fwi_let_in_last(fw_hub *hub, uint64_t most_ms)
{
    if (!atomic_load(&hub->core.released)) {
        return most_ms;
    }
    uint64_t began_us = fwi_clock_us();
    pthread_mutex_lock(&hub->life);
    if (atomic_load(&hub->state) == FWI_HUB_RUNNING) {
        fwi_api_on_loops(hub, run_nothing, false);
    }
    pthread_mutex_unlock(&hub->life);
    fwi_api_wait(hub, is_decided, FWI_MIN(most_ms, (uint64_t)UNDECIDED_MS));
    uint64_t took_ms = (fwi_clock_us() - began_us) / 1000;
    return took_ms < most_ms ? most_ms - took_ms : 0;
}
