/*
 * fanwired: the hub as a ready server, for those who write no code. Built on the public
 * headers alone, so whatever it does an application can do too.
 *
 * Here: which command runs.
 */
#include <fanwire/fanwire.h>

#include <stdio.h>

#include "args.h"
#include "commands.h"
#include "config.h"
#include "manual.h"
#include "report.h"

static int print_manual(const fwd_args *args, const fw_options *options)
{
    if (args->command == FWD_HELP) {
        fwd_manual_help(stdout, options);
    } else if (args->command == FWD_MARKDOWN) {
        fwd_manual_markdown(stdout, options);
    } else if (args->command == FWD_MAN_PAGE) {
        fwd_man_page(stdout, options);
    } else if (args->command == FWD_COMPLETION) {
        fwd_completion(stdout);
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
    char why[1024];
    int err = fwd_config_read(args, options, why, sizeof why);
    if (err != FW_OK) {
        return fwd_report(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED, "%s",
                          why);
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
    case FWD_DISCONNECT:
        return fwd_disconnect(args, options);
    case FWD_TRACE:
        return fwd_trace(args, options);
    case FWD_TOP:
        return fwd_top(args, options);
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
        options = fwd_config_new();
        status = options != NULL ? run_command(&args, options)
                                 : fwd_report_error(FWD_FAILED, FW_ERR_MEMORY);
    }
    fw_options_free(options);
    fwd_args_fini(&args);
    return status;
}
