/*
 * Sessions that speak the Centrifuge protocol: what is kept of each beside fwi_session,
 * and what the files of this name want of each other. centrifuge.c has the row of
 * fwi_protocol and the commands' order; _connect, _subscribe, _token, _publish and _read
 * have what they do; _push what is told without having been asked for; _uni has the row
 * of clients that only listen, _streams those of who hears by a stream and speaks
 * otherwise.
 *
 *   new ---> asking ---> joining ---> connected
 *      \________\___________\____________\______> deaf
 *
 * new: nothing but `connect` may come. asking: the application decides. joining: it is
 * in, and waits for the channels that it gets with its connection, for decision.timeout
 * at most. deaf: it was refused, and what it still says isn't read. In asking and joining
 * the session isn't read.
 *
 * @thread loop, all of it
 */
#ifndef FWI_CORE_CENTRIFUGE_H
#define FWI_CORE_CENTRIFUGE_H

#include <fanwire/version.h>

#include "core/asked.h"
#include "core/session_inside.h"
#include "core/tokens.h"
#include "wire/name.h"
#include "wire/protocol_centrifuge.h"

/* Who has connected and says nothing, or was refused and stays, is closed then. */
enum { FWI_CF_STALE_MS = 15000 };

typedef enum {
    FWI_CF_NEW,
    FWI_CF_ASKING,
    FWI_CF_JOINING,
    FWI_CF_CONNECTED,
    FWI_CF_DEAF
} fwi_cf_state;

/* A channel that the client has asked for, or was given. */
typedef struct fwi_cf_sub {
    struct fwi_cf_sub *next;
    uint32_t id;   /* of the command that waits for its reply; 0: none */
    bool given;    /* by the server, not asked for */
    bool required; /* without it the client isn't let in */
    bool pending;  /* not in the room yet */
    bool quiet;    /* it leaves, and is told of it otherwise */
    bool news;     /* it is told who comes and goes */
    bool positioned, recoverable, recovering;
    struct fwi_cf_loss *loss; /* it isn't in the room any more, and is to be told so */
    bool asking;              /* the application decides whether it may stay */
    int64_t expires_s;        /* by its token or the application, since 1970; 0: never */
    char *data;               /* what they give the client with it, JSON; NULL: nothing */
    char *info;               /* what others see of it there, likewise */
    bool or_error;            /* rather an error than not recovered */
    bool newest;              /* room.recovery_mode is cache */
    uint64_t epoch;           /* what it has seen, if recovering; 0: of any epoch */
    uint64_t offset;          /* ... and once given: where it came in */
    char channel[];
} fwi_cf_sub;

/* What a client says at connect that it has seen of a channel it may be given again. */
typedef struct fwi_cf_seen {
    struct fwi_cf_seen *next;
    fwi_position at;
    char channel[];
} fwi_cf_seen;

typedef struct fwi_centrifuge {
    fwi_session *s;
    uint8_t state;
    bool frames;  /* pings are WebSocket's own */
    bool running; /* commands are being done: who gets on with them returns here */
    bool blocked; /* the next command waits for a subscribe before it */
    bool counted; /* ... and is in limit.message_rate already */
    uint32_t connect_id;
    uint32_t under_way; /* commands without a reply yet */
    fwi_cf_sub *subs;
    fwi_cf_seen *seen;
    bool staying;       /* the application decides whether it may stay */
    fwi_claims *claims; /* of its token, until it is in; NULL: it has none */
    fwi_claims *given;  /* of the application's answer, likewise */
    bool giving;        /* not all channels of these have been asked for */
    char *holder;       /* whom its token names; NULL: it had none */
    int64_t expires_s;  /* by its token or the application, since 1970; 0: never */
    fwi_timer expiry;   /* of joining; then the first end of it or of a subscription */
    fwi_list asked;
    fwi_buf given_subs;      /* the channels it gets with its connection, for the reply */
    fwi_buf waiting;         /* commands of a message that was read and not done ... */
    size_t waiting_at;       /* ... from here on */
    struct fwi_heard *heard; /* of who only listens: sse_id.h */
} fwi_centrifuge;

/* The newest message, of whatever epoch: see fwi_join.since. */
#define FWI_CF_NEWEST ((fwi_position){0, 1})

#define FWI_CF_VERSION "fanwire " FW_VERSION_STRING

static inline const fwi_room_options *fwi_cf_options(const fwi_session *s,
                                                     const char *channel)
{
    char name[FWI_CHANNEL_CAP];
    return fwi_room_options_of(s->shard->hub, fwi_channel_name('r', channel, name));
}

/* --- centrifuge.c --- */

extern const fwi_farewell fwi_cf_farewell[FWI_ENDS];

/* What is the same in each fwi_protocol of the Centrifuge family, however its clients
 * hear and speak. */
