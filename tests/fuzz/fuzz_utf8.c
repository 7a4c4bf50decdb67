/*
 * UTF-8, whole and in two pieces, beside a reader that is written after the grammar of
 * RFC 3629 4. The first byte says where it is cut.
 */
#include "base/utf8.h"
#include "fuzz.h"

static bool is_tail(const uint8_t *p, size_t left, size_t n, unsigned low, unsigned high)
{
    if (left <= n || p[1] < low || p[1] > high) {
        return false;
    }
    for (size_t i = 2; i <= n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return false;
        }
    }
    return true;
}

/* How long the character is that begins here; 0: none does. */
static size_t character(const uint8_t *p, size_t left)
{
    unsigned c = p[0];
    if (c <= 0x7f) {
        return 1;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        return is_tail(p, left, 1, 0x80, 0xbf) ? 2 : 0;
    }
    if (c >= 0xe0 && c <= 0xef) {
        unsigned low = c == 0xe0 ? 0xa0 : 0x80, high = c == 0xed ? 0x9f : 0xbf;
        return is_tail(p, left, 2, low, high) ? 3 : 0;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        unsigned low = c == 0xf0 ? 0x90 : 0x80, high = c == 0xf4 ? 0x8f : 0xbf;
        return is_tail(p, left, 3, low, high) ? 4 : 0;
    }
    return 0;
}

static bool is_utf8(const uint8_t *p, size_t len)
{
    for (size_t n; len > 0; p += n, len -= n) {
        n = character(p, len);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    size_t cut = fuzz_u8(&in);
    cut = FWI_MIN(cut, in.left);
    bool good = is_utf8(in.at, in.left);
    MUST(fwi_utf8_is_valid(in.at, in.left) == good);

    uint8_t *first = fuzz_bytes(in.at, cut);
    uint8_t *second = fuzz_bytes(in.at + cut, in.left - cut);
    uint32_t state = 0;
    bool fed =
        fwi_utf8_feed(&state, first, cut) && fwi_utf8_feed(&state, second, in.left - cut);
    MUST((fed && state == 0) == good);
    free(first);
    free(second);
    return 0;
}
