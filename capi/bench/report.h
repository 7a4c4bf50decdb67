/*
 * The one JSON object that is printed: members with commas between them, and nothing that
 * could need escaping.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "measure.h"

/* name NULL: the outermost, or an element of an array. */
void report_begin(const char *name, char bracket);
void report_end(char bracket);

void report_text(const char *name, const char *value);
void report_count(const char *name, uint64_t value);
void report_real(const char *name, double value, int decimals);
void report_latency(const char *name, const histogram *h);

#endif
