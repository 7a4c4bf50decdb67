/*
 * Reading claims. A claim that is null counts as one that isn't there, as those who write
 * tokens in languages without optional fields have it; one that is there twice is refused
 * (RFC 7519 4), since others might look at the other of the two.
 *
 * Nothing is returned but sentences: NULL is fine, no_memory is no memory.
 */
#include "wire/token_claims.h"

#include <string.h>

#include "wire/base64.h"
#include "wire/name.h"

static const char no_memory[] = "out of memory";

/* The members of an object that mean something, and where they are found. */
typedef struct member {
    const char *name;
    fwi_json *value;
} member;

/* NULL, or that one is there twice. */
static const char *collect(const fwi_json *object, const member *members, size_t n)
{
    fwi_json key, value;
    uint32_t seen = 0;
    fwi_json_walk w = fwi_json_inside(object);
    while (fwi_json_next(&w, &key, &value)) {
        for (size_t i = 0; i < n; i++) {
            if (!fwi_json_is(&key, members[i].name)) {
                continue;
            }
            if (seen & 1u << i) {
                return "the token has a claim twice";
            }
            seen |= 1u << i;
            if (value.kind != FWI_JSON_NULL) {
                *members[i].value = value;
            }
        }
    }
    return NULL;
}

static bool is_there(const fwi_json *value)
{
    return value->kind != FWI_JSON_NONE;
}

/* --- single values --- */

/* The string's characters, with a NUL; NULL: not a string, or a NUL is in it. */
static const char *text_of(fwi_claims_held *held, const fwi_json *value)
{
    fwi_buf *texts = &held->texts;
    const char *before = texts->data;
    size_t begins = texts->len;
    if (!fwi_json_put_text_of(texts, value) || !fwi_buf_append(texts, "", 1)) {
        return NULL;
    }
    FWI_ASSERT(texts->data == before); /* others point into it */
    const char *text = texts->data + begins;
    return strlen(text) + 1 == texts->len - begins ? text : NULL;
}

/* A number of seconds; a fraction is cut off, as time() in some languages has one. */
static bool read_date(const fwi_json *value, int64_t *s)
{
    fwi_json whole = *value;
    const char *point = memchr(value->at, '.', value->len);
    if (value->kind == FWI_JSON_NUMBER && point != NULL &&
        memchr(value->at, 'e', value->len) == NULL &&
        memchr(value->at, 'E', value->len) == NULL) {
        whole.len = (size_t)(point - value->at);
    }
    return fwi_json_to_i64(&whole, s);
}

/* "b64info" and "b64data": JSON in base64. Wins over the plain one. */
static const char *read_base64(fwi_claims_held *held, const fwi_json *value,
                               fwi_json *json)
{
    const char *text = is_there(value) ? text_of(held, value) : "";
    if (text == NULL) {
        return "the token's b64info or b64data is not a string";
    }
    size_t len = strlen(text), n = 0;
    if (len == 0) {
        return NULL;
    }
    FWI_ASSERT(held->texts.cap - held->texts.len >= FWI_BASE64_ROOM(len));
    char *out = held->texts.data + held->texts.len;
    if (!fwi_base64_read(text, len, out, &n) || !fwi_json_read(out, n, json, NULL)) {
        return "the token's b64info or b64data is not JSON in base64";
    }
    held->texts.len += n;
    return NULL;
}

static const char *read_override(const fwi_json *value, fwi_token_override *override)
{
    static const char *const names[] = {"presence", "join_leave", "force_recovery",
                                        "force_positioning", "force_push_join_leave"};
    fwi_json key, wish, on;
    if (is_there(value) && value->kind != FWI_JSON_OBJECT) {
        return "the token's override is not an object";
    }
    fwi_json_walk w = fwi_json_inside(value);
    while (is_there(value) && fwi_json_next(&w, &key, &wish)) {
        for (size_t i = 0; i < FWI_ARRAY_LEN(names); i++) {
            if (!fwi_json_is(&key, names[i]) || wish.kind != FWI_JSON_OBJECT) {
                continue;
            }
            unsigned bit = 1u << i; /* in the order of the enum */
            fwi_json_get(&wish, "value", &on);
            override->given |= bit;
            override->on = (override->on & ~bit) | (on.kind == FWI_JSON_TRUE ? bit : 0);
        }
    }
    return NULL;
}

