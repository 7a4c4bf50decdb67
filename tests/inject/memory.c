/*
 * Allocations. dlsym itself may ask for memory, and it is dlsym that finds where to get
 * it: the little that is asked for in between comes out of an array and is never freed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inject.h"

static void *(*next_malloc)(size_t size);
static void *(*next_calloc)(size_t n, size_t size);
static void *(*next_realloc)(void *p, size_t size);
static void (*next_free)(void *p);

static struct {
    _Alignas(16) char bytes[16384];
    size_t used;
    bool finds;
} early;

/* NULL: there is no need of the array. */
static void *take_early(size_t size)
{
    if (next_free == NULL && !early.finds) {
        early.finds = true;
        next_malloc = (void *(*)(size_t))(uintptr_t)inject_next("malloc");
        next_calloc = (void *(*)(size_t, size_t))(uintptr_t)inject_next("calloc");
        next_realloc = (void *(*)(void *, size_t))(uintptr_t)inject_next("realloc");
        next_free = (void (*)(void *))(uintptr_t)inject_next("free");
        early.finds = false;
    }
    if (next_free != NULL || size > sizeof early.bytes - early.used) {
        return NULL;
    }
    void *p = early.bytes + early.used;
    early.used += (size + 15) & ~(size_t)15;
    return p;
}

static bool is_early(const void *p)
{
    uintptr_t at = (uintptr_t)p, from = (uintptr_t)early.bytes;
    return at >= from && at < from + sizeof early.bytes;
}

static bool fails(const void *from)
{
    bool yes = inject_fails(INJECT_MEMORY, from);
    if (yes) {
        errno = ENOMEM;
    }
    return yes;
}

void *malloc(size_t size)
{
    void *p = take_early(size);
    return p != NULL || fails(INJECT_CALLER) ? p : next_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    void *p = take_early(n * size);
    return p != NULL || fails(INJECT_CALLER) ? p : next_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    void *fresh = take_early(size);
    if (fresh == NULL && is_early(p)) {
        fresh = next_malloc(size);
    }
    if (fresh != NULL) {
        size_t there =
            is_early(p) ? (size_t)(early.bytes + sizeof early.bytes - (char *)p) : 0;
        memcpy(fresh, p, there < size ? there : size);
        return fresh;
    }
    return fails(INJECT_CALLER) ? NULL : next_realloc(p, size);
}

void free(void *p)
{
    if (!is_early(p)) {
        take_early(0);
        next_free(p);
    }
}

/* The C library's own would call its malloc, and nobody would know for whom. */
char *strndup(const char *s, size_t len)
{
    len = strnlen(s, len);
    char *copy = fails(INJECT_CALLER) ? NULL : next_malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    return copy;
}

char *strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = fails(INJECT_CALLER) ? NULL : next_malloc(size);
    return copy != NULL ? memcpy(copy, s, size) : NULL;
}
