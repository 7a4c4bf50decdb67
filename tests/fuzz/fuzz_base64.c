/*
 * Base64 and its form for URLs: what is read is written again as it was, since anything
 * else is refused; and any bytes come back.
 */
#include "fuzz.h"
#include "wire/base64.h"

typedef bool (*reader)(const char *text, size_t len, void *out, size_t *n);
typedef bool (*writer)(fwi_buf *out, const void *bytes, size_t len);

static void check(reader read, writer put, const char *text, size_t len)
{
    size_t room = FWI_BASE64_ROOM(len), n = 0;
    uint8_t *bytes = malloc(room);
    fwi_buf again;
    fwi_buf_init(&again);
    MUST(bytes != NULL);
    if (read(text, len, bytes, &n)) {
        MUST(n <= room);
        MUST(put(&again, bytes, n));
        MUST(again.len == len && (len == 0 || memcmp(again.data, text, len) == 0));
    }
    free(bytes);

    again.len = 0;
    MUST(put(&again, text, len));
    bytes = malloc(FWI_BASE64_ROOM(again.len));
    MUST(bytes != NULL);
    MUST(read(again.data, again.len, bytes, &n));
    MUST(n == len && (len == 0 || memcmp(bytes, text, len) == 0));
    free(bytes);
    fwi_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = (char *)fuzz_bytes(data, size);
    check(fwi_base64_read, fwi_base64_put, text, size);
    check(fwi_base64url_read, fwi_base64url_put, text, size);
    free(text);
    return 0;
}
