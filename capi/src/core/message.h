/*
 * A message inside the hub: what fw_message is, and what travels over the backplane.
 * Immutable once it has been sent; counted; shared by all threads.
 *
 * Its payload lies inside its plain WebSocket frame, so sending to members copies
 * nothing.
 */
#ifndef FWI_CORE_MESSAGE_H
#define FWI_CORE_MESSAGE_H

#include <fanwire/message.h>
#include <fanwire/position.h>

#include "base/buf.h"
#include "core/frame.h"
#include "wire/envelope.h"

/* What is to be done where the message arrives. The numbers travel in envelopes. */
typedef enum {
    FWI_MSG_DATA = 1,    /* to the members of the channel */
    FWI_MSG_SESSION = 2, /* to one session (target), over its node's channel */
    FWI_MSG_CLOSE = 3, /* close target, or all of a user's sessions: code, data=reason */
    FWI_MSG_JOIN = 4,  /* target, or all of a user's, enters the room named by data */
    FWI_MSG_LEAVE = 5, /* target, or all of a user's, leaves the room named by data */
    FWI_MSG_SET_USER = 6,  /* target becomes the session of the user named by data */
    FWI_MSG_PROBE = 7,     /* the backplane's own; never reaches the hub */
    FWI_MSG_ENTERED = 8,   /* origin has come into the channel; data=its info */
    FWI_MSG_LEFT = 9,      /* origin isn't there any more */
    FWI_MSG_SET_INFO = 10, /* target's info, or all of a user's, becomes data */
    FWI_MSG_EMULATED = 11, /* what a client of the target's node has said: emulation.h */
    FWI_MSG_REFRESH = 12,  /* target, or all of a user's, ends at another time */
    FWI_MSG_TRACE = 16,    /* target asks about the room named by data: trace.h */
    FWI_MSG_TRACED = 17,   /* and is told */
    FWI_MSG_GIVE = 18      /* as JOIN; data says what is given with the room: gift.h */
} fwi_msg_kind;

/* Who said it, where that is to be told on (raw.format=json, the Centrifuge protocol). */
typedef struct fwi_origin {
    atomic_uint refs;
    fw_session_id session;
    const char *user; /* "" if none; all of them lie behind the struct */
    const char *node_name;
    const void *info; /* what it says of itself */
    size_t info_len;
    const void *room_info; /* and in this room */
    size_t room_info_len;
} fwi_origin;

/* Where a room with history stands: behind the offset'th message of that epoch. */
typedef fw_position fwi_position;

struct fw_message {
    atomic_uint refs;
    atomic_bool sent; /* nothing may be set any more */
    uint8_t kind;     /* fwi_msg_kind */
    uint8_t flags;    /* FW_BINARY */
    bool passing;     /* not for its room's history */
    uint16_t code;    /* CLOSE */
    atomic_uchar
        shape; /* 0: nobody has looked; else 1 and the fwi_cf_kind of its bytes */
    fw_session_id except, target;
    fwi_envelope_id id; /* of the envelope that it came in; zero: it came in none */
    fwi_origin *origin; /* NULL: nobody's */
    fwi_position at;  /* epoch 0: of no history. Set by the backplane on what it brings */
    char *key;        /* idempotency, of a publish to a room with history; NULL: none */
    fwi_frame *frame; /* plain: header and payload */
};

/* Copies data. Checks nothing; text must be known to be UTF-8. NULL: out of memory. */
fw_message *fwi_message_new(fwi_msg_kind kind, const void *data, size_t len,
                            unsigned flags);

static inline const uint8_t *fwi_message_bytes(const fw_message *m)
{
    return m->frame->bytes + m->frame->header;
}

static inline size_t fwi_message_len(const fw_message *m)
{
    return m->frame->len - m->frame->header;
}

/* What it costs in a queue: what its client says of itself may be a hundred times what it
 * says, and comes with each message from another node. */
static inline size_t fwi_message_cost(const fw_message *m)
{
    const fwi_origin *o = m->origin;
    size_t who = o != NULL ? sizeof *o + o->info_len + o->room_info_len : 0;
    return m->frame->len + 128 + who;
}

/* Appends the envelope (wire/envelope.h) of this message as the serial'th of `node`.
 * false: out of memory. */
bool fwi_message_encode(const fw_message *m, uint64_t node, uint64_t serial,
                        fwi_buf *out);
/* ... at another position than its own. */
bool fwi_message_encode_at(const fw_message *m, uint64_t node, uint64_t serial,
                           fwi_position at, fwi_buf *out);

/* An order to enter a room. What has been heard of it travels where others have whom to
 * leave out: nodes that know nothing of histories look there for messages only. NULL: out
 * of memory. */
fw_message *fwi_message_join(const char *room, fwi_position since);

/* Of a GIVE, too. */
static inline fwi_position fwi_message_join_since(const fw_message *m)
{
    return (fwi_position){m->except.node, m->except.local};
}

/* An order to end at that time, in seconds since 1970, or never (0), unless the client
 * refreshes it. It travels where a join has its position. NULL: out of memory. */
fw_message *fwi_message_refresh(int64_t expires_s);

/* Negative: it was no such order. */
static inline int64_t fwi_message_refresh_time(const fw_message *m)
{
    return (int64_t)m->except.local;
}

/* What came over the backplane: from an envelope that was decoded, or from bytes without
 * one, which are a DATA message, text if they are UTF-8. NULL: out of memory, or what the
 * envelope says is text isn't. */
fw_message *fwi_message_from_envelope(const fwi_envelope *e);
fw_message *fwi_message_from_bytes(const void *data, size_t len);

/* The same message at its place in a room's history. m may be on its way to other rooms
 * and can't be changed: this is one of its own, without m's key, that shares frame and
 * origin. NULL: out of memory. */
fw_message *fwi_message_at(fw_message *m, fwi_position at);

fwi_origin *fwi_origin_new(fw_session_id session, const char *user,
                           const char *node_name);
/* One of its own that says the same; of `like` refs needn't be set. */
fwi_origin *fwi_origin_copy(const fwi_origin *like);
void fwi_origin_unref(fwi_origin *o);

static inline fwi_origin *fwi_origin_ref(fwi_origin *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

#endif
