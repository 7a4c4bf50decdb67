/*
 * The last serial number heard from each other node: how a message that was published
 * twice, since its node had lost its link in between, is heard once.
 *
 * Used by the Redis backplane on loop 0's thread. Pure.
 */
#ifndef FWI_BACKPLANE_REDIS_SEEN_H
#define FWI_BACKPLANE_REDIS_SEEN_H

#include "base/hashmap.h"
#include "base/list.h"

enum {
    FWI_REDIS_SEEN_MAX = 65536,        /* nodes; short-lived emitters come and go */
    FWI_REDIS_SEEN_MS = 10 * 60 * 1000 /* silent for so long, at least: forgotten */
};

typedef struct fwi_redis_seen {
    struct fwi_redis_seen_node *table;
    fwi_list by_age; /* the longest silent first */
    size_t count;
    uint64_t keep_ms;
} fwi_redis_seen;

/* queue_deadline_ms: how late a repetition may come. The other nodes' counts, which is
 * taken to be that of this one. */
void fwi_redis_seen_init(fwi_redis_seen *s, uint64_t queue_deadline_ms);
void fwi_redis_seen_fini(fwi_redis_seen *s);

/* Is this message of that node newer than all before? Remembers it then. Out of memory
 * counts as new: twice is better than never. */
bool fwi_redis_seen_is_new(fwi_redis_seen *s, uint64_t node, uint64_t serial,
                           uint64_t now_ms);

#endif
