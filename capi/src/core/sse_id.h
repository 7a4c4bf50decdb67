/*
 * Where a client of a stream of events is in its rooms: what it says of that when it
 * comes (Last-Event-ID), and what it is told with each event, so that it can say it the
 * next time. The id's text is wire/event_stream.h's.
 *
 * An id names all rooms with history that the session is in. While it is still on its way
 * into some that the client has named, these are named on as the client has: it may lose
 * its connection before it is in.
 *
 * For sse.c and centrifuge_uni.c. @thread loop
 */
#ifndef FWI_CORE_SSE_ID_H
#define FWI_CORE_SSE_ID_H

#include "core/session_inside.h"
#include "wire/event_stream.h"

/* What the client has named and isn't in yet. */
typedef struct fwi_heard {
    uint32_t n;
    fwi_es_position at[];
} fwi_heard;

/* Reads the header Last-Event-ID, or where there is none last_event_id of the query. 0,
 * or the status to refuse with, and *why, valid for ever. What of the header isn't an id
 * of ours is passed over: a browser sends whatever was last served at this address. */
int fwi_sse_read_id(fwi_session *s, const char **why);

/* Where it has named this room; {0, 0}: it hasn't. */
fwi_position fwi_sse_heard(fwi_session *s, const char *room);
/* It is in: from now on its place says where it is. */
void fwi_sse_heard_drop(fwi_session *s, const char *room);
void fwi_sse_heard_free(fwi_session *s);

/* The line of an id for one room, for whoever is in no other. Nothing if `at` has no
 * epoch. */
bool fwi_sse_put_room_id(fwi_buf *out, const char *room, fwi_position at);

/* The line of an id for all rooms of s, which is at `at` in that place's. Nothing if none
 * has a history. */
bool fwi_sse_put_id(fwi_buf *out, const fwi_session *s, const fwi_place *place,
                    fwi_position at);

/* The same, where `where` says for each place where s is there. */
typedef fwi_position (*fwi_sse_where)(const fwi_session *s, const fwi_place *place,
                                      const void *arg);
bool fwi_sse_put_id_by(fwi_buf *out, const fwi_session *s, fwi_sse_where where,
                       const void *arg);

/* As fwi_protocol has it: an event that begins with the id of one room gets that of all
 * the rooms of s. */
fwi_frame *fwi_sse_personal(const fwi_session *s, fwi_frame *f, const fwi_place *place,
                            fwi_position at);

/* "retry:": after how long the client is to come again. */
bool fwi_sse_put_retry(fwi_buf *out, fwi_session *s);

/* What was put together (ok: without running out of memory) as it is, and freed. NULL:
 * out of memory. */
fwi_frame *fwi_sse_frame_of(fwi_buf *text, bool ok);

/* The same to s alone. No policy for slow readers may drop it: ids count on it. */
void fwi_sse_say(fwi_session *s, fwi_buf *text, bool ok);

/* As fwi_protocol has it: the stream begins with the time after which to come again. */
void fwi_sse_greeted(fwi_session *s);

#endif
