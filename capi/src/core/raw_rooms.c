/*
 * Raw connections: a message is a frame, and what is said is the application's. In rooms
 * mode it has the plain meaning: rooms from the query, what is said goes to the rooms
 * (whose connection it is, is in raw_user.c); that uses the hub as an application would.
 * JSON is put together by wire/protocol_raw.
 * @thread loop
 */
#include "core/raw_rooms.h"

#include <string.h>

#include "core/decision.h"
#include "core/presence.h"
#include "core/raw_user.h"
#include "wire/http_request.h"
#include "wire/name.h"
#include "wire/protocol_raw.h"
#include "wire/ws_codec.h"

enum { NAME_CAP = FWI_NAME_MAX + 1 };

static bool in_rooms(const fwi_session *s)
{
    return s->shard->hub->set.raw_mode == FWI_RAW_ROOMS;
}

bool fwi_raw_is_json(const fwi_shard *shard)
{
    return shard->hub->set.raw_mode == FWI_RAW_ROOMS &&
           shard->hub->set.raw_format == FWI_FORMAT_JSON;
}

/* The index'th room of the query. 1: there is one; 0: there is no such; -1: bad. */
static int room_at(const fwi_session *s, size_t index, char *out)
{
    long n = fwi_http_query_get(fwi_facts_query(s->facts), "room", index, out, NAME_CAP);
    if (n == -1) {
        return 0;
    }
    return n < 0 || fwi_name_problem(out, (size_t)n) != NULL ? -1 : 1;
}

/* What the index'th room has been heard of, {0, 0} if nothing is said. false: bad. */
static bool since_at(const fwi_session *s, size_t index, fwi_position *since)
{
    char text[FW_POSITION_TEXT];
    *since = (fwi_position){0, 0};
    long n =
        fwi_http_query_get(fwi_facts_query(s->facts), "since", index, text, sizeof text);
    return n == -1 || n == 0 || (n > 0 && fw_position_parse(text, since) == FW_OK);
}

/* Are the rooms that the query asks for allowed? NULL, or what is wrong (status 400). */
static const char *problem(const fwi_session *s)
{
    char name[NAME_CAP];
    size_t rooms = 0;
    for (int there; (there = room_at(s, rooms, name)) != 0; rooms++) {
        /* Looked at first: a head has room for thousands, each of which is searched for
         * from the beginning. */
        if ((int64_t)rooms == s->shard->hub->set.limit_rooms) {
            fwi_shard_count(s->shard, FWI_STAT_LIMIT_ROOMS);
            return "too many rooms";
        }
        if (there < 0) {
            return "a room's name is not allowed";
        }
        fwi_position since;
        if (!since_at(s, rooms, &since)) {
            return "since is not EPOCH/OFFSET";
        }
    }
    return NULL;
}

/* May it do that in the room now? There are no words for a refusal, so the session is
 * closed with the reason; but that a room is talked in too much isn't one member's fault:
 * over its rate a message isn't heard, and that is all. */
static bool rate_allows(fwi_session *s, fwi_rate_kind kind, const char *room)
{
    char text[FWI_RATE_TEXT];
    const fwi_rate_limit *reached = fwi_rates_take(s, kind, room);
    if (reached != NULL && (kind == FWI_RATE_JOIN || !reached->of_room)) {
        fwi_session_close(s, kind == FWI_RATE_JOIN ? 1013 : 1008,
                          fwi_rate_limit_text(reached, text));
    }
    return reached == NULL;
}

/* What a client says of the index'th room when it comes back goes over the query, which
 * is as old as its first connection. */
static fwi_position since_of(fwi_session *s, size_t index, const char *room)
{
    const fwi_protocol *p = fwi_session_protocol(s);
    fwi_position said = {0, 0};
    if (p->since != NULL) {
        said = p->since(s, room);
    }
    if (said.epoch == 0) {
        since_at(s, index, &said);
    }
    return said;
}

static void join_all(fwi_session *s)
{
    char room[NAME_CAP];
    fwi_facts *facts = fwi_facts_ref(s->facts);
    /* Handlers of JOIN may close it meanwhile. */
    for (size_t i = 0; s->state == FWI_SESSION_OPEN && room_at(s, i, room) == 1; i++) {
        const fwi_join join = {.since = since_of(s, i, room)};
        if (rate_allows(s, FWI_RATE_JOIN, room)) {
            fwi_session_join(s, room, &join);
        }
    }
    fwi_facts_unref(facts);
}

