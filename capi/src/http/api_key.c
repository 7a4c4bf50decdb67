/*
 * See api_key.h.
 */
#include "http/api_key.h"

#include <string.h>
#include <strings.h>

/* As many steps as what is shown has bytes, whatever the secret is. */
bool fwi_secret_is(const char *secret, const char *shown)
{
    size_t n = strlen(shown), n_secret = strlen(secret);
    volatile unsigned differ = n != n_secret;
    for (size_t i = 0; i < n; i++) {
        differ |= (unsigned char)(shown[i] ^ secret[n_secret > 0 ? i % n_secret : 0]);
    }
    return differ == 0;
}

static const char *shown_by(const fwi_http_request *r)
{
    static const char scheme[] = "apikey ";
    const char *key = fwi_http_request_header(r, "x-api-key");
    if (key != NULL) {
        return key;
    }
    key = fwi_http_request_header(r, "authorization");
    if (key == NULL || strncasecmp(key, scheme, strlen(scheme)) != 0) {
        return NULL;
    }
    key += strlen(scheme);
    return key + strspn(key, " ");
}

bool fwi_api_key_is_good(const char *const *keys, size_t n, const fwi_http_request *r)
{
    const char *shown = shown_by(r);
    bool good = false;
    for (size_t i = 0; shown != NULL && i < n; i++) {
        good = fwi_secret_is(keys[i], shown) || good;
    }
    return good;
}
