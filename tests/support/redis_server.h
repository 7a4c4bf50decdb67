/*
 * A real Redis for a test: started in a directory of its own on a Unix socket (and on
 * TCP and TLS ports of 127.0.0.1 if asked), killed, paused, started again, and gone at
 * the end. If the test dies the server dies with it.
 *
 * Whatever goes wrong here ends the test with a sentence: a missing Redis is a failure.
 * @thread one at a time; start it on a thread that lives as long as the server
 */
#ifndef FANWIRE_TESTS_REDIS_SERVER_H
#define FANWIRE_TESTS_REDIS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct redis_server redis_server;

typedef struct redis_server_options {
    bool tcp;           /* listens on a free port of 127.0.0.1 too */
    bool tls;           /* ... and on another one with TLS; makes certificates */
    bool cluster;       /* ... and on another one for the other nodes of its Cluster */
    const char *config; /* text of a configuration file, which the server may rewrite */
    const char *const *args; /* more of redis-server's, NULL at the end; or NULL */
} redis_server_options;

/* Returns when it answers. options may be NULL: a Unix socket and nothing else. */
redis_server *redis_server_start(const redis_server_options *options);

/* Ends it (kill -9) and removes its directory. NULL is allowed. */
void redis_server_stop(redis_server *r);

void redis_server_kill(redis_server *r);    /* kill -9; returns when it is gone */
void redis_server_restart(redis_server *r); /* as started, same socket and ports */
void redis_server_pause(redis_server *r);   /* SIGSTOP; returns when it stands still */
void redis_server_resume(redis_server *r);  /* SIGCONT */

/* More arguments for the next restart; lives as long as the server. */
void redis_server_set_args(redis_server *r, const char *const *args);

const char *redis_server_socket(const redis_server *r); /* absolute path */
int redis_server_port(const redis_server *r);           /* 0: none */
int redis_server_tls_port(const redis_server *r);       /* 0: none */
int redis_server_bus_port(const redis_server *r);       /* of a Cluster; 0: none */

/* "redis+unix:///.../redis.sock", valid as long as the server. */
const char *redis_server_url(const redis_server *r);

/* The CA that signed the certificate for "localhost" and 127.0.0.1; NULL without TLS.
 * Clients need no certificate, unless its arguments say "--tls-auth-clients yes". */
const char *redis_server_ca(const redis_server *r);
/* The key of that certificate, which is its own CA: so both do for a client, too. */
const char *redis_server_key(const redis_server *r);

/* Runs `redis-cli -s SOCKET ARGS...` (NULL at the end) and takes what it prints, without
 * the last newline. Returns its exit status. */
int redis_server_cli(const redis_server *r, char *out, size_t cap, const char *arg, ...)
    __attribute__((sentinel));

#endif
