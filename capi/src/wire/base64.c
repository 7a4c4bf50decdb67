/*
 * Base64 and its form for URLs. See the header.
 */
#include "wire/base64.h"

/* -1: of neither alphabet. Two characters differ between them. */
static int value_of(unsigned char c, char of_62, char of_63)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == (unsigned char)of_62 ? 62 : c == (unsigned char)of_63 ? 63 : -1;
}

/* What comes before the padding. */
static bool read_digits(const char *text, size_t len, const char *of_62_63, uint8_t *out,
                        size_t *n)
{
    uint32_t bits = 0; /* those that make no whole byte yet are the lowest */
    unsigned n_bits = 0;
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        int v = value_of((unsigned char)text[i], of_62_63[0], of_62_63[1]);
        if (v < 0) {
            return false;
        }
        bits = (bits << 6 | (uint32_t)v) & 0xfff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[used++] = (uint8_t)(bits >> n_bits);
        }
    }
    *n = used;
    /* A single character at the end, or bits that belong to no byte. */
    return len % 4 != 1 && (bits & ((1u << n_bits) - 1)) == 0;
}

bool fwi_base64_read(const char *text, size_t len, void *out, size_t *n)
{
    if (len % 4 != 0) {
        return false;
    }
    for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++) {
        len--;
    }
    return read_digits(text, len, "+/", out, n);
}

/* digits: 64, and what fills up the last four characters, if anything does. */
static bool put_digits(fwi_buf *out, const uint8_t *in, size_t len,
                       const char digits[static 65])
{
    if (!fwi_buf_reserve(out, len / 3 * 4 + 4)) {
        return false;
    }
    for (size_t i = 0; i < len; i += 3) {
        size_t n = FWI_MIN(len - i, 3);
        uint32_t three = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (n > 2 ? (uint32_t)in[i + 2] : 0);
        for (size_t k = 0; k <= n; k++) {
            out->data[out->len++] = digits[three >> (18 - 6 * k) & 63];
        }
        for (size_t k = n; k < 3 && digits[64] != '\0'; k++) {
            out->data[out->len++] = digits[64];
        }
    }
    return true;
}

bool fwi_base64_put(fwi_buf *out, const void *bytes, size_t len)
{
    return put_digits(
        out, bytes, len,
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");
}

bool fwi_base64url_put(fwi_buf *out, const void *bytes, size_t len)
{
    return put_digits(out, bytes, len,
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
}

bool fwi_base64url_read(const char *text, size_t len, void *out, size_t *n)
{
    return read_digits(text, len, "-_", out, n);
}
