/*
 * A master, its replica and three Sentinels who watch them, all real, on free ports of
 * 127.0.0.1. Ready when everybody knows everybody. What goes wrong here ends the test
 * with a sentence.
 * @thread one at a time
 */
#ifndef FANWIRE_TESTS_REDIS_SENTINELS_H
#define FANWIRE_TESTS_REDIS_SENTINELS_H

#include "support/redis_server.h"

enum { SENTINELS = 3 };

typedef struct redis_sentinels {
    redis_server *master, *replica; /* as they began */
    redis_server *sentinel[SENTINELS];
    char url[256]; /* redis+sentinel://..., with the passwords if there are any */
    const char *password, *sentinel_password; /* NULL: none */
} redis_sentinels;

/* Passwords are borrowed, and may be NULL. */
void redis_sentinels_start(redis_sentinels *g, const char *password,
                           const char *sentinel_password);
void redis_sentinels_stop(redis_sentinels *g);

/* Orders the Sentinels to make the replica the master; returns when it is. */
void redis_sentinels_failover(redis_sentinels *g);

/* Returns when the replica has become the master. */
void redis_sentinels_await_failover(redis_sentinels *g);

#endif
