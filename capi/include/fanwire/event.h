/**
 * What happens to a hub. One type for both ways of receiving: inline events are borrowed
 * until the handler returns (fw_event_ref keeps a copy); queued ones are yours until
 * fw_events_done(). Accessors that don't fit an event's type give 0, NULL or "".
 */
#ifndef FANWIRE_EVENT_H
#define FANWIRE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <fanwire/export.h>
#include <fanwire/position.h>
#include <fanwire/session.h>

FW_BEGIN_DECLS

typedef struct fw_hub fw_hub;
typedef struct fw_event fw_event;
struct fw_message;

typedef enum {
    /** A client asks to come in. Decide by fw_accept or fw_reject with the token, at once
        or within "decision.timeout"; else it gets 503. Has all facts. */
    FW_EVENT_CONNECT = 1,
    /** The session is open; it may be sent to. */
    FW_EVENT_OPEN = 2,
    /** The client said something: data, flags. */
    FW_EVENT_MESSAGE = 3,
    /** The session has ended: code, reason. Comes once for each OPEN. */
    FW_EVENT_CLOSE = 4,
    /** A session is to enter a room: decide by token, as for CONNECT. Comes for every
        join, the application's own too, but for rooms without "room.ask.subscribe". */
    FW_EVENT_JOIN = 5,
    /** A session that was in a room isn't any more: room, code (0 left, 1 closed; then
        CLOSE follows). */
    FW_EVENT_LEAVE = 6,
    /** Something was published to a room that has members on this node: room, data. */
    FW_EVENT_ROOM_MESSAGE = 7,
    /** Another node is there: its name, and its number in the session. */
    FW_EVENT_NODE_UP = 8,
    /** Another node has stopped, or hasn't been heard of for "node.lease". */
    FW_EVENT_NODE_DOWN = 9,
    /** The backplane can be reached (again). */
    FW_EVENT_BACKPLANE_UP = 10,
    /** The backplane can't be reached: reason. */
    FW_EVENT_BACKPLANE_DOWN = 11,
    /** The answer to a request with a ref: token is the ref, code 0 or FW_ERR_. */
    FW_EVENT_RESULT = 12,
    /** The library has something to say: code (an fw_log_level), reason (which part of
        it: "hub", "redis" ...), data (the line). With events=queued only; else
        fw_hub_on_log. */
    FW_EVENT_LOG = 13,
    /** To an attached session: hand it to its client (data, flags). The last has a code,
        as CLOSE has, and a reason instead of data: end the connection with these. */
    FW_EVENT_DELIVER = 14,
    /** The answer to fw_room_history: token is the ref, room, code 0 or FW_ERR_, position
        (of the room's newest message) and messages. */
    FW_EVENT_HISTORY = 15,
    /** The answer to fw_room_presence, fw_user_sessions, fw_hub_nodes: token is the ref,
        code 0 or FW_ERR_, and a page of members. */
    FW_EVENT_PRESENCE = 16,
    /** The history of a room in which this node has members goes on behind this position,
        and not behind the last message that they had: what was kept is lost, was
        forgotten, or reaches back too little. Before the next ROOM_MESSAGE: room,
        position. */
    FW_EVENT_ROOM_RESET = 17,
    /** A session of any node has come into a room in which this node has members already,
        and which has the option "join_leave": session, user, room, its node's name, data
        (its info). */
    FW_EVENT_ROOM_JOIN = 18,
    /** It isn't there any more: it has left, or its node is dead. */
    FW_EVENT_ROOM_LEAVE = 19,
    /** A client of the Centrifuge protocol calls the application: method, data (JSON).
        Answer by fw_reply or fw_reject with the token, at once or within
        "decision.timeout". */
    FW_EVENT_RPC = 20,
    /** A client asks to say something in a room: room, data, flags. Of clients of the
        Centrifuge protocol, and of raw ones where raw.mode is rooms; not in rooms without
        "room.ask.publish". Decide by fw_accept, fw_reject or fw_answer with the token.
        While 128 of a client's wait for that, it isn't read. */
    FW_EVENT_PUBLISH = 21,
    /** A client of the Centrifuge protocol has been connected for as long as its token,
        or fw_answer, allowed: may it stay? Answer by fw_answer (or fw_reject: no) with
        the token. Without a handler the client itself has to bring another token. */
    FW_EVENT_REFRESH = 22,
    /** The same of its subscription to a room. */
    FW_EVENT_SUB_REFRESH = 23,
    /** What a node has done with a message of a room that is followed (fw_room_trace):
        token is the ref, session and user of its sender, position, data (an object of
        JSON in a line), reason (the same as a sentence, which begins with the node's
        name). */
    FW_EVENT_TRACE = 24
} fw_event_type;

