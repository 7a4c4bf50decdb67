/*
 * What is different on a server of a Cluster: its words for publish/subscribe, and the
 * answers by which it says that a slot isn't its own. A part of the Redis backplane; loop
 * 0's thread. Where slots are is the business of redis_cluster.h.
 */
#ifndef FWI_BACKPLANE_REDIS_SHARDED_H
#define FWI_BACKPLANE_REDIS_SHARDED_H

#include "backplane/redis_channels.h"
#include "backplane/redis_reply.h"
#include "wire/url.h"

struct fwi_redis_backplane;
struct fwi_redis_verbs;

extern const struct fwi_redis_verbs fwi_redis_sharded_verbs;

/* Does a server of a Cluster say "not here" or "not now"? */
bool fwi_redis_is_elsewhere(const fwi_redis_reply *reply);

/* Such an answer on the command link, and what it belongs to (redis_pending.h). false: it
 * is a reason to give the link up. */
bool fwi_redis_sharded_answered(struct fwi_redis_backplane *rb, uint64_t asked,
                                const fwi_redis_reply *reply);

/* A subscription of a channel is asked for, or its end. false: out of memory. */
bool fwi_redis_sharded_ordered(struct fwi_redis_backplane *rb, fwi_redis_channel *c,
                               bool subscribe);
/* It is confirmed, or ended by the server itself. name: as the hub has it. false: nobody
 * had asked. */
bool fwi_redis_sharded_confirmed(struct fwi_redis_backplane *rb, const char *name,
                                 bool subscribe);
/* An error on the subscribe link. false: it is a reason to give the link up. */
bool fwi_redis_sharded_refused(struct fwi_redis_backplane *rb,
                               const fwi_redis_reply *reply);

/* The slot of a channel as the hub names it; FWI_REDIS_SLOTS: out of memory. */
unsigned fwi_redis_sharded_slot(struct fwi_redis_backplane *rb, const char *channel);

/* The probe goes by another channel from now on. false: out of memory. */
bool fwi_redis_sharded_set_probe(struct fwi_redis_backplane *rb, const char *channel);

/* The server is at this address from now on. Calls the hub. */
void fwi_redis_server_moved(struct fwi_redis_backplane *rb, const fwi_redis_host *to);

#endif
