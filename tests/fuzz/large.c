/*
 * Large blocks of memory are kept from one execution to the next, in fuzzers alone: a
 * loop's scratch memory is a megabyte, and to have it mapped, poisoned and unmapped each
 * time took many times as long as whatever an input does. A block that was freed is
 * poisoned, as free() itself would do it.
 *
 * Stands before malloc and free of all that is linked (--wrap). One thread frees what it
 * has allocated; who has others beside it doesn't get here with so much.
 */
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stdlib.h>

enum { LARGE = 128 * 1024, KEPT_MAX = 16 };

typedef struct block {
    void *at; /* NULL: none yet */
    size_t size;
    bool used;
} block;

static block kept[KEPT_MAX];

void *__real_malloc(size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void __wrap_free(void *p);

void *__wrap_malloc(size_t size)
{
    block *b = kept;
    if (size < LARGE) {
        return __real_malloc(size);
    }
    while (b < kept + KEPT_MAX && b->at != NULL && (b->used || b->size != size)) {
        b++;
    }
    if (b == kept + KEPT_MAX) {
        return __real_malloc(size);
    }
    if (b->at == NULL) {
        *b = (block){.at = __real_malloc(size), .size = size};
    }
    b->used = b->at != NULL;
    __asan_unpoison_memory_region(b->at, size);
    return b->at;
}

void __wrap_free(void *p)
{
    for (block *b = kept; b < kept + KEPT_MAX && b->at != NULL; b++) {
        if (b->at == p && b->used) {
            b->used = false;
            __asan_poison_memory_region(p, b->size);
            return;
        }
    }
    __real_free(p);
}
