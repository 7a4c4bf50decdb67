/*
 * Ids instead of pointers: a slot number and a generation. A stale id is told from a live
 * one, for ever (a slot is retired when its 32-bit generation is used up).
 *
 * The owner's thread adds, gets, marks and removes. Any thread may ask whether an id is
 * live or marked, and may claim it: of several claimers exactly one wins.
 */
#ifndef FWI_BASE_IDTABLE_H
#define FWI_BASE_IDTABLE_H

#include <stdatomic.h>

#include "base/base.h"

enum { FWI_IDTABLE_CHUNK = 256, FWI_IDTABLE_CHUNKS = 8192 };

typedef struct fwi_idslot {
    _Atomic uint64_t state; /* generation << 3 | marked << 2 | claimed << 1 | live */
    uint32_t next_free;
    void *ptr;
} fwi_idslot;

typedef struct fwi_idtable {
    uint32_t first_free, used;
    size_t live;
    _Atomic(fwi_idslot *) chunk[FWI_IDTABLE_CHUNKS];
} fwi_idtable;

void fwi_idtable_init(fwi_idtable *t);
void fwi_idtable_fini(fwi_idtable *t);

/* false: out of memory or of slots. */
bool fwi_idtable_add(fwi_idtable *t, void *ptr, uint32_t *index, uint32_t *generation);

/* NULL: not live. A claimed one is still got by its owner. */
void *fwi_idtable_get(const fwi_idtable *t, uint32_t index, uint32_t generation);

/* Whatever is live in the index'th slot, to walk all of 0..used-1; NULL: nothing. */
void *fwi_idtable_at(const fwi_idtable *t, uint32_t index);

void fwi_idtable_remove(fwi_idtable *t, uint32_t index, uint32_t generation);

/* @thread any; the answer may be old when it arrives */
bool fwi_idtable_is_live(const fwi_idtable *t, uint32_t index, uint32_t generation);

/* Of a live id, whatever its owner means by it; what isn't live stays as it is. */
void fwi_idtable_mark(fwi_idtable *t, uint32_t index, uint32_t generation, bool marked);

/* @thread any; as old an answer */
bool fwi_idtable_is_marked(const fwi_idtable *t, uint32_t index, uint32_t generation);

/* true: it was live and nobody had claimed it. @thread any */
bool fwi_idtable_claim(fwi_idtable *t, uint32_t index, uint32_t generation);

#endif
