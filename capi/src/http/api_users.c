/*
 * The API's methods about users and nodes: subscribe, unsubscribe, disconnect, refresh,
 * connections, info. What is to be done with sessions is an order to whichever nodes have
 * them: that it was given is all that the answer says. @thread loop 0
 */
#include "http/api_inside.h"

#include <inttypes.h>
#include <string.h>

#include <fanwire/session.h>

#include "base/utf8.h"
#include "core/gift.h"
#include "core/presence.h"
#include "http/api_members.h"
#include "wire/ws_codec.h"

/* The first fields of all of them. */
enum { USER, CLIENT, SESSION, SECOND };

#define COMMON_FIELDS                                                                    \
    [USER] = {"user", FWI_API_STRING, false},                                            \
    [CLIENT] = {"client", FWI_API_STRING, false},                                        \
    [SESSION] = {"session", FWI_API_STRING, true}

/* Whom a method is about: all sessions of a user, or one. */
typedef struct target {
    char user[FWI_NAME_MAX + 1]; /* "": the session */
    fw_session_id session;
} target;

/* false: the command has failed. */
static bool read_target(fwi_api_command *c, const fwi_json *fields, target *t)
{
    t->user[0] = '\0';
    if (!fwi_api_client(c, &fields[CLIENT], "client", &t->session)) {
        return false;
    }
    bool one = !fw_session_id_equal(t->session, fw_session_none());
    return one || fwi_api_name(c, fields, USER, t->user);
}

/* That a session has gone is what happens to sessions. */
static void judge(fwi_api_command *c, int err)
{
    if (err != FW_OK && err != FW_ERR_GONE) {
        fwi_api_fail_with(c, err, fw_error_detail());
    }
}

/* --- subscribe, unsubscribe --- */

enum {
    CHANNEL = SECOND,
    RECOVER_SINCE,
    EXPIRE_AT,
    INFO,
    B64INFO,
    DATA,
    B64DATA,
    OVERRIDE
};

static const fwi_api_field subscribe_fields[] = {
    COMMON_FIELDS,
    [CHANNEL] = {"channel", FWI_API_STRING, false},
    [RECOVER_SINCE] = {"recover_since", FWI_API_OBJECT, false},
    [EXPIRE_AT] = {"expire_at", FWI_API_NUMBER, false},
    [INFO] = {"info", FWI_API_ANY, false},
    [B64INFO] = {"b64info", FWI_API_STRING, false},
    [DATA] = {"data", FWI_API_ANY, false},
    [B64DATA] = {"b64data", FWI_API_STRING, false},
    [OVERRIDE] = {"override", FWI_API_OBJECT, true},
    {NULL, 0, false}};

static const fwi_api_field unsubscribe_fields[] = {
    COMMON_FIELDS, [CHANNEL] = {"channel", FWI_API_STRING, false}, {NULL, 0, false}};

/* Seconds since 1970; 0: never. */
static bool read_time(fwi_api_command *c, const fwi_json *value, int64_t *expires_s)
{
    *expires_s = 0;
    if (value->kind == FWI_JSON_NONE ||
        (fwi_json_to_i64(value, expires_s) && *expires_s >= 0)) {
        return true;
    }
    fwi_api_fail(c, FWI_API_BAD,
                 "\"expire_at\" must be a time in whole seconds since 1970");
    return false;
}

/* What is to be given with the room (core/gift.h), as it was written, on one line. */
static bool put_gift(const fwi_json *fields, const char *room, fwi_buf *out)
{
    static const unsigned of_gift[] = {INFO, B64INFO, DATA, B64DATA, EXPIRE_AT};
    bool ok = fwi_buf_puts(out, "{\"channel\":") &&
              fwi_json_put_string(out, room, strlen(room));
    for (size_t i = 0; i < FWI_ARRAY_LEN(of_gift) && ok; i++) {
        const fwi_json *value = &fields[of_gift[i]];
        if (value->kind != FWI_JSON_NONE && value->kind != FWI_JSON_NULL) {
            ok = fwi_buf_printf(out, ",\"%s\":", subscribe_fields[of_gift[i]].name) &&
                 fwi_json_put_line(out, value);
        }
    }
    return ok && fwi_buf_puts(out, "}");
}

