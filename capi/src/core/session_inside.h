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

#include "core/protocol.h"
#include "core/shard.h"

typedef enum {
    FWI_SESSION_ASKING,
    FWI_SESSION_OPEN,
    FWI_SESSION_CLOSING,
    FWI_SESSION_CLOSED
} fwi_session_state;

/* Why nothing of a session may be written now: bits of `mute`. */
enum {
    FWI_MUTE_OVERFLOWED = 1, /* policy close: to be closed at the end of the turn */
    FWI_MUTE_UNGREETED = 2   /* its protocol has something to say first */
};

/* So much of what a client has said may be under way: commands without a reply, messages
 * without a verdict. Then it isn't read until some are done. */
enum { FWI_UNDER_WAY_MAX = 128 };

struct fwi_session {
    fwi_shard *shard;
    const fwi_transport_ops *tp;
    fwi_conn *conn;   /* NULL: the tie is cut */
    uint8_t state;    /* fwi_session_set_state is the only writer */
    uint8_t protocol; /* fwi_protocol_id */
    uint8_t several;  /* fan-out: how many of its rooms speak; 2: or more */
    uint8_t mute;
    bool ahead;             /* fan-out: it has heard a part of what its rooms say */
    uint8_t deflates;       /* its window's bits if it gets messages compressed, else 0 */
    uint8_t cap_places;     /* places: 1 << (cap_places - 1); 0: none */
    bool announced : 1;     /* the application knows of it */
    bool awaiting_pong : 1; /* nothing has come since a ping */
    bool paused : 1;        /* not read for want of the application's credit */
    bool held : 1;          /* not read: what it has said must be done first */
    bool has_address : 1;   /* counted in limits */
    bool counts_user : 1;   /* likewise */
    bool names_rooms : 1;   /* it has named rooms that it isn't in yet: sse_id.h */
    uint32_t heard_round;   /* fan-out: it has heard all of this round */
    uint32_t index, generation;
    uint32_t taken;      /* what the port said last time */
    fwi_list all;        /* shard's open or closing */
    fwi_list dirty;      /* shard's dirty or dead */
    fwi_list pause_link; /* shard's paused */
    fwi_list decisions;
    fwi_timer timer;        /* heartbeat; in closing: the deadline */
    uint32_t beat_ms;       /* how long the timer was set for */
    uint32_t since_ping_ms; /* when it was set, since the last ping */
    uint32_t unanswered_ms; /* likewise since the first without answer */
    uint16_t n_places;
    uint16_t n_asking; /* joins that wait for a verdict */
    uint64_t rate_tat;
    fwi_facts *facts;
    char *user;         /* NULL: nobody's */
    fwi_credit *credit; /* NULL until the first queued event */
    fwi_place user_place;
    fwi_place *places; /* rooms */
    union {            /* its protocol's */
        struct fwi_centrifuge *centrifuge;
        struct fwi_heard *heard; /* sse_id.h */
        uint32_t undecided; /* raw_rooms.c: what it says and the application weighs */
    };
    fw_message *member; /* who it is: origin, info; see presence.h. NULL: nobody asked */
    fwi_outbox ob;
};

static inline const fwi_protocol *fwi_session_protocol(const fwi_session *s)
{
    return fwi_protocols[s->protocol];
}

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

/* Asks the application by CONNECT. user: whom its token names, "" if there is none: the
 * application sees it, and it stays unless the answer names another. data: what the
 * client has said, or NULL. The answer comes by the protocol's `verdict`, perhaps from
 * inside. false: it can't be asked, *why is valid for ever. */
bool fwi_session_ask_application(fwi_session *s, const char *user, const void *data,
                                 size_t len, const char **why);

/* Instead of the 101: an HTTP answer. In state asking. */
void fwi_session_refuse(fwi_session *s, int status, const char *reason);

/* The halves of opening: the connection is let in; the application is told. Each false if
 * the session has ended of it. */
bool fwi_session_greet(fwi_session *s);
bool fwi_session_announce(fwi_session *s);

/* A frame for it, behind what its rooms have said; tag names the room for `latest`. */
void fwi_session_push(fwi_session *s, fwi_frame *f, uint64_t tag);

