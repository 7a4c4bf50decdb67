/*
 * Who a client is: the connect command. The application decides where it wants to, else
 * the options. Who is let in may be given channels, by the application's handler of OPEN;
 * the reply says which, so it waits for them, and nothing is written before it. @thread
 * loop
 */
#include <string.h>

#include <fanwire/error.h>

#include "core/centrifuge.h"
#include "core/emulation.h"
#include "core/presence.h"
#include "core/sse_id.h"

/* --- what it has seen --- */

static bool remember(fwi_centrifuge *cf, const char *channel, fwi_position at)
{
    size_t n = strlen(channel) + 1;
    fwi_cf_seen *seen = malloc(sizeof *seen + n);
    if (seen == NULL) {
        return false;
    }
    memcpy(seen->channel, channel, n);
    seen->at = at;
    seen->next = cf->seen;
    cf->seen = seen;
    return true;
}

/* Of the channels that it was given on its last connection. false: it has been closed. */
static bool read_seen(fwi_session *s, const fwi_cf_command *c)
{
    fwi_json_walk w = fwi_json_inside(&c->subs);
    fwi_json key, value, epoch, recover;
    int64_t left = s->shard->hub->set.limit_rooms;
    while (fwi_json_next(&w, &key, &value)) {
        char channel[FWI_NAME_MAX + 1];
        fwi_position at = {0, 0};
        if (value.kind != FWI_JSON_OBJECT ||
            !fwi_cf_position(&value, &at.offset, &epoch)) {
            fwi_cf_close(s, 3501, "a field of the wrong kind");
            return false;
        }
        at.epoch = fwi_cf_epoch(&epoch);
        bool wanted = fwi_json_get(&value, "recover", &recover) &&
                      recover.kind == FWI_JSON_TRUE && at.epoch != 0 &&
                      fwi_cf_text(&key, channel, sizeof channel) > 0;
        if (wanted && (left-- <= 0 || !remember(s->centrifuge, channel, at))) {
            return true; /* what isn't remembered isn't recovered, and it is told so */
        }
    }
    return true;
}

static fwi_cf_seen *find_seen(const fwi_session *s, const char *channel)
{
    fwi_cf_seen *seen = s->centrifuge->seen;
    while (seen != NULL && strcmp(seen->channel, channel) != 0) {
        seen = seen->next;
    }
    return seen;
}

/* What the id of the last event names goes over what its first request has said. */
static void take_heard(fwi_session *s, const char *channel)
{
    fwi_position at = fwi_sse_heard(s, channel);
    fwi_cf_seen *seen = find_seen(s, channel);
    if (at.epoch != 0 && seen != NULL) {
        seen->at = at;
    } else if (at.epoch != 0) {
        remember(s->centrifuge, channel, at);
    }
}

const fwi_cf_seen *fwi_cf_seen_find(fwi_session *s, const char *channel)
{
    if (s->names_rooms) {
        take_heard(s, channel);
    }
    return find_seen(s, channel);
}

void fwi_cf_seen_drop(fwi_session *s, const char *channel)
{
    if (s->names_rooms) {
        fwi_sse_heard_drop(s, channel);
    }
    for (fwi_cf_seen **p = &s->centrifuge->seen; *p != NULL; p = &(*p)->next) {
        fwi_cf_seen *seen = *p;
        if (strcmp(seen->channel, channel) == 0) {
            *p = seen->next;
            free(seen);
            return;
        }
    }
}

/* Of what it is given; what it subscribes to itself it asks for with its own words. */
fwi_position fwi_cf_since(fwi_session *s, const char *room)
{
    const fwi_cf_seen *seen = fwi_cf_seen_find(s, room);
    if (fwi_cf_options(s, room)->newest_only) {
        return FWI_CF_NEWEST;
    }
    return seen != NULL && fwi_cf_sub_find(s, room) == NULL ? seen->at
                                                            : (fwi_position){0, 0};
}

/* --- the command --- */

/* Nothing more is heard of it; it hangs up by itself, or is closed as stale. */
static void turn_away(fwi_session *s, unsigned code, const char *message, bool temporary)
{
    fwi_centrifuge *cf = s->centrifuge;
    fwi_buf text;
    if (s->state == FWI_SESSION_ASKING) {
        fwi_uni_turn_away(s, code, message, temporary);
        return;
    }
    fwi_buf_init(&text);
    cf->state = FWI_CF_DEAF;
    fwi_loop_timer_set(s->shard->loop, &s->timer, FWI_CF_STALE_MS);
    fwi_shard_count(s->shard, FWI_STAT_REFUSED);
    fwi_cf_say(s, &text,
               fwi_cf_put_failure(&text, cf->connect_id, code, message, temporary));
    fwi_cf_go_on(s);
}

void fwi_cf_connect(fwi_session *s, const fwi_cf_command *c)
{
    fwi_centrifuge *cf = s->centrifuge;
    const fwi_hub *hub = s->shard->hub;
    const char *why;
    if (cf->state != FWI_CF_NEW) {
        fwi_cf_close(s, 3501, "connected already");
        return;
    }
    if (!read_seen(s, c)) {
        return;
    }
    cf->connect_id = c->id;
    cf->state = FWI_CF_ASKING;
    if (!fwi_cf_identify(s, c)) {
        cf->state = FWI_CF_DEAF;
        return;
    }
    const char *user = cf->claims != NULL ? cf->claims->user : "";
    if (fwi_events_want(&hub->events, FW_EVENT_CONNECT)) {
        /* It has said what it had to: the time is the application's now. */
        fwi_loop_timer_clear(s->shard->loop, &s->timer);
        if (!fwi_session_ask_application(s, user, c->data.at, c->data.len, &why) &&
            s->state <= FWI_SESSION_OPEN && cf->state == FWI_CF_ASKING) {
            turn_away(s, FWI_CF_ERR_TOO_MANY, why, true);
        }
    } else if (cf->claims != NULL || hub->set.client_insecure ||
               hub->set.client_anonymous) {
        fwi_cf_verdict(s, true, 0, user, NULL);
    } else {
        fwi_shard_count(s->shard, FWI_STAT_TOKENS_MISSING);
        fwi_cf_close(s, 3501, "a token is needed");
    }
}

