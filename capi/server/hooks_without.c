/*
 * Hooks where there is no libcurl to ask them with: who wants some is told so, and
 * nothing is started. Built instead of hooks.c and the hook_*.c but for hook_config.c.
 */
#include "hook_config.h"
#include "hooks.h"
#include "report.h"

int fwd_hooks_settle(fw_options *options)
{
    (void)options;
    return FW_OK;
}

int fwd_hooks_new(fwd_hooks **hooks, const fw_options *options, fw_hub *hub, fwd_log *log)
{
    (void)hub;
    (void)log;
    *hooks = NULL;
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        if (fw_options_get(options, fwd_hook_rows[i].option)[0] != '\0') {
            return fwd_report(FWD_CONFIGURATION,
                              "%s: this fanwired was built without libcurl and can ask "
                              "no hooks",
                              fwd_hook_rows[i].option);
        }
    }
    return FWD_OK;
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
