/*
 * The insides of a session, for core's own files. Everybody else has core/session.h.
 *
 *   asking -> open -> closing -> closed
 *      \________\________________^
 *
 * asking: the handshake is in order, the application hasn't decided. open: it has said
 * yes. closing: a Close frame is on its way out; for the application it has ended.
 * closed: no connection any more; freed at the end of the turn.
 */
#ifndef FWI_CORE_SESSION_INSIDE_H
#define FWI_CORE_SESSION_INSIDE_H

#include "core/shard.h"

typedef enum {
    FWI_SESSION_ASKING,
    FWI_SESSION_OPEN,
    FWI_SESSION_CLOSING,
    FWI_SESSION_CLOSED
} fwi_session_state;

struct fwi_session {
    fwi_shard *shard;
    const fwi_transport_ops *tp;
    fwi_conn *conn;     /* NULL: the tie is cut */
    uint8_t state;      /* fwi_session_set_state is the only writer */
    uint8_t several;    /* fan-out: how many of its rooms speak; 2: or more */
    bool ahead;         /* fan-out: it has heard a part of what its rooms say */
    bool awaiting_pong; /* nothing has come since a ping */
    bool overflowed;    /* policy close: to be closed at the end of the turn */
    bool paused;
    bool has_address;     /* counted in limits */
    uint8_t deflates;     /* its window's bits if it gets messages compressed, else 0 */
    uint32_t heard_round; /* fan-out: it has heard all of this round */
    uint32_t index, generation;
    fwi_list all;        /* shard's open or closing */
    fwi_list dirty;      /* shard's dirty or dead */
    fwi_list pause_link; /* shard's paused */
    fwi_list decisions;
    fwi_timer timer;        /* heartbeat; in closing: the deadline */
    uint32_t beat_ms;       /* how long the timer was set for */
    uint32_t since_ping_ms; /* when it was set, since the last ping */
    uint32_t unanswered_ms; /* likewise since the first without answer */
    uint32_t taken;         /* what the port said last time */
    uint64_t rate_tat;
    fwi_facts *facts;
    char *user;         /* NULL: nobody's */
    fwi_credit *credit; /* NULL until the first queued event */
    fwi_place user_place;
    fwi_place *places; /* rooms */
    uint16_t n_places;
    uint16_t n_asking;   /* joins that wait for a verdict */
    uint32_t cap_places; /* a power of two: 65536 is one */
    fw_message *member;  /* who it is: origin, info; see presence.h. NULL: nobody asked */
    fwi_outbox ob;
};

void fwi_session_set_state(fwi_session *s, fwi_session_state to);
bool fwi_session_state_allows(fwi_session_state from, fwi_session_state to);

/* What is in an id's local part: see fwi_session_identity. */
static inline unsigned fwi_id_loop(fw_session_id id)
{
    return (unsigned)(id.local >> 56);
}

static inline uint32_t fwi_id_index(fw_session_id id)
{
    return (uint32_t)(id.local >> 32) & 0xffffff;
}

static inline uint32_t fwi_id_generation(fw_session_id id)
{
    return (uint32_t)id.local;
}

/* The shard whose open or asking session this is; NULL: gone, or another node's.
 * @thread any */
fwi_shard *fwi_hub_shard_of(const fwi_hub *hub, fw_session_id id);

/* NULL: not one of this shard's, or gone. */
fwi_session *fwi_session_find(fwi_shard *shard, fw_session_id id);

/* The verdict of CONNECT. */
void fwi_session_open(fwi_session *s, const char *user);
void fwi_session_refuse(fwi_session *s, int status, const char *reason);

/* A frame for it, behind what its rooms have said; tag names the room for `latest`. */
void fwi_session_push(fwi_session *s, fwi_frame *f, uint64_t tag);

/* For the fan-out: into the outbox, and nothing else. */
void fwi_session_put(fwi_session *s, fwi_frame *f, uint64_t tag);

/* Is there nothing in front of what would be written now? */
static inline bool fwi_session_can_write_now(const fwi_session *s)
{
    return s->state == FWI_SESSION_OPEN && !s->overflowed &&
           fwi_outbox_is_empty(&s->ob) && s->tp->can_write(s->conn);
}

/* Close frame behind what waits; it has ended for the application. */
void fwi_session_close(fwi_session *s, unsigned code, const char *reason);

/* Reset, in state closing. */
void fwi_session_abort(fwi_session *s);

/* FW_OK, FW_ERR_LIMIT, FW_ERR_GONE, FW_ERR_MEMORY. */
int fwi_session_join(fwi_session *s, const char *room, const fwi_join *join);
int fwi_session_leave(fwi_session *s, const char *room);
int fwi_session_set_user(fwi_session *s, const char *user, unsigned brought);

/* A question about it that needs no answer any more. */
struct fwi_decision;
void fwi_session_cancel_decision(fwi_session *s, struct fwi_decision *d);

/* code: 0 left, 1 closed. */
void fwi_session_leave_place(fwi_session *s, fwi_place *place, int code);

/* The verdict of JOIN. */
int fwi_session_enter(fwi_session *s, const char *room, const fwi_join *join);

/* A join is complete, or has failed (err). */
void fwi_session_joined(fwi_session *s, fwi_place *place, const fwi_admission *a);
void fwi_session_join_failed(fwi_session *s, const char *room, uint64_t ref, int err,
                             const char *reason);

/* The place whose room this is; NULL: it isn't there. */
fwi_place *fwi_session_place(fwi_session *s, const fwi_room *room);

/* What waits goes out; called at the end of a turn and when the socket is free again. */
void fwi_session_flush(fwi_session *s);
void fwi_session_mark_dirty(fwi_session *s);
void fwi_session_free(fwi_session *s);

/* The session is open: begin to ping it. Its timer says: see to it. */
void fwi_heartbeat_start(fwi_session *s);
void fwi_heartbeat_beat(fwi_session *s);
/* Interval or time-out have changed: begin anew. */
void fwi_heartbeat_restart(fwi_session *s);

/* Reading goes on if there is credit. */
void fwi_session_check_credit(fwi_session *s);

#endif
