/*
 * The text of positions. Pure. @thread any
 */
#include <fanwire/position.h>

#include <inttypes.h>
#include <string.h>

#include "base/base.h"
#include "core/error.h"

char *fw_position_text(fw_position p, char *text)
{
    snprintf(text, FW_POSITION_TEXT, "%016" PRIx64 "/%" PRIu64, p.epoch, p.offset);
    return text;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at =
        c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
    return at != NULL ? (int)(at - digits) : 16;
}

/* The digits at the beginning of *text as a number of this base, at most `most` of them,
 * which fit. false: there are none, or they don't. */
static bool take_number(const char **text, unsigned base, size_t most, uint64_t *out)
{
    uint64_t n = 0;
    size_t count = 0;
    for (unsigned d; (d = (unsigned)digit(**text)) < base; (*text)++, count++) {
        if (n > (UINT64_MAX - d) / base) {
            return false;
        }
        n = n * base + d;
    }
    *out = n;
    return count > 0 && count <= most;
}

int fw_position_parse(const char *text, fw_position *position)
{
    fw_position p;
    if (text == NULL || !take_number(&text, 16, 16, &p.epoch) || *text++ != '/' ||
        !take_number(&text, 10, 20, &p.offset) || *text != '\0') {
        return fwi_error(FW_ERR_INVALID,
                         "a position is EPOCH/OFFSET: up to 16 hexadecimal digits, and a "
                         "decimal number");
    }
    *position = p;
    return FW_OK;
}