/* Are they open to this user? */
static bool may_enter(const fwi_session *s, const char *user)
{
    char name[NAME_CAP];
    bool ok = true;
    for (size_t i = 0; ok && room_at(s, i, name) == 1; i++) {
        ok = s->shard->hub->set.client_insecure || fwi_name_is_for(name, user);
    }
    return ok;
}

/* --- coming in --- */

/* The rooms that the application gives it with its yes: it isn't asked about them. */
static void give_rooms(fwi_session *s, const fwi_claims *given)
{
    for (size_t i = 0; s->state == FWI_SESSION_OPEN && i < given->n_subs; i++) {
        if (s->n_places + s->n_asking >= s->shard->hub->set.limit_rooms) {
            fwi_shard_count(s->shard, FWI_STAT_LIMIT_ROOMS);
            return;
        }
        fwi_session_enter(s, given->subs[i].channel, &(fwi_join){.ref = 0});
    }
}

static void open_with(fwi_session *s, const char *user, const fwi_claims *given)
{
    if (in_rooms(s) && !may_enter(s, user != NULL ? user : "")) {
        fwi_session_refuse(s, 403, "a room is private, or for other users");
        return;
    }
    int err = user != NULL ? fwi_session_become(s, user) : FW_OK;
    if (err != FW_OK) {
        bool full = err == FW_ERR_LIMIT;
        fwi_session_refuse(s, full ? 429 : 503,
                           full ? "too many sessions of this user" : "out of memory");
        return;
    }
    if (!fwi_session_greet(s)) {
        return;
    }
    if (given != NULL && given->info.len > 0) {
        fwi_presence_set_info(s, given->info.at, given->info.len);
    }
    if (!fwi_session_announce(s)) {
        return;
    }
    if (given != NULL) {
        give_rooms(s, given);
    }
    if (s->state == FWI_SESSION_OPEN && in_rooms(s)) {
        join_all(s);
    }
}

void fwi_raw_open(fwi_session *s, const char *user)
{
    open_with(s, user, NULL);
}

void fwi_raw_ask(fwi_session *s)
{
    fwi_raw_user user;
    const char *why = in_rooms(s) ? problem(s) : NULL;
    if (why != NULL) {
        fwi_session_refuse(s, 400, why);
        return;
    }
    fwi_raw_identify(s, &user);
    if (user.status != 0) {
        fwi_session_refuse(s, user.status, user.why);
    } else if (!fwi_events_want(&s->shard->hub->events, FW_EVENT_CONNECT)) {
        fwi_raw_open(s, user.name[0] ? user.name : NULL);
    } else if (!fwi_session_ask_application(s, user.verified ? user.name : "", NULL, 0,
                                            &why) &&
               s->state == FWI_SESSION_ASKING) {
        fwi_session_refuse(s, 503, why);
    }
}

/* An error's number may be a status; if it is none, no is 403, and not now 503. */
static int status_of(int code)
{
    int number = code & (FWI_MAY_TRY_AGAIN - 1);
    return number >= 400 && number <= 599 ? number : code & FWI_MAY_TRY_AGAIN ? 503 : 403;
}

void fwi_raw_verdict(fwi_session *s, bool accept, int code, const char *text,
                     fwi_claims *given)
{
    if (accept) {
        open_with(s, text[0] ? text : NULL, given);
    } else {
        fwi_session_refuse(s, status_of(code), text);
    }
    fwi_claims_free(given);
}

/* --- what rooms say --- */

/* A text frame of what was encoded; frees it. */
static fwi_frame *frame_of(fwi_buf *text, bool encoded)
{
    fwi_frame *f = encoded ? fwi_frame_new_ws(FWI_WS_TEXT, text->data, text->len) : NULL;
    fwi_buf_fini(text);
    return f;
}

bool fwi_raw_put_news(fwi_buf *out, const char *channel, const fw_message *m)
{
    char session[FW_SESSION_ID_TEXT];
    const fwi_raw_who who = {.room = channel + 2,
                             .user = m->origin->user,
                             .session = fw_session_id_text(m->origin->session, session),
                             .node = m->origin->node_name};
    return fwi_raw_encode_news(&who, m->kind == FWI_MSG_ENTERED, out);
}

