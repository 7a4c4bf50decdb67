/**
 * Publish from a process that serves no sessions: a script, a job, a web application.
 * An emitter is one blocking connection to the same Redis; it starts no thread.
 */
#ifndef FANWIRE_EMITTER_H
#define FANWIRE_EMITTER_H

#include <stddef.h>

#include <fanwire/export.h>
#include <fanwire/message.h>
#include <fanwire/options.h>

FW_BEGIN_DECLS

typedef struct fw_emitter fw_emitter;

/**
 * Make an emitter; connects at the first publish, and again after a failure.
 *
 * @param emitter out, owned by caller
 * @param options copied; uses redis.url (must be set) and redis.prefix
 * @return FW_OK, FW_ERR_OPTION, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_emitter_new(fw_emitter **emitter, const fw_options *options);

/** @param emitter taken; NULL is allowed @thread any, not in use elsewhere @since 0.1 */
FW_API void fw_emitter_free(fw_emitter *emitter);

/**
 * Publish to a room; returns when Redis has taken it. A call that fails isn't repeated
 * by itself: after a time-out Redis may have taken it. "message.max_bytes" isn't looked
 * at.
 *
 * @param m          borrowed
 * @param timeout_ms for connecting and the answer together, but for looking up the name
 *                   of the host; 0 and less: 5000
 * @return how many subscribers, that is nodes, received it (0..)
 *         FW_ERR_INVALID   room name not allowed
 *         FW_ERR_BACKPLANE Redis refused or can't be reached
 *         FW_ERR_TIMEOUT; FW_ERR_MEMORY
 * @thread any, one call at a time for one emitter
 * @since  0.1
 */
FW_API int fw_emitter_publish(fw_emitter *emitter, const char *room, fw_message *m,
                              int timeout_ms);

/**
 * Send to all sessions of a user.
 *
 * @param m borrowed
 * @return as fw_emitter_publish; FW_ERR_INVALID user name not allowed
 * @thread as above
 * @since  0.1
 */
FW_API int fw_emitter_send_user(fw_emitter *emitter, const char *user, fw_message *m,
                                int timeout_ms);

/**
 * Send to every session of every node.
 *
 * @param m borrowed
 * @return how many subscribers received it; FW_ERR_BACKPLANE, FW_ERR_TIMEOUT,
 *         FW_ERR_MEMORY
 * @thread as above
 * @since  0.1
 */
FW_API int fw_emitter_send_all(fw_emitter *emitter, fw_message *m, int timeout_ms);

/**
 * Close all sessions of a user, on all nodes, as fw_user_disconnect does.
 *
 * @param code   as in fw_session_close
 * @param reason as in fw_session_close
 * @return as fw_emitter_publish; FW_ERR_INVALID also for the code or the reason
 * @thread as above
 * @since  0.1
 */
FW_API int fw_emitter_disconnect_user(fw_emitter *emitter, const char *user,
                                      unsigned code, const char *reason, int timeout_ms);

FW_END_DECLS

#endif
