/*
 * A room on one loop: the sessions of this loop that hear a channel. Users are rooms too:
 * channel "u:ann" has all of ann's sessions. How membership is kept and walked is known
 * here only. @thread loop
 */
#ifndef FWI_CORE_ROOM_H
#define FWI_CORE_ROOM_H

#include "base/hashmap.h"
#include "core/message.h"

struct fwi_shard;
struct fwi_session;

typedef struct fwi_room {
    UT_hash_handle hh;
    uint64_t serial;       /* names it in outboxes; never used again */
    bool subscribed;       /* the channel is heard */
    unsigned busy;         /* being walked: not to be freed */
    unsigned interest;     /* how many of loop 0's interests are ours */
    uint32_t n_in, n, cap; /* members[0..n_in) are in, [n_in..n) wait for the channel */
    struct fwi_session **members;
    struct fwi_batch *batch; /* what it has said in this turn: fanout.h; NULL: nothing */
    char channel[];
} fwi_room;

/* A session's place in a room. */
typedef struct fwi_place {
    fwi_room *room; /* NULL: none */
    uint32_t pos;
    uint32_t heard; /* of the room's batch: fanout.h */
    uint64_t ref;   /* of the join, for its RESULT; 0: nobody asked */
} fwi_place;

static inline bool fwi_place_is_in(const fwi_place *p)
{
    return p->pos < p->room->n_in;
}

fwi_room *fwi_room_find(struct fwi_shard *shard, const char *channel);

/* Puts s into the room; place is its. brought: interests that loop 0 has counted for this
 * join already. It hears at once if the channel is heard, else fwi_session_joined tells
 * when. FW_OK, FW_ERR_MEMORY. */
int fwi_room_enter(struct fwi_shard *shard, struct fwi_session *s, const char *channel,
                   fwi_place *place, unsigned brought);

/* Takes s out; place->room is NULL afterwards. */
void fwi_room_exit(struct fwi_shard *shard, struct fwi_session *s, fwi_place *place);

/* Loop 0 says that the channel is heard. */
void fwi_room_subscribed(struct fwi_shard *shard, const char *channel);

/* Each member gets m at the end of the turn. */
void fwi_room_deliver(struct fwi_shard *shard, const char *channel, fw_message *m);

/* Takes each member's session out of that room. */
void fwi_room_leave_all(struct fwi_shard *shard, const char *channel, const char *room);

/* Closes each member's session. */
void fwi_room_close(struct fwi_shard *shard, const char *channel, unsigned code,
                    const char *reason);

#endif
