/*
 * A blocking connection with a deadline: TCP or Unix socket, with TLS if asked. Bytes
 * only; the emitter speaks Redis over it. No loop, no thread; whoever calls waits.
 */
#ifndef FWI_BACKPLANE_REDIS_BLOCKING_H
#define FWI_BACKPLANE_REDIS_BLOCKING_H

#include "backplane/backplanes.h"

typedef struct fwi_redis_blocking fwi_redis_blocking;

/* Deadlines are times of base/clock.h. All of them return FW_ERR_BACKPLANE, _TIMEOUT or
 * _MEMORY with the detail set when they fail; the connection is then of no more use.
 * Looking up a host's name is the one thing that doesn't watch the deadline. */
int fwi_redis_blocking_open(fwi_redis_blocking **out, const fwi_redis_config *config,
                            uint64_t deadline_us);
void fwi_redis_blocking_close(fwi_redis_blocking *c); /* NULL is allowed */

int fwi_redis_blocking_write(fwi_redis_blocking *c, const void *data, size_t len,
                             uint64_t deadline_us);
/* At least one byte, at most cap: how many. */
long fwi_redis_blocking_read(fwi_redis_blocking *c, void *data, size_t cap,
                             uint64_t deadline_us);

/* Between two questions: has the server closed it while nobody looked, or said something
 * that nobody had asked for? */
bool fwi_redis_blocking_is_stale(fwi_redis_blocking *c);

#endif
