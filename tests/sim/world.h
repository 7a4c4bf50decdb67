/*
 * A cluster in one process: hubs on fake loops with a clock wound by hand, the real Redis
 * backplane on fake streams, a model of Redis behind these, and members whose clients are
 * played. What happens next is drawn from a seed, so a run is repeated by its seed.
 *
 * world_run checks after every step that each member hears its rooms as is promised, and
 * in the end, when all has healed, that nothing is missing.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct world_plan {
    uint64_t seed;
    unsigned steps;
    bool trace; /* each step on stderr */
} world_plan;

/* false: a promise was broken, and *why says which; valid until the next run. */
bool world_run(const world_plan *plan, const char **why);

#endif
