/*
 * What the transport calls of core, as stubs: a shard that counts, and sessions that do
 * as its mode says. They run on the loop's thread; the counters may be read from any.
 */
#ifndef TESTS_TRANSPORT_STUB_CORE_H
#define TESTS_TRANSPORT_STUB_CORE_H

#include <check.h>
#include <stdatomic.h>

#include "core/loop.h"
#include "core/session.h"
#include "wire/deflate.h"
#include "wire/ws_codec.h"

typedef enum rig_mode {
    RIG_ECHO,   /* send back what came */
    RIG_LATE,   /* the verdict comes by rig_do */
    RIG_REFUSE, /* 403 at once */
    RIG_PAUSE,  /* echo, but pause after each message; a timer goes on */
    RIG_FINISH, /* at the first message: Close and finish, though more came with it */
    RIG_ABORT,  /* at the first message: abort */
    RIG_POUR    /* at the first message: pour_bytes of a known pattern, and Close */
} rig_mode;

struct fwi_shard {
    rig_mode mode;
    int admit_status, session_status;
    size_t pour_bytes;
    atomic_int admits, unadmits, http_errors, sessions, ended, gone, failures, messages;
    atomic_int writables, blocked, inflated;
    fwi_session *last;
    fwi_loop *loop;
    char facts[400]; /* of the last session, as text */
};

struct fwi_session {
    fwi_shard *shard;
    const fwi_transport_ops *tp;
    fwi_conn *c;
    fwi_buf out;
    size_t poured;
    bool pouring, closing;
    unsigned deflates; /* as it was told */
    fwi_timer resume;
};

static inline uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static inline void session_end(fwi_session *s)
{
    fwi_loop_timer_clear(s->shard->loop, &s->resume);
    atomic_fetch_add(&s->shard->ended, 1);
    if (s->shard->last == s) {
        s->shard->last = NULL;
    }
    fwi_buf_fini(&s->out);
    free(s);
}

static inline void session_finish(fwi_session *s)
{
    s->tp->finish(s->c);
    session_end(s);
}

static inline void session_put(fwi_session *s, unsigned opcode, const void *data,
                               size_t len)
{
    uint8_t header[FWI_WS_HEADER_MAX];
    ck_assert(fwi_buf_append(&s->out, header, fwi_ws_header(header, opcode, len)));
    ck_assert(fwi_buf_append(&s->out, data, len));
}

static inline void session_put_close(fwi_session *s, unsigned code)
{
    uint8_t payload[FWI_WS_CONTROL_MAX];
    session_put(s, FWI_WS_CLOSE, payload, fwi_ws_close_payload(payload, code, "bye"));
    s->closing = true;
}

static inline void session_pour(fwi_session *s)
{
    enum { PIECE = 65536 };
    static uint8_t piece[PIECE];
    size_t n = FWI_MIN((size_t)PIECE, s->shard->pour_bytes - s->poured);
    for (size_t i = 0; i < n; i++) {
        piece[i] = pattern(s->poured + i);
    }
    session_put(s, FWI_WS_BINARY, piece, n);
    s->poured += n;
    if (s->poured == s->shard->pour_bytes) {
        s->pouring = false;
        session_put_close(s, 1000);
    }
}

/* Returns false if the session is gone. */
static inline bool session_flush(fwi_session *s)
{
    while (s->tp->can_write(s->c)) {
        if (s->out.len == 0 && s->pouring) {
            session_pour(s);
        }
        if (s->out.len == 0) {
            break;
        }
        if (!s->tp->write(s->c, s->out.data, s->out.len)) {
            return true; /* gone comes later */
        }
        s->out.len = 0;
    }
    if (s->pouring) {
        atomic_fetch_add(&s->shard->blocked, 1);
    }
    if (s->closing && s->out.len == 0) {
        session_finish(s);
        return false;
    }
    return true;
}

static inline void on_resume(fwi_timer *t)
{
    fwi_session *s = fwi_container_of(t, fwi_session, resume);
    s->tp->pause(s->c, false);
}