/* Is there anything to give, and can it be given? */
static bool check_gift(fwi_api_command *c, const fwi_claims *gift, size_t len,
                       bool *is_empty)
{
    const fwi_hub *hub = fwi_api_hub(c);
    int64_t now_s = (int64_t)(fwi_loop_wall_ms(hub->shard[0]->loop) / 1000);
    *is_empty = gift->info.kind == FWI_JSON_NONE && gift->data.kind == FWI_JSON_NONE &&
                gift->expires_s == 0;
    if (gift->expires_s != 0 && gift->expires_s <= now_s) {
        fwi_api_fail(c, FWI_API_BAD, "\"expire_at\" has passed");
    } else if (gift->info.len > FWI_INFO_MAX) {
        fwi_api_fail(c, FWI_API_LIMIT, "\"info\" has more than %d bytes", FWI_INFO_MAX);
    } else if (len > hub->set.message_max) {
        fwi_api_fail(c, FWI_API_LIMIT, "\"data\" is more than message.max_bytes");
    } else {
        return true;
    }
    return false;
}

/* *gift: the order to give it, the caller's reference; NULL: there is nothing to give.
 * false: the command has failed. */
static bool read_gift(fwi_api_command *c, const fwi_json *fields, const char *room,
                      fwi_position since, fw_message **gift)
{
    static const char of_tokens[] = "the token's ";
    const char *why;
    bool is_empty = true;
    fwi_buf text;
    fwi_buf_init(&text);
    *gift = NULL;
    if (!put_gift(fields, room, &text)) {
        fwi_buf_fini(&text);
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
        return false;
    }
    fwi_claims *claims = fwi_gift_read(text.data, text.len, &why);
    bool ok = claims != NULL && check_gift(c, claims, text.len, &is_empty);
    if (ok && !is_empty) {
        *gift = fwi_gift_message(text.data, text.len, since);
        ok = *gift != NULL;
    }
    if (claims == NULL && why[0] != '\0') {
        bool named = strncmp(why, of_tokens, strlen(of_tokens)) == 0;
        fwi_api_fail(c, FWI_API_BAD, "%s", why + (named ? strlen(of_tokens) : 0));
    } else if (!ok) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory"); /* unless it has failed */
    }
    fwi_claims_free(claims);
    fwi_buf_fini(&text);
    return ok;
}

static void run_subscribe(fwi_api_command *c, const fwi_json *fields)
{
    target t;
    char room[FWI_NAME_MAX + 1];
    fwi_position since;
    int64_t expires_s;
    fw_message *gift;
    if (!read_target(c, fields, &t) || !fwi_api_name(c, fields, CHANNEL, room) ||
        !fwi_api_position(c, fields, RECOVER_SINCE, &since) ||
        !read_time(c, &fields[EXPIRE_AT], &expires_s) ||
        !read_gift(c, fields, room, since, &gift)) {
        return;
    }
    fwi_hub *hub = fwi_api_hub(c);
    bool whole = t.user[0] != '\0';
    if (gift == NULL) {
        judge(c, whole ? fwi_hub_user_join(hub, t.user, room, since)
                       : fwi_hub_join_since(hub, t.session, room, since, 0));
    } else {
        judge(c, whole ? fwi_hub_user_give(hub, t.user, gift)
                       : fwi_hub_give(hub, t.session, room, gift));
    }
    fw_message_unref(gift);
}

static void run_unsubscribe(fwi_api_command *c, const fwi_json *fields)
{
    target t;
    char room[FWI_NAME_MAX + 1];
    if (read_target(c, fields, &t) && fwi_api_name(c, fields, CHANNEL, room)) {
        fwi_hub *hub = fwi_api_hub(c);
        judge(c, t.user[0] != '\0' ? fwi_hub_user_leave(hub, t.user, room)
                                   : fwi_hub_leave(hub, t.session, room));
    }
}

/* --- disconnect, refresh --- */

enum { DISCONNECT = SECOND, WHITELIST };
enum { EXPIRED = SECOND, REFRESH_AT, REFRESH_INFO };

static const fwi_api_field disconnect_fields[] = {
    COMMON_FIELDS,
    [DISCONNECT] = {"disconnect", FWI_API_OBJECT, false},
    [WHITELIST] = {"whitelist", FWI_API_ARRAY, false},
    {NULL, 0, false}};

static const fwi_api_field refresh_fields[] = {
    COMMON_FIELDS,
    [EXPIRED] = {"expired", FWI_API_SWITCH, false},
    [REFRESH_AT] = {"expire_at", FWI_API_NUMBER, false},
    [REFRESH_INFO] = {"info", FWI_API_ANY, false},
    {NULL, 0, false}};

