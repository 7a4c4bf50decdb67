/*
 * What the files of the Redis backplane share: the object and its verbs. Nobody outside
 * src/backplane includes this.
 *
 *   backplane_redis.c  its life: connect, up, away, back; the operations of the port
 *   redis_send.c       what is written to the links
 *   redis_receive.c    what Redis answers and brings, and what is handed to the hub
 *
 * and their parts: redis_presence and redis_lease (who is where; redis_call, redis_sweep,
 * redis_members, redis_presence_scripts belong to them), redis_history and redis_script
 * (rooms with history), redis_link (one connection), redis_topology (where the server
 * is), redis_channels (what we are subscribed to), redis_pending (own publishes),
 * redis_seen (others' repetitions), redis_health.
 *
 * "Up" means: both links are live and every channel wanted has been confirmed. Anything
 * else is "away": what is published is delivered to this node's own members at the next
 * flush, and kept for the others.
 */
#ifndef FWI_BACKPLANE_REDIS_BACKPLANE_H
#define FWI_BACKPLANE_REDIS_BACKPLANE_H

#include "backplane/backplanes.h"
#include "backplane/redis_call.h"
#include "backplane/redis_channels.h"
#include "backplane/redis_health.h"
#include "backplane/redis_history.h"
#include "backplane/redis_lease.h"
#include "backplane/redis_link.h"
#include "backplane/redis_pending.h"
#include "backplane/redis_presence.h"
#include "backplane/redis_seen.h"
#include "backplane/redis_sweep.h"
#include "backplane/redis_topology.h"
#include "base/rand.h"

typedef enum {
    FWI_REDIS_IDLE,          /* start() wasn't called */
    FWI_REDIS_WAITING,       /* for the next attempt */
    FWI_REDIS_CONNECTING,    /* Sentinels are asked, or both links are on their way */
    FWI_REDIS_RESUBSCRIBING, /* both live, SUBSCRIBEs are out */
    FWI_REDIS_UP,
    FWI_REDIS_STOPPED,
    FWI_REDIS_STATES
} fwi_redis_state;

enum {
    FWI_REDIS_BACKOFF_MIN_MS = 50,
    FWI_REDIS_BACKOFF_MAX_MS = 1000,  /* so that it is back within two seconds */
    FWI_REDIS_CONFIRMATION_MS = 5000, /* at most from one to the next */
    /* More isn't handed to a link before the kernel has taken some of it. */
    FWI_REDIS_BACKLOG_MAX = 1024 * 1024,
    FWI_REDIS_BATCH = 512,      /* channels a SUBSCRIBE */
    FWI_REDIS_CHANNEL_MAX = 512 /* a hub's channel name: kind, colon, 255 bytes */
};

typedef struct fwi_redis_backplane {
    fwi_backplane base;
    fwi_loop *loop;
    fwi_redis_config config;
    char url[512];          /* for people, without the password */
    char probe_channel[32]; /* as the hub would name it; the hub doesn't */
    fwi_redis_state state;
    fwi_redis_topology *topology; /* NULL: one server, which the URL names */
    fwi_redis_link *links[FWI_REDIS_LINKS];
    fwi_redis_channels channels;
    fwi_redis_pending pending;
    fwi_redis_asked asked; /* what the command link's answers belong to */
    fwi_redis_seen seen;
    fwi_redis_health health;
    fwi_redis_calls calls; /* those of `asked` whose answers somebody waits for */
    fwi_redis_presence presence;
    fwi_redis_lease lease;
    fwi_redis_history history;
    fwi_timer retry, deadline;
    fwi_timer confirmation; /* while resubscribing: the next one is late */
    uint64_t backoff_ms, started_us;
    fwi_rand rand;
    char why[800];       /* we are away; "" if we aren't or nobody was told */
    const char *give_up; /* at the next flush, for this reason; NULL: no */
    char refusal[224];   /* such a reason, in the words of Redis */
    uint64_t complained_ms;
    fwi_backplane_figures counts;
    fwi_buf name, envelope; /* scratch */
} fwi_redis_backplane;

static inline fwi_redis_backplane *fwi_redis_of(fwi_backplane *bp)
{
    return fwi_container_of(bp, fwi_redis_backplane, base);
}

/* --- backplane_redis.c --- */

/* The one way out of connecting, resubscribing and up; harmless elsewhere. */
void fwi_redis_leave(fwi_redis_backplane *rb, const char *why);

/* To be called when a subscription was confirmed: were they all? */
void fwi_redis_check_return(fwi_redis_backplane *rb);

/* A line of log, at most one a second. */
void fwi_redis_complain(fwi_redis_backplane *rb, const char *what, const void *data,
                        size_t len);

/* --- redis_send.c: each false: out of memory --- */

bool fwi_redis_send_command(fwi_redis_backplane *rb, fwi_redis_which link, int argc,
                            const char **argv, const size_t *lens);
/* PUBLISH of what is in rb->envelope; `asked` is what its answer belongs to. */
bool fwi_redis_send_publish(fwi_redis_backplane *rb, const char *channel, uint64_t asked);
/* What the hub wants and Redis wasn't asked for. */
bool fwi_redis_send_subscriptions(fwi_redis_backplane *rb);
/* What is unsent up to that serial, as far as it may and the link takes it. */
bool fwi_redis_send_publishes(fwi_redis_backplane *rb, uint64_t up_to_serial);

/* --- redis_receive.c --- */

/* rb is the user pointer of both links. */
void fwi_redis_on_command_reply(void *user, const fwi_redis_reply *reply);
void fwi_redis_on_subscriber_reply(void *user, const fwi_redis_reply *reply);

/* Calls the hub for all channels to be reported. */
void fwi_redis_report(fwi_redis_backplane *rb);

/* Hands an own publish to the hub, if it still wants it; frees it if it is done with. */
void fwi_redis_deliver(fwi_redis_backplane *rb, fwi_redis_publish *e);

/* Delivers here, in order, what no echo will come for: everything up to that serial
 * while away; while up, refused messages whose turn it is. */
void fwi_redis_deliver_away(fwi_redis_backplane *rb, uint64_t up_to_serial);
void fwi_redis_deliver_refused(fwi_redis_backplane *rb);

#endif
