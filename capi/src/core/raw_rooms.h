/*
 * Raw connections, as a protocol (core/protocol.h): fwi_raw_protocol. In rooms mode
 * (option raw.mode) ?room=R&user=U joins, and what is sent reaches the rooms; it is what
 * an application's handlers would be, and uses what they would use. @thread loop
 */
#ifndef FWI_CORE_RAW_ROOMS_H
#define FWI_CORE_RAW_ROOMS_H

#include "core/session_inside.h"

/* The session is let in as this user's; NULL: nobody's. */
void fwi_raw_open(fwi_session *s, const char *user);

/* A ping of WebSocket. The caller's reference. */
fwi_frame *fwi_raw_ping(const fwi_session *s);

/* {"room","user","session","node","data"} around a message. NULL: out of memory. */
fwi_frame *fwi_raw_json_frame(const char *channel, const fw_message *m);

#endif