/* What presence tells of it: the application knows better than the token. */
static void take_info(fwi_session *s)
{
    const fwi_claims *of[] = {s->centrifuge->given, s->centrifuge->claims};
    for (size_t i = 0; i < FWI_ARRAY_LEN(of); i++) {
        if (of[i] != NULL && of[i]->info.len > 0) {
            fwi_presence_set_info(s, of[i]->info.at, of[i]->info.len);
            return;
        }
    }
}

void fwi_cf_verdict(fwi_session *s, bool accept, int code, const char *text,
                    fwi_claims *given)
{
    fwi_centrifuge *cf = s->centrifuge;
    char user[FWI_NAME_MAX + 1];
    if (!accept) {
        turn_away(s, (unsigned)code & (FWI_MAY_TRY_AGAIN - 1), text[0] ? text : "refused",
                  (code & FWI_MAY_TRY_AGAIN) != 0);
        return;
    }
    snprintf(user, sizeof user, "%s", text);
    cf->given = given;
    cf->giving = cf->claims != NULL || given != NULL;
    if (given != NULL && given->expires_s != 0) {
        cf->expires_s = given->expires_s;
    }
    cf->state = FWI_CF_JOINING;
    s->mute |= FWI_MUTE_UNGREETED;
    fwi_loop_timer_clear(s->shard->loop, &s->timer);
    /* Nobody is pinged meanwhile, and Redis may be away for long. */
    fwi_loop_timer_set(s->shard->loop, &cf->expiry,
                       s->shard->hub->set.decision_timeout_ms);
    int err = user[0] != '\0' ? fwi_session_become(s, user) : FW_OK;
    if (err != FW_OK) {
        bool full = err == FW_ERR_LIMIT;
        fwi_cf_close(s, full ? 3504 : 3004,
                     full ? "connection limit" : "internal server error");
        return;
    }
    if (s->state == FWI_SESSION_ASKING && !fwi_session_greet(s)) {
        return;
    }
    take_info(s);
    if (fwi_session_announce(s)) {
        fwi_cf_take_claims(s);
        fwi_cf_check_joining(s);
    }
}

/* --- the reply --- */

static bool all_in(const fwi_session *s)
{
    for (size_t i = 0; i < s->n_places; i++) {
        if (!fwi_place_is_in(&s->places[i])) {
            return false;
        }
    }
    return s->n_asking == 0;
}

static bool put_reply(fwi_buf *text, const fwi_session *s)
{
    const fwi_centrifuge *cf = s->centrifuge;
    char client[FW_SESSION_ID_TEXT], session[FWI_SEAL_TEXT];
    char node[FWI_EMULATED_NODE] = "";
    bool emulated = fwi_session_protocol(s)->emulated;
    if (emulated && !fwi_emulation_names(s, session, node)) {
        return false;
    }
    uint64_t ping_ms = cf->frames ? 0 : s->shard->hub->set.heartbeat_interval_ms;
    fwi_cf_connected reply = {
        .client = fw_session_id_text(fwi_session_identity(s), client),
        .version = FWI_CF_VERSION,
        .method = "connect",
        .ttl_s = fwi_cf_ttl(s),
        .ping_s = (uint32_t)((ping_ms + 999) / 1000),
        .one_way = fwi_session_protocol(s)->only_listens,
        .subs = &cf->given_subs,
        .session = emulated ? session : NULL,
        .node = node,
    };
    if (cf->given != NULL) {
        const fwi_json *data = &cf->given->data;
        reply.data = (fwi_cf_data){FWI_CF_VALUE, data->at, data->len};
    }
    return fwi_cf_put_connected(text, cf->connect_id, &reply);
}

void fwi_cf_check_joining(fwi_session *s)
{
    fwi_centrifuge *cf = s->centrifuge;
    if (cf->state != FWI_CF_JOINING || s->state != FWI_SESSION_OPEN || cf->giving ||
        !all_in(s)) {
        return;
    }
    const fwi_position here = {0, 0};
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = put_reply(&text, s);
    fwi_frame *f = fwi_cf_frame_for(s, &text, ok, NULL, &here);
    /* Ahead of what its channels have said meanwhile. */
    if (f == NULL || !fwi_outbox_push_first(&s->ob, &s->shard->pool, f)) {
        fwi_cf_close(s, 3004, "internal server error");
        return;
    }
    fwi_claims_free(cf->given);
    cf->given = NULL;
    fwi_buf_fini(&cf->given_subs);
    fwi_buf_init(&cf->given_subs);
    cf->state = FWI_CF_CONNECTED;
    fwi_cf_watch(s);
    s->mute &= (uint8_t)~FWI_MUTE_UNGREETED;
    fwi_session_mark_dirty(s);
    fwi_cf_go_on(s);
}

void fwi_cf_refuse(fwi_session *s, int err)
{
    if (err == FW_ERR_LIMIT) {
        fwi_shard_count(s->shard, FWI_STAT_LIMIT_ROOMS);
        fwi_cf_close(s, 3505, "channel limit");
    } else {
        fwi_cf_close(s, 3004, "internal server error");
    }
}
