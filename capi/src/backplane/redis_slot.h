/*
 * The slots of a Redis Cluster: which of the 16384 a key or a channel lies in. Pure.
 */
#ifndef FWI_BACKPLANE_REDIS_SLOT_H
#define FWI_BACKPLANE_REDIS_SLOT_H

#include "base/base.h"

enum { FWI_REDIS_SLOTS = 16384 };

/* Of a key as it is written for Redis: of what stands between its first { and the next }
 * if that isn't empty, else of the whole. */
unsigned fwi_redis_slot(const char *key, size_t len);

#endif