/* As clients of the Centrifuge protocol know them: one is told not to come back, the
 * other to bring a new token. */
enum { FORCE_DISCONNECT = 3503, CONNECTION_EXPIRED = 3005 };

enum { REASON_CAP = FWI_WS_CONTROL_MAX - 2 + 1 };

typedef struct ending {
    uint64_t code;
    char reason[REASON_CAP];
} ending;

static bool read_ending(fwi_api_command *c, const fwi_json *fields, ending *e)
{
    fwi_json code, reason;
    fwi_buf text;
    *e = (ending){.code = FORCE_DISCONNECT, .reason = "force disconnect"};
    if (fields[DISCONNECT].kind == FWI_JSON_NONE) {
        return true;
    }
    bool ok = fwi_json_get(&fields[DISCONNECT], "code", &code) &&
              fwi_json_to_u64(&code, &e->code) && e->code <= 4999 &&
              fwi_ws_close_code_is_valid((unsigned)e->code);
    fwi_buf_init(&text);
    if (ok && fwi_json_get(&fields[DISCONNECT], "reason", &reason)) {
        ok = reason.kind == FWI_JSON_STRING && fwi_json_put_text_of(&text, &reason) &&
             text.len < REASON_CAP &&
             (text.len == 0 || memchr(text.data, 0, text.len) == NULL);
    }
    if (ok) {
        snprintf(e->reason, sizeof e->reason, "%.*s", (int)text.len,
                 text.len > 0 ? text.data : "");
    } else {
        fwi_api_fail(c, FWI_API_BAD,
                     "\"disconnect\": code must be 1000-1003, 1007-1014 or 3000-4999, "
                     "reason a string of at most 123 bytes");
    }
    fwi_buf_fini(&text);
    return ok;
}

/* Who stays: a message can leave out one. */
static bool read_whitelist(fwi_api_command *c, const fwi_json *fields,
                           fw_session_id *stays)
{
    fwi_json_walk w = fwi_json_inside(&fields[WHITELIST]);
    fwi_json client;
    *stays = fw_session_none();
    for (size_t n = 0; fwi_json_next(&w, NULL, &client); n++) {
        if (n > 0) {
            fwi_api_fail(c, FWI_API_NOT_AVAILABLE,
                         "\"whitelist\" with more than one client is not supported");
            return false;
        }
        if (client.kind != FWI_JSON_STRING) {
            fwi_api_fail(c, FWI_API_BAD, "\"whitelist\" must have strings in it");
            return false;
        }
        if (!fwi_api_client(c, &client, "whitelist", stays)) {
            return false;
        }
    }
    return true;
}

static void end(fwi_api_command *c, const target *t, const ending *e, fw_session_id stays)
{
    fwi_hub *hub = fwi_api_hub(c);
    if (t->user[0] != '\0') {
        judge(c, fwi_hub_user_close(hub, t->user, (unsigned)e->code, e->reason, stays));
    } else if (!fw_session_id_equal(t->session, stays)) {
        judge(c, fwi_hub_close(hub, t->session, (unsigned)e->code, e->reason));
    }
}

static void run_disconnect(fwi_api_command *c, const fwi_json *fields)
{
    target t;
    ending e;
    fw_session_id stays;
    if (read_target(c, fields, &t) && read_ending(c, fields, &e) &&
        read_whitelist(c, fields, &stays)) {
        end(c, &t, &e, stays);
    }
}

/* As JSON on one line. "" where there is none. */
static bool read_info(fwi_api_command *c, const fwi_json *value, fwi_buf *info)
{
    if (value->kind == FWI_JSON_NONE || value->kind == FWI_JSON_NULL) {
        return true;
    }
    if (!fwi_json_put_line(info, value)) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
        return false;
    }
    if (info->len > FWI_INFO_MAX) {
        fwi_api_fail(c, FWI_API_LIMIT, "\"info\" has more than %d bytes", FWI_INFO_MAX);
        return false;
    }
    return true;
}