/* --- what a subscription is given, by its own token or by its connection's --- */

typedef struct gift {
    fwi_json info, b64info, data, b64data, override;
} gift;

static const char *read_gift(fwi_claims_held *held, const gift *g, fwi_json *info,
                             fwi_json *data, fwi_token_override *override)
{
    *info = g->info;
    *data = g->data;
    const char *why = read_base64(held, &g->b64info, info);
    why = why != NULL ? why : read_base64(held, &g->b64data, data);
    return why != NULL ? why : read_override(&g->override, override);
}

static const char *read_channel(fwi_claims_held *held, const fwi_json *value,
                                const char **channel)
{
    *channel = text_of(held, value);
    return *channel != NULL && fwi_name_problem(*channel, strlen(*channel)) == NULL
               ? NULL
               : "the token names a channel that can't be one";
}

/* The channel's place in the list, a new one if it isn't there. */
static fwi_token_sub *sub_of(fwi_claims *c, const char *channel)
{
    for (size_t i = 0; i < c->n_subs; i++) {
        if (strcmp(c->subs[i].channel, channel) == 0) {
            return &c->subs[i];
        }
    }
    c->subs[c->n_subs] = (fwi_token_sub){.channel = channel};
    return &c->subs[c->n_subs++];
}

static const char *read_sub(fwi_claims_held *held, const fwi_json *key,
                            const fwi_json *value)
{
    gift g = {0};
    const member members[] = {{"info", &g.info},
                              {"b64info", &g.b64info},
                              {"data", &g.data},
                              {"b64data", &g.b64data},
                              {"override", &g.override}};
    const char *channel;
    if (value->kind != FWI_JSON_OBJECT && value->kind != FWI_JSON_NULL) {
        return "the token's subs are not all objects";
    }
    const char *why = read_channel(held, key, &channel);
    why = why != NULL ? why : collect(value, members, FWI_ARRAY_LEN(members));
    if (why != NULL) {
        return why;
    }
    fwi_token_sub *sub = sub_of(&held->claims, channel);
    return read_gift(held, &g, &sub->info, &sub->data, &sub->override);
}

static size_t count_inside(const fwi_json *container)
{
    size_t n = 0;
    fwi_json value;
    fwi_json_walk w = fwi_json_inside(container);
    while (fwi_json_next(&w, NULL, &value)) {
        n++;
    }
    return n;
}

static const char *read_subs(fwi_claims_held *held, const fwi_json *channels,
                             const fwi_json *subs)
{
    if ((is_there(channels) && channels->kind != FWI_JSON_ARRAY) ||
        (is_there(subs) && subs->kind != FWI_JSON_OBJECT)) {
        return "the token's channels are not a list, or its subs not an object";
    }
    size_t n = count_inside(channels) + count_inside(subs);
    if (n > FWI_TOKEN_SUBS_MAX) {
        return "the token has too many channels";
    }
    held->claims.subs = calloc(n + 1, sizeof *held->claims.subs);
    if (held->claims.subs == NULL) {
        return no_memory;
    }
    fwi_json key, value;
    const char *why = NULL, *channel;
    fwi_json_walk w = fwi_json_inside(channels);
    while (why == NULL && fwi_json_next(&w, NULL, &value)) {
        why = read_channel(held, &value, &channel);
        if (why == NULL) {
            sub_of(&held->claims, channel);
        }
    }
    w = fwi_json_inside(subs);
    while (why == NULL && fwi_json_next(&w, &key, &value)) {
        why = read_sub(held, &key, &value);
    }
    return why;
}

