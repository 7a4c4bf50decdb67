/*
 * Port: a way to reach the other nodes. One object a hub; all calls, both ways, on loop
 * 0's thread. Nothing blocks. A new backplane is a new file in src/backplane, a row in
 * the table of src/api, and a run of tests/integration/test_backplane_contract.c.
 *
 * A channel is named as the hub names it: "r:lobby", "u:ann", "n:<16 hex digits>", "all".
 * The backplane puts its prefix in front and escapes what it must.
 */
#ifndef FWI_CORE_BACKPLANE_H
#define FWI_CORE_BACKPLANE_H

#include "core/message.h"

typedef struct fwi_backplane fwi_backplane;

/* What the backplane tells the hub. Never from inside one of the operations below, except
 * from flush() and from the loop's own callbacks. */
typedef struct fwi_backplane_sink {
    /* Once for each subscribe() that wasn't taken back: from now on what is published to
     * the channel is heard. While the other nodes can't be reached this comes too: the
     * members of this node hear each other, and the subscription is made on return. */
    void (*on_subscribed)(void *user, const char *channel);
    /* In order; each message at most once. m is borrowed. Messages for channels that have
     * just been unsubscribed may still come. */
    void (*on_message)(void *user, const char *channel, fw_message *m);
    /* The other nodes can be reached (why is NULL), or not any more and why. While they
     * can't, it comes again whenever the reason has changed. */
    void (*on_state)(void *user, bool up, const char *why);
} fwi_backplane_sink;

/* Figures for /metrics and /health. Filled in on loop 0's thread. */
typedef struct fwi_backplane_figures {
    bool up;
    uint64_t probe_age_us;  /* since the last probe came back; 0 where there is none */
    uint64_t queue_bytes;   /* publishes that wait for their echo or for the link */
    uint64_t queue_dropped; /* messages that other nodes never got: full or too late */
    uint64_t published, received, duplicates, malformed;
    uint64_t connects, disconnects;               /* of the links */
    uint64_t publishes, subscribes, unsubscribes; /* commands; a probe is a publish */
    uint64_t writes;                              /* that carried them */
    uint64_t channels;                            /* subscribed to */
} fwi_backplane_figures;

typedef struct fwi_backplane_ops {
    const char *name; /* "memory", "redis" */

    /* Begins to connect; on_state(up) follows when it can be used. Subscriptions and
     * publishes are taken before that too. 0 or FW_ERR_ with the detail set. */
    int (*start)(fwi_backplane *bp);

    /* Heard from on_subscribed on. Subscribing twice without unsubscribe between is an
     * error of the caller. false: out of memory. */
    bool (*subscribe)(fwi_backplane *bp, const char *channel);
    /* The caller delays it: what comes here is done at once. */
    void (*unsubscribe)(fwi_backplane *bp, const char *channel);

    /* Hands a message to all nodes subscribed to the channel, this one too if it is: that
     * echo is the only way in which it is delivered here. Keeps a reference of its own.
     * Order: as called. false: out of memory. */
    bool (*publish)(fwi_backplane *bp, const char *channel, fw_message *m);

    /* End of a loop turn: write what was gathered. */
    void (*flush)(fwi_backplane *bp);

    void (*figures)(fwi_backplane *bp, fwi_backplane_figures *out);

    /* Gives up links and timers; nothing comes afterwards. What could still be written
     * in one go is written first. */
    void (*stop)(fwi_backplane *bp);
    void (*free)(fwi_backplane *bp);
} fwi_backplane_ops;

struct fwi_backplane {
    const fwi_backplane_ops *ops;
    const fwi_backplane_sink *sink;
    void *sink_user;
};

#endif
