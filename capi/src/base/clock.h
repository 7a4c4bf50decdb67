/*
 * The clocks. Only the io layer and programs read them; core is told the time.
 */
#ifndef FWI_BASE_CLOCK_H
#define FWI_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The monotonic one. */
static inline uint64_t fwi_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The one on the wall, since 1970. */
static inline uint64_t fwi_clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

#endif
