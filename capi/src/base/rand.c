/*
 * Random numbers that nobody can guess: see rand.h. The small generator with a seed is
 * in the header.
 * @thread any
 */
#include "base/rand.h"

#include <sys/random.h>

uint64_t fwi_rand_secure(void)
{
    uint64_t x = 0;
    while (x == 0) {
        fwi_rand_fill(&x, sizeof x);
    }
    return x;
}

void fwi_rand_fill(void *bytes, size_t n)
{
    /* 256: so many come whole, and nothing interrupts that (getrandom(2)). */
    FWI_ASSERT(n <= 256 && getrandom(bytes, n, 0) == (ssize_t)n);
}
