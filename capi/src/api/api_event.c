/*
 * Receiving events and answering them.
 */
#include "api/hub_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "core/presence.h"

int fw_hub_on(fw_hub *hub, fw_event_type type, fw_handler handler, void *user)
{
    int err = fwi_api_enter(hub);
    if (err != FW_OK) {
        return err;
    }
    fwi_events *q = &hub->core.events;
    if ((int)type <= 0 || (int)type >= FWI_EVENT_TYPES ||
        fw_event_type_name(type)[0] == '?') {
        return fwi_error(FW_ERR_INVALID, "no such event type: %d", (int)type);
    }
    if (q->queued && handler != NULL) {
        return fwi_error(FW_ERR_INVALID, "with events=queued the handler must be NULL");
    }
    if (!q->queued && type == FW_EVENT_LOG) {
        return fwi_error(FW_ERR_INVALID,
                         "with events=inline log lines come by fw_hub_on_log");
    }
    if (atomic_load(&hub->state) != FWI_HUB_NEW) {
        return fwi_error(FW_ERR_STATE, "the hub has been started");
    }
    q->on[type].wanted = q->queued || handler != NULL;
    q->on[type].fn = handler;
    q->on[type].user = user;
    return FW_OK;
}

static int enter_queued(fw_hub *hub)
{
    int err = fwi_api_enter(hub);
    if (err == FW_OK && !hub->core.events.queued) {
        err = fwi_error(FW_ERR_STATE, "the events of this hub are inline");
    }
    return err;
}

int fw_hub_event_fd(fw_hub *hub)
{
    int err = enter_queued(hub);
    return err != FW_OK ? err : hub->event_fd;
}

/* Called under the lock of the events. A full socket is readable, which is all we want.
 */
void fwi_api_wake(fw_hub *hub)
{
    ssize_t sent;
    do {
        sent =
            hub->wake_fd < 0 ? 0 : send(hub->wake_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
}

static bool is_stream_socket(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int fw_hub_event_wake(fw_hub *hub, int fd)
{
    int err = enter_queued(hub), own = -1;
    if (err != FW_OK) {
        return err;
    }
    if (fd >= 0) {
        if (!is_stream_socket(fd)) {
            return fwi_error(FW_ERR_INVALID, "descriptor %d is not a stream socket", fd);
        }
        own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (own < 0) {
            return fwi_error(FW_ERR_SYSTEM, "dup: %m");
        }
    }
    fwi_events *q = &hub->core.events;
    pthread_mutex_lock(&q->lock);
    int former = hub->wake_fd;
    hub->wake_fd = own;
    hub->wake_mark = fwi_fdmark_of(own);
    if (q->signalled) {
        fwi_api_wake(hub);
    }
    pthread_mutex_unlock(&q->lock);
    if (former >= 0) {
        close(former);
    }
    return FW_OK;
}

/* Has it begun, and may still raise something? While it stops its loops tell how their
 * sessions have ended. */
static bool may_say_more(fw_hub *hub)
{
    return atomic_load(&hub->state) != FWI_HUB_NEW && !atomic_load(&hub->silent);
}

static void wait_for_events(fw_hub *hub, int timeout_ms)
{
    uint64_t until_us = fwi_clock_us() + (uint64_t)FWI_MAX(timeout_ms, 0) * 1000u;
    struct pollfd p = {.fd = hub->event_fd, .events = POLLIN};
    for (;;) {
        /* If there is no more to come: look, don't wait. In short steps, since the stop
         * comes from another thread. */
        bool running = may_say_more(hub);
        uint64_t now_us = fwi_clock_us();
        int left = timeout_ms < 0 ? 100
                   : now_us < until_us
                       ? (int)FWI_MIN((until_us - now_us + 999) / 1000, 100u)
                       : 0;
        int n = poll(&p, 1, running ? left : 0);
        if (n > 0 || !running || (timeout_ms >= 0 && now_us >= until_us) ||
            (n < 0 && errno != EINTR)) {
            return;
        }
    }
}

int fw_hub_poll(fw_hub *hub, fw_event **events, int max, int timeout_ms)
{
    int n = enter_queued(hub);
    if (n != FW_OK) {
        return n;
    }
    if (events == NULL || max < 1) {
        return fwi_error(FW_ERR_INVALID, "no room for events");
    }
    fwi_events *q = &hub->core.events;
    if (atomic_exchange(&q->polling, true)) {
        return fwi_error(FW_ERR_BUSY, "another thread polls");
    }
    n = fwi_events_take(q, events, max);
    if (n == 0) {
        wait_for_events(hub, timeout_ms);
        /* Asked before the queue is looked at: nothing comes behind that. */
        bool silent = atomic_load(&hub->silent);
        n = fwi_events_take(q, events, max);
        if (n == 0 && silent) {
            n = fwi_error(FW_ERR_CLOSED, "the hub is stopped");
        }
    }
    atomic_store(&q->polling, false);
    return n;
}

void fw_events_done(fw_hub *hub, fw_event **events, int n)
{
    if (fwi_api_enter(hub) == FW_OK) {
        fwi_hub_events_done(events, n);
    }
}

static int decide(fw_hub *hub, uint64_t token, bool accept, int code, const char *text)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_hub_decide(&hub->core, token, accept, code, text ? text : "");
        if (err == FW_ERR_GONE) {
            fwi_error(err, "decided before, too late, or the client has left");
        }
    }
    return err;
}

int fw_accept(fw_hub *hub, uint64_t token, const char *user)
{
    int err = user ? fwi_check_name("user", user) : FW_OK;
    switch (fwi_token_kind(token)) {
    case FWI_ASKS_RPC:
        err = fwi_error(FW_ERR_INVALID, "an RPC is answered by fw_reply");
        break;
    case FWI_ASKS_REFRESH:
    case FWI_ASKS_SUB_REFRESH:
        err =
            fwi_error(FW_ERR_INVALID, "for how long? a refresh is answered by fw_answer");
        break;
    default:
        break;
    }
    return err != FW_OK ? err : decide(hub, token, true, 0, user);
}

int fw_reject(fw_hub *hub, uint64_t token, int code, const char *reason)
{
    static const struct {
        int min, max;
        const char *allowed;
    } codes[] = {
        [FWI_ASKS_CONNECT] = {400, 599, "an HTTP status of 400-599"},
        [FWI_ASKS_JOIN] = {0, INT_MAX, "0 or more for a join"},
        [FWI_ASKS_RPC] = {100, 1999, "100-1999 for an RPC"},
        [FWI_ASKS_PUBLISH] = {100, 1999, "100-1999 for a publish"},
        [FWI_ASKS_REFRESH] = {0, INT_MAX, "0 or more for a refresh"},
        [FWI_ASKS_SUB_REFRESH] = {0, INT_MAX, "0 or more for a refresh"},
    };
    fwi_decision_kind kind = fwi_token_kind(token);
    if (kind >= FWI_ASKS_KINDS) {
        return fwi_error(FW_ERR_GONE, "no such token");
    }
    if (code < codes[kind].min || code > codes[kind].max) {
        return fwi_error(FW_ERR_INVALID, "code %d: %s", code, codes[kind].allowed);
    }
    if (reason != NULL && strpbrk(reason, "\r\n") != NULL) {
        return fwi_error(FW_ERR_INVALID, "the reason is more than one line");
    }
    /* It may go to a client in a frame of text. */
    if (reason != NULL && !fwi_utf8_is_valid(reason, strlen(reason))) {
        return fwi_error(FW_ERR_INVALID, "the reason is not UTF-8");
    }
    return decide(hub, token, false, code, reason);
}

int fw_reply(fw_hub *hub, uint64_t token, const void *data, size_t len)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK && fwi_token_kind(token) != FWI_ASKS_RPC) {
        err = fwi_error(FW_ERR_INVALID, "the token is of no RPC");
    }
    if (err != FW_OK) {
        return err;
    }
    bool text = data == NULL || fwi_utf8_is_valid(data, len);
    fw_message *m = fwi_api_message(hub, data, len, text ? FW_TEXT : FW_BINARY, &err);
    if (m == NULL) {
        return err;
    }
    err = fwi_hub_reply(&hub->core, token, m);
    fw_message_unref(m);
    return err == FW_ERR_GONE
               ? fwi_error(err, "answered before, too late, or the client has left")
               : err;
}

