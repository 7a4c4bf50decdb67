/*
 * Reading answers; see the header. A result is read as the claims of a token are
 * (token_claims.c), since it says the same things by the same names.
 */
#include "wire/answer.h"

#include <string.h>

#include "wire/token_claims.h"

static fwi_token_result bad(char why[FWI_ANSWER_WHY], const char *sentence)
{
    snprintf(why, FWI_ANSWER_WHY, "%s", sentence);
    return FWI_TOKEN_BAD;
}

static fwi_token_result no_memory(char why[FWI_ANSWER_WHY])
{
    bad(why, "out of memory");
    return FWI_TOKEN_NO_MEMORY;
}

/* An absent switch is off. false: it is something else than a switch. */
static bool read_switch(const fwi_json *object, const char *name, bool *on)
{
    fwi_json value;
    bool there = fwi_json_get(object, name, &value);
    *on = there && value.kind == FWI_JSON_TRUE;
    return !there || *on || value.kind == FWI_JSON_FALSE;
}

/* --- a result --- */

static fwi_token_result read_result(const fwi_json *object, fwi_answer *a,
                                    char why[FWI_ANSWER_WHY])
{
    const char *said;
    if (object->kind != FWI_JSON_OBJECT) {
        return bad(why, "the result is not an object");
    }
    if (!read_switch(object, "expired", &a->expired)) {
        return bad(why, "the result's expired is not true or false");
    }
    fwi_claims_held *held = calloc(1, sizeof *held);
    if (held == NULL) {
        return no_memory(why);
    }
    a->claims = &held->claims;
    if (!fwi_buf_append(&held->payload, object->at, object->len)) {
        return no_memory(why);
    }
    fwi_token_result result = fwi_claims_read_result(held, &said);
    if (result == FWI_TOKEN_BAD) {
        static const char of_tokens[] = "the token";
        FWI_ASSERT(strncmp(said, of_tokens, strlen(of_tokens)) == 0);
        snprintf(why, FWI_ANSWER_WHY, "the result%s", said + strlen(of_tokens));
    }
    return result == FWI_TOKEN_NO_MEMORY ? no_memory(why) : result;
}

/* --- an error, a disconnect --- */

static bool is_one_line(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* A sentence for the client; absent is "". */
static fwi_token_result read_reason(const fwi_json *object, const char *name, size_t max,
                                    fwi_answer *a, char why[FWI_ANSWER_WHY])
{
    fwi_json value;
    fwi_buf text;
    if (!fwi_json_get(object, name, &value)) {
        return FWI_TOKEN_GOOD;
    }
    fwi_buf_init(&text);
    if (value.kind != FWI_JSON_STRING) {
        snprintf(why, FWI_ANSWER_WHY, "the %s is not a string", name);
        return FWI_TOKEN_BAD;
    }
    if (!fwi_json_put_text_of(&text, &value)) {
        fwi_buf_fini(&text);
        return no_memory(why);
    }
    bool fine = text.len <= max && is_one_line(text.data, text.len);
    if (fine && text.len > 0) {
        memcpy(a->reason, text.data, text.len);
    } else if (!fine) {
        snprintf(why, FWI_ANSWER_WHY, "the %s is no line of at most %zu bytes", name,
                 max);
    }
    fwi_buf_fini(&text);
    return fine ? FWI_TOKEN_GOOD : FWI_TOKEN_BAD;
}

static fwi_token_result read_code(const fwi_json *object, unsigned min, unsigned max,
                                  fwi_answer *a, char why[FWI_ANSWER_WHY])
{
    fwi_json value;
    uint64_t code;
    if (!fwi_json_get(object, "code", &value) || !fwi_json_to_u64(&value, &code) ||
        code < min || code > max) {
        snprintf(why, FWI_ANSWER_WHY, "the code is not a whole number from %u to %u", min,
                 max);
        return FWI_TOKEN_BAD;
    }
    a->code = (unsigned)code;
    return FWI_TOKEN_GOOD;
}

static fwi_token_result read_error(const fwi_json *object, fwi_answer *a,
                                   char why[FWI_ANSWER_WHY])
{
    if (object->kind != FWI_JSON_OBJECT) {
        return bad(why, "the error is not an object");
    }
    if (!read_switch(object, "temporary", &a->temporary)) {
        return bad(why, "the error's temporary is not true or false");
    }
    fwi_token_result result = read_code(object, 100, 1999, a, why);
    return result != FWI_TOKEN_GOOD
               ? result
               : read_reason(object, "message", FWI_ANSWER_REASON_MAX, a, why);
}

static fwi_token_result read_disconnect(const fwi_json *object, fwi_answer *a,
                                        char why[FWI_ANSWER_WHY])
{
    if (object->kind != FWI_JSON_OBJECT) {
        return bad(why, "the disconnect is not an object");
    }
    fwi_token_result result = read_code(object, 3000, 4999, a, why);
    return result != FWI_TOKEN_GOOD
               ? result
               : read_reason(object, "reason", FWI_ANSWER_CLOSE_REASON_MAX, a, why);
}

/* --- all of it --- */

static fwi_token_result read_answer(const void *text, size_t len, fwi_answer *a,
                                    char why[FWI_ANSWER_WHY])
{
    fwi_json object, value;
    size_t at;
    if (!fwi_json_read(text, len, &object, &at)) {
        snprintf(why, FWI_ANSWER_WHY, "it is no JSON from byte %zu on", at);
        return FWI_TOKEN_BAD;
    }
    if (object.kind != FWI_JSON_OBJECT) {
        return bad(why, "it is no JSON object");
    }
    if (fwi_json_get(&object, "disconnect", &value)) {
        a->kind = FWI_ANSWER_DISCONNECT;
        return read_disconnect(&value, a, why);
    }
    if (fwi_json_get(&object, "error", &value)) {
        a->kind = FWI_ANSWER_ERROR;
        return read_error(&value, a, why);
    }
    if (fwi_json_get(&object, "result", &value)) {
        a->kind = FWI_ANSWER_RESULT;
        return read_result(&value, a, why);
    }
    return bad(why, "it has no result, no error and no disconnect");
}

fwi_token_result fwi_answer_read(const void *text, size_t len, fwi_answer **answer,
                                 char why[FWI_ANSWER_WHY])
{
    fwi_answer *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return no_memory(why);
    }
    fwi_token_result result = read_answer(text, len, a, why);
    if (result == FWI_TOKEN_GOOD) {
        *answer = a;
    } else {
        fwi_answer_free(a);
    }
    return result;
}

void fwi_answer_free(fwi_answer *answer)
{
    if (answer != NULL) {
        fwi_claims_free(answer->claims);
        free(answer);
    }
}
