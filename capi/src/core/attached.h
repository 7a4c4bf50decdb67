/*
 * Sessions whose socket is somebody else's: nginx has accepted it, or a test plays it. To
 * the session they are one more transport: what it writes becomes DELIVER events, with
 * credit, and what comes is told by the application instead of a socket.
 */
#ifndef FWI_CORE_ATTACHED_H
#define FWI_CORE_ATTACHED_H

#include "core/session.h"

typedef struct fwi_hub fwi_hub;

/* Makes the session on one of the loops; the answer is a RESULT with ref. facts is taken,
 * user may be NULL. FW_OK, FW_ERR_CLOSED, FW_ERR_BUSY, FW_ERR_MEMORY. @thread any */
int fwi_attach(fwi_hub *hub, fwi_facts *facts, const char *user, uint64_t ref);

/* A message of its client. FW_OK, FW_ERR_GONE (or another node's, or not attached),
 * FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY. @thread any */
int fwi_attached_feed(fwi_hub *hub, fw_session_id id, struct fw_message *m);

/* Its client has closed (code 1005 if without one), or has vanished (1006). Errors as of
 * fwi_attached_feed, without BUSY for the queue. @thread any */
int fwi_attached_feed_close(fwi_hub *hub, fw_session_id id, unsigned code,
                            const char *reason);

/* Some of its DELIVER events have finished. @thread loop */
void fwi_attached_resume(fwi_session *s);
/* The queue of events has room again. @thread loop */
void fwi_attached_resume_all(fwi_shard *shard);

#endif
