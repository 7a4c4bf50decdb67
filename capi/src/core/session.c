/*
 * A session from handshake to end: its states and what comes. What goes is in
 * session_out.c, its rooms are in session_rooms.c, what its client understands is a
 * matter of its protocol (protocol.h). Handlers may run inside most functions here and
 * may end the session, so its memory stays until the end of the turn (shard's dead list).
 * @thread loop
 */
#include "core/session.h"

#include <string.h>

#include "core/decision.h"
#include "core/presence.h"
#include "core/session_inside.h"
#include "wire/ws_codec.h"

/* A Close frame that can't be written in this time isn't any more: what is behind it
 * would only be kept for a peer that doesn't read. And less for one that seems to be
 * gone, or didn't read before. */
enum { CLOSE_DEADLINE_MS = 5000, LAST_WORDS_MS = 1000 };

/* --- state --- */

bool fwi_session_state_allows(fwi_session_state from, fwi_session_state to)
{
    static const bool allowed[4][4] = {
        [FWI_SESSION_ASKING] = {[FWI_SESSION_OPEN] = true, [FWI_SESSION_CLOSED] = true},
        [FWI_SESSION_OPEN] = {[FWI_SESSION_CLOSING] = true, [FWI_SESSION_CLOSED] = true},
        [FWI_SESSION_CLOSING] = {[FWI_SESSION_CLOSED] = true},
    };
    return allowed[from][to];
}

void fwi_session_set_state(fwi_session *s, fwi_session_state to)
{
    static const char *const names[] = {"asking", "open", "closing", "closed"};
    FWI_ASSERT(fwi_session_state_allows((fwi_session_state)s->state, to));
    if (fwi_log_is_on(&s->shard->hub->log, FWI_LOG_TRACE)) {
        char id[FW_SESSION_ID_TEXT];
        FWI_LOG(&s->shard->hub->log, FWI_LOG_TRACE, "session", "%s -> %s session=%s",
                names[s->state], names[to],
                fw_session_id_text(fwi_session_identity(s), id));
    }
    s->state = (uint8_t)to;
}

/* --- life --- */

static void on_timer(fwi_timer *t);

static int check_limits(fwi_shard *shard, fwi_session *s)
{
    fwi_hub *hub = shard->hub;
    if (atomic_load(&hub->draining)) {
        return 503;
    }
    long n = atomic_fetch_add(&hub->sessions, 1) + 1;
    int64_t most = hub->set.limit_sessions, most_here = hub->set.limit_address;
    if (most > 0 && n > most) {
        atomic_fetch_sub(&hub->sessions, 1);
        fwi_shard_count(shard, FWI_STAT_LIMIT_SESSIONS);
        return 503;
    }
    if (most_here > 0) {
        if (!fwi_limits_take(&hub->limits, fwi_facts_address(s->facts), most_here)) {
            atomic_fetch_sub(&hub->sessions, 1);
            fwi_shard_count(shard, FWI_STAT_LIMIT_ADDRESS);
            return 429;
        }
        s->has_address = true;
    }
    return 0;
}

fwi_session *fwi_session_new(fwi_shard *shard, const fwi_transport_ops *tp, fwi_conn *c,
                             fwi_facts *facts, fwi_protocol_id protocol, int *status)
{
    fwi_session *s = calloc(1, sizeof *s);
    *status = 503;
    if (s == NULL) {
        fwi_facts_unref(facts);
        return NULL;
    }
    s->shard = shard;
    s->facts = facts;
    s->protocol = (uint8_t)protocol;
    *status = check_limits(shard, s);
    if (*status == 0 &&
        !fwi_idtable_add(&shard->sessions, s, &s->index, &s->generation)) {
        if (s->has_address) {
            fwi_limits_give(&shard->hub->limits, fwi_facts_address(facts));
        }
        atomic_fetch_sub(&shard->hub->sessions, 1);
        *status = 503;
    }
    if (*status != 0) {
        fwi_shard_count(shard, FWI_STAT_REFUSED);
        fwi_facts_unref(facts);
        free(s);
        return NULL;
    }
    s->tp = tp;
    s->conn = c;
    fwi_list_init(&s->all);
    fwi_list_init(&s->dirty);
    fwi_list_init(&s->pause_link);
    fwi_list_init(&s->decisions);
    fwi_timer_init(&s->timer, on_timer);
    fwi_outbox_init(&s->ob);
    return s;
}

