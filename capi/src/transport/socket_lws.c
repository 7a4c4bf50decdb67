/*
 * How libwebsockets is driven: sockets adopted in the RAW role, bytes in and out, and how
 * they are closed. It knows nothing of contexts and virtual hosts (context_lws.c), nor of
 * HTTP, frames or phases (door.c).
 *
 * What libwebsockets 4.1.6 makes necessary here:
 *  - lws_set_timeout(LWS_TO_KILL_ASYNC) wakes nobody up on a foreign loop, and closing a
 *    socket inside another one's callback is asking for trouble. So who is to be closed
 *    goes on a list, which a timer of the loop's empties outside of all callbacks.
 *  - While it has something buffered for a socket it ignores that the socket is readable,
 *    but goes on polling for it: 100 % CPU for a peer who sends and doesn't read. So
 *    reading is off while something is buffered.
 *  - Its own timers are a sorted list, O(n). It sets one for a TLS handshake and another
 *    one after it, which nobody clears in the RAW role: it would cut the session. Both
 *    are cleared here; the time for a handshake is the door's affair.
 *
 * @thread loop, but for _new and _free
 */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "core/error.h"
#include "transport/conn.h"
#include "transport/context_lws.h"

/* Connections that have all the same time to wait: the first in the list is the first to
 * be late, so one timer serves them all, and a connection needs none of its own. */
typedef struct deadlines {
    fwi_transport *transport;
    fwi_list list;
    fwi_timer timer;
    uint64_t after_ms;
} deadlines;

struct fwi_transport {
    fwi_loop *loop;
    fwi_shard *shard;
    const fwi_transport_config *config;
    fwi_context *context;
    fwi_inflater *inflater;
    fwi_list resting;
    deadlines heads, requests, idles, ends;
    unsigned guests; /* connections of doors without a path */
    fwi_list doomed;
    fwi_timer reaper;
    bool closed;
};

enum {
    /* After FIN the peer has this long to say FIN too. */
    END_MS = 1000
};

/* --- what the door uses --- */

fwi_shard *fwi_transport_shard(const fwi_transport *t)
{
    return t->shard;
}

const fwi_transport_config *fwi_transport_config_of(const fwi_transport *t)
{
    return t->config;
}

fwi_inflater *fwi_transport_inflater(const fwi_transport *t)
{
    return t->inflater;
}

bool fwi_socket_is_buffered(const fwi_conn *c)
{
    return lws_partial_buffered(c->wsi) != 0;
}

bool fwi_socket_write(fwi_conn *c, const void *data, size_t len)
{
    /* It takes a pointer to what isn't const, but in the RAW role only reads it. */
    unsigned char *bytes = (unsigned char *)(uintptr_t)data;
    if (lws_write(c->wsi, bytes, len, LWS_WRITE_RAW) < 0) {
        return false;
    }
    if (fwi_socket_is_buffered(c)) {
        fwi_socket_update_reading(c);
    }
    return true;
}

void fwi_socket_ask_writable(fwi_conn *c)
{
    lws_callback_on_writable(c->wsi);
}

void fwi_socket_update_reading(fwi_conn *c)
{
    /* Each change costs system calls; inside a callback only its outcome counts. */
    if (c->inside || c->wsi == NULL) {
        return;
    }
    bool reading = fwi_door_wants_data(c) && !fwi_socket_is_buffered(c);
    if (reading != c->reading) {
        c->reading = reading;
        lws_rx_flow_control(c->wsi, reading ? 1 : 0);
    }
}

bool fwi_socket_is_draining(const fwi_conn *c)
{
    int bytes = 0; /* unacknowledged, FIN too; of a Unix socket: unread */
    return fwi_socket_is_buffered(c) ||
           (ioctl(lws_get_socket_fd(c->wsi), SIOCOUTQ, &bytes) == 0 && bytes > 0);
}

/* The low bits of a count of bytes; a Unix socket has none, but its queue changes. */
uint32_t fwi_socket_taken(const fwi_conn *c)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    int fd = lws_get_socket_fd(c->wsi), bytes = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0) {
        return (uint32_t)info.tcpi_bytes_acked;
    }
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? (uint32_t)bytes : 0;
}

void fwi_socket_shut(fwi_conn *c)
{
    shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
}

