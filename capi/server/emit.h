/*
 * Commands that tell the nodes something and are done: an emitter, one call, and how many
 * nodes have heard it.
 */
#ifndef FANWIRED_EMIT_H
#define FANWIRED_EMIT_H

#include "args.h"

/* As the emitter's functions: how many nodes, or FW_ERR_. */
typedef int (*fwd_emit_call)(fw_emitter *emitter, const fwd_args *args, int timeout_ms);

/* Runs the command of that name and prints "nodes N". Returns the exit status. */
int fwd_emit(const char *command, fwd_emit_call call, const fwd_args *args,
             const fw_options *options);

#endif
