/*
 * A census: which rooms have members on this node, and how many. Each loop counts its own
 * in its turn; loop 0 puts them together. @thread loop 0
 */
#ifndef FWI_CORE_CENSUS_H
#define FWI_CORE_CENSUS_H

#include "core/hub.h"

typedef struct fwi_census_room {
    UT_hash_handle hh;
    uint64_t members;
    char name[];
} fwi_census_room;

/* rooms: a hash map in no order, borrowed; NULL and ok false: out of memory. */
typedef void (*fwi_census_fn)(void *user, const fwi_census_room *rooms, bool ok);

/* on_done is called once, perhaps from inside; never, if the hub ends before. */
void fwi_census_take(fwi_hub *hub, fwi_census_fn on_done, void *user);

#endif
