/*
 * Where Redis is, if somebody has to be asked: Sentinels for the address of the master,
 * or the nodes of a Cluster for its map. They are asked one after the other until one
 * answers, and asked on afterwards, since a master that has been replaced may go on
 * answering.
 *
 * Used by the Redis backplane on loop 0's thread; it connects, and judges whether what it
 * finds there is a master (redis_link.c). One server needs none of this.
 */
#ifndef FWI_BACKPLANE_REDIS_TOPOLOGY_H
#define FWI_BACKPLANE_REDIS_TOPOLOGY_H

#include "backplane/redis_link.h"

enum {
    FWI_REDIS_TOPOLOGY_EVERY_MS = 5000,  /* while the master is watched */
    FWI_REDIS_TOPOLOGY_ANSWER_MS = 3000, /* how long an answer may take */
    FWI_REDIS_TOPOLOGY_SOON_MS = 100,    /* at most, when a map is known to be old */
    FWI_REDIS_TOPOLOGY_AWAY_MS = 500     /* ... while a server is away */
};

/* Called from the loop's callbacks, never from the functions below. The topology may be
 * stopped or asked again inside, not freed. */
typedef struct fwi_redis_topology_events {
    void (*on_found)(void *user); /* the address is in config->url.host and .port */
    /* Nobody could tell; or, while it is watched, the master is another one now. */
    void (*on_lost)(void *user, const char *why);
    /* Of a Cluster, instead of on_found, at each answer. NULL: it is good; else what is
     * wrong, and the next one is asked. */
    const char *(*on_map)(void *user, const fwi_redis_part *text,
                          const fwi_redis_host *from);
} fwi_redis_topology_events;

typedef struct fwi_redis_topology fwi_redis_topology;

/* config is borrowed for the life of the topology, which writes host and port of its url.
 * Who is asked are the url's hosts; what stands there may change, and more may come.
 * NULL: out of memory. */
fwi_redis_topology *fwi_redis_topology_new(fwi_loop *loop, fwi_redis_config *config,
                                           const fwi_redis_topology_events *events,
                                           void *user);
void fwi_redis_topology_free(fwi_redis_topology *t); /* NULL is allowed, here and below */

/* Asks until one answers or all have failed. Begins with the Sentinel that answered last,
 * or with the next one if the address it gave was never watched: it had led nowhere.
 * false: out of memory, nothing comes. */
bool fwi_redis_topology_find(fwi_redis_topology *t);

/* The address has proved good: ask on, and tell when it changes. Sentinels that can't be
 * reached now don't matter. */
void fwi_redis_topology_watch(fwi_redis_topology *t);

/* Of a Cluster: the map may be old. Asks within so many ms, and not at the same moment as
 * other nodes. */
void fwi_redis_topology_hurry(fwi_redis_topology *t, uint64_t ms);

/* Of a Cluster: the map had news. Whoever is asked in a hurry and has none for a while
 * may know no better, and the next one is asked. */
void fwi_redis_topology_helped(fwi_redis_topology *t);

/* Silently. Harmless in any state. */
void fwi_redis_topology_stop(fwi_redis_topology *t);

/* What a Sentinel has answered to get-master-addr-by-name. NULL: *to is the address; else
 * what is wrong, valid as long as the reply. Pure. */
const char *fwi_redis_master_of(const fwi_redis_reply *reply, fwi_redis_host *to);

/* The same of INFO replication: NULL if it comes from a master. Pure. */
const char *fwi_redis_master_problem(const fwi_redis_reply *reply);

#endif
