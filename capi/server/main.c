/*
 * fanwired: the hub as a ready server, for those who write no code. Built on the public
 * headers alone, so whatever it does an application can do too.
 *
 * Here: where the configuration comes from, and which command runs.
 */
#include <fanwire/fanwire.h>

#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "commands.h"
#include "manual.h"
#include "report.h"

/* Nobody handles messages here, so rooms it is, unless somebody says otherwise. */
static fw_options *default_options(void)
{
    fw_options *options = fw_options_new();
    if (options != NULL && fw_options_set(options, "raw.mode", "rooms") != FW_OK) {
        fw_options_free(options);
        options = NULL;
    }
    return options;
}

/* Later ones win: the file, the environment, the flags. */
static int load_options(const fwd_args *args, fw_options *options)
{
    const char *config = args->config;
    if (config == NULL) {
        config = getenv("FANWIRE_CONFIG"); /* NOLINT(concurrency-mt-unsafe) */
    }
    int err = FW_OK;
    if (config != NULL && config[0] != '\0') {
        err = fw_options_load(options, config);
        if (err == FW_ERR_SYSTEM) {
            return fwd_report(FWD_CONFIGURATION, "config: %s", fw_error_detail());
        }
    }
    if (err == FW_OK) {
        err = fw_options_load_env(options);
    }
    if (err != FW_OK) {
        return fwd_report_error(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED,
                                err);
    }
    return fwd_args_apply(args, options);
}

static int print_manual(const fwd_args *args, const fw_options *options)
{
    if (args->command == FWD_HELP) {
        fwd_manual_help(stdout, options);
    } else if (args->command == FWD_MARKDOWN) {
        fwd_manual_markdown(stdout, options);
    } else {
        printf("fanwired %s\n", fw_version_string());
    }
    return fflush(stdout) == 0 ? FWD_OK : FWD_FAILED;
}

static int run_command(const fwd_args *args, fw_options *options)
{
    if (args->command >= FWD_HELP) {
        return print_manual(args, options);
    }
    int status = load_options(args, options);
    if (status != FWD_OK) {
        return status;
    }
    switch (args->command) {
    case FWD_PUBLISH:
        return fwd_publish(args, options);
    case FWD_PRESENCE:
        return fwd_presence(args, options);
    case FWD_HISTORY:
        return fwd_history(args, options);
    case FWD_TOKEN:
        return fwd_token(args, options);
    default:
        return fwd_serve(args, options);
    }
}

int main(int argc, char **argv)
{
    fwd_args args;
    fw_options *options = NULL;
    int status = fwd_args_read(&args, argc, argv);
    if (status == FWD_OK) {
        options = default_options();
        status = options != NULL ? run_command(&args, options)
                                 : fwd_report_error(FWD_FAILED, FW_ERR_MEMORY);
    }
    fw_options_free(options);
    fwd_args_fini(&args);
    return status;
}
