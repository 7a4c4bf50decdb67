/*
 * The backplane on a Redis Cluster, as the hub has it: one backplane of one server for
 * each master, and channels go to the one that serves their slot. Made by
 * fwi_backplane_redis_new(). Loop 0's thread.
 *
 *   backplane_cluster.c      the operations of the port, and what comes from the servers
 *   redis_cluster_shards.c   masters come and go with the map
 *   redis_cluster_moves.c    slots, and what waits for them, go from one to another
 *   redis_map.c              reads the map; redis_topology.c asks for it
 *   redis_sharded.c          what one server of a Cluster says differently
 */
#ifndef FWI_BACKPLANE_REDIS_CLUSTER_H
#define FWI_BACKPLANE_REDIS_CLUSTER_H

#include "backplane/redis_backplane.h"
#include "backplane/redis_map.h"

/* NULL: out of memory. */
fwi_backplane *fwi_redis_cluster_new(fwi_loop *loop, const fwi_redis_config *config,
                                     const fwi_backplane_sink *sink, void *sink_user);

/* --- for its own files --- */

/* A master, and those who followed it: the servers that have served the same slots one
 * after the other. Own serials and those heard (redis_seen.c) are the shard's, so it must
 * be the same for all nodes whoever is its master. */
typedef struct fwi_redis_shard {
    struct fwi_redis_cluster *cluster;
    fwi_redis_backplane *rb;
    char id[41]; /* of its master */
    fwi_redis_host at;
    bool started;
    bool up, away; /* as it has said; neither: it is new */
    bool left;     /* it has channels whose slots it doesn't serve any more */
    bool strays;   /* ... and publishes */
    char why[400];
} fwi_redis_shard;

typedef struct fwi_redis_cluster {
    fwi_backplane base;
    fwi_loop *loop;
    fwi_redis_config config;
    size_t given_hosts; /* of the URL; behind them are the masters of the newest map */
    fwi_redis_topology *topology;
    fwi_rand rand;
    fwi_timer retry;  /* nobody had a map: ask again */
    fwi_timer settle; /* something waits for answers before it can move */
    uint64_t backoff_ms;
    fwi_redis_shard *shards[FWI_REDIS_MASTERS_MAX]; /* [n]; NULL: it has gone */
    size_t n;
    /* Not a server: what belongs to slots that nobody serves just now, or whose server
     * isn't known. */
    fwi_redis_shard nobody;
    /* Not a server: presence and lease, whose commands go to the servers of their keys.
     */
    fwi_redis_backplane *node;
    const fwi_redis_backplane *lease_at; /* up, and serves the lease's slot; or NULL */
    uint64_t serials; /* of all shards: a room's rise wherever it goes */
    /* Index of a shard, or FWI_REDIS_NO_MASTER: who has the slot's channels and publishes
     * now; and who is to have them by the newest map. */
    uint16_t owner[FWI_REDIS_SLOTS], target[FWI_REDIS_SLOTS];
    uint16_t named[FWI_REDIS_SLOTS]; /* by that map, whatever servers have said since */
    unsigned unserved;               /* slots, by the newest map */
    bool has_map;
    bool left;      /* a shard has channels that aren't its own any more */
    bool unsettled; /* and publishes, or there is a new map */
    bool up, stopped;
    char why[800];
    fwi_backplane_figures gone; /* of shards that are no more */
    fwi_buf name;               /* scratch */
} fwi_redis_cluster;

/* Who has the slot of a channel now. */
fwi_redis_backplane *fwi_redis_cluster_of(fwi_redis_cluster *c, const char *channel);
fwi_redis_backplane *fwi_redis_cluster_at(fwi_redis_cluster *c, unsigned slot);

/* Tells the hub, if it is news, whether all shards are up; and the lease where it is. */
void fwi_redis_cluster_tell_state(fwi_redis_cluster *c);

/* Adds what one has counted. */
void fwi_redis_cluster_add_figures(fwi_redis_backplane *rb, fwi_backplane_figures *sum);

/* redis_cluster_shards.c: a new map. NULL: taken; else what is wrong. */
const char *fwi_redis_cluster_take_map(fwi_redis_cluster *c, const fwi_redis_map *map);
/* Starts those that serve slots, by their newest addresses; ends those that don't. Calls
 * the hub. */
void fwi_redis_cluster_keep_shards(fwi_redis_cluster *c);
fwi_redis_shard *fwi_redis_shard_new(fwi_redis_cluster *c, const fwi_redis_host *at);

/* backplane_cluster.c: a server of this cluster. false: out of memory. */
bool fwi_redis_shard_init(fwi_redis_shard *s, fwi_redis_cluster *c,
                          const fwi_redis_config *config);
void fwi_redis_shard_fini(fwi_redis_shard *s);

/* redis_cluster_moves.c: a server says that it doesn't serve the slot. Calls nobody. */
void fwi_redis_cluster_slot_left(fwi_redis_cluster *c, fwi_redis_backplane *rb,
                                 unsigned slot);
/* Takes the channels of slots that have left away from their servers: all of a turn at
 * once, but before anything new is done with them. Calls nobody. */
void fwi_redis_cluster_move_left(fwi_redis_cluster *c);
/* At the flush: moves what must and can be moved. Calls the hub. */
void fwi_redis_cluster_settle(fwi_redis_cluster *c);
/* In a moment again: what waits for an answer may have got it. Calls nobody. */
void fwi_redis_cluster_settle_later(fwi_redis_cluster *c);

#endif
