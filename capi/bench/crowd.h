/*
 * A crowd of WebSocket clients on one epoll: they connect, shake hands, are read from and
 * written to. One thread. What messages mean, and who should hear them, is the business
 * of whoever gives it the functions of crowd_events.
 *
 * The first `members` of them are those that are measured. Others, guests, may come
 * beside them: these are served last in a turn and only for a moment, so that the members
 * needn't wait for what the load generator has to do for the guests.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dialect.h"
#include "frame.h"
#include "handshake.h"

typedef struct crowd crowd;

typedef struct crowd_events {
    void (*on_open)(void *user, unsigned n); /* it may say something */
    /* A message of `len` bytes, of which at least the first FORM_MARK_END are there;
     * valid for the call. */
    void (*on_message)(void *user, unsigned n, const uint8_t *data, size_t len);
    /* Once, after its connection ended or could not be made; `opened`: was it open? */
    void (*on_close)(void *user, unsigned n, bool opened);
    void (*names)(void *user, unsigned n, target_names *out);
    void *user;
} crowd_events;

typedef struct crowd_options {
    const target *targets; /* member n is on the one n modulo their number */
    unsigned n_targets;
    unsigned members, guests;
    handshake handshake;
    const dialect *dialect; /* what they speak; NULL: nothing beside messages */
    size_t most;            /* bytes of the longest message */
    const bool *slow;       /* of each member, or NULL: has it a small receive buffer? */
    crowd_events events;
} crowd_options;

/* What has been counted since crowd_reset_figures; `closed` and `refused` since ever. */
typedef struct crowd_figures {
    uint64_t reads, pings, closed, refused;
    uint64_t compressed_frames, wire_bytes, payload_bytes; /* of messages */
} crowd_figures;

/* NULL: said on stderr. Opens no connection yet. */
crowd *crowd_new(const crowd_options *options);
void crowd_free(crowd *c);

/* Begins to connect one that hasn't been started. false: refused, and on_close called. */
bool crowd_start(crowd *c, unsigned n);

/* Connects, sends so many bytes of its request, and resets; no event but `names`. */
bool crowd_start_and_reset(crowd *c, unsigned n, size_t bytes);
/* Those that were to be reset and aren't yet. */
unsigned crowd_resets_left(const crowd *c);

unsigned crowd_connecting(const crowd *c);
unsigned crowd_open(const crowd *c);
bool crowd_is_open(const crowd *c, unsigned n);

/* Room for so many bytes at the end of what n has to send; they go out at the next turn.
 * NULL: it isn't open, or no memory. */
uint8_t *crowd_put(crowd *c, unsigned n, size_t len);
/* Bytes that n has to send still. */
size_t crowd_unsent(const crowd *c, unsigned n);

/* From now on n is read from by crowd_sip only, so many bytes at most a time. */
void crowd_mute(crowd *c, unsigned n);
void crowd_sip(crowd *c, unsigned n, size_t most);

/* Serves the sockets once, waiting at most so long for them. */
void crowd_turn(crowd *c, int timeout_ms);
/* When what is being handled was found to be there. */
uint64_t crowd_now_ns(const crowd *c);

const crowd_figures *crowd_figures_of(const crowd *c);
void crowd_reset_figures(crowd *c);

#endif
