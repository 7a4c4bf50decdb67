/*
 * See seal.h.
 */
#include "wire/seal.h"

#include <inttypes.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { NUMBER = 16, MAC = 32 };

bool fwi_seal_make(const uint8_t key[FWI_SEAL_KEY], uint64_t number,
                   char text[FWI_SEAL_TEXT])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    snprintf(text, FWI_SEAL_TEXT, "%016" PRIx64 ".", number);
    if (HMAC(EVP_sha256(), key, FWI_SEAL_KEY, (const uint8_t *)text, NUMBER, mac, &n) ==
            NULL ||
        n != MAC) {
        return false;
    }
    for (unsigned i = 0; i < MAC; i++) {
        snprintf(text + NUMBER + 1 + 2 * i, 3, "%02x", mac[i]);
    }
    return true;
}

bool fwi_seal_read(const uint8_t key[FWI_SEAL_KEY], const char *text, uint64_t *number)
{
    char digits[NUMBER + 1], good[FWI_SEAL_TEXT];
    if (strlen(text) != FWI_SEAL_TEXT - 1) {
        return false;
    }
    memcpy(digits, text, NUMBER);
    digits[NUMBER] = '\0';
    uint64_t n = strtoull(digits, NULL, 16);
    /* What is no number as we write it isn't what we would make of it. */
    if (!fwi_seal_make(key, n, good) ||
        CRYPTO_memcmp(text, good, FWI_SEAL_TEXT - 1) != 0) {
        return false;
    }
    *number = n;
    return true;
}
