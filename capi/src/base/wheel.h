/*
 * A hierarchical timing wheel: setting and clearing a timer cost the same however many
 * there are. One a loop, used on its thread only. It reads no clock: who drives it says
 * what time it is. Resolution 1 ms; a timer never fires early.
 */
#ifndef FWI_BASE_WHEEL_H
#define FWI_BASE_WHEEL_H

#include "base/list.h"

typedef struct fwi_timer fwi_timer;
typedef void (*fwi_timer_fn)(fwi_timer *t);

/* Lives inside its owner; fwi_container_of finds that. */
struct fwi_timer {
    fwi_list link;
    uint64_t due_ms;
    fwi_timer_fn fn;
};

enum { FWI_WHEEL_LEVELS = 5, FWI_WHEEL_SLOTS = 64 };

typedef struct fwi_wheel {
    uint64_t now_ms;
    size_t count;
    uint64_t busy[FWI_WHEEL_LEVELS]; /* a bit for each slot that may hold timers */
    /* Of a busy slot: nothing in it is due before. */
    uint64_t soonest[FWI_WHEEL_LEVELS][FWI_WHEEL_SLOTS];
    fwi_list slot[FWI_WHEEL_LEVELS][FWI_WHEEL_SLOTS];
} fwi_wheel;

void fwi_wheel_init(fwi_wheel *w, uint64_t now_ms);

void fwi_timer_init(fwi_timer *t, fwi_timer_fn fn);
static inline bool fwi_timer_is_set(const fwi_timer *t)
{
    return fwi_list_is_linked(&t->link);
}

/* Fires once at due_ms or soon after; set again it moves. */
void fwi_wheel_set(fwi_wheel *w, fwi_timer *t, uint64_t due_ms);
void fwi_wheel_clear(fwi_wheel *w, fwi_timer *t);

/* Fires what is due up to now_ms. Timers may be set and cleared meanwhile. */
void fwi_wheel_advance(fwi_wheel *w, uint64_t now_ms);

/* When to advance next at the latest: when the first timer is due, however far that is;
 * earlier only where a timer was cleared that would have been the first. UINT64_MAX if no
 * timer is set. */
uint64_t fwi_wheel_next_ms(const fwi_wheel *w);

#endif
