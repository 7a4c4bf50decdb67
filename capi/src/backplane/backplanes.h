/*
 * The backplanes there are.
 */
#ifndef FWI_BACKPLANE_BACKPLANES_H
#define FWI_BACKPLANE_BACKPLANES_H

#include "base/log.h"
#include "core/backplane.h"
#include "core/loop.h"
#include "wire/url.h"

/* For one process alone: what is published to a subscribed channel comes back at the next
 * flush(). NULL: out of memory. */
fwi_backplane *fwi_backplane_memory_new(fwi_loop *loop, const fwi_backplane_sink *sink,
                                        void *sink_user);

/* Where a room with history stands is known for so long after its last message, whose own
 * ttl it is: a day at least, so that offsets go on when a talk is taken up again. */
static inline uint64_t fwi_kept_position_ms(uint64_t ttl_ms)
{
    return FWI_MAX(ttl_ms * 10, UINT64_C(24) * 60 * 60 * 1000);
}

typedef struct fwi_redis_config {
    fwi_redis_url url;
    const char *prefix;
    const char *tls_ca, *tls_cert, *tls_key; /* NULL: none */
    bool tls_insecure;
    uint64_t node;              /* this node's number */
    uint64_t seed;              /* of the jitter */
    size_t queue_max_bytes;     /* of what waits while Redis is away; while it is up, four
                                   times as much may be on its way */
    uint64_t queue_deadline_ms; /* what has waited so long isn't sent any more */
    uint64_t lease_ms;          /* a node that isn't heard of for so long is dead */
    const fwi_log *log;
} fwi_redis_config;

/* For all nodes of one Redis, be it a Cluster. config is copied, but for what it points
 * to, which lives as long as the backplane. NULL: out of memory.
 *
 * A user of an ACL needs the channels PREFIX:* and the commands ping, publish, subscribe,
 * unsubscribe, select; "client setname" is used if allowed. With Sentinels also info, and
 * on these sentinel|get-master-addr-by-name and ping. For presence and the list of
 * nodes: the keys PREFIX:* and {PREFIX:*, and the commands eval, hset, hget, hdel, hlen,
 * hscan, sadd, srem, srandmember, zadd, zrem, zscore, zrange, zrangebyscore, set, get,
 * del, time; without them those don't work, and a line a second says so. For rooms with
 * history in addition: evalsha, hmget, hgetall, xadd, xrange, xrevrange, pexpire.
 *
 * In a Cluster, which must be of Redis 7.0 or newer: spublish, ssubscribe, sunsubscribe
 * instead of the three without s, cluster|nodes, and script|load if that is allowed. What
 * the config bounds it bounds for each master. */
fwi_backplane *fwi_backplane_redis_new(fwi_loop *loop, const fwi_redis_config *config,
                                       const fwi_backplane_sink *sink, void *sink_user);

/* --- the emitter: one blocking connection, no loop --- */

/* config as above; its node is the emitter's own random number. Connects when needed.
 * @thread any, one call at a time */
typedef struct fwi_redis_emitter fwi_redis_emitter;
fwi_redis_emitter *fwi_redis_emitter_new(const fwi_redis_config *config);
void fwi_redis_emitter_free(fwi_redis_emitter *e);
/* timeout_ms <= 0: 5000. How many subscribers took it, or FW_ERR_BACKPLANE / _TIMEOUT /
 * _MEMORY with detail. */
int fwi_redis_emitter_publish(fwi_redis_emitter *e, const char *channel,
                              const fw_message *m, int timeout_ms);

#endif
