/*
 * What can be measured. Each connects, measures, prints its figures, and is false if it
 * couldn't: that has been said on stderr.
 */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include "options.h"

bool scenario_talk(const plan *p);
bool scenario_idle(const plan *p);
bool scenario_heartbeat(const plan *p);
bool scenario_storm(const plan *p);
bool scenario_flood(const plan *p);

#endif