static void refresh(fwi_api_command *c, const target *t, int64_t expires_s,
                    const fwi_buf *info)
{
    fwi_hub *hub = fwi_api_hub(c);
    int err = FW_OK;
    if (info->len > 0) {
        err = t->user[0] != '\0'
                  ? fwi_hub_user_set_info(hub, t->user, info->data, info->len)
                  : fwi_hub_set_info(hub, t->session, info->data, info->len);
    }
    if (err == FW_OK) {
        err = t->user[0] != '\0' ? fwi_hub_user_refresh(hub, t->user, expires_s)
                                 : fwi_hub_refresh(hub, t->session, expires_s);
    }
    judge(c, err);
}

static void run_refresh(fwi_api_command *c, const fwi_json *fields)
{
    static const ending expired = {.code = CONNECTION_EXPIRED,
                                   .reason = "connection expired"};
    target t;
    int64_t expires_s;
    fwi_buf info;
    fwi_buf_init(&info);
    bool good = read_target(c, fields, &t) &&
                read_time(c, &fields[REFRESH_AT], &expires_s) &&
                read_info(c, &fields[REFRESH_INFO], &info);
    if (good && fwi_api_is_on(&fields[EXPIRED])) {
        end(c, &t, &expired, fw_session_none());
    } else if (good) {
        refresh(c, &t, expires_s, &info);
    }
    fwi_buf_fini(&info);
}

/* --- connections --- */

enum { EXPRESSION = SECOND };

static const fwi_api_field connections_fields[] = {
    COMMON_FIELDS, [EXPRESSION] = {"expression", FWI_API_STRING, true}, {NULL, 0, false}};

static void run_connections(fwi_api_command *c, const fwi_json *fields)
{
    char user[FWI_NAME_MAX + 1], channel[FWI_CHANNEL_CAP];
    if (!fwi_api_name(c, fields, USER, user)) {
        return;
    }
    if (!fwi_api_hub(c)->set.user_presence) {
        fwi_api_fail(c, FWI_API_NOT_AVAILABLE, "option user.presence is off");
        return;
    }
    fwi_api_read_members(c, fwi_channel_name('u', user, channel), "connections");
}

/* --- info --- */

static const fwi_api_field info_fields[] = {{NULL, 0, false}};

static void put_fact(fwi_api_command *c, const fwi_json *facts, const char *fact,
                     const char *as)
{
    fwi_json value;
    if (fwi_json_get(facts, fact, &value)) {
        fwi_api_printf(c, ",\"%s\":%.*s", as, (int)value.len, value.at);
    }
}

static void put_node(fwi_api_command *c, const fw_message *m)
{
    fwi_json facts = {0};
    fwi_json_read(fwi_message_bytes(m), fwi_message_len(m), &facts, NULL);
    fwi_api_printf(c, "{\"uid\":\"%016" PRIx64 "\",\"name\":", m->origin->session.node);
    fwi_api_put_string(c, m->origin->node_name, strlen(m->origin->node_name));
    put_fact(c, &facts, "version", "version");
    put_fact(c, &facts, "sessions", "num_clients");
    put_fact(c, &facts, "rooms", "num_channels");
    put_fact(c, &facts, "members", "num_subs");
    put_fact(c, &facts, "uptime", "uptime");
    put_fact(c, &facts, "metrics", "metrics");
    fwi_api_puts(c, "}");
}

static void on_nodes(void *user, const fw_event *e)
{
    fwi_api_command *c = user;
    if (e->code != FW_OK) {
        fwi_api_fail_with(c, e->code, e->reason);
    }
    fwi_api_puts(c, "{\"nodes\":[");
    for (size_t i = 0; i < fw_event_members(e); i++) {
        fwi_api_puts(c, i > 0 ? "," : "");
        put_node(c, e->members->m[i]);
    }
    fwi_api_puts(c, "]}");
    fwi_api_answered(c);
}

static void run_info(fwi_api_command *c, const fwi_json *fields)
{
    (void)fields;
    fwi_api_await(c);
    fwi_ask_nodes(fwi_api_hub(c), &(fwi_asker){.on_answer = on_nodes, .user = c});
}

const fwi_api_method fwi_api_user_methods[] = {
    {.name = "subscribe", .fields = subscribe_fields, .run = run_subscribe},
    {.name = "unsubscribe", .fields = unsubscribe_fields, .run = run_unsubscribe},
    {.name = "disconnect", .fields = disconnect_fields, .run = run_disconnect},
    {.name = "refresh", .fields = refresh_fields, .run = run_refresh},
    {.name = "connections", .fields = connections_fields, .run = run_connections},
    {.name = "info", .fields = info_fields, .run = run_info},
    {.name = NULL},
};
