/*
 * What raw connections mean in rooms mode (option raw.mode): ?room=R&user=U joins, and
 * what is sent reaches the rooms. It is what an application's handlers would be, and uses
 * what they would use. @thread loop
 */
#ifndef FWI_CORE_RAW_ROOMS_H
#define FWI_CORE_RAW_ROOMS_H

#include "core/session_inside.h"

/* Is what the query asks for allowed? NULL, or what is wrong (status 400). */
const char *fwi_raw_problem(const fwi_session *s);

/* The user named by the query, NUL-terminated in out; NULL: nobody. */
const char *fwi_raw_user(const fwi_session *s, char *out, size_t cap);

/* The session is open: joins. */
void fwi_raw_opened(fwi_session *s);

/* A join is complete. */
void fwi_raw_joined(fwi_session *s, const char *room, const fwi_admission *a);

/* {"room","reset"}. NULL: out of memory. */
fwi_frame *fwi_raw_reset_frame(const char *channel, fwi_position at);

/* It said something. */
void fwi_raw_message(fwi_session *s, bool text, const void *data, size_t len);

/* Somebody has come or gone: {"room","join":{"user","session","node"}}, or "leave". NULL:
 * out of memory. */
fwi_frame *fwi_raw_news_frame(const char *channel, const fw_message *m);

/* {"room","user","session","node","data"} around a message. NULL: out of memory. */
fwi_frame *fwi_raw_json_frame(const char *channel, const fw_message *m);

#endif
