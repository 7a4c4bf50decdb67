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

#include "base/histogram.h"
#include "core/message.h"

typedef struct fwi_backplane fwi_backplane;

/* What is asked of a publish beside being heard. Where it is NULL, nothing. */
typedef struct fwi_terms {
    /* The room's newest so many messages are kept, for so long after the last one: its
     * history. 0: none is. What is kept has a position (m->at) wherever it arrives, and
     * is never delivered while the other nodes can't be reached: it waits for its
     * position. */
    uint32_t history_size;
    uint64_t history_ttl_ms;
    uint64_t ref; /* for on_published; 0: nobody asks */
} fwi_terms;

/* What became of a publish, or of an order to forget a history. */
typedef struct fwi_published {
    /* FW_OK: the backplane has it. FW_ERR_TIMEOUT: it waited too long. FW_ERR_BUSY: too
     * much waits already. FW_ERR_BACKPLANE: refused, why says so. FW_ERR_MEMORY.
     * FW_ERR_CLOSED: the backplane was stopped before. */
    int err;
    const char *why; /* never NULL */
    /* Of what is kept: its position; the first one's for a key that was there already. Of
     * a history forgotten: where it begins anew. */
    fwi_position at;
} fwi_published;

/* A page has at most so many messages, and Redis' fewer if they are large. */
enum { FWI_HISTORY_PAGE_MAX = 512 };

typedef struct fwi_history_query {
    /* What comes behind it, in the direction asked for: newer ones, and with reverse
     * older ones. Epoch 0: from the beginning, and with reverse from the end. Of another
     * epoch than the room's: nothing comes. */
    fwi_position since;
    uint32_t limit; /* at most so many messages; 0: none, the top is wanted */
    bool reverse;   /* newest first */
    bool ahead;     /* of what was published and still waits for the other nodes */
    uint64_t history_ttl_ms;
} fwi_history_query;

/* It may be shorter than was asked for: who wants all asks again behind the last message
 * as long as that one isn't the top (with reverse: until a page is empty). */
typedef struct fwi_history_page {
    int err; /* FW_OK; FW_ERR_BACKPLANE, _MEMORY, _CLOSED: it can't be had, why says so */
    const char *why;
    fwi_position top; /* of the newest message; a room without any has an epoch and 0 */
    fw_message **messages; /* borrowed, each with its position */
    size_t n;
} fwi_history_page;

/* --- presence: who is in a channel, and which nodes there are --- */

/* A member is a message of kind LEFT: its origin says who it is (session, user, node's
 * name), its payload is the session's info. So what is kept of a member is what tells of
 * its end, and whoever finds its node dead publishes that as it is.
 *
 * A node of read_nodes() is one too: origin's session has its number, the payload is JSON
 * of its facts. */
typedef struct fwi_member_page {
    int err; /* FW_OK; FW_ERR_BACKPLANE, _MEMORY, _CLOSED: it can't be had, why says so */
    const char *why;
    uint64_t total;       /* how many there are in all */
    uint64_t next;        /* cursor of the page behind this one; 0: this is the last */
    fw_message **members; /* borrowed */
    size_t n;
} fwi_member_page;

/* What the backplane tells the hub. Never from inside one of the operations below, except
 * from flush(), from the loop's own callbacks, and what was asked with a ref from stop().
 */
