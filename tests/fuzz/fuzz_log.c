/*
 * Foreign bytes as the log shows them: one printable line, which may be cut. A terminal
 * takes no order from it. The first byte says how much room there is.
 */
#include "base/log.h"
#include "base/utf8.h"
#include "fuzz.h"

/* Cut at most inside its last character. */
static bool is_text(const char *line)
{
    size_t len = strlen(line);
    for (size_t cut = 0; cut < 4 && cut <= len; cut++) {
        if (fwi_utf8_is_valid(line, len - cut)) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    size_t cap = fuzz_u8(&in) + 1u;
    uint8_t *bytes = fuzz_bytes(in.at, in.left);
    char *out = malloc(cap);
    MUST(out != NULL && fwi_log_quote(out, cap, bytes, in.left) == out);
    MUST(strlen(out) < cap && is_text(out));
    for (const char *p = out; *p != '\0'; p++) {
        MUST((unsigned char)*p >= ' ' && *p != 0x7f);
        /* U+0080 to U+009F, which have a terminal's orders, too. */
        MUST(memcmp(p, "\xc2", 1) != 0 || (unsigned char)p[1] >= 0xa0 || p[1] == '\0');
    }
    free(out);
    free(bytes);
    return 0;
}
