/*
 * Members that read slowly: nothing for a while, then a little. It only knows when whose
 * turn is; reading is the crowd's.
 */
#ifndef BENCH_SLOW_H
#define BENCH_SLOW_H

#include "crowd.h"

typedef struct slow_readers slow_readers;

/* For at most so many. NULL: no memory. */
slow_readers *slow_new(unsigned most, unsigned pause_ms);
void slow_free(slow_readers *s);

/* From now on this one is slow. */
void slow_add(slow_readers *s, crowd *c, unsigned member);
/* Lets those read whose pause is over. */
void slow_serve(slow_readers *s, crowd *c);

#endif
