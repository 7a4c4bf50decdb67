/*
 * An emitter's way into a Cluster: the map, and a connection to each master that was
 * needed. Used by redis_emitter.c, on whatever thread, one call at a time.
 */
#ifndef FWI_BACKPLANE_REDIS_EMITTER_CLUSTER_H
#define FWI_BACKPLANE_REDIS_EMITTER_CLUSTER_H

#include "backplane/backplanes.h"
#include "base/buf.h"

typedef struct fwi_redis_emitter_cluster fwi_redis_emitter_cluster;

/* NULL: out of memory. */
fwi_redis_emitter_cluster *fwi_redis_emitter_cluster_new(const fwi_redis_config *config);
void fwi_redis_emitter_cluster_free(fwi_redis_emitter_cluster *c); /* NULL is allowed */

/* Forgets connections and map. */
void fwi_redis_emitter_cluster_close(fwi_redis_emitter_cluster *c); /* NULL is allowed */

/* Publishes at the server that has the channel's slot; looks for it again as long as none
 * has taken the message, until the deadline. FW_OK and how many took it there, or
 * FW_ERR_BACKPLANE, _TIMEOUT, _MEMORY with the detail set. */
int fwi_redis_emitter_cluster_publish(fwi_redis_emitter_cluster *c,
                                      const fwi_buf *channel, const fwi_buf *envelope,
                                      uint64_t deadline_us, long long *receivers);

#endif
