/*
 * What the files of the Redis backplane share: the object and its verbs. Nobody outside
 * src/backplane includes this.
 *
 *   backplane_redis.c  its life: connect, up, away, back; the operations of the port
 *   redis_send.c       what is written to the links
 *   redis_receive.c    what Redis answers and brings, and what is handed to the hub
 *
 * and their parts: redis_presence and redis_lease (who is where; redis_sweep,
 * redis_questions, redis_members, redis_presence_scripts belong to them), redis_history
 * and redis_script (rooms with history), redis_call (who waits for an answer), redis_link
 * (one connection), redis_topology (where the server is), redis_channels (what we are
 * subscribed to), redis_pending (own publishes), redis_seen (others' repetitions),
 * redis_health.
 *
 * Of a Cluster there is one of these for each of its masters, and one that has the parts
 * which belong to the node and not to a server, presence and lease: redis_cluster.h.
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
    FWI_REDIS_AGAIN_MS = 100,   /* till what isn't wanted now is tried again */
    FWI_REDIS_CHANNEL_MAX = 512 /* a hub's channel name: kind, colon, 255 bytes */
};

/* Publish/subscribe as it is called on one server, or in a shard of a Cluster. */
typedef struct fwi_redis_verbs {
    const char *publish, *subscribe, *unsubscribe;
    const char *message, *subscribed, *unsubscribed; /* what comes */
    size_t batch;                                    /* channels a SUBSCRIBE */
} fwi_redis_verbs;

extern const fwi_redis_verbs fwi_redis_verbs_of_one; /* redis_send.c */

struct fwi_redis_backplane;

/* What one server of a Cluster asks of whoever knows all of them. */
typedef struct fwi_redis_cluster_port {
    /* The server says that it doesn't serve this slot. */
    void (*on_slot_left)(void *user, struct fwi_redis_backplane *rb, unsigned slot);
    /* Who serves a key for whom, away or not; NULL: nobody now. */
    struct fwi_redis_backplane *(*server_of)(void *user, struct fwi_redis_backplane *rb,
                                             const char *key, size_t len);
    bool (*publish)(void *user, const char *channel, fw_message *m);
} fwi_redis_cluster_port;

typedef struct fwi_redis_backplane {
    fwi_backplane base;
    fwi_loop *loop;
    fwi_redis_config config;
    const fwi_redis_verbs *verbs;
    const fwi_redis_cluster_port *cluster; /* NULL: one server */
    void *cluster_user;
    char url[512];          /* for people, without the password */
    char probe_channel[40]; /* as the hub would name it; the hub doesn't */
    fwi_redis_state state;
    fwi_redis_topology *topology; /* NULL: one server, which the URL names */
    fwi_redis_link *links[FWI_REDIS_LINKS];
    fwi_redis_channels channels;
    fwi_redis_pending pending;
    fwi_redis_asked asked;  /* what the command link's answers belong to */
    fwi_redis_asked orders; /* in a Cluster: the same of the subscribe link */
    fwi_redis_seen seen;
    fwi_redis_health health;
    fwi_redis_calls calls; /* those of `asked` whose answers somebody waits for */
    fwi_redis_presence presence;
    fwi_redis_lease lease;
    fwi_redis_history history;
    fwi_timer retry, deadline;
    fwi_timer confirmation; /* while resubscribing: the next one is late */
    fwi_timer again;        /* until then what Redis didn't want now isn't tried again */
    uint64_t backoff_ms, started_us;
    fwi_rand rand;
    char why[800];       /* we are away; "" if we aren't or nobody was told */
    const char *give_up; /* at the next flush, for this reason; NULL: no */
    uint64_t complained_ms;
    fwi_backplane_figures counts;
    fwi_buf name, envelope; /* scratch */
} fwi_redis_backplane;

static inline fwi_redis_backplane *fwi_redis_of(fwi_backplane *bp)
{
    return fwi_container_of(bp, fwi_redis_backplane, base);
}

/* --- backplane_redis.c --- */

/* One server: with both links, or in a Cluster without a use for them. NULL: out of
 * memory. */
fwi_redis_backplane *fwi_redis_server_new(fwi_loop *loop, const fwi_redis_config *config,
                                          const fwi_redis_verbs *verbs,
                                          const fwi_backplane_sink *sink,
                                          void *sink_user);
/* Instead of a start: it is away, and stays so. */
void fwi_redis_server_park(fwi_redis_backplane *rb, const char *why);

/* The one way out of connecting, resubscribing and up; harmless elsewhere. */
void fwi_redis_leave(fwi_redis_backplane *rb, const char *why);

/* Nothing that Redis didn't want is tried again for a while. */
void fwi_redis_pause(fwi_redis_backplane *rb);

/* Behind what is in out: "{P:C}" and the suffix, a key of the channel C, where P is the
 * prefix. false: out of memory. */
bool fwi_redis_put_key(const fwi_redis_backplane *rb, fwi_buf *out, const char *channel,
                       const char *suffix);

/* To be called when a subscription was confirmed: the next one has its time again, if
 * they weren't all. */
void fwi_redis_confirmed(fwi_redis_backplane *rb);
/* The same when one is awaited no more: are all confirmed? */
void fwi_redis_check_return(fwi_redis_backplane *rb);

/* To be called when something waits: it does so until its deadline. */
void fwi_redis_watch_deadline(fwi_redis_backplane *rb);

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

/* Calls the hub for all channels to be reported, or for those that are heard again. */
void fwi_redis_report(fwi_redis_backplane *rb);
void fwi_redis_tell_missed(fwi_redis_backplane *rb);

/* Is an own publish still to be handed to the hub? It counts as handed from now on. */
bool fwi_redis_take_delivery(fwi_redis_backplane *rb, fwi_redis_publish *e);
/* Hands it to the hub, if it still wants it; frees it if it is done with. */
void fwi_redis_deliver(fwi_redis_backplane *rb, fwi_redis_publish *e);

/* Delivers here, in order, what no echo will come for: everything up to that serial
 * while away; while up, refused messages whose turn it is. */
void fwi_redis_deliver_away(fwi_redis_backplane *rb, uint64_t up_to_serial);
void fwi_redis_deliver_refused(fwi_redis_backplane *rb);

#endif
