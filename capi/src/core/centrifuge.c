/*
 * A session that speaks the Centrifuge protocol: its beginning and end, and what comes, a
 * command after the other. A command whose reply takes time doesn't hold up the next,
 * but for three cases: connect is being decided; an unsubscribe comes behind its own
 * subscribe; too many are under way. Then the rest of the message waits here and the
 * socket is not read, so that no more than one message of a client ever waits.
 * @thread loop
 */
#include "core/centrifuge.h"

#include <string.h>

#include <fanwire/error.h>

#include "core/raw_rooms.h"
#include "wire/http_request.h"
#include "wire/ws_codec.h"

/* --- saying --- */

void fwi_cf_close(fwi_session *s, unsigned code, const char *reason)
{
    if (s->state == FWI_SESSION_ASKING) {
        fwi_uni_refuse(s, code, reason);
        return;
    }
    if (code == 3501) {
        fwi_shard_count(s->shard, FWI_STAT_PROTOCOL_ERRORS);
    }
    fwi_session_close(s, code, reason);
}

void fwi_cf_say_at(fwi_session *s, fwi_buf *text, bool ok, const fwi_place *place,
                   const fwi_position *at)
{
    fwi_frame *f = fwi_cf_frame_for(s, text, ok, place, at);
    if (f != NULL) {
        /* No policy for slow readers may drop a reply. */
        fwi_session_push(s, f, FWI_OUTBOX_KEPT);
        fwi_frame_unref(f);
    } else if (s->state == FWI_SESSION_OPEN) {
        fwi_cf_close(s, 3004, "internal server error");
    }
}

void fwi_cf_say(fwi_session *s, fwi_buf *text, bool ok)
{
    fwi_cf_say_at(s, text, ok, NULL, NULL);
}

void fwi_cf_error(fwi_session *s, uint32_t id, unsigned code, const char *message)
{
    if (s->state == FWI_SESSION_ASKING) {
        fwi_uni_turn_away(s, code, message, false);
        return;
    }
    fwi_buf text;
    fwi_buf_init(&text);
    fwi_cf_say(s, &text, fwi_cf_put_error(&text, id, code, message));
}

void fwi_cf_failure(fwi_session *s, uint32_t id, int err, const char *reason)
{
    const char *message = reason[0] ? reason : NULL;
    if (err > 0) {
        fwi_buf text;
        fwi_buf_init(&text);
        unsigned code = (unsigned)err & (FWI_MAY_TRY_AGAIN - 1);
        bool ok = (err & FWI_MAY_TRY_AGAIN) != 0
                      ? fwi_cf_put_failure(&text, id, code,
                                           message != NULL ? message : "not now", true)
                      : fwi_cf_put_error(&text, id, code, message);
        fwi_cf_say(s, &text, ok);
        return;
    }
    switch (err) {
    case FW_ERR_REFUSED:
        fwi_cf_error(s, id, FWI_CF_ERR_DENIED, message);
        break;
    case FW_ERR_LIMIT:
        fwi_cf_error(s, id, FWI_CF_ERR_LIMIT, NULL);
        break;
    case FW_ERR_BUSY:
        fwi_cf_error(s, id, FWI_CF_ERR_TOO_MANY, NULL);
        break;
    default:
        fwi_cf_error(s, id, FWI_CF_ERR_INTERNAL, NULL);
        break;
    }
}

bool fwi_cf_rate_allows(fwi_session *s, uint32_t id, fwi_rate_kind kind, const char *room)
{
    char text[FWI_RATE_TEXT];
    const fwi_rate_limit *reached = fwi_rates_take(s, kind, room);
    if (reached != NULL) {
        fwi_cf_error(s, id, FWI_CF_ERR_TOO_MANY, fwi_rate_limit_text(reached, text));
    }
    return reached == NULL;
}

void fwi_cf_done(fwi_session *s, uint32_t id, fwi_cf_method method)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_cf_begin_reply(&text, id, method) && fwi_cf_end_reply(&text);
    fwi_cf_say(s, &text, ok);
}

bool fwi_cf_channel(fwi_session *s, const fwi_cf_command *c, char out[FWI_NAME_MAX + 1])
{
    if (c->channel.len <= 2) { /* its quotes */
        fwi_cf_close(s, 3501, "a channel is missing");
        return false;
    }
    long n = fwi_cf_text(&c->channel, out, FWI_NAME_MAX + 1);
    if (n < 0 || fwi_name_problem(out, (size_t)n) != NULL) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_REQUEST, "the channel's name is not allowed");
        return false;
    }
    return true;
}

/* --- commands --- */