void fwi_session_free(fwi_session *s)
{
    FWI_ASSERT(s->state == FWI_SESSION_CLOSED && s->n_places == 0 &&
               s->user_place.room == NULL);
    if (fwi_session_protocol(s)->freed != NULL) {
        fwi_session_protocol(s)->freed(s);
    }
    fwi_facts_unref(s->facts);
    fwi_credit_unref(s->credit);
    fw_message_unref(s->member);
    free(s->user);
    free(s->places);
    free(s);
}

fw_session_id fwi_session_identity(const fwi_session *s)
{
    uint64_t local = (uint64_t)s->shard->index << 56 | (uint64_t)s->index << 32;
    return (fw_session_id){s->shard->hub->node, local | s->generation};
}

fwi_session *fwi_session_find(fwi_shard *shard, fw_session_id id)
{
    if (id.node != shard->hub->node || fwi_id_loop(id) != shard->index) {
        return NULL;
    }
    return fwi_idtable_get(&shard->sessions, fwi_id_index(id), fwi_id_generation(id));
}

/* The id is stale from here on, whatever handlers do. */
static void forget(fwi_session *s)
{
    fwi_hub *hub = s->shard->hub;
    fwi_idtable_remove(&s->shard->sessions, s->index, s->generation);
    fwi_list_remove(&s->all);
    if (s->has_address) {
        fwi_limits_give(&hub->limits, fwi_facts_address(s->facts));
        s->has_address = false;
    }
    fwi_session_uncount_user(s);
    if (s->paused || s->held) {
        s->paused = s->held = false;
        fwi_list_remove(&s->pause_link);
        if (s->conn != NULL) {
            s->tp->pause(s->conn, false); /* the peer's Close frame is wanted */
        }
    }
    while (!fwi_list_is_empty(&s->decisions)) {
        fwi_session_cancel_decision(
            s, fwi_list_entry(s->decisions.next, fwi_decision, link));
    }
}

/* Nothing of the connection is left; memory goes at the end of the turn. */
static void ended(fwi_session *s)
{
    fwi_hub *hub = s->shard->hub;
    fwi_session_set_state(s, FWI_SESSION_CLOSED);
    s->conn = NULL;
    fwi_loop_timer_clear(s->shard->loop, &s->timer);
    fwi_stat_add(&s->shard->stats, FWI_STAT_OUTBOX_DROPPED,
                 fwi_outbox_clear(&s->ob, &s->shard->pool));
    fwi_list_remove(&s->all);
    fwi_list_remove(&s->dirty);
    fwi_list_append(&s->shard->dead, &s->dirty);
    if (atomic_fetch_sub(&hub->sessions, 1) == 1 && hub->on_idle != NULL) {
        hub->on_idle(hub->watcher);
    }
}

/* How many speak what it does. */
static fwi_stat stat_of_protocol(const fwi_session *s)
{
    static const fwi_stat stats[] = {
        [FWI_RAW] = FWI_STAT_SESSIONS_RAW,
        [FWI_CENTRIFUGE] = FWI_STAT_SESSIONS_CENTRIFUGE,
        [FWI_SSE] = FWI_STAT_SESSIONS_SSE,
        [FWI_UNI_SSE] = FWI_STAT_SESSIONS_UNI_SSE,
        [FWI_CENTRIFUGE_EVENTS] = FWI_STAT_SESSIONS_CENTRIFUGE_SSE,
        [FWI_CENTRIFUGE_LINES] = FWI_STAT_SESSIONS_HTTP_STREAM,
    };
    return stats[s->protocol];
}

