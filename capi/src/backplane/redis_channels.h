/*
 * What this node is subscribed to: for each channel what the hub wants, what Redis was
 * asked for and what Redis has confirmed. Sends nothing itself.
 *
 * Used by the Redis backplane on loop 0's thread. Pure bookkeeping.
 */
#ifndef FWI_BACKPLANE_REDIS_CHANNELS_H
#define FWI_BACKPLANE_REDIS_CHANNELS_H

#include "base/hashmap.h"
#include "base/list.h"

typedef struct fwi_redis_channel {
    UT_hash_handle hh;
    fwi_list dirty;        /* in channels->dirty while wanted and asked differ */
    fwi_list report;       /* in channels->reports while the hub is to be told */
    uint64_t subscription; /* number of the hub's subscribe(); 0: not wanted */
    unsigned subscribes, unsubscribes; /* commands sent and not answered yet */
    bool asked;                        /* the last thing Redis was told: SUBSCRIBE */
    bool confirmed;                    /* ... and that very command was answered */
    bool reported;                     /* the hub knows, or is about to */
    bool awaited;                      /* belongs to the batch that ends being away */
    char name[];
} fwi_redis_channel;

typedef struct fwi_redis_channels {
    fwi_redis_channel *table;
    fwi_list dirty, reports;
    uint64_t subscriptions;
    size_t wanted;    /* channels that the hub wants */
    size_t awaited;   /* channels still to be confirmed before this node is back */
    uint64_t dropped; /* how many, ever: see fwi_redis_channel_hint */
} fwi_redis_channels;

/* Where a channel was found. It holds until any channel is dropped, so that what asks for
 * the same one several times looks it up once. All zero: not yet. */
typedef struct fwi_redis_channel_hint {
    fwi_redis_channel *at;
    uint64_t dropped;
} fwi_redis_channel_hint;

void fwi_redis_channels_init(fwi_redis_channels *cs);
void fwi_redis_channels_fini(fwi_redis_channels *cs);

/* NULL: not subscribed (though Redis may not have answered UNSUBSCRIBE yet). */
fwi_redis_channel *fwi_redis_channels_find(fwi_redis_channels *cs, const char *name);
fwi_redis_channel *fwi_redis_channels_find_again(fwi_redis_channels *cs, const char *name,
                                                 fwi_redis_channel_hint *hint);

/* NULL: out of memory. Wanting what is wanted already is a mistake of the caller. */
fwi_redis_channel *fwi_redis_channels_want(fwi_redis_channels *cs, const char *name);
void fwi_redis_channels_unwant(fwi_redis_channels *cs, const char *name);

/* The next command: up to `max` channels that are to be subscribed (or, *subscribe false,
 * unsubscribed). They count as asked. 0: nothing to do. Pointers are valid until the
 * next call of anything here. */
size_t fwi_redis_channels_batch(fwi_redis_channels *cs, bool *subscribe,
                                fwi_redis_channel **out, size_t max);

/* Redis answered. false: nobody had asked. The channel may be gone afterwards. One that
 * was reported before, and for which the return hasn't waited, is reported again. */
bool fwi_redis_channels_acked(fwi_redis_channels *cs, const char *name, bool subscribe);

/* The next one to report to the hub; NULL: none. Valid until the next call here. */
fwi_redis_channel *fwi_redis_channels_next_report(fwi_redis_channels *cs);

/* Puts one, or all that the hub doesn't know about yet, among the reports. */
void fwi_redis_channels_report(fwi_redis_channels *cs, fwi_redis_channel *c);
void fwi_redis_channels_report_all(fwi_redis_channels *cs);

/* The link to Redis is new: everything wanted is to be asked for, and awaited. */
void fwi_redis_channels_link_up(fwi_redis_channels *cs);
/* The link is gone, and with it all that Redis knew. */
void fwi_redis_channels_link_down(fwi_redis_channels *cs);

#endif
