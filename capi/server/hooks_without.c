/*
 * Hooks where there is no libcurl to ask them with: who wants some is told so, and
 * nothing is started. Built instead of hooks.c and the hook_*.c but for hook_config.c.
 */
#include <stdio.h>

#include "hook_config.h"
#include "hooks.h"
#include "report.h"

int fwd_hooks_settle(fw_options *options)
{
    (void)options;
    return FW_OK;
}

int fwd_hooks_check(const fw_options *options, char *why, size_t cap)
{
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        if (fw_options_get(options, fwd_hook_rows[i].option)[0] != '\0') {
            snprintf(why, cap,
                     "%s: this fanwired was built without libcurl and can ask no hooks",
                     fwd_hook_rows[i].option);
            return FW_ERR_OPTION;
        }
    }
    return FW_OK;
}

int fwd_hooks_new(fwd_hooks **hooks, const fw_options *options, fw_hub *hub, fwd_log *log)
{
    (void)hub;
    (void)log;
    *hooks = NULL;
    char why[256];
    return fwd_hooks_check(options, why, sizeof why) == FW_OK
               ? FWD_OK
               : fwd_report(FWD_CONFIGURATION, "%s", why);
}

int fwd_hooks_start(fwd_hooks *hooks)
{
    (void)hooks;
    return FWD_OK;
}

void fwd_hooks_stop(fwd_hooks *hooks)
{
    (void)hooks;
}

void fwd_hooks_free(fwd_hooks *hooks)
{
    (void)hooks;
}
