/*
 * Client streams: a connection is dialled, TLS is laid over it if asked for, and then
 * bytes go both ways. The links to Redis are its users, through core/loop.h.
 *
 * What fails inside stream_open and stream_write is told later, by the timer `failing`.
 * Knows nothing of names and addresses (stream_dial.c) nor of Redis. @thread loop
 */
#include "io/stream_inside.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

enum {
    KEEPALIVE_S = 60,
    /* After a failed write: time to read what the peer said before it closed. */
    LAST_WORDS_MS = 20,
    /* How long a peer may take to close after us: somebody waits for the loop to end. */
    GOODBYE_MS = 500
};

typedef struct write_req {
    uv_write_t req;
    char data[];
} write_req;

/* --- ends --- */

static void on_conn_closed(uv_handle_t *handle)
{
    fwi_stream_conn *c = handle->data;
    c->u->handles--;
    free(c);
}

void fwi_stream_close_conn(fwi_stream *s)
{
    fwi_stream_conn *c = s->conn;
    if (c == NULL) {
        return;
    }
    /* A forked child may hold the descriptor too: without shutdown the peer would never
     * see the end. */
    uv_os_fd_t fd;
    if (uv_fileno(&c->h.handle, &fd) == 0) {
        shutdown(fd, SHUT_RDWR);
    }
    c->s = NULL;
    s->conn = NULL;
    uv_close(&c->h.handle, on_conn_closed);
}

static void on_patience_closed(uv_handle_t *handle)
{
    fwi_stream_conn *c = handle->data;
    c->u->handles--;
    uv_close(&c->h.handle, on_conn_closed);
}

static void end_goodbye(fwi_stream_conn *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->patience)) {
        uv_read_stop(&c->h.stream);
        uv_close((uv_handle_t *)&c->patience, on_patience_closed);
    }
}

static void on_patience_over(uv_timer_t *timer)
{
    end_goodbye(timer->data);
}

/* A peer that answers to a connection which is closed already is told so by a reset, and
 * forgets what it hasn't read yet: with a Redis that is a little behind those would be
 * the commands of the last turn. So only our side is closed, and what comes is read and
 * thrown away until the peer has closed its own. */
static void say_goodbye(fwi_stream *s)
{
    fwi_stream_conn *c = s->conn;
    uv_os_fd_t fd;
    if (uv_fileno(&c->h.handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        return;
    }
    uv_timer_init(&c->u->uv, &c->patience);
    c->patience.data = c;
    c->u->handles++;
    uv_timer_start(&c->patience, on_patience_over, GOODBYE_MS, 0);
    c->s = NULL;
    s->conn = NULL;
}

static void release(fwi_stream *s)
{
    s->ended = true;
    fwi_list_remove(&s->link);
    fwi_loop_timer_clear(&s->u->loop, &s->deadline);
    fwi_loop_timer_clear(&s->u->loop, &s->failing);
    fwi_stream_dial_end(s);
    fwi_stream_close_conn(s);
    fwi_tls_free(s->tls);
    s->tls = NULL;
    fwi_buf_fini(&s->early);
}

void fwi_stream_hold(fwi_stream *s)
{
    s->held++;
}

void fwi_stream_drop(fwi_stream *s)
{
    if (--s->held == 0 && s->ended) {
        free(s);
    }
}

__attribute__((format(printf, 2, 3))) static void set_why(fwi_stream *s, const char *fmt,
                                                          ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof s->why, fmt, ap);
    va_end(ap);
}

void fwi_stream_why(fwi_stream *s, const char *doing, int err)
{
    char text[128];
    set_why(s, "%s %s: %s", doing, s->where, fwi_uv_strerror(err, text, sizeof text));
}

void fwi_stream_fail(fwi_stream *s)
{
    fwi_stream_hold(s);
    release(s);
    s->events.on_close(s->user, s->why);
    fwi_stream_drop(s);
}

/* Something is wrong already, and s->why says what. */
static bool is_failing(const fwi_stream *s)
{
    return fwi_timer_is_set(&s->failing);
}

/* Ends it soon, from where fwi_stream_fail() isn't allowed. */
static void fail_later(fwi_stream *s, uint64_t delay_ms)
{
    fwi_loop_timer_set(&s->u->loop, &s->failing, delay_ms);
}

static void on_failing(fwi_timer *t)
{
    fwi_stream_fail(fwi_container_of(t, fwi_stream, failing));
}

