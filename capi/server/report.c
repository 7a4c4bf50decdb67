/*
 * One line on stderr for whoever started fanwired; the log is not open yet, or is for
 * somebody else. Main thread.
 */
#include "report.h"

#include <fanwire/fanwire.h>

#include <stdarg.h>
#include <stdio.h>

int fwd_report(int status, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    /* Arguments may hold anything; a line stays a line. */
    for (char *p = line; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }
    fprintf(stderr, "fanwired: %s\n", line);
    return status;
}

int fwd_report_error(int status, int err)
{
    const char *detail = fw_error_detail();
    return fwd_report(status, "%s", detail[0] != '\0' ? detail : fw_strerror(err));
}
