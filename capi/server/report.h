/*
 * What fanwired says when it can't go on: one line on stderr, and the exit status.
 */
#ifndef FANWIRED_REPORT_H
#define FANWIRED_REPORT_H

enum {
    FWD_OK = 0,
    FWD_FAILED = 1,        /* at start, or a command that was well written */
    FWD_CONFIGURATION = 2, /* options, arguments */
};

/* Writes "fanwired: ..." and returns status, so that one writes `return fwd_report(...)`.
 */
int fwd_report(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for the last error of the library: its detail, or else its sentence. */
int fwd_report_error(int status, int err);

#endif
