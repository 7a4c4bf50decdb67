/*
 * What the load generator measures with: a histogram of times, a window that tells lost
 * from repeated from late messages, and what /proc says of a server's CPU and memory.
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

/* Which serials of one sender have come to one member. */
typedef struct sequence {
    uint32_t next;   /* the highest that came, plus one */
    uint64_t before; /* bit i: next-1-i came */
} sequence;

typedef enum {
    SEQUENCE_NEW,       /* the next, or after a gap: *skipped are missing so far */
    SEQUENCE_LATE,      /* one that was missing */
    SEQUENCE_DUPLICATE, /* came before */
} sequence_verdict;

sequence_verdict sequence_take(sequence *s, uint32_t serial, uint32_t *skipped);

uint64_t now_ns(void);

/* CPU time of all threads of a process, in ns; 0 if there is no such process. */
uint64_t process_cpu_ns(int pid);

/* Its proportional set size in bytes: shared pages count by their share. */
uint64_t process_pss(int pid);

#endif
