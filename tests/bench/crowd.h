/*
 * A crowd of WebSocket clients on one epoll: they connect, some of them talk, and they
 * hear what a room says, or their own words again, or nothing. One thread.
 *
 * A message carries a mark at its start: who said it, its serial, and when it was to be
 * said. From these come latency, loss, repetition and order.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stddef.h>

#include "measure.h"

/* What is put in front of each message; little endian as it lies in memory. */
typedef struct mark {
    uint32_t magic, sender, serial, spare;
    uint64_t when_ns;
} mark;

#define MARK_MAGIC 0x46574d4bu

/* Who is to hear a message. */
typedef enum crowd_hearers {
    HEARD_BY_ALL,    /* a room */
    HEARD_BY_SENDER, /* an echo */
    HEARD_BY_NOBODY  /* it is said when it is written; text without a mark */
} crowd_hearers;

typedef struct crowd crowd;

typedef struct crowd_options {
    const char *host, *port, *path;
    unsigned members, senders; /* the first of the members talk */
    size_t size;               /* bytes of a message, at least sizeof(mark) */
    crowd_hearers hearers;
} crowd_options;

/* What has been counted since crowd_reset_figures. */
typedef struct crowd_figures {
    uint64_t sent, delivered, reads, lost, late, duplicated, closed;
    histogram latency; /* each delivery */
    histogram last;    /* the last member of each message */
} crowd_figures;

/* NULL: said on stderr. Opens no connection yet. */
crowd *crowd_new(const crowd_options *options);
void crowd_free(crowd *c);

/* Connects until `members` of them are open. false: said on stderr. */
bool crowd_connect(crowd *c, unsigned members);

/* A sender says the next message, marked with this time. false: its last 1,024 messages
 * haven't reached all their hearers yet. It goes out at the next crowd_turn. */
bool crowd_say(crowd *c, unsigned sender, uint64_t when_ns);

/* Messages of a sender that haven't reached all their hearers yet. */
unsigned crowd_outstanding(const crowd *c, unsigned sender);

/* Serves the sockets once, waiting at most so long for them. */
void crowd_turn(crowd *c, int timeout_ms);

/* How many deliveries of all that was said so far are missing. */
uint64_t crowd_missing(const crowd *c);

const crowd_figures *crowd_figures_of(const crowd *c);
void crowd_reset_figures(crowd *c);

#endif
