/**
 * A session: one WebSocket connection, named by a value that is unique in the cluster.
 * A name may be kept as long as you like and used from any thread on any node: what is
 * sent to a session of another node is carried there.
 */
#ifndef FANWIRE_SESSION_H
#define FANWIRE_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <fanwire/export.h>
#include <fanwire/position.h>

FW_BEGIN_DECLS

struct fw_hub;
struct fw_message;

typedef struct fw_session_id {
    uint64_t node;  /**< which node, a random number that its hub was made with */
    uint64_t local; /**< which session there; never used again while the node runs */
} fw_session_id;

/** Room for the text of a session id with its NUL. */
#define FW_SESSION_ID_TEXT 33

/**
 * @return the id that is nobody's: both numbers 0
 * @thread any
 * @since  0.1
 */
FW_API fw_session_id fw_session_none(void);

/**
 * @return 1 if both name the same session, else 0
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_id_equal(fw_session_id a, fw_session_id b);

/**
 * An id as 32 hexadecimal digits.
 *
 * @param text out, FW_SESSION_ID_TEXT bytes
 * @return text
 * @thread any
 * @since  0.1
 */
FW_API char *fw_session_id_text(fw_session_id id, char *text);

/**
 * @param text borrowed, 32 hexadecimal digits
 * @param id   out, written on success
 * @return FW_OK or FW_ERR_INVALID
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_id_parse(const char *text, fw_session_id *id);

/**
 * Send bytes to one session.
 *
 * @param data  copied
 * @param len   bytes, at most "message.max_bytes"
 * @param flags FW_TEXT or FW_BINARY
 * @return FW_OK          put on its way (delivery is at most once); to a session that is
 *                        not open yet nothing is delivered
 *         FW_ERR_GONE    a session of this node that is closed
 *         FW_ERR_INVALID text that is not UTF-8, or unknown flags
 *         FW_ERR_TOO_BIG; FW_ERR_BUSY inbox full, try later; FW_ERR_CLOSED hub not
 *         running; FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_send(struct fw_hub *hub, fw_session_id id, const void *data,
                           size_t len, unsigned flags);

/**
 * The same with a message built before.
 *
 * @param m borrowed; the hub takes references of its own
 * @return FW_OK, FW_ERR_GONE, FW_ERR_TOO_BIG, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_send_message(struct fw_hub *hub, fw_session_id id,
                                   struct fw_message *m);

/**
 * Close a session: what is queued for it goes first, then the Close frame. A client that
 * doesn't take them within 5 s is reset; one whose CONNECT is undecided gets 503.
 *
 * @param code   1000..1003, 1007..1014 or 3000..4999
 * @param reason borrowed, UTF-8, at most 123 bytes; NULL is ""
 * @return FW_OK, FW_ERR_GONE, FW_ERR_INVALID, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_close(struct fw_hub *hub, fw_session_id id, unsigned code,
                            const char *reason);

/**
 * Put a session into a room. It hears what is published once the join is complete:
 * that is at once in memory, and with Redis when Redis has confirmed the subscription (at
 * once while it is away). What this node publishes to the room after this call waits for
 * that, so "join, then publish" always hears itself. A handler for JOIN, if there is one,
 * decides first; all this then holds from its verdict on. Joining a room twice is not an
 * error.
 *
 * @param room borrowed; 1..255 bytes UTF-8 without control characters
 * In a room with history ("history.size") the join is complete when the room's position
 * is known, too, and so waits until Redis can be reached if this node doesn't know it.
 *
 * @param ref  0, or a number of yours: a RESULT event with it tells when the join is
 *             complete or why it failed (its code is 0 or an FW_ERR_ number), and in a
 *             room with history the position behind which the session hears everything
 *             (not if it was in the room before). For a session of another node no RESULT
 *             comes
 * @return FW_OK, FW_ERR_GONE, FW_ERR_INVALID (name),
 *         FW_ERR_LIMIT "limit.rooms_per_session" (on the session's own thread; from
 *         elsewhere the RESULT says it), FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_join(struct fw_hub *hub, fw_session_id id, const char *room,
                           uint64_t ref);

/**
 * Put a session that comes back into a room with history, and give it what it has missed:
 * the messages behind a position, in order, then what comes, none lost and none twice.
 * The RESULT says by fw_event_recovered whether that was possible; it isn't if the room
 * keeps less ("history.size", "history.ttl"), if its epoch is another, or if there is
 * more than "outbox.max_bytes". Then the session hears what comes behind the position of
 * the RESULT, and nothing from before.
 *
 * Many that come back at once are served by one read of Redis. While Redis is away, those
 * are whom this node can serve from its memory ("history.cache.max_bytes"); others wait.
 *
 * @param position of the last message that it has seen, as sent or as a RESULT told;
 *                 {0, n}: the newest n messages instead, for who wants the last value;
 *                 {0, 0}: nothing, as fw_session_join. In a room without history it has
 *                 no effect
 * @param ref      as in fw_session_join
 * @return as fw_session_join
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_join_since(struct fw_hub *hub, fw_session_id id, const char *room,
                                 fw_position position, uint64_t ref);

/**
 * Take a session out of a room. Not being there is not an error.
 *
 * @return FW_OK, FW_ERR_GONE, FW_ERR_INVALID, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_leave(struct fw_hub *hub, fw_session_id id, const char *room);

/**
 * Say whose session it is, later than at CONNECT; fw_user_send reaches it from then on. A
 * session that isn't open (yet) stays as it is.
 *
 * @param user copied; 1..255 bytes UTF-8 without control characters; NULL: nobody's
 * @return FW_OK, FW_ERR_GONE, FW_ERR_INVALID, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_set_user(struct fw_hub *hub, fw_session_id id, const char *user);

/**
 * What presence tells of a session beside its user: a name to show, a colour, whatever
 * you like. Every room where it is present tells the newest.
 *
 * @param data copied; may be NULL when len is 0
 * @param len  bytes, at most 1024
 * @return FW_OK, FW_ERR_GONE, FW_ERR_INVALID, FW_ERR_TOO_BIG, FW_ERR_BUSY, FW_ERR_CLOSED,
 *         FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_set_info(struct fw_hub *hub, fw_session_id id, const void *data,
                               size_t len);

/**
 * Make a session whose connection is not the hub's: another server has accepted it (nginx
 * with lua-resty-websocket, say), or there is none. It has rooms and a user and is
 * counted like any other. No CONNECT is raised: who attaches has let it in. What is sent
 * to it comes as DELIVER events; what its client says is told by fw_session_feed, and
 * that it has gone by fw_session_feed_close. It has no heartbeat.
 *
 * Not more than "events.per_session" DELIVER events of a session are unfinished, or a
 * sixteenth of "events.max_bytes"; what else is sent to it waits in its outbox
 * ("outbox.max_bytes", "outbox.policy").
 *
 * @param user    copied; NULL: nobody's
 * @param head    borrowed; the head of the HTTP request that its connection began with,
 *                for fw_event_fact, _header and _query; NULL: none
 * @param len     bytes of head
 * @param address borrowed; the client's, for fw_event_fact; NULL is ""
 * @param ref     a number of yours, 1 .. 2^63 - 1: a RESULT event with it has the
 *                session's id, or why it failed: FW_ERR_LIMIT, FW_ERR_REFUSED,
 *                FW_ERR_CLOSED (draining), FW_ERR_MEMORY
 * @return FW_OK, FW_ERR_INVALID (head, user, ref), FW_ERR_STATE with events=inline or no
 *         fw_hub_on for DELIVER and RESULT, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_attach(struct fw_hub *hub, const char *user, const void *head,
                             size_t len, const char *address, uint64_t ref);

/**
 * The client of an attached session has said something: what a MESSAGE event, or the
 * rooms of raw.mode=rooms, are made of. For a session that isn't attached it has no
 * effect.
 *
 * @param data  copied
 * @param len   bytes, at most "message.max_bytes"
 * @param flags FW_TEXT or FW_BINARY
 * @return FW_OK, FW_ERR_GONE (closed, or another node's), FW_ERR_INVALID text that is not
 *         UTF-8, or unknown flags; FW_ERR_TOO_BIG; FW_ERR_BUSY "events.max_bytes" or the
 *         inbox is full, or the session's own share of events is unfinished, as a socket
 *         wouldn't be read: read no more from the client, try again later;
 *         FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_feed(struct fw_hub *hub, fw_session_id id, const void *data,
                           size_t len, unsigned flags);

/**
 * The client of an attached session has closed its connection, or the connection is
 * broken: the session ends with that code and reason, behind what was fed before. The
 * last DELIVER says so, too. For a session that isn't attached it has no effect.
 *
 * @param code   of the client's Close frame; 1005 if it had none, 1006 if there was no
 *               Close frame at all
 * @param reason copied, NULL is ""; at most 123 bytes of UTF-8
 * @return FW_OK, FW_ERR_GONE (closed, or another node's), FW_ERR_INVALID, FW_ERR_BUSY,
 *         FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_session_feed_close(struct fw_hub *hub, fw_session_id id, unsigned code,
                                 const char *reason);

FW_END_DECLS

#endif
