/*
 * What keys are read from: sets of RFC 7517 and PEM texts, which a token service hands
 * out. The first byte says which. A refusal is one printable line.
 */
#include <openssl/err.h>

#include "fuzz.h"
#include "wire/token_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char problem[FWI_KEYS_PROBLEM_MAX] = "";
    fuzz_input in = {data, size};
    unsigned what = fuzz_u8(&in) % 3;
    char *text = (char *)fuzz_bytes(in.at, in.left);
    fwi_keys *keys = fwi_keys_new(NULL, NULL);
    MUST(keys != NULL);
    bool ok = what == 0   ? fwi_keys_add_jwks(keys, text, in.left, problem)
              : what == 1 ? fwi_keys_add_pem(keys, text, in.left, problem)
                          : fwi_keys_add_secret(keys, text, in.left, problem);
    MUST(ok || problem[0] != '\0');
    for (const char *p = problem; *p != '\0'; p++) {
        MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
    }
    MUST(fwi_keys_count(keys) <= FWI_KEYS_MAX);
    MUST(ERR_peek_error() == 0);
    fwi_keys_unref(keys);
    free(text);
    return 0;
}
