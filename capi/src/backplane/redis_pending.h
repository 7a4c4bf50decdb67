/*
 * This node's own publishes until nobody needs them any more: Redis has answered, and the
 * echo has come back if this node is subscribed. They carry the serial numbers.
 *
 * Used by the Redis backplane on loop 0's thread. Pure bookkeeping: it sends and delivers
 * nothing, and asks nothing of channels; it only keeps the hint for who does.
 */
#ifndef FWI_BACKPLANE_REDIS_PENDING_H
#define FWI_BACKPLANE_REDIS_PENDING_H

#include "backplane/redis_channels.h"
#include "base/list.h"
#include "core/backplane.h"

enum {
    /* Entries kept for the next ones, so that a burst of publishes allocates nothing, if
     * their channels' names are this short. */
    FWI_REDIS_PUBLISH_SPARE = 256,
    FWI_REDIS_PUBLISH_NAME = 64
};

/* Of a publish whose channel has gone to another server since: it is delivered here
 * whatever becomes of the subscription. */
#define FWI_REDIS_ANY_SUBSCRIPTION UINT64_MAX

typedef struct fwi_redis_publish {
    UT_hash_handle hh; /* in pending->rooms: the newest of its room that was sent */
    fwi_list all;      /* in the order to be sent; of a spare one: in pending->spare */
    fwi_list local;  /* in pending->local until delivered here; unlinked if not needed */
    fwi_list unsent; /* in pending->unsent until written to the link there is now; of one
                      * that found the queue full: in pending->outcomes until told; of one
                      * that Redis didn't want now: in pending->aside */
    struct fwi_redis_publish *behind; /* in the same slot */
    uint64_t serial;
    uint64_t subscription; /* under which it was published; 0: not subscribed */
    uint64_t deadline_ms;
    size_t cost;
    fw_message *m;
    fwi_terms terms; /* ref 0: nobody asks, or he was told */
    fwi_redis_channel_hint hint;
    size_t name_cap;
    bool answered; /* by Redis, or given up: the other nodes are done with */
    bool outcome;  /* in pending->outcomes */
    bool aside;    /* in pending->aside */
    bool doubtful; /* its link was lost before the answer: it may have been carried out */
    bool refused;  /* no echo will come: to be delivered here when its turn has come */
    char channel[];
} fwi_redis_publish;

typedef struct fwi_redis_pending {
    /* By the low bits of the serial. There are as many as entries, at least, whatever has
     * come and gone since the oldest of them came. Mostly serials follow each other, and
     * there is one in a slot. */
    fwi_redis_publish **slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;      /* entries */
    fwi_list all, local, unsent, outcomes, aside, spare;
    size_t spare_count;
    fwi_redis_publish *rooms; /* by channel: see fwi_redis_pending_follow */
    uint64_t *serials;        /* the node's last one: its own, or shared with others */
    uint64_t own_serials;
    uint64_t last_serial; /* of those that are, or were, here */
    size_t bytes;
} fwi_redis_pending;

void fwi_redis_pending_init(fwi_redis_pending *p);
void fwi_redis_pending_fini(fwi_redis_pending *p);

/* Takes a reference of m. terms may be NULL. NULL: out of memory. */
fwi_redis_publish *fwi_redis_pending_add(fwi_redis_pending *p, const char *channel,
                                         fw_message *m, uint64_t subscription,
                                         uint64_t deadline_ms, const fwi_terms *terms);

/* It wasn't carried out, and is to be sent again. */
void fwi_redis_pending_put_back(fwi_redis_pending *p, fwi_redis_publish *e);

/* To another one: to the end there and to be sent, with a new serial (`anew`), or to its
 * place by the serial that it has. It isn't on its way, needs no delivery here any more,
 * and nobody is to be told that the queue was full. false: out of memory, it stays. */
bool fwi_redis_pending_move(fwi_redis_pending *from, fwi_redis_pending *to,
                            fwi_redis_publish *e, bool anew);

fwi_redis_publish *fwi_redis_pending_find(fwi_redis_pending *p, uint64_t serial);

/* Heads of the lists; NULL: empty. */
fwi_redis_publish *fwi_redis_pending_oldest(fwi_redis_pending *p);
fwi_redis_publish *fwi_redis_pending_next_local(fwi_redis_pending *p);
fwi_redis_publish *fwi_redis_pending_next_unsent(fwi_redis_pending *p);
fwi_redis_publish *fwi_redis_pending_next_outcome(fwi_redis_pending *p);

