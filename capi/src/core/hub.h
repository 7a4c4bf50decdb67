/*
 * The hub: routing. Which loops have members of a channel, what goes to the backplane and
 * where what comes back goes. It knows neither protocols nor sockets nor Redis.
 *
 * Loop 0 is where the routes and the backplane are; other loops and threads reach them by
 * loop 0's inbox. Functions marked "any" may be called from every thread: on a loop's own
 * thread they act at once where they can.
 */
#ifndef FWI_CORE_HUB_H
#define FWI_CORE_HUB_H

#include <fanwire/error.h>
#include <fanwire/options.h>

#include "base/log.h"
#include "core/backplane.h"
#include "core/events.h"
#include "core/history.h"
#include "core/limits.h"
#include "core/options.h"
#include "core/rates.h"
#include "core/room_options.h"
#include "core/route.h"
#include "core/stats.h"
#include "core/tokens.h"
#include "core/trace.h"
#include "wire/answer.h"
#include "wire/seal.h"

struct fwi_shard;
struct fwi_item;

enum {
    FWI_LOOPS_MAX = 64,
    FWI_GONE_MAX = 64 /* of nodes that are gone so many are remembered */
};

/* Options as the core needs them. What is atomic may change while the hub runs
 * (fwi_hub_reload): a function that needs one of these twice takes a copy. */
typedef struct fwi_settings {
    _Atomic uint64_t heartbeat_interval_ms, heartbeat_timeout_ms, decision_timeout_ms;
    _Atomic uint64_t write_delay_ms, drain_timeout_ms, token_grace_ms;
    _Atomic size_t message_max, outbox_max, compression_min;
    size_t inbox_max, held_max;
    _Atomic uint64_t sse_retry_ms;
    bool compression;
    _Atomic int outbox_policy;
    _Atomic int64_t limit_pending, limit_sessions, limit_address, limit_rate, limit_rooms;
    _Atomic int64_t limit_user; /* sessions of one */
    _Atomic int64_t limit_publish_user, limit_publish_address;
    _Atomic int64_t limit_join_user, limit_join_address;
    _Atomic int64_t limit_emulation; /* requests of one address */
    _Atomic int64_t limit_resubscribe, drain_rate;
    int raw_mode, raw_format, raw_user;
    bool raw_echo;
    bool client_anonymous, client_insecure;
    bool user_presence;
} fwi_settings;

typedef struct fwi_hub {
    fw_hub *handle; /* what handlers get */
    uint64_t node;
    char name[256];                 /* the node's */
    char channel[32];               /* the node's: "n:<16 hex digits>" */
    uint8_t seal_key[FWI_SEAL_KEY]; /* random, the caller's: for what this node alone is
                                     * to know again */
    fwi_settings set;
    fwi_rooms_options rooms;
    fwi_log log;
    unsigned n_shards;
    struct fwi_shard *shard[FWI_LOOPS_MAX];
    fwi_backplane *bp; /* loop 0 */
    fwi_routes routes; /* loop 0 */
    fwi_events events;
    fwi_limits limits;
    fwi_rates rates;
    fwi_tokens tokens;
    _Atomic uint64_t gone[FWI_GONE_MAX]; /* nodes; 0: none. Loop 0 writes */
    unsigned next_gone;                  /* loop 0 */
    uint64_t started_us; /* loop 0: the clock at start, for the node's uptime */
    fwi_stats outside;   /* what is counted on the application's threads */
    atomic_long sessions, pending;
    atomic_uint next_attached; /* loop, in turn */
    atomic_bool draining;
    atomic_bool released; /* whoever has the listening sockets serves newcomers */
    atomic_bool backplane_up;
    bool backplane_told;     /* loop 0: an event has said up or down */
    fwi_histories histories; /* loop 0 */
    fwi_traces traces;       /* loop 0 */
    struct fwi_ask *asks;    /* loop 0: ask.h */
    uint64_t last_ask;
    /* For those who wait: the last session has gone or, once released, the last pending
     * connection is decided; the backplane's state. @thread loop */
    void (*on_idle)(void *watcher);
    void (*on_backplane)(void *watcher, bool up, const char *why);
    void *watcher;
} fwi_hub;

