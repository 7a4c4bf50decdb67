/*
 * What has really been said: every message of each room with history by its position, as
 * the model of Redis gave it; and for each thing that somebody has said whether it came
 * there, and how often in one epoch.
 */
#ifndef TESTS_SIM_TRUTH_H
#define TESTS_SIM_TRUTH_H

#include <stddef.h>

#include "core/message.h"

typedef struct truth_place {
    unsigned room;
    fwi_position at;
    char text[48];
    unsigned said_in; /* behind so many failovers */
    unsigned lost_in; /* with that one, the first is 1; 0: it wasn't */
} truth_place;

/* Said by somebody in a room with history. */
typedef struct truth_claim {
    char text[48];
    unsigned node;
    bool excused; /* its node was killed: nobody has promised anything */
} truth_claim;

typedef struct truth {
    truth_place *places;
    size_t n_places, places_cap;
    unsigned failovers;
    truth_claim *claims;
    size_t n_claims, claims_cap;
} truth;

void truth_fini(truth *t);
/* false: the same was said in this epoch before, and wasn't lost. */
bool truth_add(truth *t, unsigned room, fwi_position at, const char *text, size_t len);
/* NULL: that has never had this position. */
const truth_place *truth_find(const truth *t, unsigned room, fwi_position at,
                              const char *text);
/* Redis has been replaced by one where these rooms end at `top`. */
void truth_lose(truth *t, const fwi_position *top, unsigned rooms);
/* Was what had this position lost once? text: that alone; NULL: whatever it was. */
bool truth_was_lost(const truth *t, unsigned room, fwi_position at, const char *text);
/* May b be what comes right behind a? Not if a was lost before b was said. */
bool truth_may_follow(const truth_place *a, const truth_place *b);
void truth_claim_add(truth *t, unsigned node, const char *text);
void truth_excuse(truth *t, unsigned node);
/* Claims without an excuse that never got a position; *example is one of them. */
size_t truth_missing(const truth *t, const char **example);

#endif
