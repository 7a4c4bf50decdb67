/*
 * How often what was so large: counts by upper bounds, and the sum, as Prometheus has it.
 * One thread adds, any may read; what is read is whole numbers, not one moment.
 */
#ifndef FWI_BASE_HISTOGRAM_H
#define FWI_BASE_HISTOGRAM_H

#include <stdatomic.h>

#include "base/base.h"

enum { FWI_HISTOGRAM_BOUNDS = 10 };

/* Upper bounds, each included, growing. */
typedef uint64_t fwi_bounds[FWI_HISTOGRAM_BOUNDS];

typedef struct fwi_histogram {
    _Atomic uint64_t count[FWI_HISTOGRAM_BOUNDS + 1]; /* the last: above all bounds */
    _Atomic uint64_t sum;
} fwi_histogram;

/* Turns of a loop and round trips, in microseconds. */
static const fwi_bounds fwi_bounds_us = {100,   500,   1000,   5000,   10000,
                                         25000, 50000, 100000, 250000, 1000000};
/* Messages, in bytes. */
static const fwi_bounds fwi_bounds_bytes = {16,    64,    256,    1024,    4096,
                                            16384, 65536, 262144, 1048576, 16777216};

static inline void fwi_histogram_add(fwi_histogram *h, const fwi_bounds bounds,
                                     uint64_t value)
{
    size_t i = 0;
    while (i < FWI_HISTOGRAM_BOUNDS && value > bounds[i]) {
        i++;
    }
    uint64_t count = atomic_load_explicit(&h->count[i], memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    atomic_store_explicit(&h->count[i], count + 1, memory_order_relaxed);
    atomic_store_explicit(&h->sum, sum + value, memory_order_relaxed);
}

/* What one of them has is added to a reader's own. */
static inline void fwi_histogram_sum_up(fwi_histogram *to, const fwi_histogram *from)
{
    fwi_histogram *h = (fwi_histogram *)(uintptr_t)from;
    for (size_t i = 0; i <= FWI_HISTOGRAM_BOUNDS; i++) {
        to->count[i] += atomic_load_explicit(&h->count[i], memory_order_relaxed);
    }
    to->sum += atomic_load_explicit(&h->sum, memory_order_relaxed);
}

#endif
