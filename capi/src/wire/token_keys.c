/*
 * A set of keys: adding secrets and PEM, and which of them are tried. JWKS is in
 * token_jwks.c. See token_keys.h.
 */
#include "wire/token_keys.h"

#include <stdatomic.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "wire/token_key.h"

struct fwi_keys {
    atomic_uint refs;
    char *issuer, *audience; /* NULL: not looked at */
    size_t n;
    fwi_key key[FWI_KEYS_MAX];
};

static char *copy_of(const char *text, bool *ok)
{
    char *copy = text != NULL && text[0] != '\0' ? strdup(text) : NULL;
    *ok = *ok && (copy != NULL || text == NULL || text[0] == '\0');
    return copy;
}

fwi_keys *fwi_keys_new(const char *issuer, const char *audience)
{
    fwi_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) {
        return NULL;
    }
    bool ok = true;
    atomic_init(&keys->refs, 1);
    keys->issuer = copy_of(issuer, &ok);
    keys->audience = copy_of(audience, &ok);
    if (!ok) {
        fwi_keys_unref(keys);
        return NULL;
    }
    return keys;
}

fwi_keys *fwi_keys_ref(fwi_keys *keys)
{
    atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    return keys;
}

void fwi_keys_unref(fwi_keys *keys)
{
    if (keys == NULL ||
        atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < keys->n; i++) {
        fwi_key_fini(&keys->key[i]);
    }
    free(keys->issuer);
    free(keys->audience);
    free(keys);
}

size_t fwi_keys_count(const fwi_keys *keys)
{
    return keys->n;
}

const char *fwi_keys_issuer(const fwi_keys *keys)
{
    return keys->issuer;
}

const char *fwi_keys_audience(const fwi_keys *keys)
{
    return keys->audience;
}

/* --- adding --- */

static bool no_memory(char problem[FWI_KEYS_PROBLEM_MAX])
{
    snprintf(problem, FWI_KEYS_PROBLEM_MAX, "out of memory");
    return false;
}

bool fwi_keys_add(fwi_keys *keys, fwi_key *key, char problem[FWI_KEYS_PROBLEM_MAX])
{
    if (keys->n == FWI_KEYS_MAX) {
        fwi_key_fini(key);
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "more than %d keys in all", FWI_KEYS_MAX);
        return false;
    }
    keys->key[keys->n++] = *key;
    return true;
}

bool fwi_keys_add_secret(fwi_keys *keys, const char *secret, size_t len,
                         char problem[FWI_KEYS_PROBLEM_MAX])
{
    if (len < FWI_KEYS_SECRET_MIN || len > FWI_KEYS_TEXT_MAX) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX,
                 "a secret of %zu bytes: %d or more are needed", len,
                 FWI_KEYS_SECRET_MIN);
        return false;
    }
    fwi_key key = {.kind = FWI_KEY_SECRET, .secret = OPENSSL_memdup(secret, len)};
    if (key.secret == NULL) {
        return no_memory(problem);
    }
    key.secret_len = len;
    return fwi_keys_add(keys, &key, problem);
}

/* One block of a PEM text. */
static bool add_block(fwi_keys *keys, const char *name, const uint8_t *data, long len,
                      char problem[FWI_KEYS_PROBLEM_MAX])
{
    if (strstr(name, "PRIVATE KEY") != NULL) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX,
                 "a private key: only who signs tokens needs it, here is the public one");
        return false;
    }
    if (strcmp(name, PEM_STRING_PUBLIC) != 0) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "%.60s where a PUBLIC KEY should be",
                 name);
        return false;
    }
    const uint8_t *at = data;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, len);
    if (pkey == NULL || at != data + len) {
        EVP_PKEY_free(pkey);
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "a PUBLIC KEY that can't be read");
        return false;
    }
    fwi_key key;
    return fwi_key_of_pkey(&key, pkey, problem) && fwi_keys_add(keys, &key, problem);
}

static bool add_blocks(fwi_keys *keys, BIO *text, char problem[FWI_KEYS_PROBLEM_MAX])
{
    size_t before = keys->n;
    char *name, *header;
    unsigned char *data;
    long len;
    while (PEM_read_bio(text, &name, &header, &data, &len) == 1) {
        bool ok = add_block(keys, name, data, len, problem);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
        if (!ok) {
            return false;
        }
    }
    /* No line that begins a block is how a text ends; all else is a block that broke. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "a block that is no PEM");
        return false;
    }
    if (keys->n == before) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "no PUBLIC KEY is in it");
    }
    return keys->n > before;
}

bool fwi_keys_add_pem(fwi_keys *keys, const char *text, size_t len,
                      char problem[FWI_KEYS_PROBLEM_MAX])
{
    if (len > FWI_KEYS_TEXT_MAX) {
        snprintf(problem, FWI_KEYS_PROBLEM_MAX, "more than %d bytes", FWI_KEYS_TEXT_MAX);
        return false;
    }
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    if (bio == NULL) {
        return no_memory(problem);
    }
    (void)ERR_set_mark();
    bool ok = add_blocks(keys, bio, problem);
    (void)ERR_pop_to_mark();
    BIO_free(bio);
    return ok;
}

/* --- verifying --- */

static bool has_name(const fwi_key *key, const char *kid)
{
    return key->kid != NULL && strcmp(key->kid, kid) == 0;
}

/* Does any key have this name? Then no other is tried. */
static bool is_known(const fwi_keys *keys, const char *kid)
{
    bool known = false;
    for (size_t i = 0; kid != NULL && i < keys->n; i++) {
        known = known || has_name(&keys->key[i], kid);
    }
    return known;
}

const char *fwi_keys_check(const fwi_keys *keys, const fwi_token_signed *s)
{
    bool known = is_known(keys, s->kid), tried = false;
    for (size_t i = 0; i < keys->n; i++) {
        const fwi_key *key = &keys->key[i];
        bool meant = s->kid == NULL || (known ? has_name(key, s->kid) : key->kid == NULL);
        if (!meant || !fwi_key_fits(key, s->alg)) {
            continue;
        }
        if (fwi_key_has_signed(key, s)) {
            return NULL;
        }
        tried = true;
    }
    return tried ? "the token's signature is wrong"
                 : "the token was signed with a key or algorithm that is not known here";
}
