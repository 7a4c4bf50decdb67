/*
 * What sessions speak: the wall between what happens to a session (session.c, room.c,
 * fanout.c) and the bytes by which its client is told. A protocol is a row of functions;
 * raw_rooms.c and centrifuge.c have those on WebSocket, sse.c and
 * centrifuge_uni.c their sisters that only listen (streams of events), and
 * centrifuge_streams.c those of clients that have no WebSocket. A session has one from
 * its handshake to its end. @thread loop
 */
#ifndef FWI_CORE_PROTOCOL_H
#define FWI_CORE_PROTOCOL_H

#include "core/frame.h"
#include "core/room.h"
#include "core/session.h"
#include "wire/token.h"

/* Why a session is ended by the node itself. */
typedef enum {
    FWI_END_AWAY,   /* the node stops or drains */
    FWI_END_SLOW,   /* its outbox was full */
    FWI_END_SILENT, /* it didn't answer a ping */
    FWI_END_FLOOD,  /* over limit.message_rate */
    FWI_ENDS
} fwi_end;

/* An error for a client has a number above 0, and this bit if it may try again. */
enum { FWI_MAY_TRY_AGAIN = 1 << 16 };

/* How long somebody may stay. */
typedef struct fwi_stay {
    bool known;              /* false: the application couldn't say: ask again later */
    int64_t expires_s;       /* 0: it is over */
    const fwi_claims *given; /* NULL: nothing */
} fwi_stay;

typedef struct fwi_farewell {
    uint16_t code; /* of the Close frame */
    const char *reason;
} fwi_farewell;

/* The last words of a stream: {"code":CODE,"reason":REASON}, and what stands around. */
typedef struct fwi_goodbye {
    bool says_when; /* its client is told first when to come again */
    const char *before, *after;
} fwi_goodbye;

typedef struct fwi_protocol {
    /* Its clients say nothing: that they take what is written is all their life, and
     * on_message is NULL. */
    bool only_listens;

    /* Its clients hear by a stream, and what they say comes by requests of their own, so
     * it can't be stopped by not reading: emulation.h. */
    bool emulated;

    /* Its handshake is in order: ask the application, let it in, or refuse it. */
    void (*ask)(fwi_session *s);

    /* The verdict on CONNECT: text is the user ("": nobody), or code (an HTTP status, or
     * an error of the client's) and text say why not. given: what else it is let in with;
     * taken; NULL: nothing. */
    void (*verdict)(fwi_session *s, bool accept, int code, const char *text,
                    fwi_claims *given);

    /* It is let into the room that it has asked for, with this; not if it has been put
     * there. NULL: it makes nothing of that. */
    void (*granted)(fwi_session *s, const char *room, const fwi_claims *given);

    /* It is about to be put into a room with this gift (gift.h), which is kept until it
     * is there, or join_failed says that it won't be. false: it isn't kept. NULL: nothing
     * ever is. */
    bool (*given)(fwi_session *s, const fw_message *gift);

    /* The connection has been let in: what is said before all else. NULL: nothing. */
    void (*greeted)(fwi_session *s);

    /* The answer to an RPC of the client, by the number it gave: m, or NULL, and code (an
     * FW_ERR_, or the application's) and text say why not. NULL: it has no calls. */
    void (*replied)(fwi_session *s, uint64_t number, fw_message *m, int code,
                    const char *text);

    /* The verdict on a publish of its: m is to be said in the room; NULL: code and text
     * say why not, as above. */
    void (*published)(fwi_session *s, const char *room, uint64_t number, fw_message *m,
                      int code, const char *text);

    /* The verdict on its staying, or ("" is none) on its staying in a room. NULL: it
     * never ends by itself. */
    void (*stays)(fwi_session *s, const char *room, const fwi_stay *stay);

    /* It is being freed, and what the protocol keeps of it. NULL: nothing. */
    void (*freed)(fwi_session *s);

    /* What it says counts for limit.message_rate as the protocol sees fit:
     * fwi_session_may_say_more. */
    void (*on_message)(fwi_session *s, bool text, const void *data, size_t len);

    /* The application takes messages again. NULL: its socket is read again, and that is
     * all. */
    void (*resumed)(fwi_session *s);

    /* Its timer, before it was opened. NULL: it isn't used then. */
    void (*late)(fwi_session *s);

    /* What it is pinged with; the caller's reference. */
    fwi_frame *(*ping)(const fwi_session *s);

    /* m as members of the channel get it ("u:ann", NULL: as one session or everybody
     * does); the caller's reference. NULL: they get nothing, or there is no memory. */
    fwi_frame *(*frame)(fwi_shard *shard, const char *channel, fw_message *m);

    /* f, of the room of `place`, as s gets it that is at `at` there with it: for clients
     * who are told with each message where they are in all their rooms. The caller's
     * reference, to f itself where that says it; NULL: out of memory. NULL: f is for all,
     * always. */
    fwi_frame *(*personal)(const fwi_session *s, fwi_frame *f, const fwi_place *place,
                           fwi_position at);

    /* Is it told who comes to a room and goes? NULL: yes, always. */
    bool (*wants_news)(const fwi_session *s, const fwi_room *room);

    /* What a join that says nothing of that is to recover; {0, 0}: nothing. NULL: never
     * anything. */
    fwi_position (*since)(fwi_session *s, const char *room);

    /* What its client says of itself in this room, as JSON of FWI_INFO_MAX bytes at most;
     * NULL: nothing. NULL itself: never anything. */
    const char *(*room_info)(const fwi_session *s, const char *room);

    /* A join is complete; a->missed is to be said before what the room says next. Or it
     * has failed (err). Then the application is told, if it has asked. */
    void (*joined)(fwi_session *s, fwi_place *place, const fwi_admission *a);
    void (*join_failed)(fwi_session *s, const char *room, int err, const char *reason);

    /* It isn't in the room any more, by somebody's order. NULL: it needn't know. */
    void (*left)(fwi_session *s, const char *room);

    /* The history of a room goes on behind `at`: its members that speak this are told, or
     * ended. */
    void (*reset)(fwi_shard *shard, fwi_room *room, fwi_position at);

    /* It is to end at that time (seconds since 1970; 0: never) unless its client brings a
     * new token. NULL: its tokens are looked at once. */
    void (*refreshed)(fwi_session *s, int64_t expires_s);

    const fwi_goodbye *goodbye;   /* what it ends with; NULL: a Close frame */
    const fwi_farewell *farewell; /* by fwi_end */
} fwi_protocol;

extern const fwi_protocol fwi_raw_protocol, fwi_centrifuge_protocol, fwi_sse_protocol,
    fwi_uni_sse_protocol, fwi_centrifuge_events_protocol, fwi_centrifuge_lines_protocol;

/* By fwi_protocol_id. */
extern const fwi_protocol *const fwi_protocols[FWI_PROTOCOLS];

/* A message as each protocol tells it: made once, when the first member wants it. */
typedef struct fwi_telling {
    fwi_shard *shard;
    const char *channel; /* as for `frame` */
    fw_message *m;
    fwi_position at; /* where the room stands with it, if there is no m */
    fwi_frame *frame[FWI_PROTOCOLS];
    bool made[FWI_PROTOCOLS];
} fwi_telling;

/* The telling's; NULL: nothing is told. */
fwi_frame *fwi_telling_as(fwi_telling *t, unsigned protocol);
void fwi_telling_fini(fwi_telling *t);

#endif
