/*
 * The command line of fanwire-bench, read into a plan. Text to values: whether the
 * processes exist and the server answers is found out by those who ask them.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdio.h>

#include "dialect.h"
#include "frame.h"
#include "layout.h"
#include "ledger.h"
#include "target.h"

enum { PLAN_URLS = 16, PLAN_PIDS = 64, PLAN_STEPS = 16, PLAN_HEADERS = 16 };

typedef enum scenario {
    SCENARIO_TALK,
    SCENARIO_IDLE,
    SCENARIO_HEARTBEAT,
    SCENARIO_STORM,
    SCENARIO_FLOOD
} scenario;

typedef enum storm_kind { STORM_NONE, STORM_CONNECT, STORM_RESET } storm_kind;

typedef struct plan {
    target targets[PLAN_URLS];
    unsigned n_targets;
    int pids[PLAN_PIDS];
    unsigned n_pids;
    const char *headers[PLAN_HEADERS];
    unsigned n_headers;

    unsigned members, rooms, senders;
    double rate;     /* messages a second in all; 0: closed loop */
    unsigned closed; /* messages on their way in all */
    unsigned size;
    double settle_s, warmup_s, seconds;

    bool echo, direct, json, deflate, socketio;
    double slow; /* share of the members */
    unsigned slow_pause_ms;

    bool idle, heartbeat;
    unsigned steps[PLAN_STEPS], n_steps;
    storm_kind storm;
    unsigned storm_count, storm_at_once;
    bool storm_silent;
    unsigned flood; /* messages in all */

    bool centrifuge;

    bool help;
    /* Made of the others. */
    const dialect *dialect; /* NULL: none */
    scenario scenario;
    hearers hearers;
    form_kind form;
    layout layout;
} plan;

/* NULL and a plan that fits together, or a sentence that says what is wrong, valid until
 * the next call. */
const char *options_read(plan *p, int argc, char *const *argv);

void options_help(FILE *out);

#endif
