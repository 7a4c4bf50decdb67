/*
 * A room on one loop: the sessions of this loop that hear a channel. Users are rooms too:
 * channel "u:ann" has all of ann's sessions. How membership is kept and walked is known
 * here only. @thread loop
 */
#ifndef FWI_CORE_ROOM_H
#define FWI_CORE_ROOM_H

#include "base/hashmap.h"
#include "core/history_log.h"
#include "core/message.h"
#include "core/session.h"

typedef struct fwi_room {
    UT_hash_handle hh;
    uint64_t serial;   /* names it in outboxes; never used again */
    bool subscribed;   /* the channel is heard */
    bool kept;         /* it has a history: loop 0 lets each member in at a position */
    unsigned busy;     /* being walked: not to be freed */
    unsigned interest; /* how many of loop 0's interests are ours */
    uint32_t n_in, n, cap; /* members[0..n_in) are in, [n_in..n) wait for the channel */
    uint32_t speak[FWI_PROTOCOLS]; /* how many of those who are in speak which protocol */
    struct fwi_session **members;
    struct fwi_batch *batch; /* what it has said in this turn: fanout.h; NULL: nothing */
    fwi_position at;         /* where it stood before that; epoch 0: it has no history */
    char channel[];
} fwi_room;

/* A session's place in a room. */
typedef struct fwi_place {
    fwi_room *room; /* NULL: none */
    uint32_t pos;
    /* In the room: of its batch, see fanout.h. While it waits for loop 0: which join. */
    uint32_t heard;
    uint64_t ref; /* of the join, for its RESULT; 0: nobody asked */
} fwi_place;

/* A join. */
typedef struct fwi_join {
    uint64_t ref;     /* for its RESULT; 0: nobody asked */
    unsigned brought; /* interests that loop 0 has counted for it already */
    /* Of a room with history, the session is to have what came behind this. Epoch 0: the
     * newest `offset` messages, and so {0, 0} nothing. */
    fwi_position since;
    /* since is what loop 0 knew when it passed the join on, and nobody's wish: what came
     * since then it is to have, and isn't told of. */
    bool quiet;
    fw_message
        *gift; /* borrowed: what it gets with the room, see gift.h; NULL: nothing */
    /* What its client says with it, for who decides; NULL: nothing. */
    const void *data;
    size_t len;
} fwi_join;

/* A join is complete, in a room with history. */
typedef struct fwi_admission {
    fwi_position at;                 /* what comes behind this it hears as a member */
    bool recovered;                  /* it got everything that it asked for */
    const fwi_history_slice *missed; /* NULL: nothing */
} fwi_admission;

static inline bool fwi_place_is_in(const fwi_place *p)
{
    return p->pos < p->room->n_in;
}

fwi_room *fwi_room_find(struct fwi_shard *shard, const char *channel);

/* Puts s into the room; place is its. It hears at once if the channel is heard, and in a
 * room with history where loop 0 says; else fwi_session_joined tells when. FW_OK,
 * FW_ERR_MEMORY. */
int fwi_room_enter(struct fwi_shard *shard, struct fwi_session *s, const char *channel,
                   fwi_place *place, const fwi_join *join);

/* Takes s out; place->room is NULL afterwards. */
void fwi_room_exit(struct fwi_shard *shard, struct fwi_session *s, fwi_place *place);

/* Loop 0 says that the channel is heard. */
void fwi_room_subscribed(struct fwi_shard *shard, const char *channel);

/* Loop 0 had no memory to have it heard: who waits for it is turned away. */
void fwi_room_unheard(struct fwi_shard *shard, const char *channel);

/* The same of one that asked with this ticket, and of what is said there. */
void fwi_room_turn_away(struct fwi_shard *shard, fw_session_id id, const char *channel,
                        uint32_t ticket);

/* Loop 0 says where who waits for it is let in. A session that has left meanwhile, or
 * joins again, isn't meant. */
void fwi_room_admit(struct fwi_shard *shard, fw_session_id id, const char *channel,
                    uint32_t ticket, const fwi_admission *a);

/* The room's history goes on behind `at`: members are told, or ended where they can't be.
 */
void fwi_room_reset(struct fwi_shard *shard, const char *channel, fwi_position at);

/* Each member gets m at the end of the turn. */
void fwi_room_deliver(struct fwi_shard *shard, const char *channel, fw_message *m);

/* How many members each channel has that is heard here. */
void fwi_room_count_all(struct fwi_shard *shard,
                        void (*each)(void *user, const char *channel, uint32_t members),
                        void *user);

/* Takes each member's session out of that room. */
void fwi_room_leave_all(struct fwi_shard *shard, const char *channel, const char *room);

/* Each member's session enters that room, too. */
void fwi_room_join_all(struct fwi_shard *shard, const char *channel, const char *room,
                       const fwi_join *join);

/* Each member's session has this info from now on, or ends at that time. */
void fwi_room_set_info_all(struct fwi_shard *shard, const char *channel,
                           const fw_message *info);
void fwi_room_refresh_all(struct fwi_shard *shard, const char *channel,
                          int64_t expires_s);

/* Closes each member's session but this one, which may be nobody's. */
void fwi_room_close_but(struct fwi_shard *shard, const char *channel, unsigned code,
                        const char *reason, fw_session_id except);

/* Members have missed something that the room has said: ends them as too slow. */
void fwi_room_behind(struct fwi_shard *shard, const char *channel);

/* `fn` for each member that is in and speaks this protocol. It may take that member out
 * of the room, and handlers may take out more; the room is not freed meanwhile. */
void fwi_room_each(struct fwi_shard *shard, fwi_room *room, fwi_protocol_id protocol,
                   void (*fn)(struct fwi_session *s, const fwi_room *room, void *arg),
                   void *arg);

#endif