static void leave_user(fwi_session *s)
{
    if (s->user_place.room != NULL) {
        fwi_presence_left(s, s->user_place.room->channel);
        fwi_room_exit(s->shard, s, &s->user_place);
    }
}

/* An open session has ended for the application. */
static void leave_open(fwi_session *s, fwi_session_state to, unsigned code,
                       const char *reason)
{
    fwi_session_set_state(s, to);
    forget(s);
    fwi_list_append(&s->shard->closing, &s->all);
    while (s->n_places > 0) {
        fwi_session_leave_place(s, &s->places[s->n_places - 1], 1);
    }
    leave_user(s);
    if (!s->announced) {
        fwi_shard_unadmit(s->shard);
        return;
    }
    fwi_stat_sub(&s->shard->stats, FWI_STAT_SESSIONS, 1);
    fwi_stat_sub(&s->shard->stats, stat_of_protocol(s), 1);
    fw_event e = {.type = FW_EVENT_CLOSE, .code = (int)code, .reason = reason};
    fwi_shard_raise(s->shard, &e, s);
}

/* --- the door --- */

void fwi_session_ask(fwi_session *s)
{
    fwi_session_protocol(s)->ask(s);
}

bool fwi_session_ask_application(fwi_session *s, const char *user, const void *data,
                                 size_t len, const char **why)
{
    fwi_decision *d = fwi_decision_new(s, FWI_ASKS_CONNECT, user, 0);
    *why = "out of memory";
    if (d == NULL) {
        return false;
    }
    fw_event e = {.type = FW_EVENT_CONNECT,
                  .token = fwi_decision_token(d),
                  .user = user[0] ? user : NULL,
                  .data = data,
                  .len = len};
    *why = "the application is behind";
    if (fwi_shard_raise(s->shard, &e, s)) {
        return true;
    }
    fwi_decision_cancel(d); /* nobody has heard of it, and its time would tell again */
    return false;
}

void fwi_session_refuse(fwi_session *s, int status, const char *reason)
{
    fwi_conn *c = s->conn;
    forget(s);
    leave_user(s); /* a drain may refuse whose user is known already */
    fwi_shard_unadmit(s->shard);
    fwi_shard_count(s->shard, FWI_STAT_REFUSED);
    ended(s);
    s->tp->refuse(c, status, reason);
}

bool fwi_session_greet(fwi_session *s)
{
    fwi_shard *shard = s->shard;
    if (atomic_load(&shard->hub->draining)) {
        /* It came before the drain, its verdict after: who is let in now might be
         * overlooked by those who close the open ones. */
        fwi_session_refuse(s, 503, "going away");
        return false;
    }
    fwi_session_set_state(s, FWI_SESSION_OPEN);
    fwi_list_append(&shard->open, &s->all);
    s->tp->accept(s->conn);
    if (s->state == FWI_SESSION_OPEN && fwi_session_protocol(s)->greeted != NULL) {
        fwi_session_protocol(s)->greeted(s);
    }
    return s->state == FWI_SESSION_OPEN; /* or the socket has failed under the 101 */
}

bool fwi_session_announce(fwi_session *s)
{
    fwi_shard *shard = s->shard;
    s->announced = true;
    fwi_shard_unadmit(shard);
    fwi_shard_count(shard, FWI_STAT_CONNECTS);
    fwi_stat_add(&shard->stats, FWI_STAT_SESSIONS, 1);
    fwi_stat_add(&shard->stats, stat_of_protocol(s), 1);
    fwi_heartbeat_start(s);
    fw_event e = {.type = FW_EVENT_OPEN};
    fwi_shard_raise(shard, &e, s);
    return s->state == FWI_SESSION_OPEN;
}

/* --- what comes --- */

/* May the transport go on giving? */
static bool wants_more(const fwi_session *s)
{
    return s->conn != NULL && !s->paused && !s->held;
}

void fwi_session_set_deflates(fwi_session *s, unsigned window_bits)
{
    s->deflates = (uint8_t)window_bits;
}

