/*
 * Finds links that look alive and aren't: every five seconds a PING on each link and a
 * probe, a message which this node publishes to itself. A link that answers PING but
 * brings no messages (after a failover, say) is as dead as one that doesn't answer.
 *
 * Owned by the Redis backplane, which sends what is asked for here; loop 0's thread.
 */
#ifndef FWI_BACKPLANE_REDIS_HEALTH_H
#define FWI_BACKPLANE_REDIS_HEALTH_H

#include "base/histogram.h"
#include "core/loop.h"

typedef enum { FWI_REDIS_COMMAND, FWI_REDIS_SUBSCRIBER, FWI_REDIS_LINKS } fwi_redis_which;

enum { FWI_REDIS_PROBE_EVERY_MS = 5000, FWI_REDIS_PROBE_TIMEOUT_MS = 3000 };

typedef struct fwi_redis_health_events {
    /* Send PING on both links and the probe with this number. */
    void (*on_round)(void *user, uint64_t probe);
    /* No answer in time. */
    void (*on_failed)(void *user, const char *why);
} fwi_redis_health_events;

typedef struct fwi_redis_health {
    fwi_loop *loop;
    const fwi_redis_health_events *events;
    void *user;
    fwi_timer timer;
    bool waiting, lenient;
    bool answered[FWI_REDIS_LINKS], echoed;
    uint64_t probe;      /* number of the newest */
    uint64_t came_at_us; /* when something of ours last came back; 0: never */
    uint64_t probed_us;  /* when the newest was sent */
    fwi_histogram round_trips;
} fwi_redis_health;

void fwi_redis_health_init(fwi_redis_health *h, fwi_loop *loop,
                           const fwi_redis_health_events *events, void *user);

/* Begins with a round at once (on_round is called inside). */
void fwi_redis_health_start(fwi_redis_health *h);
void fwi_redis_health_stop(fwi_redis_health *h);

/* Anything came on that link. */
void fwi_redis_health_heard(fwi_redis_health *h, fwi_redis_which link);
/* A publish of this node has come back; the newest probe. */
void fwi_redis_health_echoed(fwi_redis_health *h);
void fwi_redis_health_probed(fwi_redis_health *h);

#endif
