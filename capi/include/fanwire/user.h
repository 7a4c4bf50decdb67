/**
 * A user: all sessions, on all nodes, that a CONNECT handler or fw_session_set_user gave
 * the same name.
 */
#ifndef FANWIRE_USER_H
#define FANWIRE_USER_H

#include <stddef.h>

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
 * The same with a message built before.
 *
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

FW_END_DECLS

#endif