void fwi_socket_reset(fwi_conn *c)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(lws_get_socket_fd(c->wsi), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* --- lists and deadlines --- */

static void on_deadline(fwi_timer *timer)
{
    deadlines *d = fwi_container_of(timer, deadlines, timer);
    fwi_loop *loop = d->transport->loop;
    while (!fwi_list_is_empty(&d->list)) {
        fwi_conn *c = fwi_list_entry(d->list.next, fwi_conn, link);
        /* The wheel's clock, which is what the timer was set by. */
        int32_t rest_ms = (int32_t)(c->deadline_ms - (uint32_t)fwi_loop_now_ms(loop));
        if (rest_ms > 0) {
            fwi_loop_timer_set(loop, timer, (uint64_t)rest_ms);
            return;
        }
        fwi_socket_rest(c); /* the door moves it on; it must not be found here again */
        fwi_door_on_deadline(c);
    }
}

static void deadlines_init(deadlines *d, fwi_transport *t, uint64_t after_ms)
{
    d->transport = t;
    d->after_ms = after_ms;
    fwi_list_init(&d->list);
    fwi_timer_init(&d->timer, on_deadline);
}

static void await(fwi_conn *c, deadlines *d)
{
    fwi_loop *loop = d->transport->loop;
    fwi_list_remove(&c->link);
    fwi_list_append(&d->list, &c->link);
    c->deadline_ms = (uint32_t)(fwi_loop_now_ms(loop) + d->after_ms);
    if (!fwi_timer_is_set(&d->timer)) {
        fwi_loop_timer_set(loop, &d->timer, d->after_ms);
    }
}

void fwi_socket_rest(fwi_conn *c)
{
    fwi_list_remove(&c->link);
    fwi_list_append(&c->transport->resting, &c->link);
}

void fwi_socket_await_head(fwi_conn *c)
{
    await(c, &c->transport->heads);
}

void fwi_socket_await_request(fwi_conn *c)
{
    await(c, &c->transport->requests);
}

void fwi_socket_await_next(fwi_conn *c)
{
    await(c, &c->transport->idles);
}

void fwi_socket_await_end(fwi_conn *c)
{
    await(c, &c->transport->ends);
}

void fwi_socket_doom(fwi_conn *c)
{
    fwi_transport *t = c->transport;
    fwi_list_remove(&c->link);
    fwi_list_append(&t->doomed, &c->link);
    if (!fwi_timer_is_set(&t->reaper)) {
        fwi_loop_timer_set(t->loop, &t->reaper, 0);
    }
}

/* Outside of all callbacks. Each close comes back as LWS_CALLBACK_RAW_CLOSE, inside. */
static void on_reap(fwi_timer *timer)
{
    fwi_transport *t = fwi_container_of(timer, fwi_transport, reaper);
    while (!fwi_list_is_empty(&t->doomed)) {
        fwi_conn *c = fwi_list_entry(t->doomed.next, fwi_conn, link);
        lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    }
}

/* --- what libwebsockets says --- */

static void conn_free(fwi_conn *c)
{
    c->transport->guests -= c->guest;
    fwi_list_remove(&c->link); /* for the door, dying is to be doomed */
    free(c);
}

static void on_closed(fwi_conn *c)
{
    lws_set_opaque_user_data(c->wsi, NULL);
    c->wsi = NULL; /* it may not be driven any more */
    fwi_door_on_closed(c);
    conn_free(c);
}

static void on_data(fwi_conn *c, uint8_t *data, size_t len)
{
    if (!c->heard) {
        c->heard = true;
        if (c->secure) {
            lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
        }
    }
    fwi_door_on_data(c, data, len);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                    void *in, size_t len)
{
    (void)user;
    if (reason != LWS_CALLBACK_RAW_RX && reason != LWS_CALLBACK_RAW_WRITEABLE &&
        reason != LWS_CALLBACK_RAW_CLOSE) {
        return 0;
    }
    fwi_conn *c = lws_get_opaque_user_data(wsi);
    if (c == NULL || c->wsi == NULL) {
        return 0; /* closed, or its adoption fails: who adopts sees that */
    }
    (void)fwi_loop_now_us(c->transport->loop); /* the turn's length counts from here */
    if (reason == LWS_CALLBACK_RAW_CLOSE) {
        on_closed(c);
        return 0;
    }
    c->inside = true;
    if (reason == LWS_CALLBACK_RAW_RX) {
        on_data(c, in, len);
    } else if (!fwi_socket_is_buffered(c)) {
        fwi_door_on_writable(c);
    }
    c->inside = false;
    if (c->phase == FWI_PHASE_DEAD) {
        return -1; /* closes it at once: no need to wait for the reaper */
    }
    fwi_socket_update_reading(c);
    return 0;
}

/* --- taking sockets --- */

static bool adopt(fwi_conn *c, int fd)
{
    c->wsi = fwi_context_adopt(c->transport->context, fd, c->secure, c);
    if (c->wsi != NULL && c->secure) {
        lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
    }
    return c->wsi != NULL; /* else it has closed fd */
}

static int admit_guest(fwi_transport *t, const fwi_door *door)
{
    if (t->guests < t->config->http_max) {
        return 0;
    }
    door->service->on_limit(door->user, FWI_HTTP_TOO_MANY);
    return 503;
}

void fwi_transport_adopt(fwi_transport *t, int fd, const fwi_door *door, const char *peer)
{
    FWI_ASSERT(!door->tls || fwi_context_has_tls(t->context));
    if (t->closed) {
        close(fd);
        return;
    }
    fwi_context_set_log(t->config->log);
    /* Who watches over us is to be answered when too many wait at the other door, too. */
    bool counted = door->path != NULL;
    int status = counted ? fwi_shard_admit(t->shard) : admit_guest(t, door);
    /* Who isn't let in over TLS gets no answer: it would cost us a TLS handshake. */
    fwi_conn *c = status == 0 || !door->tls ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        close(fd);
    } else {
        c->transport = t;
        c->secure = door->tls;
        c->reading = true;
        c->guest = !counted;
        t->guests += c->guest;
        fwi_list_init(&c->link);
        if (adopt(c, fd)) {
            c->admitted = counted && status == 0;
            fwi_request_begin(c, door, peer, status);
            return;
        }
        /* With TLS that is mostly the peer's doing: its hello was there already, and bad.
         */
        fwi_shard_count_http_error(t->shard);
        FWI_LOG(t->config->log, door->tls ? FWI_LOG_DEBUG : FWI_LOG_WARN, "transport",
                "a socket could not be taken");
        conn_free(c);
    }
    if (counted && status == 0) {
        fwi_shard_unadmit(t->shard);
    }
}

