/*
 * A server that is asked with waiting: a blocking connection, its greeting, one command
 * and its answer at a time. Used by the emitter and by those who find out for it where
 * Redis is; on whatever thread, one call at a time.
 */
#ifndef FWI_BACKPLANE_REDIS_PEER_H
#define FWI_BACKPLANE_REDIS_PEER_H

#include "backplane/redis_blocking.h"
#include "backplane/redis_reply.h"

typedef struct fwi_redis_peer {
    fwi_redis_config config; /* its url's host and port, or file, say where */
    const char
        *kind; /* in errors, with its address: "Sentinel"; NULL: it needs no name */
    fwi_redis_blocking *connection; /* NULL: not connected */
    fwi_redis_reader *reader;
} fwi_redis_peer;

/* All return FW_OK, or FW_ERR_BACKPLANE, _TIMEOUT or _MEMORY with the detail set; then
 * the connection is of no more use and is to be closed. Deadlines are of base/clock.h. */

/* Connects and greets, unless there is a connection that the server hasn't closed. */
int fwi_redis_peer_open(fwi_redis_peer *p, uint64_t deadline_us);
void fwi_redis_peer_close(fwi_redis_peer *p); /* harmless when it is closed */
bool fwi_redis_peer_is_open(const fwi_redis_peer *p);

/* *out is valid until the next call here; an error of Redis is an answer. lens NULL: the
 * words are texts, at most four. */
int fwi_redis_peer_ask(fwi_redis_peer *p, int argc, const char *const *argv,
                       const size_t *lens, uint64_t deadline_us,
                       const fwi_redis_reply **out);

/* Sets the detail: what, and what was said about it. */
int fwi_redis_peer_problem(const fwi_redis_peer *p, const char *what, const char *said);

/* Is the answer an error? Then the detail is set. */
int fwi_redis_peer_check(const fwi_redis_peer *p, const char *what,
                         const fwi_redis_reply *reply);
/* It is a number, from 0 on; else an error as above. */
int fwi_redis_peer_number(const fwi_redis_peer *p, const char *what,
                          const fwi_redis_reply *reply, long long *out);

#endif