#define FWI_CF_OPERATIONS                                                                \
    .verdict = fwi_cf_verdict, .granted = fwi_cf_granted, .given = fwi_cf_given,         \
    .stays = fwi_cf_stays, .wants_news = fwi_cf_wants_news, .since = fwi_cf_since,       \
    .room_info = fwi_cf_room_info, .joined = fwi_cf_joined,                              \
    .join_failed = fwi_cf_join_failed, .left = fwi_cf_left,                              \
    .refreshed = fwi_cf_refreshed, .farewell = fwi_cf_farewell

/* What is kept of a session. false: it has been refused. */
bool fwi_cf_begin(fwi_session *s);
/* It is to say `connect` now, or else it is late. */
void fwi_cf_let_in(fwi_session *s);
void fwi_cf_on_message(fwi_session *s, bool text, const void *data, size_t len);
void fwi_cf_late(fwi_session *s);
void fwi_cf_freed(fwi_session *s);

/* Its end, by a code of the protocol: 3501 and so on. */
void fwi_cf_close(fwi_session *s, unsigned code, const char *reason);

/* A reply that was put together in `text` (ok: without running out of memory), which is
 * freed. */
void fwi_cf_say(fwi_session *s, fwi_buf *text, bool ok);
/* The same; who is told positions by ids hears that it is at `at` in that place's room.
 */
void fwi_cf_say_at(fwi_session *s, fwi_buf *text, bool ok, const fwi_place *place,
                   const fwi_position *at);
void fwi_cf_error(fwi_session *s, uint32_t id, unsigned code, const char *message);
/* What an FW_ERR_ means to a client; or the application's number, as it is. */
void fwi_cf_failure(fwi_session *s, uint32_t id, int err, const char *reason);
/* May it do that in the room now? false: it has been told which rate forbids it. */
bool fwi_cf_rate_allows(fwi_session *s, uint32_t id, fwi_rate_kind kind,
                        const char *room);
/* {"id":ID,"METHOD":{}} */
void fwi_cf_done(fwi_session *s, uint32_t id, fwi_cf_method method);

/* A reply was given, or the state has changed: the next commands may be done. */
void fwi_cf_go_on(fwi_session *s);

/* The channel that a command names, into out. false: it has been answered that it is
 * wrong. */
bool fwi_cf_channel(fwi_session *s, const fwi_cf_command *c, char out[FWI_NAME_MAX + 1]);

/* --- centrifuge_connect.c --- */

void fwi_cf_connect(fwi_session *s, const fwi_cf_command *c);
void fwi_cf_verdict(fwi_session *s, bool accept, int code, const char *text,
                    fwi_claims *given);
/* In joining: is that over? */
void fwi_cf_check_joining(fwi_session *s);
/* One of its channels can't be had: it isn't let in. */
void fwi_cf_refuse(fwi_session *s, int err);
/* What it has said that it has seen; NULL: nothing. */
const fwi_cf_seen *fwi_cf_seen_find(fwi_session *s, const char *channel);
void fwi_cf_seen_drop(fwi_session *s, const char *channel);
/* What it is to get with a room that it is given. */
fwi_position fwi_cf_since(fwi_session *s, const char *room);

/* --- centrifuge_subscribe.c --- */

void fwi_cf_subscribe(fwi_session *s, const fwi_cf_command *c);
/* false: it must wait for a subscribe before it. */
bool fwi_cf_unsubscribe(fwi_session *s, const fwi_cf_command *c);
fwi_cf_sub *fwi_cf_sub_find(const fwi_session *s, const char *channel);
/* What the options of a room allow to clients they don't allow to those who may not come
 * in: a private room, or one of other users, is open to who is in it alone. */
bool fwi_cf_may_look_into(const fwi_session *s, const char *channel);
/* NULL: out of memory. */
fwi_cf_sub *fwi_cf_sub_add(fwi_session *s, const char *channel);
void fwi_cf_sub_drop(fwi_session *s, fwi_cf_sub *sub);
void fwi_cf_joined(fwi_session *s, fwi_place *place, const fwi_admission *a);
void fwi_cf_join_failed(fwi_session *s, const char *room, int err, const char *reason);
void fwi_cf_left(fwi_session *s, const char *room);
const char *fwi_cf_room_info(const fwi_session *s, const char *room);
/* Whoever counts on hearing everything is told to come again; it then asks for what it
 * has missed. */
void fwi_cf_lose_in(fwi_session *s, const fwi_room *room, void *arg);
bool fwi_cf_wants_news(const fwi_session *s, const fwi_room *room);

/* Out of the room, with a push that says why; a room that it was given closes it. */
void fwi_cf_sub_lose(fwi_session *s, fwi_cf_sub *sub, unsigned code, const char *reason);

/* --- centrifuge_lost.c --- */