/* --- making it --- */

int fwi_transport_new(fwi_transport **out, fwi_loop *loop, fwi_shard *shard,
                      const fwi_transport_config *config)
{
    fwi_transport *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    t->loop = loop;
    t->shard = shard;
    t->config = config;
    fwi_list_init(&t->resting);
    deadlines_init(&t->heads, t, config->handshake_timeout_ms);
    deadlines_init(&t->requests, t, config->request_timeout_ms);
    deadlines_init(&t->idles, t, config->idle_timeout_ms);
    deadlines_init(&t->ends, t, END_MS);
    fwi_list_init(&t->doomed);
    fwi_timer_init(&t->reaper, on_reap);
    int err = fwi_context_new(&t->context, loop, on_event, config);
    if (err == FW_OK && config->compression) {
        t->inflater = fwi_inflater_new();
        err = t->inflater != NULL ? FW_OK : fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    if (err != FW_OK) {
        fwi_transport_free(t);
        return err;
    }
    *out = t;
    return FW_OK;
}

bool fwi_transport_reload(fwi_transport *t, const fwi_transport_config *config)
{
    t->config = config;
    fwi_context_set_log(config->log);
    return fwi_context_reload(t->context, config);
}

/* --- the end --- */

void fwi_transport_close(fwi_transport *t)
{
    t->closed = true;
    fwi_list_splice(&t->doomed, &t->resting);
    fwi_list_splice(&t->doomed, &t->heads.list);
    fwi_list_splice(&t->doomed, &t->requests.list);
    fwi_list_splice(&t->doomed, &t->idles.list);
    fwi_list_splice(&t->doomed, &t->ends.list);
    for (fwi_list *e = t->doomed.next; e != &t->doomed; e = e->next) {
        fwi_conn *c = fwi_list_entry(e, fwi_conn, link);
        if (c->session != NULL) {
            fwi_socket_reset(c);
            fwi_door_forget_session(c);
        }
    }
    on_reap(&t->reaper);
    fwi_loop_timer_clear(t->loop, &t->heads.timer);
    fwi_loop_timer_clear(t->loop, &t->requests.timer);
    fwi_loop_timer_clear(t->loop, &t->idles.timer);
    fwi_loop_timer_clear(t->loop, &t->ends.timer);
    fwi_loop_timer_clear(t->loop, &t->reaper);
    fwi_context_set_log(NULL);
}

void fwi_transport_free(fwi_transport *t)
{
    if (t == NULL) {
        return;
    }
    fwi_transport_close(t);
    fwi_context_free(t->context);
    fwi_inflater_free(t->inflater);
    free(t);
}