typedef struct fwi_backplane_sink {
    /* Once for each subscribe() that wasn't taken back: from now on what is published to
     * the channel is heard. While the other nodes can't be reached this comes too: the
     * members of this node hear each other, and the subscription is made on return. */
    void (*on_subscribed)(void *user, const char *channel);
    /* In order; each message at most once. m is borrowed. Messages for channels that have
     * just been unsubscribed may still come. */
    void (*on_message)(void *user, const char *channel, fw_message *m);
    /* The other nodes can be reached (why is NULL), or not any more and why. While they
     * can't, it comes again whenever the reason has changed. Where channels are spread
     * over several servers, that one is away is enough for "not any more". */
    void (*on_state)(void *user, bool up, const char *why);
    /* A channel is heard again that wasn't for a while: what was said meanwhile is
     * missed, and what is kept of it can be read. Nothing but read_history() may be
     * called from inside. NULL: not wanted. */
    void (*on_missed)(void *user, const char *channel);
    /* Once for each publish() or forget_history() with a ref, whatever happens. The
     * message itself may come before or after. NULL: not wanted. */
    void (*on_published)(void *user, uint64_t ref, const fwi_published *what);
    /* Once for each read_history(). top and
     * messages are of one moment. Between a page and on_message no order is promised: a
     * message that is in the page, or older, may come after it, and a newer one before
     * it. So whoever puts them together goes by positions: the next one is delivered,
     * what isn't newer is a repetition. page is borrowed. NULL: not wanted. */
    void (*on_history)(void *user, uint64_t ref, const fwi_history_page *page);

    /* Once for each read_presence() and read_nodes(). page is borrowed. NULL: not wanted.
     */
    void (*on_members)(void *user, uint64_t ref, const fwi_member_page *page);
    /* Another node is there, or isn't any more. NULL: not wanted. */
    void (*on_node)(void *user, uint64_t node, const char *name, bool up);
    /* This node, as read_nodes() shows it to others; the caller's reference. NULL: out of
     * memory. A sink without it has no place among the nodes. */
    fw_message *(*describe)(void *user);
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
    uint64_t kept;          /* publishes to rooms with history that have their position */
    uint64_t history_reads; /* pages */
    uint64_t repeated;      /* kept publishes that were there already */
    uint64_t present;       /* entries of this node's sessions in channels */
    uint64_t sweeps;        /* dead nodes whose entries this node has removed */
    uint64_t swept;         /* entries of them */
    uint64_t calls;         /* commands for presence, the lease and pages of history */
    uint64_t lives;         /* how often this node had to write its entries anew */
    fwi_histogram probes;   /* how long each took to come back, in microseconds */
    uint64_t lease_age_us; /* since the lease was last refreshed; 0 where there is none */
} fwi_backplane_figures;

typedef struct fwi_backplane_ops {
    const char *name; /* "memory", "redis" */
    bool alone;       /* there are no other nodes, and never will be */

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
     * Order: as called. terms is borrowed. false: out of memory, and no on_published. */
    bool (*publish)(fwi_backplane *bp, const char *channel, fw_message *m,
                    const fwi_terms *terms);

    /* What is kept of a channel; it needn't be subscribed. What is published behind this
     * call isn't in it. While the other nodes can't be reached the answer comes at the
     * next flush and is an error. false: out of memory, and no answer. */
    bool (*read_history)(fwi_backplane *bp, const char *channel,
                         const fwi_history_query *query, uint64_t ref);

    /* Forgets what is kept; its epoch ends, too, and another begins. Members are told
     * nothing. While the other nodes can't be reached the answer is an error. false: out
     * of memory, and no answer. */
    bool (*forget_history)(fwi_backplane *bp, const char *channel, uint64_t ref);

    /* --- presence --- */

    /* The session of member's origin is in the channel from now on; again: its user or
     * info has changed. tell: when this node dies, the others are to publish member to
     * the channel. While it lives, what is told about coming and going is published by
     * the hub. Holds until leave(), whatever happens to the other nodes or to what they
     * share. Keeps a reference. false: out of memory. */
    bool (*enter)(fwi_backplane *bp, const char *channel, fw_message *member, bool tell);
    /* Not being there is no mistake. */
    void (*leave)(fwi_backplane *bp, const char *channel, fw_session_id session);

    /* About `limit` members of a channel, of all nodes, from where `cursor` (0: the
     * beginning) points. limit 0: only how many there are. Who is there from the first
     * page to the last is in one of them, who comes or goes meanwhile may be. false: out
     * of memory, and no answer. */
    bool (*read_presence)(fwi_backplane *bp, const char *channel, uint64_t cursor,
                          uint32_t limit, uint64_t ref);
    /* All nodes that are alive. false: out of memory, and no answer. */
    bool (*read_nodes)(fwi_backplane *bp, uint64_t ref);

    /* End of a loop turn: write what was gathered. */
    void (*flush)(fwi_backplane *bp);

    void (*figures)(fwi_backplane *bp, fwi_backplane_figures *out);

    /* Gives up links and timers; nothing comes afterwards. What could still be written
     * in one go is written first. What was asked with a ref and has no answer is told
     * FW_ERR_CLOSED from inside. */
    void (*stop)(fwi_backplane *bp);
    void (*free)(fwi_backplane *bp);
} fwi_backplane_ops;

struct fwi_backplane {
    const fwi_backplane_ops *ops;
    const fwi_backplane_sink *sink;
    void *sink_user;
};

#endif