typedef void (*fw_handler)(fw_hub *hub, fw_event *event, void *user);

/** @return which kind @thread any @since 0.1 */
FW_API fw_event_type fw_event_kind(const fw_event *e);

/** @return "CONNECT" and so on; "?" for an unknown type, valid for ever
    @thread any @since 0.1 */
FW_API const char *fw_event_type_name(fw_event_type type);

/** @return whose event; fw_session_none() if nobody's @thread any @since 0.1 */
FW_API fw_session_id fw_event_session(const fw_event *e);

/** @return the session's user, NULL if it has none; CONNECT: whom its token names, which
    has been verified; valid as long as the event @thread any @since 0.1 */
FW_API const char *fw_event_user(const fw_event *e);

/** @return JOIN, LEAVE, PUBLISH, SUB_REFRESH, ROOM_MESSAGE, ROOM_JOIN, ROOM_LEAVE,
   ROOM_RESET, HISTORY, RESULT of a join, a publish or an order to forget: the room; valid
   as long as the event
   @thread any @since 0.1 */
FW_API const char *fw_event_room(const fw_event *e);

/** MESSAGE, PUBLISH, ROOM_MESSAGE, ROOM_JOIN, ROOM_LEAVE, LOG, DELIVER, RPC, TRACE: the
    bytes; CONNECT and JOIN of a client of the Centrifuge protocol: what it says with it,
    as JSON.
    @param len out, may be NULL
    @return valid as long as the event @thread any @since 0.1 */
FW_API const void *fw_event_data(const fw_event *e, size_t *len);

/** @return MESSAGE, PUBLISH, ROOM_MESSAGE, DELIVER: FW_TEXT or FW_BINARY
    @thread any @since 0.1 */
FW_API unsigned fw_event_flags(const fw_event *e);

/** @return CLOSE: the close code (1005 none given, 1006 no Close frame came); LEAVE,
    RESULT, LOG, PRESENCE: see there @thread any @since 0.1 */
FW_API int fw_event_code(const fw_event *e);

/** @return CLOSE, DELIVER, BACKPLANE_DOWN, RESULT, PRESENCE: why, "" if unsaid; LOG:
   which part of the library speaks; valid as long as the event @thread any @since 0.1 */
FW_API const char *fw_event_reason(const fw_event *e);

/** @return CONNECT, JOIN, PUBLISH, REFRESH, SUB_REFRESH: for fw_accept, fw_reject and
    fw_answer; RPC: for fw_reply, fw_reject and fw_answer; RESULT, PRESENCE: the ref
    @thread any @since 0.1 */
FW_API uint64_t fw_event_token(const fw_event *e);

/** @return RPC: the method's name as the client gave it, "" if it gave none; valid as
    long as the event @thread any @since 0.1 */
FW_API const char *fw_event_method(const fw_event *e);

/** @return NODE_UP, NODE_DOWN, ROOM_JOIN, ROOM_LEAVE: the node's name, else ""; valid as
    long as the event @thread any @since 0.1 */
FW_API const char *fw_event_node_name(const fw_event *e);

/** @return PRESENCE: how many members this page has @thread any @since 0.1 */
FW_API size_t fw_event_members(const fw_event *e);

/** @return PRESENCE: how many there are in all @thread any @since 0.1 */
FW_API uint64_t fw_event_total(const fw_event *e);

/** @return PRESENCE: where the next page begins, to ask for it; 0: this is the last
    @thread any @since 0.1 */
