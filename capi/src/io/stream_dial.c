/*
 * From a name to a connection: addresses are looked up off the thread, and tried one
 * after the other until one answers or the deadline of all has passed.
 *
 * Called by stream_uv.c, which goes on from there. Knows nothing of TLS or of what the
 * stream is for. @thread loop
 */
#include "io/stream_inside.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    /* One try gets its share of the time when others are left, so that an address which
     * swallows everything can't eat it all; but never less than this. */
    ATTEMPT_MIN_MS = 100
};

typedef struct fwi_stream_lookup {
    uv_getaddrinfo_t req;
    fwi_uv_loop *u;
    fwi_stream *s; /* NULL: it has gone */
} lookup;

static void begin_attempts(fwi_stream *s);

/* The next address, or the end of all tries. */
static void attempt_failed(fwi_stream *s, int err)
{
    fwi_stream_close_conn(s);
    fwi_stream_why(s, "connect", err);
    begin_attempts(s);
    if (s->conn == NULL) {
        fwi_stream_fail(s);
    }
}

static void on_attempt(fwi_timer *t)
{
    fwi_stream *s = fwi_container_of(t, fwi_stream, attempt);
    attempt_failed(s, UV_ETIMEDOUT);
}

static void on_connect(uv_connect_t *req, int status)
{
    fwi_stream_conn *c = fwi_container_of(req, fwi_stream_conn, connect);
    fwi_stream *s = c->s;
    fwi_uv_turn_begins(c->u);
    if (s == NULL) {
        return;
    }
    fwi_stream_hold(s);
    if (status == 0) {
        fwi_stream_connected(s);
    } else {
        attempt_failed(s, status);
    }
    fwi_stream_drop(s);
}

static fwi_stream_conn *new_conn(fwi_stream *s, bool pipe)
{
    fwi_stream_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    int err =
        pipe ? uv_pipe_init(&s->u->uv, &c->h.pipe, 0) : uv_tcp_init(&s->u->uv, &c->h.tcp);
    if (err != 0) {
        free(c);
        return NULL;
    }
    c->u = s->u;
    c->s = s;
    c->h.handle.data = c;
    s->u->handles++;
    s->conn = c;
    return c;
}

static void limit_attempt(fwi_stream *s)
{
    unsigned left = 1;
    for (struct addrinfo *a = s->next; a != NULL; a = a->ai_next) {
        left++;
    }
    if (left == 1 || !fwi_timer_is_set(&s->deadline)) {
        fwi_loop_timer_clear(&s->u->loop, &s->attempt);
        return;
    }
    uint64_t now = fwi_loop_now_ms(&s->u->loop);
    uint64_t rest = s->deadline.due_ms > now ? s->deadline.due_ms - now : 0;
    fwi_loop_timer_set(&s->u->loop, &s->attempt, FWI_MAX(rest / left, ATTEMPT_MIN_MS));
}

/* Tries addresses until libuv has taken one. s->conn is NULL if none is left; s->why then
 * says what the last one said. */
static void begin_attempts(fwi_stream *s)
{
    s->phase = FWI_STREAM_CONNECTING;
    while (s->conn == NULL && s->next != NULL) {
        const struct sockaddr *address = s->next->ai_addr;
        s->next = s->next->ai_next;
        fwi_stream_conn *c = new_conn(s, false);
        int err = UV_ENOMEM;
        if (c != NULL) {
            err = uv_tcp_connect(&c->connect, &c->h.tcp, address, on_connect);
        }
        if (err != 0) {
            fwi_stream_why(s, "connect", err);
            fwi_stream_close_conn(s);
        }
    }
    if (s->conn != NULL) {
        limit_attempt(s);
    }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    lookup *l = fwi_container_of(req, lookup, req);
    fwi_stream *s = l->s;
    fwi_uv_turn_begins(l->u);
    l->u->requests--;
    free(l);
    if (s == NULL) {
        uv_freeaddrinfo(found);
        return;
    }
    s->lookup = NULL;
    if (status != 0) {
        fwi_stream_why(s, "resolve", status);
        fwi_stream_fail(s);
        return;
    }
    s->addresses = s->next = found;
    begin_attempts(s);
    if (s->conn == NULL) {
        fwi_stream_fail(s);
    }
}

/* False: s->why is set. An address needs no looking up; names go to libuv's threads. */
static bool begin_tcp(fwi_stream *s, const fwi_stream_target *target)
{
    char port[12];
    snprintf(port, sizeof port, "%d", target->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    if (getaddrinfo(target->host, port, &hints, &s->addresses) == 0) {
        s->next = s->addresses;
        begin_attempts(s);
        return s->conn != NULL;
    }
    s->addresses = NULL;
    hints.ai_flags = AI_NUMERICSERV;
    lookup *l = calloc(1, sizeof *l);
    int err = UV_ENOMEM;
    if (l != NULL) {
        l->u = s->u;
        l->s = s;
        err = uv_getaddrinfo(&s->u->uv, &l->req, on_resolved, target->host, port, &hints);
    }
    if (err != 0) {
        free(l);
        fwi_stream_why(s, "resolve", err);
        return false;
    }
    s->lookup = l;
    s->u->requests++;
    return true;
}

static bool begin_unix(fwi_stream *s, const fwi_stream_target *target)
{
    s->phase = FWI_STREAM_CONNECTING;
    /* libuv would cut it off silently. */
    if (strlen(target->path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        fwi_stream_why(s, "connect", UV_ENAMETOOLONG);
        return false;
    }
    fwi_stream_conn *c = new_conn(s, true);
    if (c == NULL) {
        fwi_stream_why(s, "connect", UV_ENOMEM);
        return false;
    }
    uv_pipe_connect(&c->connect, &c->h.pipe, target->path, on_connect);
    return true;
}

bool fwi_stream_dial(fwi_stream *s, const fwi_stream_target *target)
{
    return target->host != NULL ? begin_tcp(s, target) : begin_unix(s, target);
}

void fwi_stream_dial_init(fwi_stream *s)
{
    fwi_timer_init(&s->attempt, on_attempt);
}

void fwi_stream_dial_end(fwi_stream *s)
{
    fwi_loop_timer_clear(&s->u->loop, &s->attempt);
    if (s->lookup != NULL) {
        s->lookup->s = NULL;
        uv_cancel((uv_req_t *)&s->lookup->req);
        s->lookup = NULL;
    }
    uv_freeaddrinfo(s->addresses);
    s->addresses = s->next = NULL;
}
