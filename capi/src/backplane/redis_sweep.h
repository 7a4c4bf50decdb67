/*
 * The entries of a life that is over are removed, channel by channel, and their end is
 * told: a step in Redis for each, so that whoever else does the same tells none of them
 * again. A part of redis_lease.c; loop 0's thread.
 */
#ifndef FWI_BACKPLANE_REDIS_SWEEP_H
#define FWI_BACKPLANE_REDIS_SWEEP_H

#include "base/base.h"

struct fwi_redis_backplane;

/* The link is up. loud: the end of what is removed is told. */
void fwi_redis_sweep_begin(struct fwi_redis_backplane *rb, uint64_t node, uint64_t life,
                           bool loud);

/* The lease is held: what this node's own former lives may have left is removed without a
 * word, if it isn't being done already. */
void fwi_redis_sweep_former(struct fwi_redis_backplane *rb);

/* At the flush: begins one whose turn has come. */
void fwi_redis_sweeps_go_on(struct fwi_redis_backplane *rb);

/* The link is gone: others do the rest, or this node when it finds that nobody has. Its
 * own former lives are its own affair. */
void fwi_redis_sweeps_drop(struct fwi_redis_backplane *rb);

#endif
