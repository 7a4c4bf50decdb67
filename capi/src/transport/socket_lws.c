/*
 * How libwebsockets is driven: a context on the loop's own libuv loop, one virtual host
 * for plain sockets and one for TLS, sockets adopted in the RAW role, bytes in and out,
 * closing. It knows nothing of HTTP, frames or phases (door.c).
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
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "core/error.h"
#include "transport/conn.h"
#include "transport/tls_lws.h"

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
    struct lws_context *context;
    struct lws_vhost *plain, *tls;
    struct lws_protocols protocols[2];
    lws_retry_bo_t no_retry; /* all zero: no pings or hang-ups of libwebsockets' own */
    void *native;
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
    END_MS = 1000,
    /* What one read takes, so that a message of 64 KiB comes in one; a buffer for all
     * connections of a loop. */
    READ_BYTES = 128 * 1024,
    /* One write is one send() as far as the kernel takes it. */
    WRITE_BYTES = 1 << 30,
    /* Above any handshake.timeout: libwebsockets' own timer is never to strike first. */
    LWS_TIMEOUT_SECONDS = 2 * 3600
};

/* --- libwebsockets' log --- */

/* Where the lines of this thread go to: libwebsockets' function for them has no user
 * pointer. While a transport is made the last error is also kept, as the reason. */
static _Thread_local const fwi_log *line_log;
static _Thread_local char *line_copy;
enum { LINE_COPY_BYTES = 200 };

static void on_line(int level, const char *line)
{
    int len = (int)strcspn(line, "\n");
    if (line_copy != NULL && line_copy[0] == '\0' && (level & LLL_ERR) != 0) {
        snprintf(line_copy, LINE_COPY_BYTES, "%.*s", len, line);
    }
    if (line_log != NULL) {
        FWI_LOG(line_log, FWI_LOG_WARN, "libwebsockets", "%.*s", len, line);
    }
}

static void set_log_level(void)
{
    lws_set_log_level(LLL_ERR | LLL_WARN, on_line);
}

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
    fwi_transport *t = c->transport;
    lws_adoption_type type = LWS_ADOPT_SOCKET;
    if (c->secure) {
        type |= LWS_ADOPT_ALLOW_SSL;
    }
    const lws_adopt_desc_t what = {
        .vh = c->secure ? t->tls : t->plain,
        .type = type,
        .fd = {.sockfd = fd},
        .vh_prot_name = t->protocols[0].name,
        .opaque = c,
    };
    c->wsi = lws_adopt_descriptor_vhost_via_info(&what);
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
    FWI_ASSERT(!door->tls || t->tls != NULL);
    if (t->closed) {
        close(fd);
        return;
    }
    line_log = t->config->log;
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

static int make_context(fwi_transport *t, const char *line)
{
    void *loops[] = {t->native};
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (t->config->tls_cert != NULL) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    }
    info.foreign_loops = loops;
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.pt_serv_buf_size = READ_BYTES;
    info.retry_and_idle_policy = &t->no_retry;
    info.timeout_secs = LWS_TIMEOUT_SECONDS;
    t->context = lws_create_context(&info);
    if (t->context == NULL) {
        return fwi_error(FW_ERR_SYSTEM,
                         "libwebsockets could not start on libuv (is its package "
                         "libwebsockets-evlib-uv installed?)%s%s",
                         line[0] != '\0' ? ": " : "", line);
    }
    return FW_OK;
}

static struct lws_vhost *make_vhost(fwi_transport *t, bool tls)
{
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = t->protocols;
    info.vhost_name = tls ? "fanwire-tls" : "fanwire";
    info.retry_and_idle_policy = &t->no_retry;
    if (tls) {
        fwi_tls_fill(&info, t->config);
        /* It makes a TLS context for clients too, with all authorities of the system
         * (700 kB), and 4.1.6 never frees that of a second context. We have no clients:
         * told that the application has brought one, it makes none. It passes the pointer
         * on to a callback, and does nothing else with it. */
        info.provided_client_ssl_ctx = (void *)t;
    }
    return lws_create_vhost(t->context, &info);
}

static int make_vhosts(fwi_transport *t, char *line)
{
    t->plain = make_vhost(t, false);
    if (t->plain == NULL) {
        return fwi_error(FW_ERR_SYSTEM, "libwebsockets: no virtual host: %s", line);
    }
    const char *cert = t->config->tls_cert, *key = t->config->tls_key;
    if (cert == NULL) {
        return FW_OK;
    }
    line[0] = '\0';
    t->tls = make_vhost(t, true);
    if (t->tls == NULL) {
        /* The line says which of the two it is, and OpenSSL's reason. */
        return fwi_error(FW_ERR_TLS, "tls.cert %s with tls.key %s: %s", cert, key,
                         line[0] != '\0' ? line : "they can't be used");
    }
    return FW_OK;
}

static int make_all(fwi_transport *t)
{
    const fwi_transport_config *config = t->config;
    if (config->tls_cert != NULL) {
        int err = fwi_tls_check_files(config);
        if (err != FW_OK) {
            return err;
        }
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_log_level);
    char line[LINE_COPY_BYTES] = "";
    line_copy = line;
    int err = make_context(t, line);
    if (err == FW_OK) {
        err = make_vhosts(t, line);
    }
    line_copy = NULL;
    return err;
}

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
    t->native = loop->ops->native(loop);
    t->protocols[0] = (struct lws_protocols){
        .name = "fanwire",
        .callback = on_event,
        .rx_buffer_size = READ_BYTES,
        .tx_packet_size = WRITE_BYTES,
    };
    fwi_list_init(&t->resting);
    deadlines_init(&t->heads, t, config->handshake_timeout_ms);
    deadlines_init(&t->requests, t, config->request_timeout_ms);
    deadlines_init(&t->idles, t, config->idle_timeout_ms);
    deadlines_init(&t->ends, t, END_MS);
    fwi_list_init(&t->doomed);
    fwi_timer_init(&t->reaper, on_reap);
    int err = make_all(t);
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
    /* It loads them into the context that all later handshakes are made by; those that
     * are made already have their own reference to what they began with. */
    line_log = config->log;
    return t->tls == NULL || lws_tls_cert_updated(t->context, config->tls_cert,
                                                  config->tls_key, NULL, 0, NULL, 0) == 0;
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
    line_log = NULL;
}

void fwi_transport_free(fwi_transport *t)
{
    if (t == NULL) {
        return;
    }
    fwi_transport_close(t);
    if (t->context != NULL) {
        /* The first call begins to close what it has on the loop, the loop lets that come
         * to its end, the second call frees. */
        lws_context_destroy(t->context);
        t->config->run_pending(t->loop);
        lws_context_destroy(t->context);
    }
    fwi_inflater_free(t->inflater);
    free(t);
}
