/**
 * A room: whoever is in it, on whichever node, receives what is published to it. A room
 * needs no creation; it is there while somebody is in it.
 */
#ifndef FANWIRE_ROOM_H
#define FANWIRE_ROOM_H

#include <stddef.h>
#include <stdint.h>

#include <fanwire/export.h>
#include <fanwire/message.h>
#include <fanwire/position.h>

FW_BEGIN_DECLS

struct fw_hub;

/**
 * Send bytes to every session in a room, on all nodes.
 *
 * @param room  borrowed; 1..255 bytes UTF-8 without control characters
 * @param data  copied; may be NULL when len is 0
 * @param len   bytes, at most "message.max_bytes"
 * @param flags FW_TEXT or FW_BINARY
 * @return FW_OK          put on its way to the backplane (delivery is at most once)
 *         FW_ERR_INVALID room name not allowed, text not UTF-8, unknown flags
 *         FW_ERR_TOO_BIG len over the limit
 *         FW_ERR_BUSY    inbox full: try again later
 *         FW_ERR_CLOSED  hub not running; FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_publish(struct fw_hub *hub, const char *room, const void *data,
                           size_t len, unsigned flags);

/**
 * The same with a message built before, which may leave one session out.
 *
 * @param m borrowed; the hub takes references of its own
 * @return as fw_room_publish
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_publish_message(struct fw_hub *hub, const char *room, fw_message *m);

/**
 * The same, and a RESULT event with the ref tells what became of it: code 0, the
 * backplane has it, and in a room with history ("history.size") its position; or
 *   FW_ERR_TIMEOUT   it waited for Redis longer than "redis.queue.deadline"
 *   FW_ERR_BUSY      more waits already than "redis.queue.max_bytes"
 *   FW_ERR_BACKPLANE Redis refused: the reason says why
 *   FW_ERR_CLOSED    the hub was stopped before; FW_ERR_MEMORY
 * A message that failed by TIMEOUT or CLOSED may have arrived all the same if the answer
 * was lost: with a key (fw_message_set_key) it can be published again without harm.
 *
 * @param ref a number of yours, 1 .. 2^63 - 1
 * @return as fw_room_publish; FW_ERR_INVALID for ref 0, too. No RESULT comes for a call
 *         that fails
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_publish_ref(struct fw_hub *hub, const char *room, fw_message *m,
                               uint64_t ref);

/**
 * Send bytes to the sessions in a room that are on this node, and to nobody elsewhere.
 * That is for what handlers have to tell that are called on every node, of ROOM_LEAVE,
 * say. It is neither kept in a history nor told by ROOM_MESSAGE.
 *
 * @return as fw_room_publish; FW_OK: on its way to the members that there are
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_send_here(struct fw_hub *hub, const char *room, const void *data,
                             size_t len, unsigned flags);

/**
 * The same with a message built before, which may leave one session out.
 *
 * @param m borrowed; the hub takes references of its own
 * @return as fw_room_send_here
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_send_here_message(struct fw_hub *hub, const char *room, fw_message *m);

/** In which order fw_room_history gives them. */
enum {
    FW_HISTORY_REVERSE = 1 /**< the newest first, and from there backwards */
};

/**
 * Ask for messages of a room's history ("history.size"). A HISTORY event with the ref
 * tells: its position is that of the newest message that there is, its messages follow
 * each other. There may be fewer than asked for: for more, ask again with the position of
 * the last one, until it is the newest (with FW_HISTORY_REVERSE: until there are none).
 *
 * @param room  borrowed; 1..255 bytes UTF-8 without control characters
 * @param since what comes behind it, and with FW_HISTORY_REVERSE before it; {0, 0}: from
 *              the beginning, or from the end. Of an epoch that is over: nothing comes
 * @param limit at most so many messages, up to 10000; 0: the position alone
 * @param order 0 or FW_HISTORY_REVERSE
 * @param ref   a number of yours, 1 .. 2^63 - 1
 * @return FW_OK          the event comes, with an error if Redis can't be asked
 *         FW_ERR_INVALID room name not allowed, limit, order or ref
 *         FW_ERR_STATE   the room has no history
 *         FW_ERR_BUSY inbox full; FW_ERR_CLOSED hub not running; FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_history(struct fw_hub *hub, const char *room, fw_position since,
                           unsigned limit, unsigned order, uint64_t ref);

/**
 * Forget what is kept of a room. Its epoch ends: who comes back with a position from
 * before is told that he can't be given what he missed. A RESULT with the ref tells, with
 * the position at which the room begins anew. Members learn of it as ROOM_RESET and as
 * "reset", those of other nodes when the next message comes.
 *
 * @param ref a number of yours, 1 .. 2^63 - 1
 * @return FW_OK, FW_ERR_INVALID (room, ref), FW_ERR_STATE the room has no history,
 *         FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_forget(struct fw_hub *hub, const char *room, uint64_t ref);

/**
 * Ask who is in a room, on all nodes. A PRESENCE event with the ref tells, a page at a
 * time: its cursor is where the next one begins. Who is there all the while is in one of
 * the pages, rarely in two; who comes or goes meanwhile may be. Known are the sessions of
 * nodes where the room has the option "presence" or "join_leave".
 *
 * @param room   borrowed; 1..255 bytes UTF-8 without control characters
 * @param cursor 0 for the first page; then what fw_event_cursor said
 * @param limit  about so many members a page, at most 10000; 0: only the total
 * @param ref    a number of yours, 1 .. 2^63 - 1
 * @return FW_OK          the event comes, with an error if Redis can't be asked
 *         FW_ERR_INVALID room name not allowed, limit or ref
 *         FW_ERR_BUSY inbox full; FW_ERR_CLOSED hub not running; FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_presence(struct fw_hub *hub, const char *room, uint64_t cursor,
                            unsigned limit, uint64_t ref);

/**
 * Follow a room: for some seconds all nodes tell what they do with each of its messages,
 * and why somebody doesn't get one. TRACE events with the ref bring that, the first of
 * each node that it reports from now on. Again with the same ref it goes on for as long;
 * it ends by itself. A node follows at most 16 rooms for others, and sends at most 1000
 * reports a second for each; what is over is counted (fanwire_limit_hits_total) and told.
 *
 * Nodes of an older version say nothing. A message that Redis has brought twice and that
 * was recognized by its number isn't told.
 *
 * @param room    borrowed; 1..255 bytes UTF-8 without control characters
 * @param seconds 1..60; 0: no more
 * @param ref     a number of yours, 1 .. 2^63 - 1
 * @return FW_OK, FW_ERR_INVALID (room, seconds, ref), FW_ERR_BUSY, FW_ERR_CLOSED,
 *         FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_trace(struct fw_hub *hub, const char *room, unsigned seconds,
                         uint64_t ref);

FW_END_DECLS

#endif
