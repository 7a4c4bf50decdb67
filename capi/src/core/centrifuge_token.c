/*
 * Tokens of clients: who somebody is, which channels it is given, which private ones it
 * may have, and until when. What a token must be is in wire/token.h. @thread loop
 */
#include <string.h>

#include <fanwire/error.h>

#include "core/centrifuge.h"
#include "core/decision.h"
#include "core/gift.h"
#include "core/presence.h"

enum {
    AGAIN_S = 60, /* when the application couldn't say, it is asked again */
    EXPIRED = 2501,
    GIVEN_EXPIRED = 3006,   /* it can't ask for the room again: its connection ends */
    LOOK_AGAIN_MS = 3600000 /* the clock on the wall may be put, token.grace changed */
};

static int64_t now_s(const fwi_session *s)
{
    return (int64_t)(fwi_loop_wall_ms(s->shard->loop) / 1000);
}

/* NULL: the command has been answered, or the session closed. */
static fwi_claims *verify(fwi_session *s, const fwi_cf_command *c, fwi_token_use use)
{
    fwi_claims *claims = NULL;
    const char *why;
    fwi_buf text;
    fwi_buf_init(&text);
    fwi_token_result result = FWI_TOKEN_NO_MEMORY;
    if (fwi_json_put_text_of(&text, &c->token)) {
        result = fwi_tokens_verify(s->shard, use, text.data, text.len, &claims, &why);
    }
    fwi_buf_fini(&text);
    if (result == FWI_TOKEN_GOOD && claims->expires_s != 0 &&
        claims->expires_s <= now_s(s)) {
        fwi_claims_free(claims);
        result = FWI_TOKEN_EXPIRED;
    }
    switch (result) {
    case FWI_TOKEN_GOOD:
        return claims;
    case FWI_TOKEN_EXPIRED: /* the client gets another, and comes again */
        fwi_cf_error(s, c->id, FWI_CF_ERR_TOKEN_EXPIRED, NULL);
        break;
    case FWI_TOKEN_BAD:
        if (use == FWI_TOKEN_CONNECT) {
            fwi_cf_close(s, 3500, "invalid token");
        } else {
            fwi_cf_error(s, c->id, FWI_CF_ERR_DENIED, NULL);
        }
        break;
    default:
        fwi_cf_error(s, c->id, FWI_CF_ERR_INTERNAL, NULL);
        break;
    }
    return NULL;
}

/* Does the application decide who may stay, when the time is over? */
static bool asks_stay(const fwi_session *s, fw_event_type type)
{
    return fwi_events_want(&s->shard->hub->events, type);
}

static uint32_t ttl_of(const fwi_session *s, int64_t expires_s)
{
    int64_t left = expires_s - now_s(s);
    return expires_s == 0      ? 0
           : left < 1          ? 1
           : left > UINT32_MAX ? UINT32_MAX
                               : (uint32_t)left;
}

uint32_t fwi_cf_ttl(const fwi_session *s)
{
    return asks_stay(s, FW_EVENT_REFRESH) ? 0 : ttl_of(s, s->centrifuge->expires_s);
}

uint32_t fwi_cf_sub_ttl(const fwi_session *s, const fwi_cf_sub *sub)
{
    return asks_stay(s, FW_EVENT_SUB_REFRESH) ? 0 : ttl_of(s, sub->expires_s);
}

/* A value as it was written, on one line; NULL: there is none, or no memory. */
static char *text_of(const fwi_json *value)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = value->kind != FWI_JSON_NONE && fwi_json_put_line(&text, value);
    char *copy = ok ? fwi_buf_text(&text) : NULL;
    if (copy == NULL) {
        fwi_buf_fini(&text);
    }
    return copy; /* the buffer's memory is the caller's now */
}

/* --- when it is over --- */

/* When something has to be done about it; INT64_MAX: never. A client brings a token of
 * its own accord, and may be token.grace late with it; the application is asked in time,
 * and for what it was given a client has no token. */
