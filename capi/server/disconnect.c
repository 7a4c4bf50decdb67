/*
 * `fanwired disconnect USER`: closes all sessions of a user, on all nodes, from a shell.
 * Needs redis.url and no running fanwired on this machine.
 */
#include "commands.h"

#include "emit.h"

/* Policy violation: clients that come back by themselves had better not. */
enum { CODE = 1008 };

static int disconnect(fw_emitter *emitter, const fwd_args *args, int timeout_ms)
{
    return fw_emitter_disconnect_user(emitter, args->words[0], CODE,
                                      "disconnected by the operator", timeout_ms);
}

int fwd_disconnect(const fwd_args *args, const fw_options *options)
{
    return fwd_emit("disconnect", disconnect, args, options);
}
