/*
 * The plain meaning of raw connections: rooms and user from the query, what is said goes
 * to the rooms. It uses the hub as an application would. JSON is put together by
 * wire/protocol_raw.
 * @thread loop
 */
#include "core/raw_rooms.h"

#include <string.h>

#include "core/presence.h"
#include "wire/http_request.h"
#include "wire/name.h"
#include "wire/protocol_raw.h"
#include "wire/ws_codec.h"

enum { NAME_CAP = FWI_NAME_MAX + 1 };

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

const char *fwi_raw_user(const fwi_session *s, char *out, size_t cap)
{
    if (s->shard->hub->set.raw_user != FWI_RAW_USER_QUERY) {
        return NULL;
    }
    return fwi_http_query_get(fwi_facts_query(s->facts), "user", 0, out, cap) > 0 ? out
                                                                                  : NULL;
}

const char *fwi_raw_problem(const fwi_session *s)
{
    char name[NAME_CAP];
    size_t rooms = 0;
    for (int there; (there = room_at(s, rooms, name)) != 0; rooms++) {
        if (there < 0) {
            return "a room's name is not allowed";
        }
        fwi_position since;
        if (!since_at(s, rooms, &since)) {
            return "since is not EPOCH/OFFSET";
        }
    }
    if ((int64_t)rooms > s->shard->hub->set.limit_rooms) {
        fwi_shard_count(s->shard, FWI_STAT_LIMIT_ROOMS);
        return "too many rooms";
    }
    if (s->shard->hub->set.raw_user == FWI_RAW_USER_QUERY) {
        long n =
            fwi_http_query_get(fwi_facts_query(s->facts), "user", 0, name, sizeof name);
        if (n == -2 || (n > 0 && fwi_name_problem(name, (size_t)n) != NULL)) {
            return "the user's name is not allowed";
        }
    }
    return NULL;
}

void fwi_raw_opened(fwi_session *s)
{
    char room[NAME_CAP];
    fwi_facts *facts = fwi_facts_ref(s->facts);
    /* Handlers of JOIN may close it meanwhile. */
    for (size_t i = 0; s->state == FWI_SESSION_OPEN && room_at(s, i, room) == 1; i++) {
        fwi_join join = {.ref = 0};
        since_at(s, i, &join.since);
        fwi_session_join(s, room, &join);
    }
    fwi_facts_unref(facts);
}

static void push_text(fwi_session *s, fwi_buf *text)
{
    fwi_frame *f = fwi_frame_new_ws(FWI_WS_TEXT, text->data, text->len);
    if (f != NULL) {
        fwi_session_push(s, f, 0);
        fwi_frame_unref(f);
    }
}

void fwi_raw_joined(fwi_session *s, const char *room, const fwi_admission *a)
{
    const fwi_raw_entry entry = {.room = room,
                                 .epoch = a->at.epoch,
                                 .offset = a->at.offset,
                                 .recovered = a->recovered};
    if (s->shard->hub->set.raw_format != FWI_FORMAT_JSON) {
        return;
    }
    fwi_buf text;
    fwi_buf_init(&text);
    if (fwi_raw_encode_joined(&entry, &text)) {
        push_text(s, &text);
    }
    fwi_buf_fini(&text);
}

static bool set_origin(fwi_session *s, fw_message *m)
{
    const fwi_hub *hub = s->shard->hub;
    if (hub->set.raw_format != FWI_FORMAT_JSON) {
        return true;
    }
    m->origin = fwi_presence_origin(s);
    return m->origin != NULL;
}

void fwi_raw_message(fwi_session *s, bool text, const void *data, size_t len)
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
    for (size_t i = 0; sent && i < s->n_places; i++) {
        sent = fwi_hub_publish(hub, s->places[i].room->channel, m) == FW_OK;
    }
    if (!sent) {
        fwi_shard_count(s->shard, FWI_STAT_INBOX_DROPPED);
    }
    fw_message_unref(m);
}

/* A text frame of what was encoded; frees it. */
static fwi_frame *frame_of(fwi_buf *text, bool encoded)
{
    fwi_frame *f = encoded ? fwi_frame_new_ws(FWI_WS_TEXT, text->data, text->len) : NULL;
    fwi_buf_fini(text);
    return f;
}

fwi_frame *fwi_raw_news_frame(const char *channel, const fw_message *m)
{
    char session[FW_SESSION_ID_TEXT];
    const fwi_raw_who who = {.room = channel + 2,
                             .user = m->origin->user,
                             .session = fw_session_id_text(m->origin->session, session),
                             .node = m->origin->node_name};
    fwi_buf text;
    fwi_buf_init(&text);
    return frame_of(&text, fwi_raw_encode_news(&who, m->kind == FWI_MSG_ENTERED, &text));
}

fwi_frame *fwi_raw_reset_frame(const char *channel, fwi_position at)
{
    fwi_buf text;
    fwi_buf_init(&text);
    return frame_of(&text, fwi_raw_encode_reset(channel + 2, at.epoch, at.offset, &text));
}

fwi_frame *fwi_raw_json_frame(const char *channel, const fw_message *m)
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
    fwi_buf text;
    fwi_buf_init(&text);
    return frame_of(&text, fwi_raw_encode_message(&raw, &text));
}