static int64_t due_of(const fwi_session *s, bool by_token, bool asking, int64_t expires_s)
{
    const int64_t far_s = INT64_MAX / 2000;
    if (expires_s == 0 || expires_s > far_s || asking) {
        return INT64_MAX;
    }
    uint64_t grace_ms = by_token ? s->shard->hub->set.token_grace_ms : 0;
    return expires_s * 1000 + (int64_t)grace_ms;
}

static int64_t due_ms(const fwi_session *s)
{
    const fwi_centrifuge *cf = s->centrifuge;
    return due_of(s, !asks_stay(s, FW_EVENT_REFRESH), cf->staying, cf->expires_s);
}

static int64_t sub_due_ms(const fwi_session *s, const fwi_cf_sub *sub)
{
    return due_of(s, !sub->given && !asks_stay(s, FW_EVENT_SUB_REFRESH),
                  sub->asking || sub->pending, sub->expires_s);
}

static void end_sub(fwi_session *s, fwi_cf_sub *sub)
{
    if (sub->given) {
        fwi_cf_close(s, GIVEN_EXPIRED, "subscription expired");
    } else {
        fwi_cf_sub_lose(s, sub, EXPIRED, "subscription expired");
    }
}

/* Its time is over: it ends, unless the application says otherwise. */
static void expire(fwi_session *s)
{
    if (!asks_stay(s, FW_EVENT_REFRESH)) {
        fwi_cf_close(s, 3005, "connection expired");
        return;
    }
    s->centrifuge->staying = true;
    if (!fwi_decision_ask_refresh(s, "")) {
        fwi_cf_close(s, 3004, "internal server error");
    }
}

static void expire_sub(fwi_session *s, fwi_cf_sub *sub)
{
    if (!asks_stay(s, FW_EVENT_SUB_REFRESH)) {
        end_sub(s, sub);
        return;
    }
    char channel[FWI_NAME_MAX + 1];
    snprintf(channel, sizeof channel, "%s", sub->channel);
    sub->asking = true;
    if (!fwi_decision_ask_refresh(s, channel)) {
        end_sub(s, sub);
    }
}

static fwi_cf_sub *find_due_sub(const fwi_session *s)
{
    fwi_cf_sub *sub = s->centrifuge->subs;
    int64_t now_ms = (int64_t)fwi_loop_wall_ms(s->shard->loop);
    while (sub != NULL && sub_due_ms(s, sub) > now_ms) {
        sub = sub->next;
    }
    return sub;
}

/* The connection itself, or its subscriptions. Handlers may take others meanwhile, so
 * each is looked for anew. */
static void end_expired(fwi_session *s)
{
    if (due_ms(s) <= (int64_t)fwi_loop_wall_ms(s->shard->loop)) {
        expire(s);
    }
    fwi_cf_sub *sub;
    while (s->state == FWI_SESSION_OPEN && (sub = find_due_sub(s)) != NULL) {
        expire_sub(s, sub);
    }
}

void fwi_cf_watch(fwi_session *s)
{
    fwi_centrifuge *cf = s->centrifuge;
    int64_t first_ms = due_ms(s);
    if (cf->state != FWI_CF_CONNECTED) {
        return; /* until then the timer is that of joining */
    }
    for (const fwi_cf_sub *sub = cf->subs; sub != NULL; sub = sub->next) {
        int64_t sub_ms = sub_due_ms(s, sub);
        first_ms = FWI_MIN(first_ms, sub_ms);
    }
    if (first_ms == INT64_MAX) {
        fwi_loop_timer_clear(s->shard->loop, &cf->expiry);
        return;
    }
    int64_t left_ms = first_ms - (int64_t)fwi_loop_wall_ms(s->shard->loop);
    uint64_t delay = left_ms < 1 ? 1 : (uint64_t)left_ms;
    fwi_loop_timer_set(s->shard->loop, &cf->expiry,
                       FWI_MIN(delay, (uint64_t)LOOK_AGAIN_MS));
}

