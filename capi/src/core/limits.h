/*
 * Limits that all loops share: sessions of one client address, and of one user. Only
 * locks when such a limit is set, and only when sessions come and go. @thread any
 */
#ifndef FWI_CORE_LIMITS_H
#define FWI_CORE_LIMITS_H

#include <pthread.h>

#include "base/base.h"

struct fwi_limit_count;

typedef struct fwi_limits {
    pthread_mutex_t lock;
    struct fwi_limit_count *counts;
} fwi_limits;

void fwi_limits_init(fwi_limits *l);
void fwi_limits_fini(fwi_limits *l);

/* One more of whose this is, an address or the channel of a user; false: there are `max`
 * (or no memory). */
bool fwi_limits_take(fwi_limits *l, const char *whose, int64_t max);
void fwi_limits_give(fwi_limits *l, const char *whose);

/* Rate: at most `rate` a second, and as many at once. *tat is the state, 0 at first.
 * (The generic cell rate algorithm: one number, no timer.) */
bool fwi_rate_allow(uint64_t *tat, uint64_t now_us, int64_t rate);

#endif
