/*
 * See config.h. Read at the start, and again at HUP: it reports nothing, since by then
 * nobody may be there who looks at stderr.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

fw_options *fwd_config_new(void)
{
    fw_options *options = fw_options_new();
    /* Nobody handles messages here, so rooms it is, unless somebody says otherwise. */
    if (options != NULL && fw_options_set(options, "raw.mode", "rooms") != FW_OK) {
        fw_options_free(options);
        options = NULL;
    }
    return options;
}

int fwd_config_read(const fwd_args *args, fw_options *options, char *why, size_t cap)
{
    const char *file = args->config;
    if (file == NULL) {
        file = getenv("FANWIRE_CONFIG"); /* NOLINT(concurrency-mt-unsafe) */
    }
    int err = FW_OK;
    if (file != NULL && file[0] != '\0') {
        err = fw_options_load(options, file);
        if (err == FW_ERR_SYSTEM) {
            snprintf(why, cap, "config: %s", fw_error_detail());
            return FW_ERR_OPTION;
        }
    }
    if (err == FW_OK) {
        err = fw_options_load_env(options);
    }
    if (err != FW_OK) {
        snprintf(why, cap, "%s", fw_error_detail());
        return err;
    }
    return fwd_args_apply(args, options, why, cap);
}