/* Reads what it needs of the options; shards and backplane are put in by the caller.
 * False: out of memory, and there is nothing to finish. */
bool fwi_hub_init(fwi_hub *hub, fw_hub *handle, uint64_t node, const char *name,
                  const fw_options *options);
void fwi_hub_fini(fwi_hub *hub);

/* Takes over what may change (fwi_option_is_live). True: sessions are to be pinged
 * otherwise than they have been; their loops are told by fwi_shard_reload. @thread any,
 * one at a time */
bool fwi_hub_reload(fwi_hub *hub, const fw_options *options);

extern const fwi_backplane_sink fwi_hub_sink; /* user is the fwi_hub */

/* The channels every node hears: its own, and everybody's. Once, at start. @thread loop 0
 */
bool fwi_hub_subscribe_own(fwi_hub *hub);

/* All of these return FW_OK or FW_ERR_ and are for any thread. ---------------------- */

/* m to everybody on a channel: "r:ROOM", "u:USER", "n:NODE", "all". */
int fwi_hub_publish(fwi_hub *hub, const char *channel, fw_message *m);

/* The same, and a RESULT with this ref tells what became of it; 0: none. */
int fwi_hub_publish_ref(fwi_hub *hub, const char *channel, fw_message *m, uint64_t ref);

/* m to the channel's members on this node alone, past the backplane. */
int fwi_hub_send_here(fwi_hub *hub, const char *channel, fw_message *m);

/* What a room with history keeps is told by a HISTORY with this ref; that it was
 * forgotten by a RESULT. */
int fwi_hub_read_history(fwi_hub *hub, const char *channel, fwi_position since,
                         uint32_t limit, bool reverse, uint64_t ref);
int fwi_hub_forget_history(fwi_hub *hub, const char *channel, uint64_t ref);

/* m to one session of any node. */
int fwi_hub_send(fwi_hub *hub, fw_session_id id, fw_message *m);

int fwi_hub_close(fwi_hub *hub, fw_session_id id, unsigned code, const char *reason);
int fwi_hub_join(fwi_hub *hub, fw_session_id id, const char *room, uint64_t ref);
/* since: see fwi_join. */
int fwi_hub_join_since(fwi_hub *hub, fw_session_id id, const char *room,
                       fwi_position since, uint64_t ref);
/* gift: an order of gift.h, which names the room, too; still the caller's. */
int fwi_hub_give(fwi_hub *hub, fw_session_id id, const char *room, fw_message *gift);
int fwi_hub_leave(fwi_hub *hub, fw_session_id id, const char *room);
int fwi_hub_set_user(fwi_hub *hub, fw_session_id id, const char *user);

/* What presence tells of the session beside its user. len at most FWI_INFO_MAX. */
int fwi_hub_set_info(fwi_hub *hub, fw_session_id id, const void *data, size_t len);

/* It ends at that time: see fwi_protocol.refreshed. */
int fwi_hub_refresh(fwi_hub *hub, fw_session_id id, int64_t expires_s);

/* All sessions of a user leave a room, enter it (since: see fwi_join), or are closed, but
 * for one; or have other info or another end: users.c. */
int fwi_hub_user_leave(fwi_hub *hub, const char *user, const char *room);
int fwi_hub_user_join(fwi_hub *hub, const char *user, const char *room,
                      fwi_position since);
int fwi_hub_user_give(fwi_hub *hub, const char *user, fw_message *gift);
int fwi_hub_user_close(fwi_hub *hub, const char *user, unsigned code, const char *reason,
                       fw_session_id except);
