/*
 * Rooms with history, on loop 0: where each stands, what was missed, and who is let in
 * where. A message that comes is delivered if it is the next one; a hole is read from the
 * backplane once and delivered ahead of what came behind it. So members hear every
 * message of the room once and in order, or are told that they can't.
 *
 *   unknown ---> live <---> behind
 *
 * unknown: `at` has no epoch; nothing has been read yet. behind: something was missed, or
 * may have been; what comes is held until it has been read. There is one read at a time,
 * of which a session that comes back may be the reason, too: see history_join.c.
 *
 * It knows no sessions, no protocol and no Redis. @thread loop 0
 */
#ifndef FWI_CORE_HISTORY_H
#define FWI_CORE_HISTORY_H

#include "base/hashmap.h"
#include "base/wheel.h"
#include "core/backplane.h"
#include "core/history_log.h"
#include "core/room_options.h"

struct fwi_hub;
struct fwi_route;
struct fwi_shard;

/* All of a hub. */
typedef struct fwi_histories {
    fwi_history_cache cache;
    fwi_list to_read;  /* who waits for a read */
    fwi_list failed;   /* whose read had no answer, and who waits for `retry` */
    unsigned reading;  /* how many are on their way */
    size_t held_bytes; /* of what came behind holes */
    fwi_timer retry;
} fwi_histories;

typedef struct fwi_history_held {
    struct fwi_history_held *next;
    fw_message *m;
} fwi_history_held;

/* Who waits to be let into a room. */
typedef struct fwi_joiner {
    UT_hash_handle hh; /* by the local part of its id */
    fw_session_id id;
    uint32_t ticket; /* which of its joins this is */
    bool quiet;      /* since is loop 0's word and not a wish */
    bool looked;     /* a read was started for what it knows and we don't */
    bool tried;      /* a read was started for what it has missed */
    fwi_position since;
    struct fwi_item *asked; /* what it has asked by, and is answered by; NULL: it is */
} fwi_joiner;

typedef struct fwi_history {
    struct fwi_hub *hub;
    struct fwi_route *route;
    const fwi_room_options *options;
    fwi_position at;      /* delivered up to here; epoch 0: unknown */
    fwi_position born;    /* the first `at` that was known */
    fwi_envelope_id last; /* of the message at `at`; zeros: not known */
    bool behind;
    bool doubted; /* what lies at `at` may be another one by now: it is to be read, too */
    bool looks_back; /* the read on its way does so */
    bool late; /* the first read had no answer: what was said meanwhile comes behind it */
    fwi_position early; /* the lowest that came while `at` was unknown */
    bool reset;         /* it was renumbered, and members haven't been told */
    fwi_history_log log;
    uint64_t said_ms; /* when the newest message of the log was seen */

    /* What came while it was unknown or behind. */
    fwi_history_held *held, **held_tail;
    uint32_t held_before; /* so many of them were there when the read was started */
    bool held_lost;       /* there were too many */

    fwi_joiner *joiners;
    fwi_position expected; /* who comes will want what is behind it; epoch 0: nobody */
    uint64_t refuted;      /* an epoch that was asked for and is over */

    /* The read on its way. */
    fwi_list to_read; /* waiting for it: there, or among those that failed */
    uint64_t ref;     /* 0: none */
    fwi_position asked;
    bool for_position; /* it says where the room stands; else it is for the past alone */
    /* What is being read of the time before the log, over several pages. */
    bool filling;
    fwi_position fill_at;
    fw_message **fill;
    size_t fill_n, fill_cap, fill_bytes;
} fwi_history;

void fwi_histories_init(struct fwi_hub *hub, size_t cache_max);

/* Of a room with history that is heard from now on. NULL: out of memory. */
fwi_history *fwi_history_new(struct fwi_hub *hub, struct fwi_route *route,
                             const fwi_room_options *options);
void fwi_history_free(fwi_history *h);

/* Loop 0 has passed on a join of somebody who has missed what came behind this: the first
 * read may bring it, too. */
void fwi_history_expect(fwi_history *h, fwi_position since);

/* A message with a position has come. */
void fwi_history_came(fwi_history *h, fw_message *m);

/* The answer to a read; h is NULL if its room isn't heard any more. */
void fwi_history_read_done(struct fwi_hub *hub, fwi_history *h,
                           const fwi_history_page *page);

/* The other nodes can be reached again: what had no answer is asked again. */
void fwi_histories_returned(struct fwi_hub *hub);

/* Its channel is heard again: what was said meanwhile is read. */
void fwi_history_missed(fwi_history *h);

/* What is kept was forgotten by our own order: it begins anew at `at`. */
void fwi_history_forgotten(fwi_history *h, fwi_position at);

/* --- who comes in: history_join.c --- */

/* A session's loop asks loop 0 where the session is let in; the answer is fwi_room_admit
 * with this ticket. since: see fwi_join. Later ones replace earlier ones. Out of memory
 * there, the session is turned away; here: false. @thread loop */
bool fwi_history_ask(struct fwi_shard *shard, fw_session_id id, const char *channel,
                     uint32_t ticket, fwi_position since, bool quiet);
/* It has left before it was in. @thread loop */
void fwi_history_unask(struct fwi_shard *shard, fw_session_id id, const char *channel);

/* For history.c: lets in who can be. */
void fwi_history_serve(fwi_history *h);
/* Something of the past is wanted that the log doesn't have: behind which position? */
bool fwi_history_past_is_wanted(const fwi_history *h, fwi_position *since);
/* What is being read behind `fill_at` is all that there is for who waits. */
void fwi_history_mark_tried(fwi_history *h);
/* That is given up: whoever waits for it is read for again. */
void fwi_history_unmark_tried(fwi_history *h);
void fwi_history_free_joiners(fwi_history *h);

/* Reads what must be read, if nothing is on its way; also when the channel is heard. */
void fwi_history_settle(fwi_history *h);

#endif
