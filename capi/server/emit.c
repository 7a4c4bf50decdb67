/*
 * See emit.h. Needs redis.url and no running fanwired on this machine. Main thread.
 */
#include "emit.h"

#include <stdio.h>

#include "report.h"

/* Long enough for a connection across continents, short enough for a script. */
enum { TIMEOUT_MS = 5000 };

static int report(const fw_options *options, int err)
{
    if (err == FW_ERR_INVALID) { /* a name, or what is to be said */
        return fwd_report_error(FWD_CONFIGURATION, err);
    }
    return fwd_report(FWD_FAILED, "redis.url: %s: %s",
                      fw_options_shown(options, "redis.url"), fw_error_detail());
}

int fwd_emit(const char *command, fwd_emit_call call, const fwd_args *args,
             const fw_options *options)
{
    if (fw_options_get(options, "redis.url")[0] == '\0') {
        return fwd_report(FWD_CONFIGURATION, "redis.url: %s needs it: %s", command,
                          fw_options_describe("redis.url", "allowed"));
    }
    fw_emitter *emitter = NULL;
    int err = fw_emitter_new(&emitter, options);
    if (err != FW_OK) {
        return fwd_report_error(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED,
                                err);
    }
    int nodes = call(emitter, args, TIMEOUT_MS);
    fw_emitter_free(emitter);
    if (nodes < 0) {
        return report(options, nodes);
    }
    printf(args->json ? "{\"nodes\":%d}\n" : "nodes %d\n", nodes);
    return fflush(stdout) == 0 ? FWD_OK : FWD_FAILED;
}
