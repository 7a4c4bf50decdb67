/*
 * The state machine of one Redis connection: idle, connecting, greeting, live, closed.
 * One setter, one table, one way out. Its owner is the Redis backplane; it doesn't know
 * what the commands are for. Runs on loop 0.
 *
 * What a server sends never asserts: the reader turns rubbish into an error, and an error
 * into a disconnect with its words.
 */
#include "backplane/redis_link.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_command.h"
#include "backplane/redis_topology.h"

enum {
    CONNECT_TIMEOUT_MS = 3000,
    GREETING_TIMEOUT_MS = 3000,
    /* hiredis moves the rest of its buffer down each time it has consumed 1 KiB: feeding
     * a large read in pieces keeps that from becoming quadratic. */
    FEED_BYTES = 8192,
    GREETING_STEPS = 5
};

typedef enum { STEP_AUTH, STEP_SELECT, STEP_SETNAME, STEP_INFO, STEP_PING } step;

struct fwi_redis_link {
    fwi_loop *loop;
    const fwi_redis_config *config;
    const char *name;
    const fwi_redis_link_events *events;
    void *user;
    fwi_redis_link_state state;
    fwi_stream *stream;
    fwi_redis_reader *reader; /* lives as long as the link: replies are lent from it */
    fwi_buf out;
    uint64_t writes;
    fwi_timer greeting_timer;
    step steps[GREETING_STEPS]; /* greeting commands whose reply is outstanding */
    size_t step_count, step_next;
    uint64_t opened; /* how often: a callback sees whether the link was reopened */
};

static const char *const state_names[FWI_REDIS_LINK_STATES] = {
    "idle", "connecting", "greeting", "live", "closed"};

/* A row: from; a column: to. */
static const bool allowed[FWI_REDIS_LINK_STATES][FWI_REDIS_LINK_STATES] = {
    [FWI_REDIS_LINK_IDLE] = {[FWI_REDIS_LINK_CONNECTING] = true},
    [FWI_REDIS_LINK_CONNECTING] =
        {[FWI_REDIS_LINK_GREETING] = true, [FWI_REDIS_LINK_CLOSED] = true},
    [FWI_REDIS_LINK_GREETING] =
        {[FWI_REDIS_LINK_LIVE] = true, [FWI_REDIS_LINK_CLOSED] = true},
    [FWI_REDIS_LINK_LIVE] = {[FWI_REDIS_LINK_CLOSED] = true},
    [FWI_REDIS_LINK_CLOSED] = {[FWI_REDIS_LINK_CONNECTING] = true},
};

bool fwi_redis_link_may(fwi_redis_link_state from, fwi_redis_link_state to)
{
    return allowed[from][to];
}

/* The only writer of the state. */
static void set_state(fwi_redis_link *l, fwi_redis_link_state to)
{
    FWI_ASSERT(fwi_redis_link_may(l->state, to));
    FWI_LOG(l->config->log, FWI_LOG_TRACE, "redis", "%s link: %s -> %s", l->name,
            state_names[l->state], state_names[to]);
    l->state = to;
}

fwi_redis_link_state fwi_redis_link_get_state(const fwi_redis_link *l)
{
    return l->state;
}

static bool is_open(const fwi_redis_link *l)
{
    return l->state != FWI_REDIS_LINK_IDLE && l->state != FWI_REDIS_LINK_CLOSED;
}

void fwi_redis_link_close(fwi_redis_link *l)
{
    if (!is_open(l)) {
        return;
    }
    fwi_loop_timer_clear(l->loop, &l->greeting_timer);
    if (l->stream != NULL) {
        l->loop->ops->stream_close(l->stream);
        l->stream = NULL;
    }
    fwi_redis_reader_end(l->reader);
    l->out.len = 0;
    set_state(l, FWI_REDIS_LINK_CLOSED);
}

void fwi_redis_link_disconnect(fwi_redis_link *l, const char *why)
{
    if (!is_open(l)) {
        return;
    }
    /* `why` may lie in the reader, which close frees. */
    char text[400];
    const fwi_redis_url *url = &l->config->url;
    if (url->kind != FWI_REDIS_ONE) {
        /* Whoever reads it has named Sentinels, or some node of a Cluster, and doesn't
         * know the server. */
        snprintf(text, sizeof text, "%.100s:%d: %s", url->host, url->port, why);
    } else {
        snprintf(text, sizeof text, "%s", why);
    }
    fwi_redis_link_close(l);
    l->events->on_down(l->user, text);
}

