/*
 * Keys from a JWKS (RFC 7517, 7518 6, 8037 2): {"keys": [{"kty": "RSA", "n": ...}, ...]}.
 * See token_keys.h.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "wire/base64.h"
#include "wire/json.h"
#include "wire/token_key.h"

/* RSA of 16384 bits, in bytes; more is refused anyway. */
enum { NUMBER_MAX = 2048 };

/* A number of a key, the most significant byte first. */
typedef struct number {
    uint8_t bytes[FWI_BASE64_ROOM(NUMBER_MAX / 3 * 4 + 4)];
    size_t len;
} number;

static bool get_number(const fwi_json *jwk, const char *name, number *out)
{
    fwi_json v;
    fwi_json_get(jwk, name, &v);
    /* Base64url has nothing to escape: the characters are those within the quotes. */
    return v.kind == FWI_JSON_STRING && v.len > 2 &&
           v.len - 2 <= NUMBER_MAX / 3 * 4 + 4 &&
           fwi_base64url_read(v.at + 1, v.len - 2, out->bytes, &out->len);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *read_rsa(const fwi_json *jwk)
{
    number n, e;
    if (!get_number(jwk, "n", &n) || !get_number(jwk, "e", &e)) {
        return NULL;
    }
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(n.bytes, (int)n.len, NULL);
    BIGNUM *be = BN_bin2bn(e.bytes, (int)e.len, NULL);
    if (build != NULL && bn != NULL && be != NULL && BN_is_odd(bn) && BN_is_odd(be) &&
        !BN_is_one(be) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be) == 1) {
        pkey = from_params("RSA", build);
    }
    BN_free(bn);
    BN_free(be);
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *read_point(const fwi_json *jwk, const char *curve, size_t size)
{
    number x, y;
    uint8_t point[1 + 2 * 48] = {POINT_CONVERSION_UNCOMPRESSED};
    if (!get_number(jwk, "x", &x) || !get_number(jwk, "y", &y) || x.len != size ||
        y.len != size) {
        return NULL;
    }
    memcpy(point + 1, x.bytes, size);
    memcpy(point + 1 + size, y.bytes, size);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (build != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * size) == 1) {
        pkey = from_params("EC", build); /* a point that isn't on the curve is refused */
    }
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *read_ed25519(const fwi_json *jwk)
{
    number x;
    return get_number(jwk, "x", &x) && x.len == 32
               ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.bytes, x.len)
               : NULL;
}

static bool member_is(const fwi_json *jwk, const char *name, const char *text)
{
    fwi_json v;
    return fwi_json_get(jwk, name, &v) && fwi_json_is(&v, text);
}

/* How a key of this kind is read; NULL: there is no algorithm for it here. */
static EVP_PKEY *read_key(const fwi_json *jwk, bool *known)
{
    *known = true;
    if (member_is(jwk, "kty", "RSA")) {
        return read_rsa(jwk);
    }
    if (member_is(jwk, "kty", "EC") && member_is(jwk, "crv", "P-256")) {
        return read_point(jwk, "P-256", 32);
    }
    if (member_is(jwk, "kty", "EC") && member_is(jwk, "crv", "P-384")) {
        return read_point(jwk, "P-384", 48);
    }
    if (member_is(jwk, "kty", "OKP") && member_is(jwk, "crv", "Ed25519")) {
        return read_ed25519(jwk);
    }
    *known = false;
    return NULL;
}

/* "use" and "key_ops", where they are said. */
static bool is_for_signatures(const fwi_json *jwk)
{
    fwi_json v, op;
    if (fwi_json_get(jwk, "use", &v) && !fwi_json_is(&v, "sig")) {
        return false;
    }
    if (!fwi_json_get(jwk, "key_ops", &v)) {
        return true;
    }
    fwi_json_walk w = fwi_json_inside(&v);
    while (fwi_json_next(&w, NULL, &op)) {
        if (fwi_json_is(&op, "verify")) {
            return true;
        }
    }
    return false;
}