static void on_deadline(fwi_timer *t)
{
    static const char *const doing[] = {"resolve", "connect", "tls", "connect"};
    fwi_stream *s = fwi_container_of(t, fwi_stream, deadline);
    fwi_stream_why(s, doing[s->phase], UV_ETIMEDOUT);
    fwi_stream_fail(s);
}

/* --- writing --- */

/* False: it was want of memory. */
static bool write_failed(fwi_stream *s, int err)
{
    if (!is_failing(s)) {
        fwi_stream_why(s, "write", err);
        fail_later(s, LAST_WORDS_MS);
    }
    return err != UV_ENOMEM;
}

static void on_written(uv_write_t *req, int status)
{
    fwi_stream_conn *c = req->handle->data;
    c->u->requests--;
    if (status < 0 && c->s != NULL) {
        write_failed(c->s, status);
    }
    free(fwi_container_of(req, write_req, req));
}

/* To the socket, as they are. False: out of memory. */
static bool write_raw(fwi_stream *s, const char *data, size_t len)
{
    if (is_failing(s)) {
        return true;
    }
    uv_stream_t *stream = &s->conn->h.stream;
    if (uv_stream_get_write_queue_size(stream) == 0) {
        uv_buf_t buf = {.base = (char *)(uintptr_t)data,
                        .len = FWI_MIN(len, (size_t)INT_MAX)};
        int n = uv_try_write(stream, &buf, 1);
        if (n < 0 && n != UV_EAGAIN) {
            return write_failed(s, n);
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    if (len == 0) {
        return true;
    }
    write_req *w = malloc(sizeof *w + len);
    if (w == NULL) {
        return write_failed(s, UV_ENOMEM);
    }
    memcpy(w->data, data, len);
    uv_buf_t buf = {.base = w->data, .len = len};
    int err = uv_write(&w->req, stream, &buf, 1, on_written);
    if (err != 0) {
        free(w);
        return write_failed(s, err);
    }
    s->u->requests++;
    return true;
}

static bool send_tls_output(fwi_stream *s)
{
    const char *data;
    size_t len = fwi_tls_output(s->tls, &data);
    if (len == 0) {
        return true;
    }
    bool ok = write_raw(s, data, len);
    fwi_tls_sent(s->tls);
    return ok;
}

bool fwi_uv_stream_write(fwi_stream *s, const void *data, size_t len)
{
    if (len == 0 || is_failing(s)) {
        return true;
    }
    if (s->phase != FWI_STREAM_OPEN) {
        return fwi_buf_append(&s->early, data, len) || write_failed(s, UV_ENOMEM);
    }
    if (s->tls == NULL) {
        return write_raw(s, data, len);
    }
    if (!fwi_tls_write(s->tls, data, len)) {
        set_why(s, "tls %s: %s", s->where, fwi_tls_why(s->tls));
        fail_later(s, 0);
        return true;
    }
    return send_tls_output(s);
}

size_t fwi_uv_stream_pending(const fwi_stream *s)
{
    size_t queued = s->conn ? uv_stream_get_write_queue_size(&s->conn->h.stream) : 0;
    return s->early.len + queued;
}

/* --- reading --- */

static void opened(fwi_stream *s)
{
    s->phase = FWI_STREAM_OPEN;
    fwi_loop_timer_clear(&s->u->loop, &s->deadline);
    if (s->early.len > 0) {
        fwi_uv_stream_write(s, s->early.data, s->early.len);
        fwi_buf_fini(&s->early);
        fwi_buf_init(&s->early);
    }
    s->events.on_open(s->user);
}

/* Takes TLS as far as what the peer has sent allows. */
static void pump_tls(fwi_stream *s)
{
    fwi_tls_result r = FWI_TLS_DONE;
    if (s->phase == FWI_STREAM_HANDSHAKE) {
        r = fwi_tls_handshake(s->tls);
        send_tls_output(s);
        if (r == FWI_TLS_DONE) {
            opened(s);
        }
    }
    while (r == FWI_TLS_DONE && !s->ended) {
        size_t len;
        r = fwi_tls_read(s->tls, s->u->read_bytes, sizeof s->u->read_bytes, &len);
        if (r == FWI_TLS_DONE) {
            s->events.on_data(s->user, s->u->read_bytes, len);
        }
    }
    if (s->ended) {
        return;
    }
    send_tls_output(s); /* an alert, the answer to a key update */
    if (r == FWI_TLS_CLOSED) {
        set_why(s, "%s: closed by the server", s->where);
        fwi_stream_fail(s);
    } else if (r == FWI_TLS_FAILED) {
        set_why(s, "tls %s: %s", s->where, fwi_tls_why(s->tls));
        fwi_stream_fail(s);
    }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    fwi_stream_conn *c = handle->data;
    *buf = uv_buf_init(c->u->read_bytes, sizeof c->u->read_bytes);
}

static void read_ended(fwi_stream *s, int err)
{
    if (is_failing(s)) {
        /* A write has failed before and has said why. */
    } else if (err != UV_EOF) {
        fwi_stream_why(s, s->phase == FWI_STREAM_HANDSHAKE ? "tls" : "read", err);
    } else if (s->phase == FWI_STREAM_HANDSHAKE) {
        set_why(s, "tls %s: closed by the server during the handshake", s->where);
    } else {
        set_why(s, "%s: closed by the server", s->where);
    }
    fwi_stream_fail(s);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    fwi_stream_conn *c = stream->data;
    fwi_stream *s = c->s;
    if (n == 0) {
        return; /* EAGAIN */
    }
    fwi_uv_turn_begins(c->u);
    if (s == NULL) {
        if (n < 0) {
            end_goodbye(c);
        }
        return;
    }
    fwi_stream_hold(s);
    if (n < 0) {
        read_ended(s, (int)n);
    } else if (s->tls == NULL) {
        s->events.on_data(s->user, buf->base, (size_t)n);
    } else if (fwi_tls_feed(s->tls, buf->base, (size_t)n)) {
        pump_tls(s);
    } else {
        fwi_stream_why(s, "tls", UV_ENOMEM);
        fwi_stream_fail(s);
    }
    fwi_stream_drop(s);
}

void fwi_stream_connected(fwi_stream *s)
{
    fwi_stream_conn *c = s->conn;
    fwi_stream_dial_end(s);
    if (c->h.handle.type == UV_TCP) {
        uv_tcp_nodelay(&c->h.tcp, 1);
        uv_tcp_keepalive(&c->h.tcp, 1, KEEPALIVE_S);
    }
    int err = uv_read_start(&c->h.stream, on_alloc, on_read);
    if (err != 0) {
        fwi_stream_why(s, "read", err);
        fwi_stream_fail(s);
    } else if (s->tls != NULL) {
        s->phase = FWI_STREAM_HANDSHAKE;
        pump_tls(s);
    } else {
        opened(s);
    }
}

static bool begin(fwi_stream *s, const fwi_stream_target *target)
{
    if (target->tls) {
        char why[200];
        s->tls = fwi_tls_new(target, why, sizeof why);
        if (s->tls == NULL) {
            set_why(s, "tls %s: %s", s->where, why);
            return false;
        }
    }
    return fwi_stream_dial(s, target);
}

static void set_where(fwi_stream *s, const fwi_stream_target *target)
{
    if (target->host == NULL) {
        snprintf(s->where, sizeof s->where, "%s", target->path);
    } else if (strchr(target->host, ':') != NULL) {
        snprintf(s->where, sizeof s->where, "[%s]:%d", target->host, target->port);
    } else {
        snprintf(s->where, sizeof s->where, "%s:%d", target->host, target->port);
    }
}

fwi_stream *fwi_uv_stream_open(fwi_loop *loop, const fwi_stream_target *target,
                               const fwi_stream_events *events, void *user)
{
    fwi_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->u = fwi_uv_of(loop);
    s->events = *events;
    s->user = user;
    fwi_buf_init(&s->early);
    fwi_timer_init(&s->deadline, on_deadline);
    fwi_stream_dial_init(s);
    fwi_timer_init(&s->failing, on_failing);
    fwi_list_init(&s->link);
    fwi_list_append(&s->u->streams, &s->link);
    set_where(s, target);
    if (target->connect_timeout_us > 0) {
        fwi_loop_timer_set(loop, &s->deadline, (target->connect_timeout_us + 999) / 1000);
    }
    if (!begin(s, target)) {
        fail_later(s, 0);
    }
    return s;
}

void fwi_uv_stream_close(fwi_stream *s)
{
    if (s->ended) {
        return;
    }
    fwi_stream_hold(s);
    if (s->tls != NULL && s->phase == FWI_STREAM_OPEN) {
        fwi_tls_bye(s->tls);
        send_tls_output(s);
    }
    if (s->phase == FWI_STREAM_OPEN && !is_failing(s) && fwi_uv_stream_pending(s) == 0) {
        say_goodbye(s);
    }
    release(s);
    fwi_stream_drop(s);
}

fwi_stream *fwi_uv_stream_at(fwi_list *link)
{
    return fwi_list_entry(link, fwi_stream, link);
}