static fwi_frame *news_frame(const char *channel, const fw_message *m)
{
    fwi_buf text;
    fwi_buf_init(&text);
    return frame_of(&text, fwi_raw_put_news(&text, channel, m));
}

static fwi_frame *reset_frame(const char *channel, fwi_position at)
{
    fwi_buf text;
    fwi_buf_init(&text);
    return frame_of(&text, fwi_raw_encode_reset(channel + 2, at.epoch, at.offset, &text));
}

bool fwi_raw_put_message(fwi_buf *out, const char *channel, const fw_message *m)
{
    char session[FW_SESSION_ID_TEXT] = "";
    if (m->origin != NULL) {
        fw_session_id_text(m->origin->session, session);
    }
    fwi_raw_said raw = {
        .room = channel[0] == 'r' ? channel + 2 : "",
        .user = m->origin ? m->origin->user : "",
        .session = session,
        .node = m->origin ? m->origin->node_name : "",
        .text = !(m->flags & FW_BINARY),
        .data = fwi_message_bytes(m),
        .len = fwi_message_len(m),
        .epoch = m->at.epoch,
        .offset = m->at.offset,
    };
    return fwi_raw_encode_message(&raw, out);
}

fwi_frame *fwi_raw_json_frame(const char *channel, const fw_message *m)
{
    fwi_buf text;
    fwi_buf_init(&text);
    return frame_of(&text, fwi_raw_put_message(&text, channel, m));
}

static void push_text(fwi_session *s, fwi_buf *text)
{
    fwi_frame *f = fwi_frame_new_ws(FWI_WS_TEXT, text->data, text->len);
    if (f != NULL) {
        fwi_session_push(s, f, 0);
        fwi_frame_unref(f);
    }
}

static void say_joined(fwi_session *s, const char *room, const fwi_admission *a)
{
    const fwi_raw_entry entry = {.room = room,
                                 .epoch = a->at.epoch,
                                 .offset = a->at.offset,
                                 .recovered = a->recovered};
    fwi_buf text;
    fwi_buf_init(&text);
    if (fwi_raw_encode_joined(&entry, &text)) {
        push_text(s, &text);
    }
    fwi_buf_fini(&text);
}

static fwi_frame *frame(fwi_shard *shard, const char *channel, fw_message *m)
{
    bool json = channel != NULL && fwi_raw_is_json(shard);
    if (m->kind == FWI_MSG_ENTERED || m->kind == FWI_MSG_LEFT) {
        return json ? news_frame(channel, m) : NULL;
    }
    return json ? fwi_raw_json_frame(channel, m) : fwi_frame_ref(m->frame);
}

/* What s has missed comes ahead of what the room says next. */
static void joined(fwi_session *s, fwi_place *place, const fwi_admission *a)
{
    fwi_fanout_missed(s, place, a->missed);
    if (fwi_raw_is_json(s->shard)) {
        say_joined(s, place->room->channel + 2, a);
    }
}

static void close_one(fwi_session *s, const fwi_room *room, void *arg)
{
    (void)room;
    (void)arg;
    fwi_session_close(s, 1012, "the room's history has begun anew");
}

static void reset(fwi_shard *shard, fwi_room *room, fwi_position at)
{
    if (shard->hub->set.raw_mode != FWI_RAW_ROOMS) {
        return; /* the application is told by an event */
    }
    if (!fwi_raw_is_json(shard)) {
        fwi_room_each(shard, room, FWI_RAW, close_one, NULL);
        return;
    }
    fwi_telling told = {.frame[FWI_RAW] = reset_frame(room->channel, at)};
    fwi_fanout_say(shard, room, &told);
    fwi_telling_fini(&told);
}

/* --- what is said --- */

static bool set_origin(fwi_session *s, fw_message *m)
{
    const fwi_hub *hub = s->shard->hub;
    if (hub->set.raw_format != FWI_FORMAT_JSON) {
        return true;
    }
    m->origin = fwi_presence_origin(s);
    return m->origin != NULL;
}

/* false: it is lost. */
static bool to_room(fwi_session *s, const char *channel, fw_message *m)
{
    if (!fwi_decision_asks_publish(s, channel)) {
        return fwi_hub_publish(s->shard->hub, channel, m) == FW_OK;
    }
    char room[FWI_NAME_MAX + 1];
    snprintf(room, sizeof room, "%s", channel + 2);
    s->undecided++;
    bool asked = fwi_decision_ask_publish(s, room, 0, m);
    s->undecided -= !asked;
    return asked;
}

