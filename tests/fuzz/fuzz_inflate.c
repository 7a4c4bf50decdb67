/*
 * Compressed messages: what a client sends inflates to no more than is allowed, and what
 * we have compressed comes out as it went in. The first byte says how much is allowed.
 */
#include "fuzz.h"
#include "wire/deflate.h"

static fwi_inflater *inflater;
static fwi_deflater *deflater;

static void there_and_back(const uint8_t *data, size_t len)
{
    size_t cap = fwi_deflated_max(len) + FWI_DEFLATE_TAIL, n;
    uint8_t *packed = malloc(cap);
    const uint8_t *out;
    MUST(packed != NULL);
    size_t packed_len = fwi_deflate(deflater, data, len, packed, cap);
    MUST(packed_len <= cap);
    if (packed_len > 0) {
        uint8_t *exact = fuzz_bytes(packed, packed_len);
        MUST(fwi_inflate(inflater, exact, packed_len, len, &out, &n) == FWI_INFLATE_OK);
        MUST(n == len && (len == 0 || memcmp(out, data, len) == 0));
        free(exact);
    }
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (inflater == NULL) {
        inflater = fwi_inflater_new();
        deflater = fwi_deflater_new();
        MUST(inflater != NULL && deflater != NULL);
    }
    fuzz_input in = {data, size};
    size_t max = (size_t)1 << fuzz_u8(&in) % 17, n = 0;
    uint8_t *bytes = fuzz_bytes(in.at, in.left);
    const uint8_t *out = NULL;
    fwi_inflate_result result = fwi_inflate(inflater, bytes, in.left, max, &out, &n);
    MUST(result != FWI_INFLATE_MEMORY);
    MUST(result != FWI_INFLATE_OK || (n <= max && (n == 0 || out != NULL)));
    there_and_back(bytes, in.left);
    free(bytes);
    return 0;
}