int fwi_shard_admit(fwi_shard *shard)
{
    if (shard->admit_status == 0) {
        atomic_fetch_add(&shard->admits, 1);
    }
    return shard->admit_status;
}

void fwi_shard_unadmit(fwi_shard *shard)
{
    atomic_fetch_add(&shard->unadmits, 1);
}

uint32_t fwi_shard_retry_ms(fwi_shard *shard)
{
    (void)shard;
    return 1234;
}

void fwi_shard_count_http_error(fwi_shard *shard)
{
    atomic_fetch_add(&shard->http_errors, 1);
}

fwi_session *fwi_session_new(fwi_shard *shard, const fwi_transport_ops *tp, fwi_conn *c,
                             fwi_facts *facts, fwi_protocol_id protocol, int *status)
{
    (void)protocol;
    const char *origin = fwi_facts_header(facts, "origin");
    snprintf(shard->facts, sizeof shard->facts, "%d|%s|%s|%s|%s|%s", facts->secure,
             fwi_facts_path(facts), fwi_facts_query(facts), fwi_facts_address(facts),
             fwi_facts_peer(facts), origin ? origin : "-");
    fwi_facts_unref(facts);
    if (shard->session_status != 0) {
        *status = shard->session_status;
        return NULL;
    }
    fwi_session *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    s->shard = shard;
    s->tp = tp;
    s->c = c;
    fwi_timer_init(&s->resume, on_resume);
    shard->last = s;
    atomic_fetch_add(&shard->sessions, 1);
    return s;
}

void fwi_shard_count_inflated(fwi_shard *shard, fwi_inflater *inflater)
{
    if (inflater != NULL) {
        atomic_fetch_add(&shard->inflated,
                         (int)fwi_inflater_take_counts(inflater).messages);
    }
}

void fwi_session_set_deflates(fwi_session *s, unsigned window_bits)
{
    s->deflates = window_bits;
}

void fwi_session_ask(fwi_session *s)
{
    if (s->shard->mode == RIG_REFUSE) {
        s->tp->refuse(s->c, 403, "not you");
        session_end(s);
    } else if (s->shard->mode != RIG_LATE) {
        s->tp->accept(s->c);
    }
}

bool fwi_session_on_message(fwi_session *s, bool text, const void *data, size_t len)
{
    atomic_fetch_add(&s->shard->messages, 1);
    switch (s->shard->mode) {
    case RIG_FINISH:
        session_put_close(s, 1000);
        return session_flush(s);
    case RIG_ABORT:
        s->tp->abort(s->c);
        session_end(s);
        return false;
    case RIG_POUR:
        s->pouring = true;
        return session_flush(s);
    case RIG_PAUSE:
        s->tp->pause(s->c, true);
        fwi_loop_timer_set(s->shard->loop, &s->resume, 1);
        break;
    default:
        break;
    }
    session_put(s, text ? FWI_WS_TEXT : FWI_WS_BINARY, data, len);
    return session_flush(s) && s->shard->mode != RIG_PAUSE;
}

bool fwi_session_on_ping(fwi_session *s, const void *data, size_t len)
{
    session_put(s, FWI_WS_PONG, data, len);
    return session_flush(s);
}

void fwi_session_on_bytes(fwi_session *s)
{
    (void)s;
}

bool fwi_session_on_pong(fwi_session *s, const void *data, size_t len)
{
    (void)s, (void)data, (void)len;
    return true;
}

void fwi_session_on_close(fwi_session *s, unsigned code, const void *reason, size_t len)
{
    (void)reason, (void)len;
    session_put_close(s, code);
    session_flush(s);
}

void fwi_session_on_failure(fwi_session *s, unsigned code, const char *why)
{
    ck_assert_ptr_nonnull(why);
    atomic_fetch_add(&s->shard->failures, 1);
    session_put_close(s, code);
    session_flush(s);
}

void fwi_session_on_writable(fwi_session *s)
{
    atomic_fetch_add(&s->shard->writables, 1);
    session_flush(s);
}

void fwi_session_on_gone(fwi_session *s)
{
    atomic_fetch_add(&s->shard->gone, 1);
    session_end(s);
}

#endif
