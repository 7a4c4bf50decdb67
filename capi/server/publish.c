/*
 * `fanwired publish ROOM TEXT`: one message to a room, from a shell. Needs redis.url and
 * no running fanwired on this machine.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "report.h"

/* Long enough for a connection across continents, short enough for a script. */
enum { TIMEOUT_MS = 5000 };

static int report_publish(const fw_options *options, int err)
{
    if (err == FW_ERR_INVALID) { /* the room's name */
        return fwd_report_error(FWD_CONFIGURATION, err);
    }
    return fwd_report(FWD_FAILED, "redis.url: %s: %s",
                      fw_options_shown(options, "redis.url"), fw_error_detail());
}

static int publish(const fwd_args *args, const fw_options *options, fw_emitter *emitter)
{
    const char *room = args->words[0], *text = args->words[1];
    fw_message *m = fw_message_new(text, strlen(text), FW_TEXT);
    if (m == NULL) {
        return fwd_report_error(FWD_CONFIGURATION, FW_ERR_INVALID);
    }
    int nodes = fw_emitter_publish(emitter, room, m, TIMEOUT_MS);
    fw_message_unref(m);
    if (nodes < 0) {
        return report_publish(options, nodes);
    }
    printf(args->json ? "{\"nodes\":%d}\n" : "nodes %d\n", nodes);
    return FWD_OK;
}

int fwd_publish(const fwd_args *args, const fw_options *options)
{
    if (fw_options_get(options, "redis.url")[0] == '\0') {
        return fwd_report(FWD_CONFIGURATION, "redis.url: publish needs it: %s",
                          fw_options_describe("redis.url", "allowed"));
    }
    fw_emitter *emitter = NULL;
    int err = fw_emitter_new(&emitter, options);
    if (err != FW_OK) {
        return fwd_report_error(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED,
                                err);
    }
    int status = publish(args, options, emitter);
    fw_emitter_free(emitter);
    return status;
}