/* Others see it otherwise from now on. */
static void change_info(fwi_session *s, fwi_cf_sub *sub, const fwi_json *value)
{
    char channel[FWI_CHANNEL_CAP];
    char *info = text_of(value);
    bool same = strcmp(info ? info : "", sub->info ? sub->info : "") == 0;
    free(same ? info : sub->info);
    if (same) {
        return;
    }
    sub->info = info;
    fwi_channel_name('r', sub->channel, channel);
    const fwi_place *place = fwi_session_place_in(s, channel);
    if (place != NULL) {
        fwi_presence_renew_in(s, place);
    }
}

/* Until when it may stay now; 0: it is over. */
static int64_t stay_until(const fwi_session *s, const fwi_stay *stay)
{
    int64_t now = now_s(s);
    return !stay->known ? now + AGAIN_S : stay->expires_s > now ? stay->expires_s : 0;
}

void fwi_cf_stays(fwi_session *s, const char *room, const fwi_stay *stay)
{
    fwi_centrifuge *cf = s->centrifuge;
    int64_t until = stay_until(s, stay);
    bool has_info = stay->given != NULL && stay->given->info.len > 0;
    if (s->state != FWI_SESSION_OPEN) {
        return;
    }
    if (room[0] == '\0') {
        cf->staying = false;
        cf->expires_s = until;
        if (until == 0) {
            fwi_cf_close(s, 3005, "connection expired");
            return;
        }
        if (has_info) {
            fwi_presence_set_info(s, stay->given->info.at, stay->given->info.len);
        }
    } else {
        fwi_cf_sub *sub = fwi_cf_sub_find(s, room);
        if (sub == NULL || !sub->asking) {
            return; /* it has left; and if it came again, that is another stay */
        }
        sub->asking = false;
        sub->expires_s = until;
        if (until == 0) {
            end_sub(s, sub);
        } else if (has_info) {
            change_info(s, sub, &stay->given->info);
        }
    }
    if (s->state == FWI_SESSION_OPEN) {
        fwi_cf_watch(s);
    }
}

void fwi_cf_on_expiry(fwi_timer *t)
{
    fwi_centrifuge *cf = fwi_container_of(t, fwi_centrifuge, expiry);
    fwi_session *s = cf->s;
    if (s->state == FWI_SESSION_OPEN && cf->state == FWI_CF_JOINING) {
        fwi_cf_close(s, 3004, "its channels could not be had in time");
    } else if (s->state == FWI_SESSION_OPEN) {
        end_expired(s);
    }
    if (s->state == FWI_SESSION_OPEN) {
        fwi_cf_watch(s);
    }
}

/* --- connections --- */

static const char too_large[] = "the info of the token is too large";

/* Can what it says of its holder be told to others? */
static bool fits(const fwi_claims *claims)
{
    bool ok = claims->info.len <= FWI_INFO_MAX;
    for (size_t i = 0; i < claims->n_subs; i++) {
        ok = ok && claims->subs[i].info.len <= FWI_INFO_MAX;
    }
    return ok;
}

bool fwi_cf_identify(fwi_session *s, const fwi_cf_command *c)
{
    fwi_centrifuge *cf = s->centrifuge;
    if (c->token.len <= 2 || s->shard->hub->set.client_insecure) {
        return true;
    }
    cf->claims = verify(s, c, FWI_TOKEN_CONNECT);
    if (cf->claims == NULL) {
        return false;
    }
    if (!fits(cf->claims)) {
        fwi_cf_close(s, 3500, too_large);
        return false;
    }
    cf->holder = strdup(cf->claims->user);
    if (cf->holder == NULL) {
        fwi_cf_close(s, 3004, "internal server error");
        return false;
    }
    cf->expires_s = cf->claims->expires_s;
    return true;
}

/* Whose further tokens it may bring: whoever gives them out knows their user by the name
 * of the first, whatever the application has made of that. */
static bool is_holder(const fwi_session *s, const char *user)
{
    const char *holder = s->centrifuge->holder;
    if (holder == NULL) {
        holder = s->user != NULL ? s->user : "";
    }
    return strcmp(user, holder) == 0;
}

