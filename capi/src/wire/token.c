/*
 * A token from its first byte to its claims: three parts, the header says how it was
 * signed, the keys say whether that is so, and only then is the payload looked at.
 */
#include "wire/token.h"

#include <string.h>

#include "wire/base64.h"
#include "wire/token_claims.h"
#include "wire/token_key.h"

enum {
    SIGNATURE_MAX = 2048, /* of an RSA key of 16384 bits, in bytes */
    SIGNATURE_TEXT_MAX = SIGNATURE_MAX / 3 * 4 + 3 /* the same in base64 */
};

typedef struct part {
    const char *at;
    size_t len;
} part;

typedef struct parts {
    part header, payload, signature;
} parts;

/* Two dots, and something between them; of a third one base64 knows nothing. */
static bool split(const char *token, size_t len, parts *p)
{
    const char *end = token + len;
    const char *first = memchr(token, '.', len);
    if (first == NULL) {
        return false;
    }
    const char *second = memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL) {
        return false;
    }
    *p = (parts){{token, (size_t)(first - token)},
                 {first + 1, (size_t)(second - first - 1)},
                 {second + 1, (size_t)(end - second - 1)}};
    return p->header.len > 0 && p->payload.len > 0 && p->signature.len > 0;
}

/* --- the header --- */

typedef struct header {
    char bytes[FWI_BASE64_ROOM(FWI_TOKEN_HEADER_MAX)];
    fwi_token_alg alg;
    fwi_buf kid; /* empty: it names no key */
} header;

static fwi_token_alg alg_named(const fwi_json *name)
{
    for (unsigned alg = FWI_ALG_UNKNOWN + 1; alg < FWI_ALG_COUNT; alg++) {
        if (fwi_json_is(name, fwi_token_alg_name((fwi_token_alg)alg))) {
            return (fwi_token_alg)alg;
        }
    }
    return FWI_ALG_UNKNOWN;
}

/* "alg" decides how it is verified: an object that has it twice is refused, whatever
 * reader there may be that takes the other. */
static bool find_once(const fwi_json *object, const char *name, fwi_json *found)
{
    fwi_json key, value;
    *found = (fwi_json){.kind = FWI_JSON_NONE};
    fwi_json_walk w = fwi_json_inside(object);
    while (fwi_json_next(&w, &key, &value)) {
        if (fwi_json_is(&key, name)) {
            if (found->kind != FWI_JSON_NONE) {
                return false;
            }
            *found = value;
        }
    }
    return true;
}

static const char *read_header(const part *text, header *h)
{
    fwi_json object, alg, kid, crit;
    size_t len;
    if (text->len > FWI_TOKEN_HEADER_MAX) {
        return "the token's header is too long";
    }
    if (!fwi_base64url_read(text->at, text->len, h->bytes, &len) ||
        !fwi_json_read(h->bytes, len, &object, NULL) || object.kind != FWI_JSON_OBJECT) {
        return "the token's header is not a JSON object in base64url";
    }
    if (!find_once(&object, "alg", &alg) || !find_once(&object, "kid", &kid) ||
        !find_once(&object, "crit", &crit)) {
        return "the token's header says something twice";
    }
    if (crit.kind != FWI_JSON_NONE) { /* RFC 7515 4.1.11: who doesn't know must refuse */
        return "the token's header asks for something that is not known here";
    }
    h->alg = alg_named(&alg);
    if (h->alg == FWI_ALG_UNKNOWN) {
        return "the token's algorithm is none that is taken";
    }
    if (kid.kind != FWI_JSON_NONE && kid.kind != FWI_JSON_NULL &&
        (!fwi_json_put_text_of(&h->kid, &kid) || fwi_buf_text(&h->kid) == NULL ||
         strlen(h->kid.data) != h->kid.len)) {
        return "the token's kid can't be read";
    }
    return NULL;
}

/* --- the signature --- */

static const char *check_signature(const fwi_keys *keys, const char *token,
                                   const parts *p)
{
    uint8_t signature[FWI_BASE64_ROOM(SIGNATURE_TEXT_MAX)];
    fwi_token_signed s = {.text = token, .signature = signature};
    s.len = (size_t)(p->payload.at + p->payload.len - token);
    if (p->signature.len > SIGNATURE_TEXT_MAX ||
        !fwi_base64url_read(p->signature.at, p->signature.len, signature,
                            &s.signature_len)) {
        return "the token's signature is not base64url";
    }
    header h = {.alg = FWI_ALG_UNKNOWN};
    fwi_buf_init(&h.kid);
    const char *why = read_header(&p->header, &h);
    if (why == NULL) {
        s.alg = h.alg;
        s.kid = h.kid.len > 0 ? h.kid.data : NULL;
        why = fwi_keys_check(keys, &s);
    }
    fwi_buf_fini(&h.kid);
    return why;
}

/* --- all of it --- */

static fwi_token_result read_payload(const fwi_keys *keys, fwi_token_use use,
                                     const part *text, int64_t now_s,
                                     fwi_claims_held *held, const char **why)
{
    if (!fwi_buf_reserve(&held->payload, FWI_BASE64_ROOM(text->len))) {
        *why = "out of memory";
        return FWI_TOKEN_NO_MEMORY;
    }
    if (!fwi_base64url_read(text->at, text->len, held->payload.data,
                            &held->payload.len)) {
        *why = "the token's claims are not base64url";
        return FWI_TOKEN_BAD;
    }
    fwi_token_result result = fwi_claims_read(held, use, why);
    return result != FWI_TOKEN_GOOD
               ? result
               : fwi_claims_check(held, fwi_keys_issuer(keys), fwi_keys_audience(keys),
                                  now_s, why);
}

fwi_token_result fwi_token_verify(const fwi_keys *keys, fwi_token_use use,
                                  const char *token, size_t len, int64_t now_s,
                                  fwi_claims **claims, const char **why)
{
    parts p;
    *why = len > FWI_TOKEN_MAX      ? "the token is too long"
           : !split(token, len, &p) ? "a token has three parts with dots between them"
                                    : check_signature(keys, token, &p);
    if (*why != NULL) {
        return FWI_TOKEN_BAD;
    }
    fwi_claims_held *held = calloc(1, sizeof *held);
    if (held == NULL) {
        *why = "out of memory";
        return FWI_TOKEN_NO_MEMORY;
    }
    fwi_token_result result = read_payload(keys, use, &p.payload, now_s, held, why);
    if (result == FWI_TOKEN_GOOD) {
        *claims = &held->claims;
    } else {
        fwi_claims_free(&held->claims);
    }
    return result;
}

void fwi_claims_free(fwi_claims *claims)
{
    if (claims == NULL) {
        return;
    }
    fwi_claims_held *held = fwi_container_of(claims, fwi_claims_held, claims);
    free(claims->subs);
    fwi_buf_fini(&held->payload);
    fwi_buf_fini(&held->texts);
    free(held);
}
