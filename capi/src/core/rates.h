/*
 * How fast clients may publish and enter rooms: by user, by address, by room, each on
 * this node; and speak by requests of their own, by address. All loops share what is
 * counted, so it is under a lock; without such a limit nothing is counted and nobody
 * locks.
 */
#ifndef FWI_CORE_RATES_H
#define FWI_CORE_RATES_H

#include <pthread.h>

#include "base/list.h"
#include "core/stats.h"

struct fwi_session;
struct fwi_shard;
struct fwi_bucket;

/* So many users, addresses and rooms are counted at a time. Who hasn't done anything for
 * a second needn't be; of more than that the one is forgotten that was idle longest. */
enum { FWI_RATES_MAX = 65536 };

typedef struct fwi_rates {
    pthread_mutex_t lock;
    struct fwi_bucket *buckets; /* by what is counted */
    fwi_list used;              /* the longest idle first */
    size_t n;
} fwi_rates;

void fwi_rates_init(fwi_rates *r);
void fwi_rates_fini(fwi_rates *r);

typedef enum { FWI_RATE_PUBLISH, FWI_RATE_JOIN } fwi_rate_kind;

/* A limit of these. */
typedef struct fwi_rate_limit {
    const char *option; /* its name */
    bool of_room;       /* others have used it up as well */
    fwi_stat stat;
} fwi_rate_limit;

/* May the client of s do that in this room now? NULL: yes, and it is counted. Else the
 * limit that is reached, and nothing is counted but that. @thread loop, s's */
const fwi_rate_limit *fwi_rates_take(struct fwi_session *s, fwi_rate_kind kind,
                                     const char *room);

/* May a client at this address say something by a request of its own (emulation.h)?
 * Counted as above. @thread loop */
bool fwi_rates_take_request(struct fwi_shard *shard, const char *address);

/* A sentence about it, for its client. */
enum { FWI_RATE_TEXT = 64 };
const char *fwi_rate_limit_text(const fwi_rate_limit *limit, char text[FWI_RATE_TEXT]);

#endif
