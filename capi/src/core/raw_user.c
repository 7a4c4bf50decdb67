/*
 * Users of raw connections. See the header; what a token must be is in wire/token.h. Of
 * its claims only the user is looked at: rooms of raw connections are open, or decided
 * by the application.
 */
#include "core/raw_user.h"

#include <string.h>
#include <strings.h>

#include "wire/http_request.h"

static void refuse(fwi_raw_user *user, int status, const char *why)
{
    user->status = status;
    user->why = why;
}

/* --- by the query --- */

static void identify_by_query(const fwi_session *s, fwi_raw_user *user)
{
    long n = fwi_http_query_get(fwi_facts_query(s->facts), "user", 0, user->name,
                                sizeof user->name);
    if (n == -2 || (n > 0 && fwi_name_problem(user->name, (size_t)n) != NULL)) {
        refuse(user, 400, "the user's name is not allowed");
    }
    if (n <= 0) {
        user->name[0] = '\0';
    }
}

/* --- by a token --- */

/* Of "Authorization: Bearer TOKEN" (RFC 6750 2.1); NULL: there is none. */
static const char *bearer_of(const fwi_facts *facts)
{
    static const char scheme[] = "bearer ";
    const char *value = fwi_facts_header(facts, "authorization");
    if (value == NULL || strncasecmp(value, scheme, sizeof scheme - 1) != 0) {
        return NULL;
    }
    value += sizeof scheme - 1;
    return value + strspn(value, " ");
}

static void check_token(const fwi_session *s, const char *token, size_t len,
                        fwi_raw_user *user)
{
    fwi_claims *claims;
    switch (
        fwi_tokens_verify(s->shard, FWI_TOKEN_CONNECT, token, len, &claims, &user->why)) {
    case FWI_TOKEN_GOOD:
        snprintf(user->name, sizeof user->name, "%s", claims->user);
        user->verified = true;
        fwi_claims_free(claims);
        break;
    case FWI_TOKEN_NO_MEMORY:
        user->status = 503;
        break;
    default:
        user->status = 401;
        break;
    }
}

static void identify_by_nothing(const fwi_session *s, fwi_raw_user *user)
{
    if (s->shard->hub->set.client_anonymous) {
        return;
    }
    fwi_shard_count(s->shard, FWI_STAT_TOKENS_MISSING);
    refuse(user, 401, "a token is needed: ?token=..., or Authorization: Bearer ...");
}

/* The query comes first: browsers can send no header. */
static void identify_by_token(const fwi_session *s, fwi_raw_user *user)
{
    const char *query = fwi_facts_query(s->facts), *bearer = bearer_of(s->facts);
    size_t cap = strlen(query) + 1; /* decoding never makes it longer */
    char *token = malloc(cap);
    if (token == NULL) {
        refuse(user, 503, "out of memory");
        return;
    }
    long n = fwi_http_query_get(query, "token", 0, token, cap);
    if (n == -2) {
        fwi_shard_count(s->shard, FWI_STAT_TOKENS_BAD);
        refuse(user, 401, "the token in the query can't be read");
    } else if (n > 0) {
        check_token(s, token, (size_t)n, user);
    } else if (bearer != NULL && bearer[0] != '\0') {
        check_token(s, bearer, strlen(bearer), user);
    } else {
        identify_by_nothing(s, user);
    }
    free(token);
}

void fwi_raw_identify(const fwi_session *s, fwi_raw_user *user)
{
    const fwi_settings *set = &s->shard->hub->set;
    *user = (fwi_raw_user){.status = 0};
    if (set->raw_user == FWI_RAW_USER_TOKEN) {
        identify_by_token(s, user);
    } else if (set->raw_user == FWI_RAW_USER_QUERY && set->raw_mode == FWI_RAW_ROOMS) {
        identify_by_query(s, user);
    }
}
