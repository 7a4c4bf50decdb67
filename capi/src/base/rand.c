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
        FWI_ASSERT(getrandom(&x, sizeof x, 0) == (ssize_t)sizeof x);
    }
    return x;
}