/* false: the command must wait. */
static bool run(fwi_session *s, const fwi_cf_command *c)
{
    fwi_centrifuge *cf = s->centrifuge;
    if (c->method == FWI_CF_PONG) {
        return true; /* that something came is what counts */
    }
    if (c->method == FWI_CF_CONNECT) {
        fwi_cf_connect(s, c);
        return true;
    }
    if (cf->state == FWI_CF_NEW) {
        fwi_cf_close(s, 3501, "connect must come first");
        return true;
    }
    switch (c->method) {
    case FWI_CF_PING:
        fwi_cf_done(s, c->id, FWI_CF_PING);
        break;
    case FWI_CF_SUBSCRIBE:
        fwi_cf_subscribe(s, c);
        break;
    case FWI_CF_UNSUBSCRIBE:
        return fwi_cf_unsubscribe(s, c);
    case FWI_CF_PUBLISH:
        fwi_cf_publish(s, c);
        break;
    case FWI_CF_PRESENCE:
    case FWI_CF_PRESENCE_STATS:
        fwi_cf_presence(s, c);
        break;
    case FWI_CF_HISTORY:
        fwi_cf_history(s, c);
        break;
    case FWI_CF_RPC:
        fwi_cf_rpc(s, c);
        break;
    case FWI_CF_SEND:
        fwi_cf_send(s, c);
        break;
    case FWI_CF_REFRESH:
        fwi_cf_refresh(s, c);
        break;
    case FWI_CF_SUB_REFRESH:
        fwi_cf_sub_refresh(s, c);
        break;
    default:
        fwi_cf_error(s, c->id, FWI_CF_ERR_METHOD, NULL);
        break;
    }
    return true;
}

/* May the next command be done now? */
static bool may_go_on(const fwi_session *s)
{
    const fwi_centrifuge *cf = s->centrifuge;
    /* The socket of others isn't read while the application is behind. */
    bool early = s->paused && fwi_session_protocol(s)->emulated;
    return s->state == FWI_SESSION_OPEN && !cf->blocked && !early &&
           cf->state != FWI_CF_ASKING && cf->state != FWI_CF_JOINING &&
           cf->under_way < FWI_UNDER_WAY_MAX;
}

/* Each command is a message of limit.message_rate, since each may cost as much as one:
 * the signature of a token, a question to Redis. One that had to wait has been counted.
 * false: they are too many, and the session has been ended. */
static bool count(fwi_session *s)
{
    fwi_centrifuge *cf = s->centrifuge;
    bool counted = cf->counted;
    cf->counted = false;
    return counted || fwi_session_may_say_more(s);
}

/* Does what can be done; the rest stays in the batch. */
static void run_batch(fwi_session *s, fwi_cf_batch *batch)
{
    fwi_centrifuge *cf = s->centrifuge;
    cf->running = true;
    while (may_go_on(s) && cf->state != FWI_CF_DEAF) {
        const fwi_cf_batch before = *batch;
        fwi_cf_command c;
        const char *why;
        fwi_cf_result result = fwi_cf_next(batch, &c, &why);
        if (result == FWI_CF_BAD) {
            fwi_cf_close(s, 3501, why);
        } else if (result == FWI_CF_COMMAND && count(s) && !run(s, &c)) {
            *batch = before;
            cf->blocked = cf->counted = true;
        }
        if (result != FWI_CF_COMMAND) {
            batch->len = 0;
            break;
        }
    }
    cf->running = false;
    if (cf->state == FWI_CF_DEAF || s->state != FWI_SESSION_OPEN) {
        batch->len = 0;
    }
}

/* What has been done of what waits needs no place any more. */
static void forget_done(fwi_centrifuge *cf)
{
    fwi_buf *waiting = &cf->waiting;
    if (cf->waiting_at > 0) {
        waiting->len -= cf->waiting_at;
        memmove(waiting->data, waiting->data + cf->waiting_at, waiting->len);
        cf->waiting_at = 0;
    }
}

/* Behind what waits already, which only who comes by several requests has. false: it has
 * been ended. */
static bool append(fwi_session *s, const fwi_cf_batch *rest)
{
    fwi_buf *waiting = &s->centrifuge->waiting;
    forget_done(s->centrifuge);
    if (fwi_session_protocol(s)->emulated &&
        waiting->len + rest->len > s->shard->hub->set.message_max) {
        fwi_shard_count(s->shard, FWI_STAT_LIMIT_MESSAGE);
        fwi_session_end(s, FWI_END_FLOOD);
        return false;
    }
    bool ok = (waiting->len == 0 || fwi_buf_puts(waiting, "\n")) &&
              fwi_buf_append(waiting, rest->at, rest->len);
    if (!ok) {
        fwi_cf_close(s, 3004, "internal server error");
    }
    return ok;
}

/* What is left of a message waits, and nothing more is read meanwhile. */
static void hold_back(fwi_session *s, const fwi_cf_batch *rest)
{
    if (rest->len > 0 && s->centrifuge->under_way >= FWI_UNDER_WAY_MAX) {
        fwi_shard_count(s->shard, FWI_STAT_LIMIT_COMMANDS);
    }
    if (s->state == FWI_SESSION_OPEN) {
        fwi_session_hold(s, !may_go_on(s));
    }
}

static bool is_blank(const char *p, size_t len)
{
    while (len > 0 && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
        len--;
    }
    return len == 0;
}

