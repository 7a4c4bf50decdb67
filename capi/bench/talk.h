/*
 * A run: the crowd of a plan, its books, and the saying of messages, at a rate (open
 * loop: latency means something) or with so many on their way at a time (closed loop:
 * throughput). The scenarios are made of these.
 */
#ifndef BENCH_TALK_H
#define BENCH_TALK_H

#include "crowd.h"
#include "ledger.h"
#include "options.h"

typedef struct talk talk;

/* What a scenario does with clients beyond the members; see crowd_events. */
typedef struct talk_guests {
    unsigned count;
    crowd_events events;
} talk_guests;

/* NULL: said on stderr. Opens no connection yet. guests may be NULL. */
talk *talk_new(const plan *p, const talk_guests *guests);
void talk_free(talk *t);

crowd *talk_crowd(talk *t);
ledger *talk_ledger(talk *t);
const form *talk_form(const talk *t);

/* Connects the members up to this one. false: said on stderr. */
bool talk_connect(talk *t, unsigned members);

/* Waits as the plan says before anybody talks: nodes may learn only after the 101 that a
 * member's room is heard on another one. */
void talk_settle(talk *t);

/* Turns without anything being said. */
void talk_wait(talk *t, double seconds);
/* Talks for so long, and as long as `meanwhile` is true, if it isn't NULL: that is called
 * once a turn. */
void talk_for(talk *t, double seconds, bool (*meanwhile)(void *user), void *user);
/* Waits for what is still on its way, as long as something comes. */
void talk_drain(talk *t);

/* Members whose connection ended, without and among the slow ones. */
uint64_t talk_closed(const talk *t);
uint64_t talk_slow_closed(const talk *t);

/* Deliveries that never came. */
uint64_t talk_lost(const talk *t);

void talk_reset_figures(talk *t);

#endif
