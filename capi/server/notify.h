/*
 * Telling the service manager how it stands (sd_notify(3)).
 */
#ifndef FANWIRED_NOTIFY_H
#define FANWIRED_NOTIFY_H

/* "READY=1" ...; does nothing when nobody asked (no NOTIFY_SOCKET). Never blocks. */
void fwd_notify(const char *state);

/* "RELOADING=1" with the time that systemd wants to see. */
void fwd_notify_reloading(void);

#endif