/* Out of the room, whose history it can't go on with. */
void fwi_cf_lose_place(fwi_session *s, fwi_cf_sub *sub);
/* It needn't be told any more; NULL is allowed. */
void fwi_cf_loss_forget(struct fwi_cf_loss *loss);
/* The client has given up a subscription that is lost without its knowing: then it is
 * dropped, and true. */
bool fwi_cf_drop_lost(fwi_session *s, const char *channel);

/* --- centrifuge_token.c --- */

/* Looks at the token of connect, if there is one. false: it has been answered. */
bool fwi_cf_identify(fwi_session *s, const fwi_cf_command *c);
/* It is in: the channels that its token and the application give it. */
void fwi_cf_take_claims(fwi_session *s);
void fwi_cf_refresh(fwi_session *s, const fwi_cf_command *c);
/* The same without a token, by order. */
void fwi_cf_refreshed(fwi_session *s, int64_t expires_s);
void fwi_cf_sub_refresh(fwi_session *s, const fwi_cf_command *c);
/* The token of a subscribe. NULL: it has been answered, or the session closed. */
fwi_claims *fwi_cf_verify_sub(fwi_session *s, const fwi_cf_command *c,
                              const char *channel);
void fwi_cf_sub_take_claims(fwi_session *s, fwi_cf_sub *sub, const fwi_claims *claims);
void fwi_cf_granted(fwi_session *s, const char *room, const fwi_claims *given);
bool fwi_cf_given(fwi_session *s, const fw_message *gift);
void fwi_cf_stays(fwi_session *s, const char *room, const fwi_stay *stay);
/* Seconds until it ends unless the client does something; 0: it needn't. */
uint32_t fwi_cf_ttl(const fwi_session *s);
uint32_t fwi_cf_sub_ttl(const fwi_session *s, const fwi_cf_sub *sub);
/* Once connected, and whenever an end has changed: its timer is set to the first. */
void fwi_cf_watch(fwi_session *s);
void fwi_cf_on_expiry(fwi_timer *t);

/* --- centrifuge_publish.c --- */

void fwi_cf_publish(fwi_session *s, const fwi_cf_command *c);
void fwi_cf_published(fwi_session *s, const char *room, uint64_t number, fw_message *m,
                      int code, const char *text);
void fwi_cf_rpc(fwi_session *s, const fwi_cf_command *c);
void fwi_cf_send(fwi_session *s, const fwi_cf_command *c);
void fwi_cf_replied(fwi_session *s, uint64_t number, fw_message *m, int code,
                    const char *text);

/* --- centrifuge_read.c --- */

void fwi_cf_history(fwi_session *s, const fwi_cf_command *c);
void fwi_cf_presence(fwi_session *s, const fwi_cf_command *c);

/* --- centrifuge_push.c --- */

/* A text frame of what was put together in `text` (ok: without running out of memory),
 * which is freed. NULL: out of memory. */
fwi_frame *fwi_cf_frame_of(fwi_buf *text, bool ok);
/* The same as s is told it: a frame, an event, or a line. at: see fwi_cf_say_at; place
 * NULL: it is where it came into the rooms that it was given. at NULL: the event has no
 * id. */
fwi_frame *fwi_cf_frame_for(const fwi_session *s, fwi_buf *text, bool ok,
                            const fwi_place *place, const fwi_position *at);
/* What members of a channel get of m: see fwi_protocol. */
fwi_frame *fwi_cf_frame(fwi_shard *shard, const char *channel, fw_message *m);
/* m's bytes, as a client gets them. */
fwi_cf_data fwi_cf_data_of(fw_message *m);
/* Some bytes, likewise. len 0: none. */
fwi_cf_data fwi_cf_data_of_bytes(const void *bytes, size_t len);
/* m as a publication, behind out. */
bool fwi_cf_put_message(fwi_buf *out, fw_message *m);
/* A push of unsubscribe. */
void fwi_cf_push_unsubscribe(fwi_session *s, const char *channel, unsigned code,
                             const char *reason);
/* Who is in a room or was, from the message that presence keeps. text: the id's. */
fwi_cf_info fwi_cf_info_of(const fwi_origin *o, char text[FW_SESSION_ID_TEXT]);

/* --- centrifuge_uni.c --- */

/* Who only listens is refused before it is let in, by an HTTP status: where others are
 * closed with this code of the protocol, or get this error. message NULL: what it means.
 * temporary: it may try again, whatever the error is.
 */
void fwi_uni_refuse(fwi_session *s, unsigned code, const char *reason);
void fwi_uni_turn_away(fwi_session *s, unsigned code, const char *message,
                       bool temporary);
/* See fwi_cf_frame_for. */
fwi_frame *fwi_uni_frame_of(const fwi_session *s, fwi_buf *text, bool ok,
                            const fwi_place *place, const fwi_position *at);

/* --- centrifuge_streams.c --- */

/* See fwi_cf_frame_for. */
fwi_frame *fwi_emulated_frame_of(const fwi_session *s, fwi_buf *text, bool ok);

#endif