/* The channels that its token gives it. The token has decided: nobody is asked. */
static void give(fwi_session *s, const fwi_token_sub *given)
{
    fwi_join join = {.since = fwi_cf_since(s, given->channel)};
    if (fwi_cf_sub_find(s, given->channel) != NULL) {
        return; /* the application was faster */
    }
    fwi_cf_sub *sub = fwi_cf_sub_add(s, given->channel);
    int err = FW_ERR_MEMORY;
    if (sub != NULL) {
        sub->given = sub->required = sub->pending = true;
        sub->data = text_of(&given->data);
        sub->info = text_of(&given->info);
        err = s->n_places >= s->shard->hub->set.limit_rooms
                  ? FW_ERR_LIMIT
                  : fwi_session_enter(s, given->channel, &join);
    }
    if (err != FW_OK && s->state == FWI_SESSION_OPEN) {
        fwi_cf_refuse(s, err);
    }
}

static void give_all(fwi_session *s, const fwi_claims *claims)
{
    for (size_t i = 0; claims != NULL && i < claims->n_subs; i++) {
        if (s->state == FWI_SESSION_OPEN) {
            give(s, &claims->subs[i]);
        }
    }
}

void fwi_cf_take_claims(fwi_session *s)
{
    fwi_centrifuge *cf = s->centrifuge;
    give_all(s, cf->claims);
    give_all(s, cf->given);
    fwi_claims_free(cf->claims);
    cf->claims = NULL;
    cf->giving = false;
}

void fwi_cf_refresh(fwi_session *s, const fwi_cf_command *c)
{
    char client[FW_SESSION_ID_TEXT];
    if (c->token.len <= 2) {
        fwi_cf_close(s, 3501, "a token is missing");
        return;
    }
    fwi_claims *claims = verify(s, c, FWI_TOKEN_CONNECT);
    if (claims == NULL) {
        return;
    }
    bool same = is_holder(s, claims->user);
    if (!asks_stay(s, FW_EVENT_REFRESH)) { /* else it would put off being asked about */
        s->centrifuge->expires_s = claims->expires_s;
    }
    fwi_claims_free(claims);
    if (!same) {
        fwi_cf_close(s, 3500, "the token is somebody else's");
        return;
    }
    fwi_cf_watch(s);
    const fwi_cf_connected reply = {
        .client = fw_session_id_text(fwi_session_identity(s), client),
        .version = FWI_CF_VERSION,
        .method = "refresh",
        .ttl_s = fwi_cf_ttl(s),
    };
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_cf_put_connected(&text, c->id, &reply);
    fwi_cf_say(s, &text, ok);
}

static void push_refresh(fwi_session *s)
{
    uint32_t ttl_s = fwi_cf_ttl(s);
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_cf_begin_push(&text, NULL, "refresh") &&
              (ttl_s == 0 ? fwi_buf_puts(&text, "{}")
                          : fwi_buf_printf(&text, "{\"expires\":true,\"ttl\":%u}",
                                           (unsigned)ttl_s)) &&
              fwi_cf_end_push(&text);
    fwi_cf_say(s, &text, ok);
}

/* Whoever gave the order knows better than the token, so a time that has passed needs no
 * grace. */
void fwi_cf_refreshed(fwi_session *s, int64_t expires_s)
{
    fwi_centrifuge *cf = s->centrifuge;
    cf->expires_s = expires_s;
    if (expires_s != 0 && expires_s <= now_s(s)) {
        fwi_cf_close(s, 3005, "connection expired");
    } else if (cf->state == FWI_CF_CONNECTED) {
        push_refresh(s);
        fwi_cf_watch(s);
    }
}

/* --- subscriptions --- */

/* Is the token this session's, for this channel? */
static bool is_mine(const fwi_session *s, const fwi_claims *claims, const char *channel)
{
    char client[FW_SESSION_ID_TEXT];
    return is_holder(s, claims->user) && strcmp(claims->channel, channel) == 0 &&
           (claims->client == NULL ||
            strcmp(claims->client, fw_session_id_text(fwi_session_identity(s), client)) ==
                0);
}

