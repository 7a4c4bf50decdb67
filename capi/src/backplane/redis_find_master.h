/*
 * Where the master is, asked of Sentinels by blocking connections: for the emitter.
 */
#ifndef FWI_BACKPLANE_REDIS_FIND_MASTER_H
#define FWI_BACKPLANE_REDIS_FIND_MASTER_H

#include "backplane/backplanes.h"

/* Asks one after the other, from number `first` on (any number is taken modulo how many
 * there are); *told is the one that answered. Each gets its share of the time that is
 * left. Writes host and port of config->url. FW_OK, or an error with the detail set. */
int fwi_redis_find_master(fwi_redis_config *config, size_t first, uint64_t deadline_us,
                          size_t *told);

#endif
