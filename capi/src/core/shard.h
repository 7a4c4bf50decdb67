/*
 * A shard: what one loop has for itself. Its sessions, its rooms, its inbox, what is to
 * be written at the end of the turn. Nothing in it is touched by another thread, but for
 * inbox, stats and the states of ids.
 */
#ifndef FWI_CORE_SHARD_H
#define FWI_CORE_SHARD_H

#include "base/idtable.h"
#include "base/rand.h"
#include "core/fanout.h"
#include "core/hub.h"
#include "core/inbox.h"
#include "core/loop.h"
#include "core/losses.h"
#include "core/outbox.h"
#include "core/room.h"
#include "core/session.h"
#include "wire/deflate.h"

enum { FWI_SCRATCH = 128 * 1024 };

struct fwi_shard {
    fwi_hub *hub;
    unsigned index;
    fwi_loop *loop;
    fwi_inbox inbox;
    fwi_stats stats;
    fwi_histogram sizes; /* of messages from clients, in bytes */
    fwi_outpool pool;
    fwi_fanout fanout;
    fwi_idtable sessions, decisions;
    struct fwi_asked *asked; /* asked.h */
    uint64_t last_asked;
    fwi_room *rooms;
    uint64_t last_room;              /* serials */
    uint32_t last_ticket;            /* of joins that loop 0 is asked about */
    fwi_list open, closing;          /* sessions in these states */
    fwi_list dirty, dead;            /* to be written; to be freed */
    fwi_list paused;                 /* not read for want of credit */
    fwi_list stuck;                  /* attached sessions that found the events full */
    fw_event *raised, **raised_tail; /* queued events of this turn */
    fwi_losses losses;
    fwi_timer delay_timer; /* write.delay */
    fwi_timer drain_timer;
    uint64_t drain_started_ms;
    uint64_t drained;
    fwi_rand jitter;        /* heartbeats don't all come at once */
    uint8_t *scratch;       /* small frames put together */
    fwi_deflater *deflater; /* NULL until something is compressed */
};

extern const fwi_loop_events fwi_shard_loop_events; /* user is the shard */

/* false: out of memory. */
bool fwi_shard_init(fwi_shard *shard, fwi_hub *hub, unsigned index);
/* When its loop's thread has gone. */
void fwi_shard_fini(fwi_shard *shard);

/* The shard whose loop's thread this is, if it is one of this hub's. @thread any */
fwi_shard *fwi_shard_here(const fwi_hub *hub);

/* This thread is no loop's (any more). For tests, which play loops and applications on
 * one thread. */
void fwi_shard_leave_thread(void);

/* Into its inbox, and wake it. item is taken in any case.
 * FW_OK, FW_ERR_BUSY (limited only), FW_ERR_CLOSED; FW_ERR_MEMORY for NULL. @thread any
 */
int fwi_shard_post(fwi_shard *shard, fwi_item *item, bool limited);

/* Runs what is in the inbox, and the end of a turn. */
void fwi_shard_wake(fwi_shard *shard);
void fwi_shard_turn_end(fwi_shard *shard);

/* Tells the application, if it wants to know. s: whose event, or NULL. false: it was to
 * be queued and there is no room or memory. */
bool fwi_shard_raise(fwi_shard *shard, fw_event *e, fwi_session *s);

/* The RESULT of a request that nobody's session is charged for; ref 0: nobody asked. */
void fwi_shard_answer(fwi_shard *shard, fw_session_id id, const char *room, uint64_t ref,
                      int code, const char *reason);

/* Queues an event that owes to this credit, whatever waits. false: out of memory. */
bool fwi_shard_raise_owed(fwi_shard *shard, const fw_event *e, fwi_credit *credit);

/* Sessions that have credit again are read again. */
void fwi_shard_resume(fwi_shard *shard);

/* Open sessions are pinged by what fwi_hub_reload has read. */
void fwi_shard_reload(fwi_shard *shard);

/* Ends all (FWI_END_AWAY): at this loop's share of drain.rate, or at once. */
void fwi_shard_drain(fwi_shard *shard);
void fwi_shard_close_all(fwi_shard *shard);
/* Resets those whose Close frame is still on its way. */
void fwi_shard_abort_all(fwi_shard *shard);

static inline void fwi_shard_count(fwi_shard *shard, fwi_stat which)
{
    fwi_stat_add(&shard->stats, which, 1);
}

#endif
