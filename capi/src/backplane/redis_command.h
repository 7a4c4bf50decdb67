/*
 * A command as it goes to Redis: an array of strings, each with its length in front.
 * Used by the link and the emitter. Pure.
 */
#ifndef FWI_BACKPLANE_REDIS_COMMAND_H
#define FWI_BACKPLANE_REDIS_COMMAND_H

#include "base/buf.h"

/* Appends it whole. false: out of memory, nothing appended. */
bool fwi_redis_command(fwi_buf *out, int argc, const char *const *argv,
                       const size_t *lens);

#endif
