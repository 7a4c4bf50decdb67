/*
 * What a key is, what it fits, and the arithmetic by OpenSSL. See the header.
 */
#include "wire/token_key.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

/* RFC 7518 3.3 asks for 2048. Past 16384 OpenSSL refuses to verify. */
enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 16384 };

static const struct {
    const char *name;
    fwi_key_kind kind;
    const EVP_MD *(*digest)(void);
    size_t signature_len; /* in bytes; 0: as long as the key */
} algs[FWI_ALG_COUNT] = {
    [FWI_ALG_HS256] = {"HS256", FWI_KEY_SECRET, EVP_sha256, 32},
    [FWI_ALG_HS384] = {"HS384", FWI_KEY_SECRET, EVP_sha384, 48},
    [FWI_ALG_HS512] = {"HS512", FWI_KEY_SECRET, EVP_sha512, 64},
    [FWI_ALG_RS256] = {"RS256", FWI_KEY_RSA, EVP_sha256, 0},
    [FWI_ALG_RS384] = {"RS384", FWI_KEY_RSA, EVP_sha384, 0},
    [FWI_ALG_RS512] = {"RS512", FWI_KEY_RSA, EVP_sha512, 0},
    [FWI_ALG_ES256] = {"ES256", FWI_KEY_P256, EVP_sha256, 64},
    [FWI_ALG_ES384] = {"ES384", FWI_KEY_P384, EVP_sha384, 96},
    [FWI_ALG_EDDSA] = {"EdDSA", FWI_KEY_ED25519, NULL, 64},
};

const char *fwi_token_alg_name(fwi_token_alg alg)
{
    FWI_ASSERT(alg > FWI_ALG_UNKNOWN && alg < FWI_ALG_COUNT);
    return algs[alg].name;
}

/* --- a public key --- */

static bool is_rsa_fit(EVP_PKEY *pkey, char problem[FWI_KEYS_PROBLEM_MAX])
{
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) {
        return true;
    }
    snprintf(problem, FWI_KEYS_PROBLEM_MAX, "an RSA key of %d bits: %d to %d are allowed",
             bits, RSA_BITS_MIN, RSA_BITS_MAX);
    return false;
}

static bool kind_of(EVP_PKEY *pkey, fwi_key_kind *kind,
                    char problem[FWI_KEYS_PROBLEM_MAX])
{
    char curve[64] = "";
    size_t len = 0;
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        *kind = FWI_KEY_RSA;
        return is_rsa_fit(pkey, problem);
    }
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        *kind = FWI_KEY_ED25519;
        return true;
    }
    if (EVP_PKEY_is_a(pkey, "EC")) {
        (void)EVP_PKEY_get_group_name(pkey, curve, sizeof curve, &len);
    }
    if (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0) {
        *kind = curve[0] == 'p' ? FWI_KEY_P256 : FWI_KEY_P384;
        return true;
    }
    snprintf(problem, FWI_KEYS_PROBLEM_MAX,
             "a key for no algorithm that is known: RSA, P-256, P-384 or Ed25519");
    return false;
}

bool fwi_key_of_pkey(fwi_key *key, EVP_PKEY *pkey, char problem[FWI_KEYS_PROBLEM_MAX])
{
    *key = (fwi_key){.pkey = pkey};
    (void)ERR_set_mark();
    bool ok = kind_of(pkey, &key->kind, problem);
    (void)ERR_pop_to_mark();
    if (!ok) {
        fwi_key_fini(key);
    }
    return ok;
}

void fwi_key_fini(fwi_key *key)
{
    EVP_PKEY_free(key->pkey);
    OPENSSL_clear_free(key->secret, key->secret_len);
    free(key->kid);
    *key = (fwi_key){0};
}

/* --- signatures --- */

bool fwi_key_fits(const fwi_key *key, fwi_token_alg alg)
{
    return alg > FWI_ALG_UNKNOWN && alg < FWI_ALG_COUNT && algs[alg].kind == key->kind &&
           (key->alg == FWI_ALG_UNKNOWN || key->alg == alg);
}

static bool has_hmac(const fwi_key *key, const fwi_token_signed *s)
{
    uint8_t own[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return HMAC(algs[s->alg].digest(), key->secret, (int)key->secret_len,
                (const uint8_t *)s->text, s->len, own, &n) != NULL &&
           n == s->signature_len && CRYPTO_memcmp(own, s->signature, n) == 0;
}

/* RFC 7518 3.4 puts the two numbers one behind the other; OpenSSL wants them in DER. To
 * be given to OPENSSL_free; NULL: out of memory. */
static uint8_t *ecdsa_in_der(const uint8_t *signature, size_t len, int *der_len)
{
    uint8_t *der = NULL;
    int half = (int)(len / 2);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, half, NULL);
    BIGNUM *s = BN_bin2bn(signature + half, half, NULL);
    if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL;
        *der_len = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return der;
}

static bool verify(const fwi_key *key, const fwi_token_signed *s,
                   const uint8_t *signature, size_t len)
{
    const EVP_MD *digest = algs[s->alg].digest != NULL ? algs[s->alg].digest() : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good =
        ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key->pkey) == 1 &&
        EVP_DigestVerify(ctx, signature, len, (const uint8_t *)s->text, s->len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static bool has_signature(const fwi_key *key, const fwi_token_signed *s)
{
    if (key->kind != FWI_KEY_P256 && key->kind != FWI_KEY_P384) {
        return verify(key, s, s->signature, s->signature_len);
    }
    int len = 0;
    uint8_t *der = ecdsa_in_der(s->signature, s->signature_len, &len);
    bool good = der != NULL && len > 0 && verify(key, s, der, (size_t)len);
    OPENSSL_free(der);
    return good;
}

bool fwi_key_has_signed(const fwi_key *key, const fwi_token_signed *s)
{
    FWI_ASSERT(fwi_key_fits(key, s->alg));
    size_t want = algs[s->alg].signature_len;
    if (want == 0) {
        want = (size_t)EVP_PKEY_get_size(key->pkey);
    }
    if (s->signature_len != want) {
        return false;
    }
    (void)ERR_set_mark();
    bool good = key->kind == FWI_KEY_SECRET ? has_hmac(key, s) : has_signature(key, s);
    (void)ERR_pop_to_mark();
    return good;
}
