/*
 * Writing and quoting log lines: see log.h. The line is put together on the stack, so
 * that logging needs no memory when there is none.
 * @thread any
 */
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"

void fwi_log_write(const fwi_log *log, fwi_log_level level, const char *component,
                   const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    log->fn(log->user, (int)level, component, line);
}

/* U+0080-9F, which are C2 80 to C2 9F: control characters too, and terminals obey them.
 */
static bool begins_control(const unsigned char *in, size_t len, size_t i)
{
    return in[i] == 0xc2 && i + 1 < len && in[i + 1] < 0xa0;
}

const char *fwi_log_quote(char *out, size_t cap, const void *data, size_t len)
{
    const unsigned char *in = data;
    bool text = fwi_utf8_is_valid(data, len);
    size_t n = 0;
    for (size_t i = 0; i < len && n + 5 < cap; i++) {
        bool control = in[i] < 0x20 || in[i] == 0x7f || begins_control(in, len, i) ||
                       (i > 0 && begins_control(in, len, i - 1));
        bool plain = !control && in[i] != '\\' && (in[i] < 0x80 || text);
        if (plain) {
            out[n++] = (char)in[i];
        } else {
            n += (size_t)snprintf(out + n, cap - n, "\\x%02x", in[i]);
        }
    }
    out[n] = '\0';
    return out;
}