/* Of a result, or of one of its rooms: FW_OK, or what is too large. */
static int check_parts(const fw_hub *hub, const fwi_json *info, const fwi_json *data,
                       const char *whose)
{
    if (info->len > FWI_INFO_MAX) {
        return fwi_error(FW_ERR_TOO_BIG, "%s info has more than %d bytes", whose,
                         FWI_INFO_MAX);
    }
    if (data->len > hub->core.set.message_max) {
        return fwi_error(FW_ERR_TOO_BIG, "%s data is over message.max_bytes", whose);
    }
    return FW_OK;
}

/* The result's larger parts, or FW_OK. */
static int check_sizes(const fw_hub *hub, const fwi_answer *a)
{
    if (a->kind != FWI_ANSWER_RESULT) {
        return FW_OK;
    }
    const fwi_claims *c = a->claims;
    int err = check_parts(hub, &c->info, &c->data, "the result's");
    for (size_t i = 0; err == FW_OK && i < c->n_subs; i++) {
        const fwi_token_sub *sub = &c->subs[i];
        err = check_parts(hub, &sub->info, &sub->data, "the result's subs: a room's");
    }
    return err;
}

int fw_answer(fw_hub *hub, uint64_t token, const void *data, size_t len)
{
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY];
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK && fwi_token_kind(token) >= FWI_ASKS_KINDS) {
        err = fwi_error(FW_ERR_GONE, "no such token");
    }
    if (err == FW_OK && data == NULL && len > 0) {
        err = fwi_error(FW_ERR_INVALID, "data is NULL");
    }
    if (err != FW_OK) {
        return err;
    }
    switch (fwi_answer_read(data, len, &a, why)) {
    case FWI_TOKEN_GOOD:
        break;
    case FWI_TOKEN_NO_MEMORY:
        return fwi_error(FW_ERR_MEMORY, "%s", why);
    default:
        return fwi_error(FW_ERR_INVALID, "no answer: %s", why);
    }
    err = check_sizes(hub, a);
    if (err != FW_OK) {
        fwi_answer_free(a);
        return err;
    }
    err = fwi_hub_answer(&hub->core, token, a);
    return err == FW_ERR_GONE
               ? fwi_error(err, "decided before, too late, or the client has left")
               : err;
}
