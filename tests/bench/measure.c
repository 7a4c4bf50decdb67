/*
 * Histogram, sequence window and readings of /proc for the load generator; see measure.h.
 */
#include "measure.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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
        s->before = step < 64 ? s->before << step | 1 : 1;
        s->next = serial + 1;
        return SEQUENCE_NEW;
    }
    uint32_t back = s->next - 1 - serial;
    /* Older than the window: taken for a repetition, the worse of both. */
    if (back >= 64 || s->before >> back & 1) {
        return SEQUENCE_DUPLICATE;
    }
    s->before |= (uint64_t)1 << back;
    return SEQUENCE_LATE;
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t process_cpu_ns(int pid)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    if (!dir) {
        return 0;
    }
    uint64_t sum = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) { // NOLINT(concurrency-mt-unsafe): one thread
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
        FILE *f = fopen(path, "re");
        uint64_t ns = 0;
        if (f) {
            if (fscanf(f, "%" SCNu64, &ns) == 1) { // NOLINT(cert-err34-c): the kernel's
                sum += ns;
            }
            fclose(f);
        }
    }
    closedir(dir);
    return sum;
}

uint64_t process_pss(int pid)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *f = fopen(path, "re");
    uint64_t kb = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "Pss: %" SCNu64, &kb) == 1) { // NOLINT(cert-err34-c)
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kb * 1024;
}