/* "alg", where it is said: FWI_ALG_COUNT is one that isn't known here. */
static fwi_token_alg alg_of(const fwi_json *jwk)
{
    fwi_json v;
    if (!fwi_json_get(jwk, "alg", &v)) {
        return FWI_ALG_UNKNOWN;
    }
    unsigned alg = FWI_ALG_UNKNOWN + 1;
    while (alg < FWI_ALG_COUNT && !fwi_json_is(&v, fwi_token_alg_name(alg))) {
        alg++;
    }
    return (fwi_token_alg)alg;
}

/* "kid" into key; true if it is none, or a good one. */
static bool read_kid(const fwi_json *jwk, fwi_key *key)
{
    fwi_json v;
    if (!fwi_json_get(jwk, "kid", &v)) {
        return true;
    }
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_json_put_text_of(&text, &v) && fwi_buf_text(&text) != NULL &&
              strlen(text.data) == text.len;
    if (ok) {
        key->kid = text.data;
    } else {
        fwi_buf_fini(&text);
    }
    return ok;
}

static bool is_wrong(size_t index, const char *what, char problem[FWI_KEYS_PROBLEM_MAX])
{
    char said[FWI_KEYS_PROBLEM_MAX];
    snprintf(said, sizeof said, "%s", what);
    snprintf(problem, FWI_KEYS_PROBLEM_MAX, "key %zu: %s", index, said);
    return false;
}

/* index: counted from 1, for who has to find it. */
static bool add_jwk(fwi_keys *keys, const fwi_json *jwk, size_t index,
                    char problem[FWI_KEYS_PROBLEM_MAX])
{
    if (jwk->kind != FWI_JSON_OBJECT) {
        return is_wrong(index, "not an object", problem);
    }
    if (member_is(jwk, "kty", "oct")) {
        return is_wrong(index, "a secret among public keys: token.hmac_secret takes it",
                        problem);
    }
    fwi_token_alg alg = alg_of(jwk);
    if (!is_for_signatures(jwk) || alg == FWI_ALG_COUNT) {
        return true;
    }
    bool known;
    EVP_PKEY *pkey = read_key(jwk, &known);
    if (pkey == NULL) {
        return !known || is_wrong(index, "it can't be read", problem);
    }
    fwi_key key;
    if (!fwi_key_of_pkey(&key, pkey, problem)) {
        return is_wrong(index, problem, problem);
    }
    if (alg != FWI_ALG_UNKNOWN && !fwi_key_fits(&key, alg)) {
        fwi_key_fini(&key);
        return is_wrong(index, "\"alg\" is for another kind of key", problem);
    }
    key.alg = alg;
    if (!read_kid(jwk, &key)) {
        fwi_key_fini(&key);
        return is_wrong(index, "\"kid\" is no text", problem);
    }
    return fwi_keys_add(keys, &key, problem);
}

static bool add_all(fwi_keys *keys, const fwi_json *list,
                    char problem[FWI_KEYS_PROBLEM_MAX])
{
    size_t before = fwi_keys_count(keys), index = 0;
    fwi_json jwk;
    fwi_json_walk w = fwi_json_inside(list);
    while (fwi_json_next(&w, NULL, &jwk)) {
        if (!add_jwk(keys, &jwk, ++index, problem)) {
            return false;
        }
    }
    if (fwi_keys_count(keys) == before) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX,
                 "none of its %zu keys is one to verify tokens with", index);
        return false;
    }
    return true;
}

bool fwi_keys_add_jwks(fwi_keys *keys, const char *text, size_t len,
                       char problem[FWI_KEYS_PROBLEM_MAX])
{
    fwi_json value, list;
    size_t bad = 0;
    if (len > FWI_KEYS_TEXT_MAX) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "more than %d bytes", FWI_KEYS_TEXT_MAX);
        return false;
    }
    if (!fwi_json_read(text, len, &value, &bad)) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "not JSON, at byte %zu", bad);
        return false;
    }
    fwi_json_get(&value, "keys", &list);
    if (value.kind != FWI_JSON_OBJECT || list.kind != FWI_JSON_ARRAY) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "no JWKS: {\"keys\": [...]} is wanted");
        return false;
    }
    (void)ERR_set_mark();
    bool ok = add_all(keys, &list, problem);
    (void)ERR_pop_to_mark();
    return ok;
}
