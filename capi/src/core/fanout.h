/*
 * Fan-out: what rooms say in a turn is gathered a room and goes to each member once, at
 * the end of the turn. A member that hears one room only, and whose socket is free, gets
 * the room's bytes as they were put together for all; whoever needs more care (several
 * rooms, a full socket, a message that isn't for him) gets references in his outbox.
 *
 * What one session hears keeps its order: before anything else is put into its outbox,
 * and before it leaves a room, it catches up with what its rooms have said.
 *
 * It knows rooms, sessions and their outboxes; nothing of channels' coming and going.
 * @thread loop
 */
#ifndef FWI_CORE_FANOUT_H
#define FWI_CORE_FANOUT_H

#include "base/list.h"
#include "core/frame.h"
#include "core/protocol.h"
#include "core/room.h"

typedef struct fwi_said {
    fwi_frame *frame[FWI_PROTOCOLS]; /* NULL: who speaks that gets nothing of it */
    uint64_t serial; /* orders what different rooms of the loop have said */
    fwi_position at; /* where the room stands with it; epoch 0: it has no history */
    bool news;       /* of who comes and goes: not every member may want it */
} fwi_said;

/* What a room has said in this turn. */
typedef struct fwi_batch {
    fwi_list link; /* the fan-out's `speaking`, or its free ones */
    fwi_room *room;
    uint32_t n, cap;
    size_t bytes[FWI_PROTOCOLS];
    bool news; /* there is some in it */
    fwi_said *said;
} fwi_batch;

/* Of a loop. */
typedef struct fwi_fanout {
    fwi_list speaking; /* batches of rooms that have said something */
    fwi_list unused;   /* batches kept for the next turn */
    unsigned n_speaking, n_unused;
    uint64_t serial;
    uint32_t round;
    /* A batch as one write: for each protocol FWI_SCRATCH plain, as much compressed. */
    uint8_t *joined;
    fwi_place **merging; /* of the session that catches up */
    size_t merging_cap;
} fwi_fanout;

/* false: out of memory. */
bool fwi_fanout_init(fwi_fanout *fo);
void fwi_fanout_fini(fwi_fanout *fo);

static inline bool fwi_fanout_is_quiet(const fwi_fanout *fo)
{
    return fo->n_speaking == 0;
}

/* Names the room in outboxes (outbox.h). A user's channel has no name there: what is said
 * to one person isn't replaced by what is said next. */
uint64_t fwi_fanout_tag(const fwi_room *room);

/* All members are to get the frames of this telling, each its protocol's, but for the
 * session that the message leaves out. */
void fwi_fanout_say(struct fwi_shard *shard, fwi_room *room, const fwi_telling *told);

/* The room stands there: what it has said until now is behind its members, or goes on
 * from elsewhere. */
void fwi_fanout_stand(fwi_room *room, fwi_position at);

/* Up to where the place's session has been given what its room has said; epoch 0: there
 * is no history. */
fwi_position fwi_fanout_heard(const fwi_place *place);

/* s is in that place and has missed these: it gets them first. NULL: nothing. */
void fwi_fanout_missed(struct fwi_session *s, const fwi_place *place,
                       const fwi_history_slice *missed);

/* s hears the room from now on. */
void fwi_fanout_entered(struct fwi_session *s, fwi_place *place);

/* What the rooms of s have said so far is in its outbox afterwards. */
void fwi_fanout_catch_up(struct fwi_session *s);

/* Everything that was said goes out, or into the outboxes of those who can't take it. */
void fwi_fanout_all(struct fwi_shard *shard);

/* Nobody is there any more to hear it. */
void fwi_fanout_forget(struct fwi_shard *shard, fwi_room *room);

#endif