int fwi_hub_user_set_info(fwi_hub *hub, const char *user, const void *data, size_t len);
int fwi_hub_user_refresh(fwi_hub *hub, const char *user, int64_t expires_s);

/* PRESENCE, or NODES, with this ref tells. */
int fwi_hub_read_presence(fwi_hub *hub, const char *channel, uint64_t cursor,
                          uint32_t limit, uint64_t ref);
int fwi_hub_read_nodes(fwi_hub *hub, uint64_t ref);

/* The verdict on anything but an RPC. text: user or reason. */
int fwi_hub_decide(fwi_hub *hub, uint64_t token, bool accept, int code, const char *text);
/* The answer to an RPC. */
int fwi_hub_reply(fwi_hub *hub, uint64_t token, fw_message *m);
/* Either, with all that may be said of it; a is taken. */
int fwi_hub_answer(fwi_hub *hub, uint64_t token, fwi_answer *a);

/* What a token asks. */
typedef enum {
    FWI_ASKS_CONNECT,
    FWI_ASKS_JOIN,
    FWI_ASKS_RPC,
    FWI_ASKS_PUBLISH,
    FWI_ASKS_REFRESH,
    FWI_ASKS_SUB_REFRESH,
    FWI_ASKS_KINDS
} fwi_decision_kind;
fwi_decision_kind fwi_token_kind(uint64_t token);

/* These events are finished: credit back, and free them. Each knows its hub itself: taken
 * off another's count it would stop that one for ever. */
void fwi_hub_events_done(fw_event **events, int n);

/* Interest of a loop in a channel; a loop may hold several. *heard: the channel is heard
 * already. Otherwise fwi_room_subscribed comes to the loop's shard. FW_OK, or
 * FW_ERR_MEMORY and there is none. */
int fwi_hub_interest_add(fwi_hub *hub, struct fwi_shard *from, const char *channel,
                         bool *heard);
/* Loop 0 passes a join on (text: the channel): counts its interest, says so in the item,
 * and posts it, with the news that the channel is heard behind it. @thread loop 0 */
void fwi_hub_forward_interest(fwi_hub *hub, unsigned loop, struct fwi_item *item);

void fwi_hub_interest_drop(fwi_hub *hub, struct fwi_shard *from, const char *channel,
                           unsigned n);

/* Between the files of core that route, on loop 0. ------------------------------------
 */

/* To the loop of a session of this node. item may be NULL, and is taken. FW_OK,
 * FW_ERR_GONE, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY. @thread any */
int fwi_hub_post(fwi_hub *hub, fw_session_id id, struct fwi_item *item);

/* m to the node that the session lives on; it may be NULL, and is taken. @thread any */
int fwi_hub_send_abroad(fwi_hub *hub, fw_session_id id, fw_message *m);

/* To each of the loops in the mask: on loop 0 at once, else by its inbox. Only messages
 * are limited there: what opens and closes must arrive. */
void fwi_hub_to_loops(fwi_hub *hub, uint64_t loops,
                      void (*run)(struct fwi_shard *shard, struct fwi_item *item),
                      const char *channel, fw_message *m);

/* An order has come by this channel: orders_came.c. */
void fwi_orders_came(fwi_hub *hub, const char *channel, fw_message *m);

/* For rooms with history (history.h), on loop 0. ------------------------------------- */

/* m to the channel's members on all loops, and to who wants ROOM_MESSAGE. */
void fwi_hub_deliver(fwi_hub *hub, const fwi_route *r, fw_message *m);

/* The members are told that the room's history goes on behind `at`, and not where they
 * are. */
void fwi_hub_tell_reset(fwi_hub *hub, const fwi_route *r, fwi_position at);

/* Asks the backplane; fwi_history_read_done brings the answer to the channel's history if
 * that has this number as its ref. 0: out of memory. */
uint64_t fwi_hub_read_room(fwi_hub *hub, const char *channel, const fwi_history_query *q);

#endif
