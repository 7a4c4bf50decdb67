/*
 * Sockets that a service manager has opened (sd_listen_fds(3), without libsystemd).
 */
#ifndef FANWIRED_PASSED_H
#define FANWIRED_PASSED_H

#include <fanwire/fanwire.h>

#include <stdbool.h>

/* Gives them to the hub. *any: there were some, and the service manager keeps them, too.
 * 0, or the exit status after the reason was reported. Once, before there are threads. */
int fwd_passed_take(fw_hub *hub, bool *any);

#endif
