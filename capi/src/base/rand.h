/*
 * Random numbers: unguessable ones for names, and a small generator with a seed of its
 * own for jitter, so that the simulator can replay it.
 */
#ifndef FWI_BASE_RAND_H
#define FWI_BASE_RAND_H

#include "base/base.h"

/* From the kernel; ends the process if that has none. Never 0. */
uint64_t fwi_rand_secure(void);
/* Such bytes, for a key; at most 256. */
void fwi_rand_fill(void *bytes, size_t n);

typedef struct fwi_rand {
    uint64_t state;
} fwi_rand;

static inline void fwi_rand_init(fwi_rand *r, uint64_t seed)
{
    r->state = seed ? seed : 0x9e3779b97f4a7c15ull;
}

/* xorshift64*: jitter needs no more. */
static inline uint64_t fwi_rand_next(fwi_rand *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dull;
}

/* A number in [low, high]. */
static inline uint64_t fwi_rand_between(fwi_rand *r, uint64_t low, uint64_t high)
{
    return low + fwi_rand_next(r) % (high - low + 1);
}

#endif
