/*
 * `fanwired publish ROOM TEXT`: one message to a room, from a shell. Needs redis.url and
 * no running fanwired on this machine.
 */
#include "commands.h"

#include <string.h>

#include "emit.h"

static int publish(fw_emitter *emitter, const fwd_args *args, int timeout_ms)
{
    const char *text = args->words[1];
    fw_message *m = fw_message_new(text, strlen(text), FW_TEXT);
    if (m == NULL) {
        return FW_ERR_INVALID;
    }
    int nodes = fw_emitter_publish(emitter, args->words[0], m, timeout_ms);
    fw_message_unref(m);
    return nodes;
}

int fwd_publish(const fwd_args *args, const fw_options *options)
{
    return fwd_emit("publish", publish, args, options);
}