bool fwi_redis_link_send(fwi_redis_link *l, int argc, const char *const *argv,
                         const size_t *lens)
{
    return fwi_redis_command(&l->out, argc, argv, lens);
}

void fwi_redis_link_flush(fwi_redis_link *l)
{
    if (l->out.len == 0 || l->stream == NULL || l->state == FWI_REDIS_LINK_CONNECTING) {
        return;
    }
    /* Out of memory: the stream closes by itself and says so. */
    (void)l->loop->ops->stream_write(l->stream, l->out.data, l->out.len);
    l->writes++;
    l->out.len = 0;
    if (l->out.cap > 256u * 1024u) {
        fwi_buf_fini(&l->out); /* A burst's memory isn't kept. */
    }
}

uint64_t fwi_redis_link_writes(const fwi_redis_link *l)
{
    return l->writes;
}

size_t fwi_redis_link_backlog(const fwi_redis_link *l)
{
    return l->out.len + (l->stream != NULL ? l->loop->ops->stream_pending(l->stream) : 0);
}

static bool greet(fwi_redis_link *l, step s, int argc, const char *const *argv)
{
    size_t lens[3];
    for (int i = 0; i < argc; i++) {
        lens[i] = strlen(argv[i]);
    }
    l->steps[l->step_count++] = s;
    return fwi_redis_link_send(l, argc, argv, lens);
}

static void link_on_open(void *user)
{
    fwi_redis_link *l = user;
    const fwi_redis_url *url = &l->config->url;
    char number[16], name[40];
    snprintf(number, sizeof number, "%d", url->database);
    snprintf(name, sizeof name, "fanwire-%016" PRIx64, l->config->node);
    l->step_count = l->step_next = 0;
    set_state(l, FWI_REDIS_LINK_GREETING);
    bool ok = true;
    if (url->user[0] != '\0') {
        ok = greet(l, STEP_AUTH, 3, (const char *[]){"AUTH", url->user, url->password});
    } else if (url->password[0] != '\0') {
        ok = greet(l, STEP_AUTH, 2, (const char *[]){"AUTH", url->password});
    }
    if (url->database != 0) {
        ok = ok && greet(l, STEP_SELECT, 2, (const char *[]){"SELECT", number});
    }
    ok = ok && greet(l, STEP_SETNAME, 3, (const char *[]){"CLIENT", "SETNAME", name});
    if (url->kind == FWI_REDIS_SENTINEL) {
        /* ROLE says the same, in arrays as deep as the server has replicas. */
        ok = ok && greet(l, STEP_INFO, 2, (const char *[]){"INFO", "replication"});
    }
    /* PING finds out what the others let through: NOAUTH, LOADING, MASTERDOWN. */
    ok = ok && greet(l, STEP_PING, 1, (const char *[]){"PING"});
    if (!ok) {
        fwi_redis_link_disconnect(l, "out of memory");
        return;
    }
    fwi_loop_timer_set(l->loop, &l->greeting_timer, GREETING_TIMEOUT_MS);
    fwi_redis_link_flush(l);
}

static void greeting_is_late(fwi_timer *t)
{
    fwi_redis_link *l = fwi_container_of(t, fwi_redis_link, greeting_timer);
    fwi_redis_link_disconnect(l, "connected, but no answer to the greeting in time");
}

