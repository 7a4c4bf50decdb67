/*
 * Routes: which loops of this node have members of a channel, and whether the backplane
 * hears it. On loop 0 only. It calls nobody: it says what is to be done.
 */
#ifndef FWI_CORE_ROUTE_H
#define FWI_CORE_ROUTE_H

#include "base/hashmap.h"
#include "base/wheel.h"
#include "core/message.h"

/* A message that waits until its channel is heard. */
typedef struct fwi_held {
    struct fwi_held *next;
    fw_message *m;
    uint64_t ref; /* of who wants to know what becomes of it; 0: nobody */
} fwi_held;

typedef struct fwi_route {
    UT_hash_handle hh;
    struct fwi_routes *routes;
    bool subscribed;             /* the backplane has confirmed */
    uint64_t loops;              /* a bit for each loop that has members */
    unsigned total;              /* interests, of all loops */
    fwi_timer linger;            /* set when the last interest has gone */
    struct fwi_history *history; /* NULL: it keeps none */
    fwi_held *held, **held_tail;
    char *channel;       /* behind the counts */
    unsigned interest[]; /* of each loop */
} fwi_route;

typedef struct fwi_routes {
    fwi_route *map;
    unsigned n_loops;
    size_t held_bytes;
    /* A channel nobody was interested in for a while; called from its timer. */
    void (*on_unused)(struct fwi_routes *routes, fwi_route *r);
} fwi_routes;

void fwi_routes_fini(fwi_routes *routes);

fwi_route *fwi_route_find(fwi_routes *routes, const char *channel);
fwi_route *fwi_route_new(fwi_routes *routes, const char *channel); /* NULL: no memory */
void fwi_route_free(fwi_route *r);

void fwi_route_add(fwi_route *r, unsigned loop);
/* true: nobody is interested any more. */
bool fwi_route_drop(fwi_route *r, unsigned loop, unsigned n);

/* Until the channel is heard. false: more than max bytes are held, or no memory. */
bool fwi_route_hold(fwi_route *r, fw_message *m, uint64_t ref, size_t max);
/* The next held message, the caller's now; NULL: none. */
fw_message *fwi_route_unhold(fwi_route *r, uint64_t *ref);

#endif
