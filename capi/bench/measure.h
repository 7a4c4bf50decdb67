/*
 * What the load generator counts with: a histogram of times, and a window that tells lost
 * from repeated from late messages. Values in, values out; the clock is here for want of
 * a better place.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

/* Times in ns in buckets of at most 3 % width. */
enum { HISTOGRAM_STEPS = 32, HISTOGRAM_BUCKETS = 64 * HISTOGRAM_STEPS };

typedef struct histogram {
    uint64_t count, max;
    uint64_t bucket[HISTOGRAM_BUCKETS];
} histogram;

void histogram_add(histogram *h, uint64_t ns);
/* The time that this share (0..1) of all stays under, in us; 0 if there are none. */
double histogram_us(const histogram *h, double share);

/* Which serials of one sender have come to one member. Small: there is one for each
 * member and each sender that it hears. */
typedef struct sequence {
    uint32_t next;   /* the highest that came, plus one */
    uint32_t before; /* bit i: next-1-i came */
} sequence;

enum { SEQUENCE_WINDOW = 32 };

typedef enum {
    SEQUENCE_NEW,       /* the next, or after a gap: *skipped are missing so far */
    SEQUENCE_LATE,      /* one that was missing */
    SEQUENCE_DUPLICATE, /* came before */
} sequence_verdict;

sequence_verdict sequence_take(sequence *s, uint32_t serial, uint32_t *skipped);

/* Did it come? Of those older than the window nothing is known; they count as come. */
bool sequence_has(const sequence *s, uint32_t serial);

uint64_t now_ns(void);

#endif
