/*
 * Raw connections, as a protocol (core/protocol.h): fwi_raw_protocol. In rooms mode
 * (option raw.mode) ?room=R&user=U joins, and what is sent reaches the rooms; it is what
 * an application's handlers would be, and uses what they would use. sse.c is the same for
 * clients that only listen. @thread loop
 */
#ifndef FWI_CORE_RAW_ROOMS_H
#define FWI_CORE_RAW_ROOMS_H

#include "core/session_inside.h"

extern const fwi_farewell fwi_raw_farewell[FWI_ENDS];

/* The session is let in as this user's; NULL: nobody's. */
void fwi_raw_open(fwi_session *s, const char *user);

/* As fwi_protocol has them. */
void fwi_raw_ask(fwi_session *s);
void fwi_raw_verdict(fwi_session *s, bool accept, int code, const char *text,
                     fwi_claims *given);

/* Are messages of rooms wrapped, and who comes and goes told? */
bool fwi_raw_is_json(const fwi_shard *shard);

/* A message of a channel, or who has come or gone, in that form. false: out of memory. */
bool fwi_raw_put_message(fwi_buf *out, const char *channel, const fw_message *m);
bool fwi_raw_put_news(fwi_buf *out, const char *channel, const fw_message *m);

/* A ping of WebSocket. The caller's reference. */
fwi_frame *fwi_raw_ping(const fwi_session *s);

/* {"room","user","session","node","data"} around a message. NULL: out of memory. */
fwi_frame *fwi_raw_json_frame(const char *channel, const fw_message *m);

#endif
