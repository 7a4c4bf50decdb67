/*
 * Who is in which room, who talks, who is written to, who is slow: arithmetic on numbers
 * of members, so that none of it needs a table.
 */
#ifndef BENCH_LAYOUT_H
#define BENCH_LAYOUT_H

#include <stdbool.h>

typedef struct layout {
    unsigned members, rooms, senders, urls;
    double slow; /* share of the members */
} layout;

/* Members are spread over the URLs in turn, and neighbours share a room: so whoever has
 * a room has it on all URLs. */
unsigned layout_url(const layout *l, unsigned member);
unsigned layout_room(const layout *l, unsigned member);

/* The first member of a room; of `rooms`, the number of members. */
unsigned layout_room_begin(const layout *l, unsigned room);

/* Which member the sender is: spread evenly over the members and over the URLs. Later
 * senders are later members. */
unsigned layout_sender(const layout *l, unsigned sender);

/* Whom a member's direct messages are for: another member, each the target of one. It is
 * on another URL; of the last member only if the URLs don't divide one less than all. */
unsigned layout_target(const layout *l, unsigned member);

/* Is the k-th of those that don't talk slow? As many are as the share of all says. */
bool layout_is_slow(const layout *l, unsigned k);

#endif