void fwi_cf_on_message(fwi_session *s, bool text, const void *data, size_t len)
{
    (void)text; /* JSON comes in binary frames, too */
    fwi_cf_batch batch = {data, len};
    if (s->centrifuge->state == FWI_CF_DEAF) {
        fwi_session_may_say_more(s);
        return;
    }
    if (is_blank(data, len)) {
        fwi_cf_close(s, 3501, "a message without a command");
        return;
    }
    if (s->centrifuge->waiting.len == 0) {
        run_batch(s, &batch);
    }
    if (batch.len == 0 || append(s, &batch)) {
        hold_back(s, &batch);
    }
}

/* Where it lies, as it goes on with each reply: what is left of a message of thousands of
 * commands would be copied as often. */
void fwi_cf_go_on(fwi_session *s)
{
    fwi_centrifuge *cf = s->centrifuge;
    if (cf->running || !may_go_on(s)) {
        return;
    }
    fwi_cf_batch batch = {"", 0};
    if (cf->waiting.len > 0) {
        batch = (fwi_cf_batch){cf->waiting.data + cf->waiting_at,
                               cf->waiting.len - cf->waiting_at};
        run_batch(s, &batch);
    }
    cf->waiting_at = cf->waiting.len - batch.len;
    if (batch.len == 0) {
        fwi_buf_fini(&cf->waiting);
        cf->waiting_at = 0;
    }
    hold_back(s, &batch);
}

/* --- life --- */

bool fwi_cf_begin(fwi_session *s)
{
    fwi_centrifuge *cf = calloc(1, sizeof *cf);
    if (cf == NULL) {
        fwi_session_refuse(s, 503, "out of memory");
        return false;
    }
    s->centrifuge = cf;
    cf->s = s;
    fwi_list_init(&cf->asked);
    fwi_timer_init(&cf->expiry, fwi_cf_on_expiry);
    fwi_buf_init(&cf->given_subs);
    fwi_buf_init(&cf->waiting);
    return true;
}

void fwi_cf_let_in(fwi_session *s)
{
    if (fwi_session_greet(s)) {
        fwi_loop_timer_set(s->shard->loop, &s->timer, FWI_CF_STALE_MS);
    }
}

static void ask(fwi_session *s)
{
    char value[8];
    if (!fwi_cf_begin(s)) {
        return;
    }
    fwi_centrifuge *cf = s->centrifuge;
    cf->frames = fwi_http_query_get(fwi_facts_query(s->facts), "cf_ws_frame_ping_pong", 0,
                                    value, sizeof value) > 0 &&
                 strcmp(value, "true") == 0;
    fwi_cf_let_in(s);
}

void fwi_cf_late(fwi_session *s)
{
    fwi_cf_close(s, 3502, "stale");
}

void fwi_cf_freed(fwi_session *s)
{
    fwi_centrifuge *cf = s->centrifuge;
    if (cf == NULL) {
        return;
    }
    while (!fwi_list_is_empty(&cf->asked)) {
        fwi_asked_free(fwi_list_entry(cf->asked.next, fwi_asked, link));
    }
    while (cf->subs != NULL) {
        fwi_cf_sub_drop(s, cf->subs);
    }
    for (fwi_cf_seen *seen; (seen = cf->seen) != NULL;) {
        cf->seen = seen->next;
        free(seen);
    }
    fwi_loop_timer_clear(s->shard->loop, &cf->expiry);
    fwi_claims_free(cf->claims);
    fwi_claims_free(cf->given);
    free(cf->holder);
    fwi_buf_fini(&cf->given_subs);
    fwi_buf_fini(&cf->waiting);
    free(cf);
}

/* {}, always the same; never freed, as the first reference is nobody's. */
static fwi_frame empty_object = {
    .refs = 1, .header = 2, .len = 4, .bytes = {0x80 | FWI_WS_TEXT, 2, '{', '}', 0}};

static fwi_frame *ping(const fwi_session *s)
{
    return s->centrifuge->frames ? fwi_raw_ping(s) : fwi_frame_ref(&empty_object);
}

static void reset(fwi_shard *shard, fwi_room *room, fwi_position at)
{
    (void)at; /* the answer to its next subscribe says so */
    fwi_room_each(shard, room, FWI_CENTRIFUGE, fwi_cf_lose_in, NULL);
}

const fwi_farewell fwi_cf_farewell[FWI_ENDS] = {
    [FWI_END_AWAY] = {3001, "shutdown"},
    [FWI_END_SLOW] = {3008, "slow"},
    [FWI_END_SILENT] = {3012, "no pong"},
    [FWI_END_FLOOD] = {3013, "too many requests"},
};

const fwi_protocol fwi_centrifuge_protocol = {
    .ask = ask,
    .replied = fwi_cf_replied,
    .published = fwi_cf_published,
    .freed = fwi_cf_freed,
    .on_message = fwi_cf_on_message,
    .late = fwi_cf_late,
    .ping = ping,
    .frame = fwi_cf_frame,
    .reset = reset,
    FWI_CF_OPERATIONS,
};
