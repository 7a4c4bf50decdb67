/*
 * UTF-8 validation by the table of RFC 3629, section 4. Text in pieces is checked with a
 * state of one number, so that a session in the middle of a long message keeps four
 * bytes.
 *
 * The state is 0 between characters. Inside one it holds how many bytes are missing, and
 * the range that the next of them must be in: only the second byte of a character has a
 * range that depends on the first. So a wrong byte is found when it comes, never later.
 *
 * Called by the WebSocket codec for each text message, by names and by the log. @thread
 * any
 */
#include "base/utf8.h"

#include <string.h>

static uint32_t expect(unsigned missing, unsigned low, unsigned high)
{
    return missing | low << 8 | high << 16;
}

/* The state behind the first byte of a character that isn't ASCII; 0 if there is none. */
static uint32_t state_after_lead(uint8_t c)
{
    if (c < 0xc2) { /* a continuation, or C0 and C1, which only begin overlong forms */
        return 0;
    }
    if (c < 0xe0) {
        return expect(1, 0x80, 0xbf);
    }
    if (c < 0xf0) {
        /* E0: below A0 it is overlong; ED: above 9F it is a surrogate. */
        return expect(2, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf);
    }
    if (c < 0xf5) {
        /* F0: below 90 it is overlong; F4: above 8F it is beyond U+10FFFF. */
        return expect(3, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf);
    }
    return 0;
}

/* Most text is ASCII: eight bytes at a time. */
static const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if (word & 0x8080808080808080ull) {
            break;
        }
        p += 8;
    }
    while (p < end && *p < 0x80) {
        p++;
    }
    return p;
}

bool fwi_utf8_feed(uint32_t *state, const void *data, size_t len)
{
    if (len == 0) {
        return true; /* data may be NULL then, and nothing may be added to that */
    }
    const uint8_t *p = data;
    const uint8_t *end = p + len;
    uint32_t s = *state;
    while (p < end) {
        if (s == 0) {
            p = skip_ascii(p, end);
            if (p == end) {
                break;
            }
            s = state_after_lead(*p++);
            if (s == 0) {
                return false;
            }
            continue;
        }
        unsigned missing = s & 0xff;
        if (*p < ((s >> 8) & 0xff) || *p > ((s >> 16) & 0xff)) {
            return false;
        }
        p++;
        s = missing > 1 ? expect(missing - 1, 0x80, 0xbf) : 0;
    }
    *state = s;
    return true;
}

bool fwi_utf8_is_valid(const void *data, size_t len)
{
    uint32_t state = 0;
    return fwi_utf8_feed(&state, data, len) && state == 0;
}