/* For the fan-out: into the outbox, and nothing else. */
void fwi_session_put(fwi_session *s, fwi_frame *f, uint64_t tag);

/* Is there nothing in front of what would be written now? */
static inline bool fwi_session_can_write_now(const fwi_session *s)
{
    return s->state == FWI_SESSION_OPEN && s->mute == 0 && fwi_outbox_is_empty(&s->ob) &&
           s->tp->can_write(s->conn);
}

/* Close frame behind what waits; it has ended for the application. */
void fwi_session_close(fwi_session *s, unsigned code, const char *reason);

/* The same, with what its protocol says of it. */
void fwi_session_end(fwi_session *s, fwi_end why);

/* It ends at that time: see fwi_protocol.refreshed. */
void fwi_session_refresh(fwi_session *s, int64_t expires_s);

/* It says something: a message, or a command where a message is several. false: it says
 * more than limit.message_rate allows, and has been ended. */
bool fwi_session_may_say_more(fwi_session *s);

/* m to this session alone. */
void fwi_session_send(fwi_session *s, fw_message *m);

/* Read no more, or go on: what has been said must be done first. */
void fwi_session_hold(fwi_session *s, bool held);

/* Reset, in state closing. */
void fwi_session_abort(fwi_session *s);

/* Does the application decide who comes into this room? */
bool fwi_session_asks_join(const fwi_session *s, const char *room);

/* FW_OK, FW_ERR_LIMIT, FW_ERR_GONE, FW_ERR_MEMORY. */
int fwi_session_join(fwi_session *s, const char *room, const fwi_join *join);
int fwi_session_leave(fwi_session *s, const char *room);
int fwi_session_set_user(fwi_session *s, const char *user, unsigned brought);

/* A newcomer's user. FW_OK, FW_ERR_LIMIT: limit.sessions_per_user; FW_ERR_MEMORY. */
int fwi_session_become(fwi_session *s, const char *user);
/* It isn't that user's any more. */
void fwi_session_uncount_user(fwi_session *s);

/* A question about it that needs no answer any more. */
struct fwi_decision;
void fwi_session_cancel_decision(fwi_session *s, struct fwi_decision *d);

/* The room that it waits for can't be heard, for want of memory. */
void fwi_session_turn_away(fwi_session *s, fwi_place *place);

/* code: 0 left, 1 closed. */
void fwi_session_leave_place(fwi_session *s, fwi_place *place, int code);

/* The verdict of JOIN. */
int fwi_session_enter(fwi_session *s, const char *room, const fwi_join *join);

/* A join is complete, or has failed (err; above 0 it is an error for the client). */
void fwi_session_joined(fwi_session *s, fwi_place *place, const fwi_admission *a);
void fwi_session_join_failed(fwi_session *s, const char *room, uint64_t ref, int err,
                             const char *reason);

/* The place in this room of a session that is in it, or on its way; NULL: it isn't. */
fwi_place *fwi_session_place_in(fwi_session *s, const char *channel);

/* The place whose room this is; NULL: it isn't there. */
fwi_place *fwi_session_place(fwi_session *s, const fwi_room *room);

/* What waits goes out; called at the end of a turn and when the socket is free again. */
void fwi_session_flush(fwi_session *s);
void fwi_session_mark_dirty(fwi_session *s);
void fwi_session_free(fwi_session *s);

/* Between session.c and session_out.c: what waits is thrown away; what a session ends
 * with (the caller's reference; NULL: out of memory); the Close frame is written, and the
 * connection is the transport's alone. */
void fwi_session_forget_output(fwi_session *s);
fwi_frame *fwi_session_last_words(fwi_session *s, unsigned code, const char *reason);
void fwi_session_finish(fwi_session *s);

/* The session is open: begin to ping it. Its timer says: see to it. */
void fwi_heartbeat_start(fwi_session *s);
void fwi_heartbeat_beat(fwi_session *s);
/* Interval or time-out have changed: begin anew. */
void fwi_heartbeat_restart(fwi_session *s);

/* Not read any more for want of credit. Reading goes on if there is some. */
void fwi_session_pause(fwi_session *s);
void fwi_session_check_credit(fwi_session *s);

#endif
