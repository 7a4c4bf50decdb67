/*
 * Slots live in chunks that never move, so that other threads may look at a slot's state
 * while the owner makes the table grow.
 */
#include "base/idtable.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX };
enum { LIVE = 1, CLAIMED = 2, MARKED = 4, BITS = 3 };

void fwi_idtable_init(fwi_idtable *t)
{
    memset(t, 0, sizeof *t);
    t->first_free = NONE;
}

/* Chunks were made one behind the other: the first that isn't there is the end. */
void fwi_idtable_fini(fwi_idtable *t)
{
    for (size_t i = 0; i < FWI_IDTABLE_CHUNKS && atomic_load(&t->chunk[i]) != NULL; i++) {
        free(atomic_load(&t->chunk[i]));
        atomic_store(&t->chunk[i], NULL);
    }
    t->first_free = NONE;
    t->used = 0;
    t->live = 0;
}

static fwi_idslot *slot_at(const fwi_idtable *t, uint32_t index)
{
    if (index >= FWI_IDTABLE_CHUNK * FWI_IDTABLE_CHUNKS) {
        return NULL;
    }
    fwi_idtable *w = (fwi_idtable *)(uintptr_t)t;
    fwi_idslot *chunk =
        atomic_load_explicit(&w->chunk[index / FWI_IDTABLE_CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[index % FWI_IDTABLE_CHUNK];
}

static fwi_idslot *fresh_slot(fwi_idtable *t, uint32_t *index)
{
    if (t->first_free != NONE) {
        *index = t->first_free;
        fwi_idslot *slot = slot_at(t, *index);
        t->first_free = slot->next_free;
        return slot;
    }
    if (t->used == FWI_IDTABLE_CHUNK * FWI_IDTABLE_CHUNKS) {
        return NULL;
    }
    if (t->used % FWI_IDTABLE_CHUNK == 0) {
        fwi_idslot *chunk = calloc(FWI_IDTABLE_CHUNK, sizeof *chunk);
        if (chunk == NULL) {
            return NULL;
        }
        atomic_store_explicit(&t->chunk[t->used / FWI_IDTABLE_CHUNK], chunk,
                              memory_order_release);
    }
    *index = t->used++;
    return slot_at(t, *index);
}

bool fwi_idtable_add(fwi_idtable *t, void *ptr, uint32_t *index, uint32_t *generation)
{
    fwi_idslot *slot = fresh_slot(t, index);
    if (slot == NULL) {
        return false;
    }
    uint64_t gen = (atomic_load_explicit(&slot->state, memory_order_relaxed) >> BITS) + 1;
    *generation = (uint32_t)gen;
    slot->ptr = ptr;
    atomic_store_explicit(&slot->state, gen << BITS | LIVE, memory_order_release);
    t->live++;
    return true;
}

void *fwi_idtable_get(const fwi_idtable *t, uint32_t index, uint32_t generation)
{
    fwi_idslot *slot = slot_at(t, index);
    if (slot == NULL) {
        return NULL;
    }
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
    bool live = (state & LIVE) && state >> BITS == generation;
    return live ? slot->ptr : NULL;
}

void *fwi_idtable_at(const fwi_idtable *t, uint32_t index)
{
    fwi_idslot *slot = slot_at(t, index);
    if (slot == NULL) {
        return NULL;
    }
    return atomic_load_explicit(&slot->state, memory_order_relaxed) & LIVE ? slot->ptr
                                                                           : NULL;
}

void fwi_idtable_remove(fwi_idtable *t, uint32_t index, uint32_t generation)
{
    FWI_ASSERT(fwi_idtable_get(t, index, generation) != NULL);
    fwi_idslot *slot = slot_at(t, index);
    slot->ptr = NULL;
    atomic_store_explicit(&slot->state, (uint64_t)generation << BITS,
                          memory_order_release);
    t->live--;
    if (generation != UINT32_MAX) {
        slot->next_free = t->first_free;
        t->first_free = index;
    }
}

/* Its slot's state; 0, which isn't live, for another generation's. @thread any */
static uint64_t state_of(const fwi_idtable *t, uint32_t index, uint32_t generation)
{
    fwi_idslot *slot = slot_at(t, index);
    if (slot == NULL) {
        return 0;
    }
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
    return state >> BITS == generation ? state : 0;
}

bool fwi_idtable_is_live(const fwi_idtable *t, uint32_t index, uint32_t generation)
{
    return state_of(t, index, generation) & LIVE;
}

void fwi_idtable_mark(fwi_idtable *t, uint32_t index, uint32_t generation, bool marked)
{
    if (!fwi_idtable_is_live(t, index, generation)) {
        return;
    }
    if (marked) {
        atomic_fetch_or(&slot_at(t, index)->state, MARKED);
    } else {
        atomic_fetch_and(&slot_at(t, index)->state, ~(uint64_t)MARKED);
    }
}

bool fwi_idtable_is_marked(const fwi_idtable *t, uint32_t index, uint32_t generation)
{
    return state_of(t, index, generation) & MARKED;
}

bool fwi_idtable_claim(fwi_idtable *t, uint32_t index, uint32_t generation)
{
    uint64_t was = state_of(t, index, generation);
    while ((was & LIVE) && !(was & CLAIMED)) {
        if (atomic_compare_exchange_weak(&slot_at(t, index)->state, &was,
                                         was | CLAIMED)) {
            return true;
        }
        was = was >> BITS == generation ? was : 0;
    }
    return false;
}
