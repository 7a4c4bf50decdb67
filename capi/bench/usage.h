/*
 * What the server's processes use between two moments: of each, and of all together.
 */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include "options.h"

typedef struct usage {
    uint64_t when_ns, cpu_ns[PLAN_PIDS];
} usage;

void usage_take(const plan *p, usage *u);
double usage_seconds(const usage *begin, const usage *end);
double usage_cpu_us(const plan *p, const usage *begin, const usage *end);
/* "cpu_us_by_pid". */
void usage_report(const plan *p, const usage *begin, const usage *end);

/* PSS of all processes, in bytes. */
uint64_t usage_pss(const plan *p);
/* "pss_by_pid". */
void usage_report_pss(const plan *p);

#endif
