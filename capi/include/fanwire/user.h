/**
 * A user: all sessions, on all nodes, that a CONNECT handler or fw_session_set_user gave
 * the same name.
 */
#ifndef FANWIRE_USER_H
#define FANWIRE_USER_H

#include <stddef.h>
#include <stdint.h>

#include <fanwire/export.h>
#include <fanwire/message.h>

FW_BEGIN_DECLS

struct fw_hub;

/**
 * Send bytes to every session of a user, on all nodes. Nobody there is not an error.
 *
 * @param user borrowed; 1..255 bytes UTF-8 without control characters
 * @return as fw_room_publish
 * @thread any
 * @since  0.1
 */
FW_API int fw_user_send(struct fw_hub *hub, const char *user, const void *data,
                        size_t len, unsigned flags);

/**
 * The same with a message built before, which may leave one session out.
 *
 * @param m borrowed; the hub takes references of its own
 * @return as fw_room_publish_message
 * @thread any
 * @since  0.1
 */
FW_API int fw_user_send_message(struct fw_hub *hub, const char *user, fw_message *m);

/**
 * Close every session of a user, on all nodes.
 *
 * @param code   as in fw_session_close
 * @param reason as in fw_session_close
 * @return FW_OK, FW_ERR_INVALID, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_user_disconnect(struct fw_hub *hub, const char *user, unsigned code,
                              const char *reason);

/**
 * Put every session of a user, on all nodes, into a room: those that there are now, each
 * as by fw_session_join, with the JOIN event where it is. Nobody there is not an error.
 *
 * @param room borrowed; 1..255 bytes UTF-8 without control characters
 * @return FW_OK, FW_ERR_INVALID, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_user_join(struct fw_hub *hub, const char *user, const char *room);

/**
 * Take every session of a user, on all nodes, out of a room. Not being there is not an
 * error.
 *
 * @param room borrowed; 1..255 bytes UTF-8 without control characters
 * @return FW_OK, FW_ERR_INVALID, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_user_leave(struct fw_hub *hub, const char *user, const char *room);

/**
 * Ask whether a user is online, and where: which sessions on which nodes. A PRESENCE
 * event with the ref tells, as for fw_room_presence.
 *
 * @return as fw_room_presence, and FW_ERR_STATE when the option "user.presence" is off
 * @thread any
 * @since  0.1
 */
FW_API int fw_user_sessions(struct fw_hub *hub, const char *user, uint64_t cursor,
                            unsigned limit, uint64_t ref);

FW_END_DECLS

#endif