/* --- all of them --- */

typedef struct found {
    fwi_json sub, exp, nbf, iss, aud, expire_at, meta, channels, subs, channel, client;
    gift gift;
} found;

static const char *find(const fwi_json *object, found *f)
{
    const member members[] = {
        {"sub", &f->sub},
        {"exp", &f->exp},
        {"nbf", &f->nbf},
        {"iss", &f->iss},
        {"aud", &f->aud},
        {"expire_at", &f->expire_at},
        {"meta", &f->meta},
        {"channels", &f->channels},
        {"subs", &f->subs},
        {"channel", &f->channel},
        {"client", &f->client},
        {"info", &f->gift.info},
        {"b64info", &f->gift.b64info},
        {"data", &f->gift.data},
        {"b64data", &f->gift.b64data},
        {"override", &f->gift.override},
    };
    return collect(object, members, FWI_ARRAY_LEN(members));
}

static const char *read_user(fwi_claims_held *held, const fwi_json *sub, bool is_result)
{
    held->claims.user = is_there(sub) ? text_of(held, sub) : "";
    if (is_there(sub) && sub->kind != FWI_JSON_STRING) {
        return is_result ? "the token's user is not a string"
                         : "the token's sub is not a string";
    }
    const char *user = held->claims.user;
    return user != NULL &&
                   (user[0] == '\0' || fwi_name_problem(user, strlen(user)) == NULL)
               ? NULL
           : is_result ? "the token's user can't be a user's name"
                       : "the token's sub can't be a user's name";
}

static const char *read_times(fwi_claims_held *held, const found *f)
{
    fwi_claims *c = &held->claims;
    held->nbf_s = INT64_MIN;
    held->exp_s = INT64_MAX;
    if (is_there(&f->nbf) && !read_date(&f->nbf, &held->nbf_s)) {
        return "the token's nbf is not a time";
    }
    if (is_there(&f->exp)) {
        if (!read_date(&f->exp, &held->exp_s)) {
            return "the token's exp is not a time";
        }
        /* 0 would be never, and what is far below can't be calculated with. */
        c->expires_s = FWI_MAX(held->exp_s, INT64_C(1));
    }
    if (is_there(&f->expire_at) &&
        (!read_date(&f->expire_at, &c->expires_s) || c->expires_s < 0)) {
        return "the token's expire_at is not a time";
    }
    return NULL;
}

static const char *read_of_connection(fwi_claims_held *held, const found *f)
{
    if (is_there(&f->channel) && !fwi_json_is(&f->channel, "")) {
        return "a subscription's token is not for connecting";
    }
    held->claims.info = f->gift.info;
    held->claims.meta = f->meta;
    const char *why = read_base64(held, &f->gift.b64info, &held->claims.info);
    return why != NULL ? why : read_subs(held, &f->channels, &f->subs);
}

static const char *read_of_subscription(fwi_claims_held *held, const found *f)
{
    fwi_claims *c = &held->claims;
    if (!is_there(&f->channel)) {
        return "the token names no channel";
    }
    const char *why = read_channel(held, &f->channel, &c->channel);
    if (why != NULL) {
        return why;
    }
    if (is_there(&f->client) && !fwi_json_is(&f->client, "")) {
        c->client = text_of(held, &f->client);
        if (c->client == NULL) {
            return "the token's client is not a string";
        }
    }
    return read_gift(held, &f->gift, &c->info, &c->data, &c->override);
}