static void on_greeting_reply(fwi_redis_link *l, const fwi_redis_reply *reply)
{
    static const char *const names[] = {"AUTH", "SELECT", "CLIENT SETNAME", "INFO",
                                        "PING"};
    step s = l->steps[l->step_next++];
    if (s == STEP_INFO && reply->whole.type != FWI_REDIS_ERROR) {
        /* What a Sentinel says may be of a moment ago, or of the other half of a network:
         * a replica takes what is published, and nobody hears it. */
        const char *problem = fwi_redis_master_problem(reply);
        if (problem != NULL) {
            fwi_redis_link_disconnect(l, problem);
            return;
        }
    }
    /* The name is for whoever looks at CLIENT LIST; an ACL may forbid it. */
    if (reply->whole.type == FWI_REDIS_ERROR && s != STEP_SETNAME) {
        char quoted[160], why[224];
        fwi_log_quote(quoted, sizeof quoted, reply->whole.str, reply->whole.len);
        snprintf(why, sizeof why, "%s: %s", names[s], quoted);
        fwi_redis_link_disconnect(l, why);
        return;
    }
    if (l->step_next == l->step_count) {
        fwi_loop_timer_clear(l->loop, &l->greeting_timer);
        set_state(l, FWI_REDIS_LINK_LIVE);
        l->events->on_live(l->user);
    }
}

/* false: the link was closed or reopened meanwhile, or the reader gave up. */
static bool take_replies(fwi_redis_link *l)
{
    uint64_t opened = l->opened;
    while (l->opened == opened && is_open(l)) {
        const char *problem;
        const fwi_redis_reply *reply = fwi_redis_reader_next(l->reader, &problem);
        if (problem != NULL) {
            char quoted[160], why[200];
            fwi_log_quote(quoted, sizeof quoted, problem, strlen(problem));
            snprintf(why, sizeof why, "not what Redis says: %s", quoted);
            fwi_redis_link_disconnect(l, why);
            return false;
        }
        if (reply == NULL) {
            return true;
        }
        if (l->state == FWI_REDIS_LINK_GREETING) {
            on_greeting_reply(l, reply);
        } else {
            l->events->on_reply(l->user, reply);
        }
    }
    return false;
}

static void link_on_data(void *user, const void *data, size_t len)
{
    fwi_redis_link *l = user;
    const char *p = data;
    while (len > 0) {
        size_t n = FWI_MIN(len, (size_t)FEED_BYTES);
        if (!fwi_redis_reader_feed(l->reader, p, n)) {
            fwi_redis_link_disconnect(l, "out of memory");
            return;
        }
        if (!take_replies(l)) {
            return;
        }
        p += n;
        len -= n;
    }
}

static void link_on_close(void *user, const char *why)
{
    fwi_redis_link *l = user;
    l->stream = NULL; /* It is over by itself. */
    fwi_redis_link_disconnect(l, why);
}

static const fwi_stream_events stream_events = {link_on_open, link_on_data,
                                                link_on_close};

bool fwi_redis_link_open(fwi_redis_link *l)
{
    FWI_ASSERT(!is_open(l));
    const fwi_redis_config *c = l->config;
    fwi_stream_target target = {
        .host = c->url.is_unix ? NULL : c->url.host,
        .port = c->url.port,
        .path = c->url.is_unix ? c->url.file : NULL,
        .tls = c->url.tls,
        .tls_ca = c->tls_ca,
        .tls_cert = c->tls_cert,
        .tls_key = c->tls_key,
        .tls_insecure = c->tls_insecure,
        .connect_timeout_us = CONNECT_TIMEOUT_MS * 1000u,
    };
    if (!fwi_redis_reader_begin(l->reader)) {
        return false;
    }
    l->stream = l->loop->ops->stream_open(l->loop, &target, &stream_events, l);
    if (l->stream == NULL) {
        fwi_redis_reader_end(l->reader);
        return false;
    }
    l->opened++;
    set_state(l, FWI_REDIS_LINK_CONNECTING);
    return true;
}

fwi_redis_link *fwi_redis_link_new(fwi_loop *loop, const fwi_redis_config *config,
                                   const char *name, const fwi_redis_link_events *events,
                                   void *user)
{
    fwi_redis_link *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return NULL;
    }
    l->reader = fwi_redis_reader_new();
    if (l->reader == NULL) {
        free(l);
        return NULL;
    }
    l->loop = loop;
    l->config = config;
    l->name = name;
    l->events = events;
    l->user = user;
    fwi_buf_init(&l->out);
    fwi_timer_init(&l->greeting_timer, greeting_is_late);
    return l;
}

void fwi_redis_link_free(fwi_redis_link *l)
{
    if (l == NULL) {
        return;
    }
    fwi_redis_link_close(l);
    fwi_redis_reader_free(l->reader);
    fwi_buf_fini(&l->out);
    free(l);
}