FW_API uint64_t fw_event_cursor(const fw_event *e);

/**
 * A member of the page: a session in a room, a session of a user, or a node.
 *
 * @param i 0 .. fw_event_members() - 1
 * @return its id (of a node: its number, and local 0); fw_session_none() if there is no
 *         such
 * @thread any
 * @since  0.1
 */
FW_API fw_session_id fw_event_member_session(const fw_event *e, size_t i);

/** @return whose session it is, NULL if nobody's; valid as long as the event
    @thread any @since 0.1 */
FW_API const char *fw_event_member_user(const fw_event *e, size_t i);

/** @return the name of its node; valid as long as the event @thread any @since 0.1 */
FW_API const char *fw_event_member_node(const fw_event *e, size_t i);

/**
 * @param len out, may be NULL
 * @return what fw_session_set_info gave it; of a node: JSON of its facts, an object with
 *         "version", "sessions" (how many it has), "uptime" (seconds) and "metrics": an
 *         object with "interval", the seconds since its start to a fraction, and "items",
 *         some of its metrics by their names in /metrics. Later versions may add to it.
 *         Never NULL, valid as long as the event
 * @thread any
 * @since  0.1
 */
FW_API const void *fw_event_member_info(const fw_event *e, size_t i, size_t *len);

/** @return ROOM_MESSAGE, ROOM_RESET, HISTORY, RESULT of a join or publish: the position,
    {0, 0} where the room has no history @thread any @since 0.1 */
FW_API fw_position fw_event_position(const fw_event *e);

/** @return RESULT of fw_session_join_since: 1 if the session got everything that it had
    missed, else 0 @thread any @since 0.1 */
FW_API int fw_event_recovered(const fw_event *e);

/** @return HISTORY: how many messages there are @thread any @since 0.1 */
FW_API size_t fw_event_message_count(const fw_event *e);

/** @return HISTORY: the index'th message, from 0, borrowed, with its position; NULL past
    the last; valid as long as the event @thread any @since 0.1 */
FW_API const struct fw_message *fw_event_message(const fw_event *e, size_t index);

/**
 * A fact of the session's handshake. All events of a session have them.
 *
 * @return "path" ("/ws"), "query" ("room=a&user=b", as sent; "" if there is none),
 *         "protocol" (the sub-protocol agreed on: "centrifuge-json", or none), "address"
 *         (the client's; behind a trusted proxy the one which that names), "peer" (the
 *         socket's other end; "" for a Unix socket), "host", "origin", "scheme" ("ws" or
 *         "wss"), "speaks" ("raw", "centrifuge" for a client of that protocol, "sse"
 *         and "uni_sse" for the same told as Server-Sent Events, "centrifuge_sse" and
 *         "centrifuge_http_stream" for a client of that protocol without WebSocket); NULL
 *         if there is none; valid as long as the event
 * @param e    borrowed
 * @param name borrowed
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_event_fact(const fw_event *e, const char *name);

/**
 * A header of the session's handshake.
 *
 * @param name  borrowed, in any case
 * @return the value, several joined by ", "; NULL if absent; valid as long as the event
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_event_header(const fw_event *e, const char *name);

/**
 * A parameter of the query, percent-decoded ("+" is a blank).
 *
 * @param name  borrowed
 * @param index 0 for the first of that name, 1 for the second ...
 * @return NULL if absent, not UTF-8 when decoded, or out of memory; valid as long as the
 *         event
 * @thread the one that handles the event
 * @since  0.1
 */
FW_API const char *fw_event_query(const fw_event *e, const char *name, size_t index);

/**
 * Keep an event beyond its handler. An inline event is copied, a queued one counted.
 *
 * @return owned by caller, to be given to fw_event_unref(); NULL if out of memory
 * @thread any
 * @since  0.1
 */
FW_API fw_event *fw_event_ref(fw_event *e);

/**
 * @param e taken; NULL is allowed
 * @thread any
 * @since  0.1
 */
FW_API void fw_event_unref(fw_event *e);

FW_END_DECLS

#endif
