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
 * Ask who is in a room, on all nodes. A PRESENCE event with the ref tells, a page at a
 * time: its cursor is where the next one begins. Who is there all the while is in one of
 * the pages; who comes or goes meanwhile may be. Known are the sessions of nodes where
 * the room has the option "presence" or "join_leave".
 *
 * @param room   borrowed; 1..255 bytes UTF-8 without control characters
 * @param cursor 0 for the first page; then what fw_event_cursor said
 * @param limit  about so many members a page, at most 10000; 0: only the total
 * @param ref    a number of yours, not 0
 * @return FW_OK          the event comes, with an error if Redis can't be asked
 *         FW_ERR_INVALID room name not allowed, limit or ref
 *         FW_ERR_BUSY inbox full; FW_ERR_CLOSED hub not running; FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_room_presence(struct fw_hub *hub, const char *room, uint64_t cursor,
                            unsigned limit, uint64_t ref);

FW_END_DECLS

#endif
