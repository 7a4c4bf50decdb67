/*
 * Socket activation: LISTEN_PID says whom the sockets are for, LISTEN_FDS how many there
 * are from descriptor 3 on, LISTEN_FDNAMES what they are called in the unit, separated by
 * colons. The hub finds out by their addresses what they are for. Main thread, at start.
 */
#include "passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

enum { FIRST_FD = 3, FDS_MAX = 1024 };

/* What a variable says; 0 if it says nothing. */
static long number_of(const char *variable)
{
    const char *text = getenv(variable); /* NOLINT(concurrency-mt-unsafe) */
    char *end;
    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return 0;
    }
    errno = 0;
    long n = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? n : 0;
}

/* The index-th of the names, "" if it has none. */
static void name_of(long index, char *out, size_t cap)
{
    const char *names = getenv("LISTEN_FDNAMES"); /* NOLINT(concurrency-mt-unsafe) */
    out[0] = '\0';
    for (; names != NULL && index > 0; index--) {
        names = strchr(names, ':');
        names = names != NULL ? names + 1 : NULL;
    }
    if (names != NULL) {
        snprintf(out, cap, "%.*s", (int)strcspn(names, ":"), names);
    }
}

static int take(fw_hub *hub, long index)
{
    char name[64];
    int err = fw_hub_listener_take(hub, FIRST_FD + (int)index);
    if (err == FW_OK) {
        return FWD_OK;
    }
    name_of(index, name, sizeof name);
    return fwd_report(err == FW_ERR_INVALID ? FWD_CONFIGURATION : FWD_FAILED,
                      "LISTEN_FDS: %s%s%s", name, name[0] != '\0' ? ": " : "",
                      fw_error_detail());
}

int fwd_passed_take(fw_hub *hub, bool *any)
{
    long n = number_of("LISTEN_PID") == (long)getpid() ? number_of("LISTEN_FDS") : 0;
    int status = FWD_OK;
    *any = n > 0;
    if (n > FDS_MAX) {
        return fwd_report(FWD_CONFIGURATION, "LISTEN_FDS: %ld: at most %d", n, FDS_MAX);
    }
    for (long i = 0; i < n && status == FWD_OK; i++) {
        status = take(hub, i);
    }
    return status;
}
