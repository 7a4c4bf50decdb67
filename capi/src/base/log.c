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

const char *fwi_log_quote(char *out, size_t cap, const void *data, size_t len)
{
    const unsigned char *in = data;
    bool text = fwi_utf8_is_valid(data, len);
    size_t n = 0;
    for (size_t i = 0; i < len && n + 5 < cap; i++) {
        bool plain =
            in[i] >= 0x20 && in[i] != 0x7f && in[i] != '\\' && (in[i] < 0x80 || text);
        if (plain) {
            out[n++] = (char)in[i];
        } else {
            n += (size_t)snprintf(out + n, cap - n, "\\x%02x", in[i]);
        }
    }
    out[n] = '\0';
    return out;
}