void fwi_session_on_bytes(fwi_session *s)
{
    s->awaiting_pong = false;
}

bool fwi_session_may_say_more(fwi_session *s)
{
    int64_t rate = s->shard->hub->set.limit_rate;
    if (rate == 0 ||
        fwi_rate_allow(&s->rate_tat, fwi_loop_now_us(s->shard->loop), rate)) {
        return true;
    }
    fwi_shard_count(s->shard, FWI_STAT_LIMIT_RATE);
    fwi_session_end(s, FWI_END_FLOOD);
    return false;
}

bool fwi_session_on_message(fwi_session *s, bool text, const void *data, size_t len)
{
    fwi_shard *shard = s->shard;
    if (s->state != FWI_SESSION_OPEN) {
        return wants_more(s); /* our Close frame is on its way: RFC 6455 5.5.1 */
    }
    fwi_shard_count(shard, FWI_STAT_IN);
    fwi_histogram_add(&shard->sizes, fwi_bounds_bytes, len);
    fwi_stat_add(&shard->stats, FWI_STAT_IN_BYTES, len);
    fwi_session_protocol(s)->on_message(s, text, data, len);
    return wants_more(s);
}

bool fwi_session_on_ping(fwi_session *s, const void *data, size_t len)
{
    if (s->state == FWI_SESSION_OPEN) {
        fwi_frame *pong = fwi_frame_new_ws(FWI_WS_PONG, data, len);
        if (pong != NULL) {
            fwi_outbox_push_control(&s->ob, &s->shard->pool, pong,
                                    s->shard->hub->set.outbox_max);
            fwi_session_mark_dirty(s);
        }
    }
    return wants_more(s);
}

bool fwi_session_on_pong(fwi_session *s, const void *data, size_t len)
{
    (void)data;
    (void)len;
    return wants_more(s);
}

/* Puts its last words behind what waits. */
static void send_close(fwi_session *s, unsigned code, const char *reason,
                       uint64_t deadline_ms)
{
    fwi_fanout_catch_up(s);
    if (s->mute & FWI_MUTE_UNGREETED) {
        fwi_session_forget_output(s);
    }
    fwi_frame *f = fwi_session_last_words(s, code, reason);
    if (f != NULL) {
        fwi_outbox_push_last(&s->ob, &s->shard->pool, f);
    }
    fwi_loop_timer_set(s->shard->loop, &s->timer, deadline_ms);
    fwi_session_mark_dirty(s);
}

void fwi_session_on_close(fwi_session *s, unsigned code, const void *reason, size_t len)
{
    if (s->state == FWI_SESSION_CLOSING) {
        return; /* the answer to ours; the socket is finished when ours is written */
    }
    char text[FWI_WS_CONTROL_MAX + 1];
    memcpy(text, reason, len);
    text[len] = '\0';
    fwi_shard_count(s->shard, FWI_STAT_CLOSES_CLEAN);
    /* The answer first: handlers may take their time. */
    send_close(s, code, "", CLOSE_DEADLINE_MS);
    leave_open(s, FWI_SESSION_CLOSING, code, text);
}

void fwi_session_on_failure(fwi_session *s, unsigned code, const char *why)
{
    fwi_shard *shard = s->shard;
    if (s->state != FWI_SESSION_OPEN) {
        return;
    }
    fwi_shard_count(shard,
                    code == 1009 ? FWI_STAT_LIMIT_MESSAGE : FWI_STAT_PROTOCOL_ERRORS);
    FWI_LOG(&shard->hub->log, FWI_LOG_DEBUG, "session", "closed code=%u why=\"%s\"", code,
            why);
    fwi_session_close(s, code, why);
}

void fwi_session_on_writable(fwi_session *s)
{
    s->unanswered_ms = 0; /* it has taken all of that, and is read again only now */
    fwi_session_flush(s);
}

