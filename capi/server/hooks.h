/*
 * Hooks: the application's decisions are asked of its back end by HTTP. docs/hooks.md is
 * for its users. Built on the queued events of the library; a thread of its own takes
 * them, asks, and gives the answers back, so no loop ever waits for a back end.
 */
#ifndef FANWIRED_HOOKS_H
#define FANWIRED_HOOKS_H

#include "hook_config.h"
#include "log_file.h"

typedef struct fwd_hooks fwd_hooks;

/* If hooks are wanted: what the options of a hub with hooks must be. FW_OK or FW_ERR_. */
int fwd_hooks_settle(fw_options *options);

/* Would fanwired start with these? FW_OK or FW_ERR_, and why says in a line what is
 * wrong.
 */
int fwd_hooks_check(const fw_options *options, char *why, size_t cap);

/* Has the hub raise what hooks are asked about; NULL if there are none. Options, hub and
 * log are borrowed. 0, or the exit status after the reason was reported. */
int fwd_hooks_new(fwd_hooks **hooks, const fw_options *options, fw_hub *hub,
                  fwd_log *log);

/* Once the hub runs; and when it has been stopped: what is under way is waited for, not
 * much longer than a request may take. hooks may be NULL. 0, or the exit status. */
int fwd_hooks_start(fwd_hooks *hooks);
void fwd_hooks_stop(fwd_hooks *hooks);

/* Before the hub is freed. NULL is allowed. */
void fwd_hooks_free(fwd_hooks *hooks);

#endif
