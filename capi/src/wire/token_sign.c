/*
 * Signing. The claims are read as those of a token that has come, so that what is signed
 * here isn't refused there.
 */
#include "wire/token_sign.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "wire/base64.h"
#include "wire/token_claims.h"
#include "wire/token_key.h"

static bool fails(char problem[FWI_KEYS_PROBLEM_MAX], const char *what)
{
    snprintf(problem, FWI_KEYS_PROBLEM_MAX, "%s", what);
    return false;
}

/* --- the key --- */

/* Instead of asking for it on the terminal. */
static int no_password(char *out, int cap, int writing, void *user)
{
    (void)out;
    (void)cap;
    (void)writing;
    (void)user;
    return -1;
}

static bool read_private(const char *text, fwi_key *key,
                         char problem[FWI_KEYS_PROBLEM_MAX])
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *pkey =
        bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return pkey != NULL ? fwi_key_of_pkey(key, pkey, problem)
                        : fails(problem, "the private key can't be read: PEM without a "
                                         "password is wanted");
}

static bool read_signing_key(const char *text, fwi_key *key,
                             char problem[FWI_KEYS_PROBLEM_MAX])
{
    *key = (fwi_key){.kind = FWI_KEY_SECRET};
    if (strstr(text, "-----BEGIN ") != NULL) {
        return read_private(text, key, problem);
    }
    key->secret_len = strlen(text);
    if (key->secret_len < FWI_KEYS_SECRET_MIN) {
        return fails(problem, "the secret must have 32 bytes or more");
    }
    key->secret = OPENSSL_memdup(text, key->secret_len);
    return key->secret != NULL || fails(problem, "out of memory");
}

static fwi_token_alg alg_for(fwi_key_kind kind)
{
    static const fwi_token_alg algs[] = {
        [FWI_KEY_SECRET] = FWI_ALG_HS256,  [FWI_KEY_RSA] = FWI_ALG_RS256,
        [FWI_KEY_P256] = FWI_ALG_ES256,    [FWI_KEY_P384] = FWI_ALG_ES384,
        [FWI_KEY_ED25519] = FWI_ALG_EDDSA,
    };
    return algs[kind];
}

/* --- the signature --- */

/* The two numbers of RFC 7518 3.4 out of OpenSSL's DER, half the length each. */
static bool put_pair(fwi_buf *out, const uint8_t *der, size_t len, int half)
{
    uint8_t pair[2 * 48];
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), pair, half) == half &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), pair + half, half) == half &&
              fwi_base64url_put(out, pair, 2 * (size_t)half);
    ECDSA_SIG_free(sig);
    return ok;
}

static bool put_raw(fwi_buf *out, const fwi_key *key, const uint8_t *raw, size_t len)
{
    return key->kind == FWI_KEY_P256   ? put_pair(out, raw, len, 32)
           : key->kind == FWI_KEY_P384 ? put_pair(out, raw, len, 48)
                                       : fwi_base64url_put(out, raw, len);
}

/* Of what begins there in out, behind a dot. */
static bool put_signature(fwi_buf *out, size_t begins, const fwi_key *key)
{
    uint8_t raw[2048];
    size_t n = sizeof raw;
    const uint8_t *text = (const uint8_t *)out->data + begins;
    size_t len = out->len - begins;
    const EVP_MD *digest = key->kind == FWI_KEY_ED25519 ? NULL
                           : key->kind == FWI_KEY_P384  ? EVP_sha384()
                                                        : EVP_sha256();
    if (key->kind == FWI_KEY_SECRET) {
        unsigned mac_len = 0;
        bool made = HMAC(digest, key->secret, (int)key->secret_len, text, len, raw,
                         &mac_len) != NULL;
        return made && fwi_buf_puts(out, ".") && fwi_base64url_put(out, raw, mac_len);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL &&
              EVP_DigestSignInit(ctx, NULL, digest, NULL, key->pkey) == 1 &&
              EVP_DigestSign(ctx, raw, &n, text, len) == 1;
    EVP_MD_CTX_free(ctx);
    return ok && fwi_buf_puts(out, ".") && put_raw(out, key, raw, n);
}

/* --- all of it --- */

static bool put_header(fwi_buf *out, const fwi_key *key, const char *kid)
{
    fwi_buf header;
    fwi_buf_init(&header);
    bool ok = fwi_buf_printf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"",
                             fwi_token_alg_name(alg_for(key->kind)));
    if (kid != NULL) {
        ok = ok && fwi_buf_puts(&header, ",\"kid\":") &&
             fwi_json_put_string(&header, kid, strlen(kid));
    }
    ok = ok && fwi_buf_puts(&header, "}") &&
         fwi_base64url_put(out, header.data, header.len);
    fwi_buf_fini(&header);
    return ok;
}

static bool sign_with(fwi_buf *out, const fwi_key *key, const char *kid,
                      const fwi_buf *claims)
{
    size_t begins = out->len;
    return put_header(out, key, kid) && fwi_buf_puts(out, ".") &&
           fwi_base64url_put(out, claims->data, claims->len) &&
           put_signature(out, begins, key);
}

/* Would they be taken? */
static fwi_token_result check_claims(fwi_claims_held *held, const char **why)
{
    fwi_json object, channel;
    fwi_token_use use =
        fwi_json_read(held->payload.data, held->payload.len, &object, NULL) &&
                fwi_json_get(&object, "channel", &channel)
            ? FWI_TOKEN_SUBSCRIBE
            : FWI_TOKEN_CONNECT;
    return fwi_claims_read(held, use, why);
}

fwi_token_result fwi_token_sign(fwi_buf *out, const char *claims, size_t len,
                                const char *key, const char *kid,
                                char problem[FWI_KEYS_PROBLEM_MAX])
{
    const char *why = "out of memory";
    size_t before = out->len;
    fwi_key signer = {.kind = FWI_KEY_SECRET};
    fwi_claims_held *held = calloc(1, sizeof *held);
    fwi_token_result result = FWI_TOKEN_NO_MEMORY;
    if (held != NULL && fwi_buf_append(&held->payload, claims, len)) {
        result = check_claims(held, &why);
    }
    snprintf(problem, FWI_KEYS_PROBLEM_MAX, "%s", why != NULL ? why : "");
    (void)ERR_set_mark();
    if (result == FWI_TOKEN_GOOD) {
        result = FWI_TOKEN_BAD;
        if (read_signing_key(key, &signer, problem)) {
            result = sign_with(out, &signer, kid, &held->payload) ? FWI_TOKEN_GOOD
                                                                  : FWI_TOKEN_NO_MEMORY;
        }
    }
    (void)ERR_pop_to_mark();
    fwi_key_fini(&signer);
    fwi_claims_free(held != NULL ? &held->claims : NULL);
    if (result == FWI_TOKEN_GOOD && out->len - before > FWI_TOKEN_MAX) {
        fails(problem, "the token would be too long");
        result = FWI_TOKEN_BAD;
    }
    if (result != FWI_TOKEN_GOOD) {
        out->len = before;
    }
    return result;
}
