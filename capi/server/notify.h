/*
 * Telling the service manager how it stands (sd_notify(3)).
 */
#ifndef FANWIRED_NOTIFY_H
#define FANWIRED_NOTIFY_H

#include <sys/types.h>

/* "READY=1" ...; does nothing when nobody asked (no NOTIFY_SOCKET). Never blocks. */
void fwd_notify(const char *state);

/* "RELOADING=1" with the time that systemd wants to see. */
void fwd_notify_reloading(void);

/* Another process has taken this one's place: "MAINPID=", where both are of one unit.
 * Else this unit is about to end, "STOPPING=1". */
void fwd_notify_relieved(pid_t successor);

#endif