fwi_claims *fwi_cf_verify_sub(fwi_session *s, const fwi_cf_command *c,
                              const char *channel)
{
    fwi_claims *claims = verify(s, c, FWI_TOKEN_SUBSCRIBE);
    if (claims != NULL && !is_mine(s, claims, channel)) {
        fwi_claims_free(claims);
        fwi_cf_close(s, 3500, "the token is for something else");
        return NULL;
    }
    if (claims != NULL && !fits(claims)) {
        fwi_claims_free(claims);
        fwi_cf_error(s, c->id, FWI_CF_ERR_DENIED, too_large);
        return NULL;
    }
    return claims;
}

void fwi_cf_sub_take_claims(fwi_session *s, fwi_cf_sub *sub, const fwi_claims *claims)
{
    unsigned on = claims->override.given & claims->override.on;
    if (claims->expires_s != 0) {
        sub->expires_s = claims->expires_s;
    }
    if (claims->data.kind != FWI_JSON_NONE) {
        free(sub->data);
        sub->data = text_of(&claims->data);
    }
    if (claims->info.kind != FWI_JSON_NONE) {
        free(sub->info);
        sub->info = text_of(&claims->info);
    }
    sub->recoverable = sub->recoverable || (on & FWI_TOKEN_RECOVERY) != 0;
    sub->positioned =
        sub->positioned || sub->recoverable || (on & FWI_TOKEN_POSITIONING) != 0;
    if (claims->override.given & FWI_TOKEN_JOIN_LEAVE) {
        sub->news = sub->news && (on & FWI_TOKEN_JOIN_LEAVE) != 0;
    }
    fwi_cf_watch(s);
}

void fwi_cf_granted(fwi_session *s, const char *room, const fwi_claims *given)
{
    fwi_cf_sub *sub = fwi_cf_sub_find(s, room);
    if (sub != NULL && sub->pending && !sub->given) {
        fwi_cf_sub_take_claims(s, sub, given);
    }
}

bool fwi_cf_given(fwi_session *s, const fw_message *gift)
{
    char channel[FWI_CHANNEL_CAP];
    fwi_claims *claims = s->state == FWI_SESSION_OPEN ? fwi_gift_of(gift) : NULL;
    fwi_cf_sub *sub = NULL;
    if (claims != NULL && fwi_cf_sub_find(s, claims->channel) == NULL &&
        fwi_session_place_in(s, fwi_channel_name('r', claims->channel, channel)) ==
            NULL) {
        sub = fwi_cf_sub_add(s, claims->channel);
    }
    if (sub != NULL) {
        sub->given = sub->pending = true;
        fwi_cf_sub_take_claims(s, sub, claims);
    }
    fwi_claims_free(claims);
    return sub != NULL;
}

void fwi_cf_sub_refresh(fwi_session *s, const fwi_cf_command *c)
{
    char channel[FWI_NAME_MAX + 1];
    if (!fwi_cf_channel(s, c, channel)) {
        return;
    }
    fwi_cf_sub *sub = fwi_cf_sub_find(s, channel);
    if (sub == NULL || sub->pending || c->token.len <= 2) {
        fwi_cf_error(s, c->id,
                     sub == NULL || sub->pending ? FWI_CF_ERR_DENIED : FWI_CF_ERR_REQUEST,
                     NULL);
        return;
    }
    fwi_claims *claims = fwi_cf_verify_sub(s, c, channel);
    if (claims == NULL) {
        return;
    }
    if (!asks_stay(s, FW_EVENT_SUB_REFRESH)) { /* as above */
        sub->expires_s = sub->loss == NULL ? claims->expires_s : 0;
    }
    change_info(s, sub, &claims->info);
    fwi_claims_free(claims);
    fwi_cf_watch(s);
    fwi_buf text;
    fwi_buf_init(&text);
    uint32_t ttl_s = fwi_cf_sub_ttl(s, sub);
    bool ok = fwi_cf_begin_reply(&text, c->id, FWI_CF_SUB_REFRESH) &&
              (ttl_s == 0 ||
               fwi_buf_printf(&text, "\"expires\":true,\"ttl\":%u", (unsigned)ttl_s)) &&
              fwi_cf_end_reply(&text);
    fwi_cf_say(s, &text, ok);
}
