/*
 * What the parts of the injecting library share: inject.c knows what is asked for,
 * memory.c and calls.c have the functions that stand before the C library's.
 */
#ifndef TESTS_INJECT_INJECT_H
#define TESTS_INJECT_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    INJECT_NOTHING,
    INJECT_MEMORY,
    INJECT_DESCRIPTORS,
    INJECT_INTERRUPTIONS
} inject_what;

/* Who calls the function in which this stands. */
#define INJECT_CALLER __builtin_return_address(0)

/* The next one of that name: the sanitizer's or the C library's. */
void *inject_next(const char *name);

/* Does the call come out of a library with this in its name? */
bool inject_is_from(const void *from, const char *object);

/* Is this call, which comes from there, to fail? Counts it. */
bool inject_fails(inject_what what, const void *from);

/* 0: leave this call alone; else a number to draw lots with. */
unsigned inject_draw(const void *from);

#endif