void fwi_session_on_gone(fwi_session *s)
{
    s->conn = NULL;
    switch (s->state) {
    case FWI_SESSION_ASKING:
        forget(s);
        fwi_shard_unadmit(s->shard);
        ended(s);
        break;
    case FWI_SESSION_OPEN:
        fwi_shard_count(s->shard, FWI_STAT_CLOSES_GONE);
        leave_open(s, FWI_SESSION_CLOSING, 1006, "");
        ended(s);
        break;
    case FWI_SESSION_CLOSING:
        ended(s);
        break;
    default:
        break;
    }
}

/* --- its end by us --- */

static void close_within(fwi_session *s, unsigned code, const char *reason,
                         uint64_t deadline_ms)
{
    if (s->state == FWI_SESSION_ASKING) {
        fwi_session_refuse(s, 503, reason);
    } else if (s->state == FWI_SESSION_OPEN) {
        char text[FWI_WS_CONTROL_MAX + 1];
        snprintf(text, sizeof text, "%s", reason);
        fwi_shard_count(s->shard, FWI_STAT_CLOSES_BY_US);
        send_close(s, code, text, deadline_ms);
        leave_open(s, FWI_SESSION_CLOSING, code, text);
    }
}

void fwi_session_close(fwi_session *s, unsigned code, const char *reason)
{
    close_within(s, code, reason, CLOSE_DEADLINE_MS);
}

void fwi_session_end(fwi_session *s, fwi_end why)
{
    const fwi_farewell *f = &fwi_session_protocol(s)->farewell[why];
    bool reads = why != FWI_END_SLOW && why != FWI_END_SILENT;
    close_within(s, f->code, f->reason, reads ? CLOSE_DEADLINE_MS : LAST_WORDS_MS);
}

void fwi_session_refresh(fwi_session *s, int64_t expires_s)
{
    if (s->state == FWI_SESSION_OPEN && fwi_session_protocol(s)->refreshed != NULL) {
        fwi_session_protocol(s)->refreshed(s, expires_s);
    }
}

void fwi_session_finish(fwi_session *s)
{
    fwi_conn *c = s->conn;
    ended(s);
    s->tp->finish(c);
}

/* --- time --- */

void fwi_session_abort(fwi_session *s)
{
    fwi_conn *c = s->conn;
    ended(s);
    if (c != NULL) {
        s->tp->abort(c);
    }
}

static void on_timer(fwi_timer *t)
{
    fwi_session *s = fwi_container_of(t, fwi_session, timer);
    if (s->state == FWI_SESSION_CLOSING) {
        fwi_session_abort(s);
    } else if (s->state == FWI_SESSION_OPEN && s->announced) {
        fwi_heartbeat_beat(s);
    } else if (s->state == FWI_SESSION_OPEN) {
        fwi_session_protocol(s)->late(s);
    }
}

/* The transport is told what `paused` and `held` come to; `before`: what they came to. */
static void tell_reading(fwi_session *s, bool before)
{
    bool now = s->paused || s->held;
    if (now != before && s->conn != NULL) {
        s->tp->pause(s->conn, now);
    }
}

void fwi_session_hold(fwi_session *s, bool held)
{
    bool before = s->paused || s->held;
    s->held = held;
    tell_reading(s, before);
}

void fwi_session_pause(fwi_session *s)
{
    bool before = s->paused || s->held;
    s->paused = true;
    fwi_list_append(&s->shard->paused, &s->pause_link);
    tell_reading(s, before);
}

void fwi_session_check_credit(fwi_session *s)
{
    fwi_events *q = &s->shard->hub->events;
    if (!s->paused || s->credit == NULL) {
        return;
    }
    bool room = atomic_load(&q->bytes) <= q->max_bytes / 2;
    if (room && fwi_events_may_go_on(q, s->credit)) {
        s->paused = false;
        fwi_list_remove(&s->pause_link);
        tell_reading(s, true);
        if (fwi_session_protocol(s)->resumed != NULL) {
            fwi_session_protocol(s)->resumed(s);
        }
    }
}