/* It isn't read while so much of what it has said waits for a verdict. */
static void hold_back(fwi_session *s)
{
    bool much = s->undecided >= FWI_UNDER_WAY_MAX;
    if (s->state != FWI_SESSION_OPEN || much == s->held) {
        return;
    }
    if (much) {
        fwi_shard_count(s->shard, FWI_STAT_LIMIT_COMMANDS);
    }
    fwi_session_hold(s, much);
}

static void to_rooms(fwi_session *s, bool text, const void *data, size_t len)
{
    fwi_hub *hub = s->shard->hub;
    if (s->n_places == 0) {
        fwi_shard_count(s->shard, FWI_STAT_UNROUTED);
        return;
    }
    fw_message *m = fwi_message_new(FWI_MSG_DATA, data, len, text ? FW_TEXT : FW_BINARY);
    if (m == NULL) {
        fwi_shard_count(s->shard, FWI_STAT_UNROUTED);
        return;
    }
    if (!hub->set.raw_echo) {
        m->except = fwi_session_identity(s);
    }
    bool sent = set_origin(s, m);
    atomic_store(&m->sent, true);
    /* Who decides may close it meanwhile, or take it out of rooms. */
    for (size_t i = 0; sent && s->state == FWI_SESSION_OPEN && i < s->n_places; i++) {
        const char *channel = s->places[i].room->channel;
        sent = !rate_allows(s, FWI_RATE_PUBLISH, channel + 2) || to_room(s, channel, m);
    }
    if (!sent) {
        fwi_shard_count(s->shard, FWI_STAT_INBOX_DROPPED);
    }
    fw_message_unref(m);
    hold_back(s);
}

/* The application has decided. Raw clients have no way to be told that it said no. */
static void published(fwi_session *s, const char *room, uint64_t number, fw_message *m,
                      int code, const char *text)
{
    char channel[FWI_CHANNEL_CAP];
    (void)number;
    (void)text;
    if (m != NULL ? fwi_hub_publish(s->shard->hub, fwi_channel_name('r', room, channel),
                                    m) != FW_OK
                  : code == FW_ERR_MEMORY) {
        fwi_shard_count(s->shard, FWI_STAT_INBOX_DROPPED);
    }
    s->undecided--;
    hold_back(s);
}

static void on_message(fwi_session *s, bool text, const void *data, size_t len)
{
    fwi_shard *shard = s->shard;
    bool wanted = fwi_events_want(&shard->hub->events, FW_EVENT_MESSAGE);
    bool rooms = in_rooms(s);
    if (!fwi_session_may_say_more(s)) {
        return;
    }
    if (rooms) {
        to_rooms(s, text, data, len);
    }
    if (wanted) {
        fw_event e = {.type = FW_EVENT_MESSAGE,
                      .data = data,
                      .len = len,
                      .flags = text ? FW_TEXT : FW_BINARY};
        fwi_shard_raise(shard, &e, s);
    } else if (!rooms) {
        fwi_shard_count(shard, FWI_STAT_UNROUTED);
    }
}

/* All pings are the same one. It is never freed: the first reference is nobody's. */
static fwi_frame ping_frame = {
    .refs = 1, .header = 2, .len = 2, .bytes = {0x80 | FWI_WS_PING, 0, 0}};

fwi_frame *fwi_raw_ping(const fwi_session *s)
{
    (void)s;
    return fwi_frame_ref(&ping_frame);
}

const fwi_farewell fwi_raw_farewell[FWI_ENDS] = {
    [FWI_END_AWAY] = {1001, "going away"},
    [FWI_END_SLOW] = {1013, "too slow"},
    [FWI_END_SILENT] = {1001, "no answer to ping"},
    [FWI_END_FLOOD] = {1008, "too many messages"},
};

const fwi_protocol fwi_raw_protocol = {
    .ask = fwi_raw_ask,
    .verdict = fwi_raw_verdict,
    .published = published,
    .on_message = on_message,
    .ping = fwi_raw_ping,
    .frame = frame,
    .joined = joined,
    .reset = reset,
    .farewell = fwi_raw_farewell,
};
