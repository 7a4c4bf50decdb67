/*
 * Level 0 has a slot for each of the next 64 ms, level 1 one for each 64 ms, and so on:
 * five levels reach 2^30 ms, 12 days; what is later waits in the last level and is put in
 * again each time it comes round.
 */
#include "base/wheel.h"

#include <string.h>

enum { BITS = 6, MASK = FWI_WHEEL_SLOTS - 1 };

void fwi_wheel_init(fwi_wheel *w, uint64_t now_ms)
{
    w->now_ms = now_ms;
    w->count = 0;
    for (int level = 0; level < FWI_WHEEL_LEVELS; level++) {
        w->busy[level] = 0;
        for (int i = 0; i < FWI_WHEEL_SLOTS; i++) {
            fwi_list_init(&w->slot[level][i]);
        }
    }
}

void fwi_timer_init(fwi_timer *t, fwi_timer_fn fn)
{
    fwi_list_init(&t->link);
    t->due_ms = 0;
    t->fn = fn;
}

/* `earliest` is the first ms whose slot has not been served yet. */
static void place(fwi_wheel *w, fwi_timer *t, uint64_t earliest)
{
    uint64_t due = FWI_MAX(t->due_ms, earliest);
    int level = 0;
    while (level < FWI_WHEEL_LEVELS - 1 &&
           (due >> (BITS * level)) - (w->now_ms >> (BITS * level)) >= FWI_WHEEL_SLOTS) {
        level++;
    }
    uint64_t tick = due >> (BITS * level);
    uint64_t last = (w->now_ms >> (BITS * level)) + FWI_WHEEL_SLOTS - 1;
    if (tick > last) {
        tick = last;
    }
    unsigned i = (unsigned)(tick & MASK);
    uint64_t *soonest = &w->soonest[level][i];
    fwi_list_append(&w->slot[level][i], &t->link);
    *soonest = (w->busy[level] >> i & 1) != 0 ? FWI_MIN(*soonest, due) : due;
    w->busy[level] |= 1ull << i;
}

void fwi_wheel_set(fwi_wheel *w, fwi_timer *t, uint64_t due_ms)
{
    fwi_wheel_clear(w, t);
    t->due_ms = due_ms;
    place(w, t, w->now_ms + 1);
    w->count++;
}

void fwi_wheel_clear(fwi_wheel *w, fwi_timer *t)
{
    if (fwi_timer_is_set(t)) {
        fwi_list_remove(&t->link);
        w->count--;
    }
}

/* Takes a slot's timers down to the levels below; those are nearer now. The slot of
 * now_ms itself is still to be served. */
static void cascade(fwi_wheel *w, int level, unsigned i)
{
    fwi_list moved;
    fwi_list_init(&moved);
    fwi_list_splice(&moved, &w->slot[level][i]);
    w->busy[level] &= ~(1ull << i);
    for (fwi_list *e; (e = fwi_list_pop(&moved)) != NULL;) {
        place(w, fwi_list_entry(e, fwi_timer, link), w->now_ms);
    }
}

/* Everything in the slot of w->now_ms is due. */
static void fire_slot(fwi_wheel *w)
{
    unsigned i = (unsigned)(w->now_ms & MASK);
    if (!(w->busy[0] & (1ull << i))) {
        return;
    }
    fwi_list due;
    fwi_list_init(&due);
    fwi_list_splice(&due, &w->slot[0][i]);
    w->busy[0] &= ~(1ull << i);
    for (fwi_list *e; (e = fwi_list_pop(&due)) != NULL;) {
        fwi_timer *t = fwi_list_entry(e, fwi_timer, link);
        w->count--;
        t->fn(t);
    }
}

/* The first ms after now at which a slot of level 0 is busy or a higher level turns. */
static uint64_t next_stop(const fwi_wheel *w)
{
    uint64_t now = w->now_ms;
    unsigned at = (unsigned)((now + 1) & MASK);
    uint64_t turn = (now | MASK) + 1;
    if (at != 0) {
        uint64_t later = w->busy[0] >> at;
        if (later != 0) {
            return now + 1 + (uint64_t)__builtin_ctzll(later);
        }
    }
    return turn;
}

void fwi_wheel_advance(fwi_wheel *w, uint64_t now_ms)
{
    while (w->now_ms < now_ms) {
        if (w->count == 0) {
            /* What is passed here isn't served: no slot may be left that looks busy. */
            memset(w->busy, 0, sizeof w->busy);
            w->now_ms = now_ms;
            return;
        }
        uint64_t stop = next_stop(w);
        if (stop > now_ms) {
            w->now_ms = now_ms;
            return;
        }
        /* Higher levels first, and before the slot of `stop` is served, so that what
         * falls due at `stop` itself is placed into it. The time is already `stop`: seen
         * from one ms earlier the last timer of a slot would still be too far for the
         * level below. */
        w->now_ms = stop;
        for (int level = FWI_WHEEL_LEVELS - 1; level > 0; level--) {
            if ((stop & ((1ull << (BITS * level)) - 1)) == 0) {
                cascade(w, level, (unsigned)((stop >> (BITS * level)) & MASK));
            }
        }
        fire_slot(w);
    }
}

uint64_t fwi_wheel_next_ms(const fwi_wheel *w)
{
    if (w->count == 0) {
        return UINT64_MAX;
    }
    uint64_t next = UINT64_MAX;
    for (int level = 0; level < FWI_WHEEL_LEVELS; level++) {
        uint64_t tick = w->now_ms >> (BITS * level);
        unsigned at = (unsigned)((tick + 1) & MASK);
        uint64_t busy = w->busy[level];
        uint64_t turned =
            at == 0 ? busy : (busy >> at) | (busy << (FWI_WHEEL_SLOTS - at));
        if (turned != 0) {
            uint64_t slot = tick + 1 + (uint64_t)__builtin_ctzll(turned);
            /* The slot's end is for what lies there until it comes round again. */
            uint64_t end = (slot + 1) << (BITS * level);
            next = FWI_MIN(next, FWI_MIN(w->soonest[level][slot & MASK], end));
        }
    }
    return next;
}
