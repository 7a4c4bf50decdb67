/*
 * The books of a run: who has said what, who is to hear it, who has. From these come
 * latency, loss, repetition and order. It knows numbers of members and marks, and nothing
 * of sockets.
 *
 * A message is finished when all have it that are to hear it: the members of its sender's
 * room, or one. Slow members are not waited for, and have figures of their own.
 */
#ifndef BENCH_LEDGER_H
#define BENCH_LEDGER_H

#include "frame.h"
#include "layout.h"
#include "measure.h"

typedef enum hearers {
    HEARD_BY_ROOM,
    HEARD_BY_SENDER, /* an echo */
    HEARD_BY_TARGET  /* a direct message */
} hearers;

typedef struct ledger ledger;

typedef struct ledger_options {
    layout layout;
    hearers hearers;
    unsigned window; /* messages of a sender that may be unfinished at a time */
    /* A message that was unfinished is finished. NULL: nobody asks. */
    void (*on_finished)(void *user, unsigned sender);
    void *user;
} ledger_options;

/* What has been counted since ledger_reset_figures. */
typedef struct ledger_figures {
    uint64_t sent, delivered, late, duplicated, unexpected;
    histogram latency; /* each delivery */
    histogram last;    /* the last member of each message */
    uint64_t slow_delivered, slow_skipped;
    histogram slow_latency;
} ledger_figures;

/* NULL: no memory. */
ledger *ledger_new(const ledger_options *options);
void ledger_free(ledger *l);

unsigned ledger_member_of(const ledger *l, unsigned sender);
bool ledger_is_slow(const ledger *l, unsigned member);
const bool *ledger_slow_members(const ledger *l);
unsigned ledger_slow_count(const ledger *l);

/* Members come before anything is said. What one that goes hasn't heard is lost, but for
 * slow ones: nobody promised them anything. */
void ledger_opened(ledger *l, unsigned member);
void ledger_closed(ledger *l, unsigned member);

/* May this sender say something? It may not while its oldest unfinished message is so
 * many back as the window is long. */
bool ledger_may_say(const ledger *l, unsigned sender);
/* Books the next message of a sender, and fills in its mark. */
void ledger_say(ledger *l, unsigned sender, uint64_t when_ns, mark *m);
void ledger_heard(ledger *l, unsigned member, const mark *m, uint64_t now_ns);

/* Deliveries that are missing of all that was said: still to come, and lost with members
 * that were closed. */
uint64_t ledger_missing(const ledger *l);
uint64_t ledger_lost(const ledger *l);

const ledger_figures *ledger_figures_of(const ledger *l);
void ledger_reset_figures(ledger *l);

#endif
