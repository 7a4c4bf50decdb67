/*
 * A node's lease: that it lives, said to Redis a few times a lease, and who else does.
 * When another node's lease ends, its entries are removed and their end is told, here or
 * by whichever node is first. Loop 0's thread.
 *
 *   {P:nodes}:leases        sorted set: node -> when its lease ends, by Redis' clock
 *   {P:nodes}:facts         hash: node -> "LIFE BEAT " and the envelope that describes it
 *   {P:nodes}:over:NODE     the newest life of it that others have ended
 *   {P:nodes}:claim:NODE    who removes its entries
 *
 * A life is what one lease vouches for. When a node finds that its lease had ended, or
 * that Redis has forgotten it or what it wrote, it takes another life and writes all its
 * entries anew: so those of the life before can be removed at leisure, and none of the
 * new ones with them.
 */
#ifndef FWI_BACKPLANE_REDIS_LEASE_H
#define FWI_BACKPLANE_REDIS_LEASE_H

#include "backplane/redis_call.h"
#include "base/hashmap.h"
#include "base/list.h"
#include "core/backplane.h"
#include "core/loop.h"

struct fwi_present;

/* Another node. */
typedef struct fwi_redis_node {
    UT_hash_handle hh;
    uint64_t id;
    bool named, told, alive;
    uint64_t seen; /* the beat that has seen it last */
    char name[256];
} fwi_redis_node;

typedef struct fwi_redis_lease {
    fwi_timer timer;    /* the next beat */
    uint64_t life;      /* from 1 on */
    uint64_t unswept;   /* own lives from this one on may have left something; 0: none */
    uint64_t beats;     /* sent */
    uint64_t confirmed; /* the newest one that was answered */
    bool waiting;       /* one is on its way */
    bool is_held;       /* since the link is up, Redis has confirmed this life */
    bool was_held;      /* ... ever: it must know of it from then on */
    uint64_t sent_ms, answered_ms;
    uint64_t watching_ms; /* since when Redis was seen without a break; 0: it isn't */
    fwi_redis_node *nodes;
    bool names_wanted;
    fwi_list sweeps; /* lives to be swept, the first one is under way */
} fwi_redis_lease;

/* With all that belongs to presence. */
void fwi_redis_lease_init(struct fwi_redis_backplane *rb);
void fwi_redis_lease_fini(struct fwi_redis_backplane *rb);
void fwi_redis_lease_figures(const struct fwi_redis_backplane *rb,
                             fwi_backplane_figures *out);

/* The links are up; they are gone. In a Cluster: those to the server of the lease. */
void fwi_redis_lease_link_up(struct fwi_redis_backplane *rb);
void fwi_redis_lease_link_down(struct fwi_redis_backplane *rb);

/* A key of the lease, for those who look where it lies. false: out of memory. */
bool fwi_redis_lease_key(struct fwi_redis_backplane *rb, fwi_buf *out);
/* Can it be asked who lives? */
bool fwi_redis_lease_can_ask(struct fwi_redis_backplane *rb);

/* The node goes: says so, if the link is up. */
void fwi_redis_lease_end(struct fwi_redis_backplane *rb);

/* A node has gone, unless it is there in a later life. false: out of memory. */
bool fwi_redis_forget_node(struct fwi_redis_backplane *rb, uint64_t node, uint64_t life);

/* Asks who lives. false: out of memory. */
bool fwi_redis_lease_ask_nodes(struct fwi_redis_backplane *rb, fwi_redis_answer answer,
                               void *about);

/* It had been told that this session has left; that it is back is told now. */
void fwi_redis_lease_tell_again(struct fwi_redis_backplane *rb,
                                const struct fwi_present *p);

#endif