/* held->payload as an object. GOOD: there is room for its texts, too. */
static fwi_token_result begin(fwi_claims_held *held, fwi_json *object, const char **why)
{
    if (!fwi_json_read(held->payload.data, held->payload.len, object, NULL) ||
        object->kind != FWI_JSON_OBJECT) {
        *why = "the token's claims are not a JSON object";
        return FWI_TOKEN_BAD;
    }
    /* A string doesn't get longer by being decoded, and its quotes make place for the
     * NUL; one in base64 is put there twice, the second time in three quarters of its
     * length. So there is room for all, and nothing moves. */
    if (!fwi_buf_reserve(&held->texts, 2 * held->payload.len)) {
        *why = no_memory;
        return FWI_TOKEN_NO_MEMORY;
    }
    return FWI_TOKEN_GOOD;
}

static fwi_token_result end(const char *bad, const char **why)
{
    *why = bad;
    return bad == NULL        ? FWI_TOKEN_GOOD
           : bad == no_memory ? FWI_TOKEN_NO_MEMORY
                              : FWI_TOKEN_BAD;
}

fwi_token_result fwi_claims_read(fwi_claims_held *held, fwi_token_use use,
                                 const char **why)
{
    found f = {0};
    fwi_json object;
    fwi_token_result begun = begin(held, &object, why);
    if (begun != FWI_TOKEN_GOOD) {
        return begun;
    }
    const char *bad = find(&object, &f);
    bad = bad != NULL ? bad : read_user(held, &f.sub, false);
    bad = bad != NULL                ? bad
          : use == FWI_TOKEN_CONNECT ? read_of_connection(held, &f)
                                     : read_of_subscription(held, &f);
    bad = bad != NULL ? bad : read_times(held, &f);
    held->iss = f.iss;
    held->aud = f.aud;
    return end(bad, why);
}

fwi_token_result fwi_claims_read_result(fwi_claims_held *held, const char **why)
{
    found f = {0};
    fwi_json object;
    const member members[] = {
        {"user", &f.sub},
        {"expire_at", &f.expire_at},
        {"channels", &f.channels},
        {"subs", &f.subs},
        {"info", &f.gift.info},
        {"b64info", &f.gift.b64info},
        {"data", &f.gift.data},
        {"b64data", &f.gift.b64data},
        {"override", &f.gift.override},
    };
    fwi_claims *c = &held->claims;
    fwi_token_result begun = begin(held, &object, why);
    if (begun != FWI_TOKEN_GOOD) {
        return begun;
    }
    const char *bad = collect(&object, members, FWI_ARRAY_LEN(members));
    bad = bad != NULL ? bad : read_user(held, &f.sub, true);
    bad = bad != NULL ? bad : read_times(held, &f);
    bad = bad != NULL ? bad : read_subs(held, &f.channels, &f.subs);
    bad = bad != NULL ? bad : read_gift(held, &f.gift, &c->info, &c->data, &c->override);
    return end(bad, why);
}

/* --- when and where it holds --- */

static bool has_audience(const fwi_json *aud, const char *audience)
{
    fwi_json one;
    bool has = fwi_json_is(aud, audience);
    fwi_json_walk w = fwi_json_inside(aud);
    while (!has && aud->kind == FWI_JSON_ARRAY && fwi_json_next(&w, NULL, &one)) {
        has = fwi_json_is(&one, audience);
    }
    return has;
}

/* Expired is said last: who gets another token shouldn't find something else wrong. */
fwi_token_result fwi_claims_check(const fwi_claims_held *held, const char *issuer,
                                  const char *audience, int64_t now_s, const char **why)
{
    *why = NULL;
    if (issuer != NULL && !fwi_json_is(&held->iss, issuer)) {
        *why = "the token is of another issuer";
    } else if (audience != NULL && !has_audience(&held->aud, audience)) {
        *why = "the token is for another audience";
    } else if (now_s < held->nbf_s) {
        *why = "the token is not valid yet";
    }
    if (*why != NULL) {
        return FWI_TOKEN_BAD;
    }
    if (now_s >= held->exp_s) {
        *why = "the token has expired";
        return FWI_TOKEN_EXPIRED;
    }
    return FWI_TOKEN_GOOD;
}
