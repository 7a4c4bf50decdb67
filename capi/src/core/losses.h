/*
 * Subscribers that have lost their place in a room and wait to be told so: what a loop
 * keeps of them. Told all at once, they would all come again at once. See
 * centrifuge_lost.c. @thread loop
 */
#ifndef FWI_CORE_LOSSES_H
#define FWI_CORE_LOSSES_H

#include "base/list.h"
#include "base/wheel.h"

typedef struct fwi_losses {
    fwi_list waiting; /* the first to wait comes first */
    fwi_timer timer;
    uint64_t tat; /* of limit.resubscribe_rate: see fwi_rate_allow */
} fwi_losses;

void fwi_losses_init(fwi_losses *l);

#endif
