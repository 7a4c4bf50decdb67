/*
 * Hubs for the integration tests: made of a few options, listening on a port of their
 * own, recording what happens to them; and clients whose session the test knows.
 *
 * The same tests run over four kinds of hub, as a loop of check: memory and Redis, one
 * loop and two. The Redis server is one a program; each hub that isn't a peer of another
 * has a prefix of its own on it, so tests don't hear each other.
 */
#ifndef TEST_HUB_FIXTURE_H
#define TEST_HUB_FIXTURE_H

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <fanwire/fanwire.h>

#include "support/redis_server.h"
#include "support/ws_client.h"

typedef struct hub_kind {
    const char *name;
    bool redis;
    const char *threads;
} hub_kind;

/* Bounds for tcase_add_loop_test. */
enum { HUB_KINDS = 4, HUB_KIND_REDIS = 2 };
extern const hub_kind hub_kinds[HUB_KINDS];

/* A copy of an event that a hub had. */
typedef struct test_event {
    fw_event_type type;
    fw_session_id session;
    char *user, *room, *reason, *name; /* name: the query's; "" where there is none */
    uint8_t *data;                     /* a NUL follows */
    size_t len;
    unsigned flags;
    int code;
    uint64_t token;
    fw_position at;
    bool recovered;
    bool taken;
} test_event;

typedef struct test_hub {
    fw_hub *hub;
    fw_options *options;
    const hub_kind *kind;
    unsigned record; /* 1u << type for each that is recorded; set before start */
    bool listens;    /* the test has said where; else any port of 127.0.0.1 */
    uint64_t refs;   /* of joins */
    char prefix[48];
    fw_handler handlers[32]; /* a test's own, by type */
    void *users[32];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    test_event **events;
    size_t n_events, size_events;
} test_hub;

typedef struct test_client {
    test_hub *hub;
    ws_client *ws;
    fw_session_id id;
} test_client;

/* A hub that isn't started yet: ws://127.0.0.1:0/ws, and what its kind says. */
test_hub *test_hub_new(unsigned kind);
/* The same, of another's kind and on the same prefix: with Redis they are one cluster. */
test_hub *test_hub_peer(const test_hub *of);
void test_hub_set(test_hub *h, const char *option, const char *value);
/* A handler of the test's own instead of recording. */
void test_hub_on(test_hub *h, fw_event_type type, fw_handler handler, void *user);
/* Makes the fw_hub with its handlers; test_hub_start does it too. */
void test_hub_make(test_hub *h);
/* Starts, and with Redis waits until the backplane is up. */
void test_hub_start(test_hub *h);
/* new and start. */
test_hub *test_hub_open(unsigned kind);
/* Frees; NULL is allowed. */
void test_hub_close(test_hub *h);

const char *test_hub_url(const test_hub *h);

/* Records an event; the handler for all types that a test doesn't handle itself. A test's
 * own handler may call it too: user is the test_hub. */
void test_hub_record(fw_hub *hub, fw_event *e, void *user);

/* The first event of this type, and of this session unless it is nobody's, that hasn't
 * been given yet. It must come within the deadline. Valid as long as the hub. */
const test_event *test_hub_wait(test_hub *h, fw_event_type type, fw_session_id session);
/* The same, but NULL if none is there within the time. */
const test_event *test_hub_peek(test_hub *h, fw_event_type type, fw_session_id session,
                                int timeout_ms);
/* How many of a type have been recorded so far. */
size_t test_hub_count(test_hub *h, fw_event_type type);

/* The RESULT with this ref; and its code. */
const test_event *test_hub_answer(test_hub *h, uint64_t ref);
int test_hub_result(test_hub *h, uint64_t ref);

/* With events=queued: the next event, NULL if none comes in time; the next, which must be
 * of this type; and giving it back. */
fw_event *test_hub_next(test_hub *h, int timeout_ms);
fw_event *test_hub_expect(test_hub *h, fw_event_type type);
void test_hub_done(test_hub *h, fw_event *e);

double test_hub_stat(const test_hub *h, const char *name);
void test_hub_wait_stat(const test_hub *h, const char *name, double at_least);
void test_hub_wait_stat_is(const test_hub *h, const char *name, double exactly);

/* Waits for a condition. true: it came in time. */
bool test_wait_until(bool (*condition)(void *user), void *user, int timeout_ms);

/* A client with ?name=NAME; its session, known by the OPEN event. */
test_client test_client_open(test_hub *h, const char *name);
test_client test_client_open_with(test_hub *h, const char *name,
                                  const ws_client_options *options);
/* Closes it and waits for the CLOSE event. */
void test_client_close(test_client *c);
/* Joins and waits until the join is complete. */
void test_client_join(test_client *c, const char *room);
/* Everything sent to it before is there: sends a text to its session and expects it as
 * the next, so whatever else had come would be seen. */
void test_client_expect_nothing(test_client *c);

/* The program's Redis server. What is done to it here is made good before the next test,
 * even if this one fails. */
extern redis_server *test_redis;
void test_redis_kill(void);
void test_redis_restart(void);
void test_redis_pause(void);
void test_redis_resume(void);

/* Adds a test as a test case of its own, run once for each _i of from..to-1. */
void test_add(Suite *suite, const TTest *test, int from, int to);

/* Runs a suite: starts Redis if it is needed. What main returns. */
int test_main(Suite *suite, bool redis);

#endif
