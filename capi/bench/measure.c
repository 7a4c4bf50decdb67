/*
 * Histogram and sequence window of the load generator; see measure.h. Called for every
 * delivery, so nothing here loops but the reading of a histogram.
 */
#include "measure.h"

#include <time.h>

static unsigned bucket_of(uint64_t ns)
{
    if (ns < HISTOGRAM_STEPS) {
        return (unsigned)ns;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(ns); /* 5 and up */
    unsigned step = (unsigned)(ns >> (top - 5)) & (HISTOGRAM_STEPS - 1);
    return (top - 4) * HISTOGRAM_STEPS + step;
}

static uint64_t end_of_bucket(unsigned bucket)
{
    unsigned top = bucket / HISTOGRAM_STEPS, step = bucket % HISTOGRAM_STEPS;
    if (top == 0) {
        return step;
    }
    return ((uint64_t)(HISTOGRAM_STEPS + step + 1) << (top - 1)) - 1;
}

void histogram_add(histogram *h, uint64_t ns)
{
    h->count++;
    h->bucket[bucket_of(ns)]++;
    if (ns > h->max) {
        h->max = ns;
    }
}

double histogram_us(const histogram *h, double share)
{
    uint64_t wanted = (uint64_t)((double)h->count * share), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > wanted || (seen == h->count && seen > 0)) {
            uint64_t ns = end_of_bucket(i);
            return (double)(ns < h->max ? ns : h->max) / 1000.0;
        }
    }
    return 0;
}

sequence_verdict sequence_take(sequence *s, uint32_t serial, uint32_t *skipped)
{
    *skipped = 0;
    if (serial >= s->next) {
        uint32_t step = serial - s->next + 1;
        *skipped = step - 1;
        s->before = step < SEQUENCE_WINDOW ? s->before << step | 1 : 1;
        s->next = serial + 1;
        return SEQUENCE_NEW;
    }
    uint32_t back = s->next - 1 - serial;
    /* Older than the window: taken for a repetition, the worse of both. */
    if (back >= SEQUENCE_WINDOW || s->before >> back & 1) {
        return SEQUENCE_DUPLICATE;
    }
    s->before |= (uint32_t)1 << back;
    return SEQUENCE_LATE;
}

bool sequence_has(const sequence *s, uint32_t serial)
{
    uint32_t back = s->next - 1 - serial;
    return serial < s->next && (back >= SEQUENCE_WINDOW || (s->before >> back & 1) != 0);
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