/* Is it one of a room with history? */
static inline bool fwi_redis_publish_is_kept(const fwi_redis_publish *e)
{
    return e->terms.history_size > 0;
}

/* Who is to be told now what became of it; 0: nobody, also the next time. */
static inline uint64_t fwi_redis_publish_take_ref(fwi_redis_publish *e)
{
    uint64_t ref = e->terms.ref;
    e->terms.ref = 0;
    if (e->outcome) {
        e->outcome = false;
        fwi_list_remove(&e->unsent);
    }
    return ref;
}

static inline bool fwi_redis_publish_is_delivered(const fwi_redis_publish *e)
{
    return !fwi_list_is_linked(&e->local);
}

static inline bool fwi_redis_publish_is_unsent(const fwi_redis_publish *e)
{
    return fwi_list_is_linked(&e->unsent);
}

static inline void fwi_redis_publish_set_sent(fwi_redis_publish *e)
{
    fwi_list_remove(&e->unsent);
}

/* Delivered here, or nobody here is to hear it any more. */
static inline void fwi_redis_publish_set_delivered(fwi_redis_publish *e)
{
    fwi_list_remove(&e->local);
}

/* The other nodes won't get it; it waits for its turn here. */
static inline void fwi_redis_publish_set_refused(fwi_redis_publish *e)
{
    e->answered = e->refused = true;
    fwi_list_remove(&e->unsent);
}

/* The queue was full: somebody is to be told at the next flush. */
static inline void fwi_redis_publish_set_outcome(fwi_redis_pending *p,
                                                 fwi_redis_publish *e)
{
    e->outcome = true;
    fwi_list_append(&p->outcomes, &e->unsent);
}

/* --- the order of a room with history --- */

/* Redis carries out a kept publish only if the one before it in the room was carried out,
 * as long as that one has no answer. So whatever it says to one of several on their way,
 * their order stays: those behind it are refused as well, and all are sent again. */

/* It is sent now. *before: the serial of the one before it that has no answer; 0: all
 * have. false: out of memory; if others were sent behind it, they might overtake it. */
bool fwi_redis_pending_follow(fwi_redis_pending *p, fwi_redis_publish *e,
                              uint64_t *before);
/* Must it wait, since one before it in the room was put aside? */
bool fwi_redis_pending_is_behind(const fwi_redis_pending *p, const fwi_redis_publish *e);
/* It wasn't carried out, but may be later: it is sent again when it is resumed. false:
 * out of memory; it is aside, but those behind it might be sent ahead. */
bool fwi_redis_pending_put_aside(fwi_redis_pending *p, fwi_redis_publish *e);
/* To be sent are now all that were put aside, but for rooms of which one is on its way
 * still: what that one is told belongs before them. Or only the first of these: it may be
 * put aside again, and the others of its room stay behind it. */
void fwi_redis_pending_resume(fwi_redis_pending *p, bool one);

/* Frees it if it has been answered and delivered, and nobody is still to be told. */
void fwi_redis_pending_release(fwi_redis_pending *p, fwi_redis_publish *e);

/* The link is gone: what was sent and not answered is to be sent again, in order. */
void fwi_redis_pending_link_down(fwi_redis_pending *p);

/* --- what the answers on the command link belong to, first in first out --- */

enum { FWI_REDIS_ASKED_PROBE = 0 }; /* serials begin at 1 */
#define FWI_REDIS_ASKED_PING UINT64_MAX
#define FWI_REDIS_ASKED_CALL (UINT64_MAX - 1) /* redis_call.h */

typedef struct fwi_redis_asked {
    uint64_t *ring; /* of size cap, a power of two */
    size_t head, count, cap;
} fwi_redis_asked;

void fwi_redis_asked_fini(fwi_redis_asked *a);
/* false: out of memory */
bool fwi_redis_asked_push(fwi_redis_asked *a, uint64_t what);
/* Both false: nothing had been asked */
bool fwi_redis_asked_first(const fwi_redis_asked *a, uint64_t *what);
bool fwi_redis_asked_pop(fwi_redis_asked *a, uint64_t *what);
void fwi_redis_asked_clear(fwi_redis_asked *a);

#endif
