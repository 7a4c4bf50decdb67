/*
 * The map of a Redis Cluster: which masters there are, and which slots each serves. Read
 * from the text of CLUSTER NODES, which is one string whatever the size of the Cluster,
 * while CLUSTER SLOTS and CLUSTER SHARDS are arrays in arrays. Pure.
 */
#ifndef FWI_BACKPLANE_REDIS_MAP_H
#define FWI_BACKPLANE_REDIS_MAP_H

#include "backplane/redis_slot.h"
#include "wire/url.h"

enum {
    FWI_REDIS_MASTERS_MAX =
        1024, /* that serve slots; Redis itself advises against more */
    FWI_REDIS_NO_MASTER = FWI_REDIS_MASTERS_MAX
};

typedef struct fwi_redis_master {
    char id[41]; /* of the node; another one when a replica has taken over */
    fwi_redis_host at;
    unsigned slots; /* how many it serves */
} fwi_redis_master;

typedef struct fwi_redis_map {
    fwi_redis_master *masters;
    size_t n;
    unsigned unserved;               /* slots */
    uint16_t owner[FWI_REDIS_SLOTS]; /* index of a master, or FWI_REDIS_NO_MASTER */
} fwi_redis_map;

/* Reads a map. `from` is where it was asked: a node may not know its own address. names:
 * nodes are called by their names where they have announced one (with TLS, whose
 * certificates have names). NULL: *out is the map, to be given to fini; else what is
 * wrong. */
const char *fwi_redis_map_read(const char *text, size_t len, const fwi_redis_host *from,
                               bool names, fwi_redis_map *out);
/* Puts the masters behind the first `given` of those who are asked for the map, as far as
 * there is room: those of the URL may be gone one day, and so may masters of before. */
void fwi_redis_map_add_hosts(const fwi_redis_map *map, fwi_redis_url *url, size_t given);
void fwi_redis_map_fini(fwi_redis_map *map);

#endif
