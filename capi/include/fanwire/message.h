/**
 * A message: bytes that are built once and sent to many. Immutable once sent.
 */
#ifndef FANWIRE_MESSAGE_H
#define FANWIRE_MESSAGE_H

#include <stddef.h>

#include <fanwire/export.h>
#include <fanwire/position.h>
#include <fanwire/session.h>

FW_BEGIN_DECLS

/** Flags of messages and of the functions that send bytes. */
enum {
    FW_TEXT = 0,   /**< the bytes are UTF-8 and go out as a text frame */
    FW_BINARY = 1, /**< the bytes go out as a binary frame */
};

typedef struct fw_message fw_message;

/**
 * @param data  copied; may be NULL when len is 0
 * @param len   bytes
 * @param flags FW_TEXT or FW_BINARY
 * @return owned by caller (one reference); NULL if out of memory, if data is NULL and len
 *         isn't 0, if the flags are unknown or if text is not valid UTF-8: the detail
 *         says which. Its size is checked when it is sent
 * @thread any
 * @since  0.1
 */
FW_API fw_message *fw_message_new(const void *data, size_t len, unsigned flags);

/**
 * One more reference.
 *
 * @return m
 * @thread any
 * @since  0.1
 */
FW_API fw_message *fw_message_ref(fw_message *m);

/**
 * One reference less; the last frees.
 *
 * @param m taken; NULL is allowed
 * @thread any
 * @since  0.1
 */
FW_API void fw_message_unref(fw_message *m);

/**
 * Leave one session out: whoever else is addressed receives the message. Set before
 * it is sent for the first time.
 *
 * @param except any node's session; fw_session_none() leaves nobody out
 * @return FW_OK, or FW_ERR_STATE when it has been sent
 * @thread any, before the first send
 * @since  0.1
 */
FW_API int fw_message_set_except(fw_message *m, fw_session_id except);

/**
 * Give the message a key, so that it is in a room's history once, however often it is
 * published there: for who tries again since he doesn't know whether it arrived. The
 * later ones are dropped, and their RESULT has the position of the first. A key is
 * remembered for 5 minutes. In rooms without history it has no effect.
 *
 * @param key copied; 1..64 bytes UTF-8 without control characters; NULL: none
 * @return FW_OK, FW_ERR_INVALID, FW_ERR_MEMORY; FW_ERR_STATE when it has been sent
 * @thread any, before the first send
 * @since  0.1
 */
FW_API int fw_message_set_key(fw_message *m, const char *key);

/**
 * @return of a message of a HISTORY event: its position; else {0, 0}
 * @thread any
 * @since  0.1
 */
FW_API fw_position fw_message_position(const fw_message *m);

/**
 * @param len out, may be NULL
 * @return the bytes, valid as long as the message
 * @thread any
 * @since  0.1
 */
FW_API const void *fw_message_data(const fw_message *m, size_t *len);

/**
 * @return the flags it was made with
 * @thread any
 * @since  0.1
 */
FW_API unsigned fw_message_flags(const fw_message *m);

FW_END_DECLS

#endif
