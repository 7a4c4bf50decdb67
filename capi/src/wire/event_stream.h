/*
 * Server-Sent Events (the "event stream" of the HTML standard), as far as bytes go: the
 * lines of an event, and what its id says. Pure.
 *
 * An id names the positions of all rooms that a client is in, so that the last one it has
 * heard is all that it need show when it comes back:
 *
 *     id: 8bd43a21:00c0ffee00c0ffee/17,e40c292c:0ddba11000000007/3
 *
 * A room is there by a number made of its name, since names may be long and an id comes
 * back in a header. Two rooms with one number have two epochs, so the worst of it is that
 * one of them isn't recovered, and that is said.
 */
#ifndef FWI_WIRE_EVENT_STREAM_H
#define FWI_WIRE_EVENT_STREAM_H

#include "base/buf.h"

typedef struct fwi_es_position {
    uint32_t room; /* fwi_es_room */
    uint64_t epoch, offset;
} fwi_es_position;

enum {
    /* Of an id. It comes back as one line of a head, for which nginx has 8 KiB. */
    FWI_ES_ID_MAX = 6144,
    /* Of one position in it: number, epoch, offset, and what parts them. */
    FWI_ES_POSITION_MAX = 8 + 1 + 16 + 1 + 20 + 1
};

/* The number of a room's name. */
uint32_t fwi_es_room(const char *name);

/* Begins the line of an id; *from is where its text begins. The next two add to it. */
bool fwi_es_begin_id(fwi_buf *out, size_t *from);
/* Beyond FWI_ES_ID_MAX nothing is put any more, and true is returned. */
bool fwi_es_put_position(fwi_buf *out, size_t from, const fwi_es_position *p);
/* An id without a position would be the order to forget the last one: then the line is
 * taken back. */
bool fwi_es_end_id(fwi_buf *out, size_t from);

/* The next position of an id; *text moves behind it. false: there is none, or what comes
 * next isn't one (*text is then not at the end). */
bool fwi_es_next(const char **text, fwi_es_position *p);

/* "data:" lines, one for each line of the text, and the empty line that ends the event.
 * In an event CR and CRLF end a line as LF does, and are heard as LF. */
bool fwi_es_put_data(fwi_buf *out, const void *data, size_t len);

#endif
