/*
 * Faults that are planted, to see that the simulator finds them. One at most is compiled
 * in, by FW_SIM_FAULT_NAME; the product's own code is linked as it is, and the calls that
 * the fault is about are led here by the linker.
 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include <stdint.h>

/* A new run: also what would be random is of the seed. */
void sim_faults_begin(uint64_t seed);

#endif
