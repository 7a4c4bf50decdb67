/*
 * The few things that every file may need: assertions that stay in release builds,
 * container_of, array length.
 */
#ifndef FWI_BASE_BASE_H
#define FWI_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Broken invariants of our own end the process, in release builds too. What a peer sends
 * never gets here. */
#define FWI_ASSERT(x)                                                                    \
    do {                                                                                 \
        if (__builtin_expect(!(x), 0)) {                                                 \
            fprintf(stderr, "fanwire: %s:%d: assertion failed: %s\n", __FILE__,          \
                    __LINE__, #x);                                                       \
            abort();                                                                     \
        }                                                                                \
    } while (0)

#define FWI_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define fwi_container_of(ptr, type, member)                                              \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define FWI_MIN(a, b) ((a) < (b) ? (a) : (b))
#define FWI_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
