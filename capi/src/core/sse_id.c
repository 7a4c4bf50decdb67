/*
 * See sse_id.h. Nothing is kept of where a session is: its rooms know what they have said
 * to it (fwi_fanout_heard). @thread loop
 */
#include "core/sse_id.h"

#include <string.h>

#include "core/centrifuge.h"
#include "core/fanout.h"
#include "wire/http_request.h"

/* --- what it says --- */

static fwi_heard **slot_of(fwi_session *s)
{
    return s->protocol == FWI_SSE ? &s->heard : &s->centrifuge->heard;
}

static const fwi_heard *heard_of(const fwi_session *s)
{
    return s->protocol == FWI_SSE ? s->heard : s->centrifuge->heard;
}

/* Takes over the positions of an id up to what isn't one; *good: there was nothing of
 * that kind. No more rooms are remembered than it may be in. false: out of memory. */
static bool remember(fwi_session *s, const char *id, bool *good)
{
    int64_t most = s->shard->hub->set.limit_rooms;
    const char *at = id;
    fwi_es_position p;
    uint32_t n = 0;
    while (n < most && fwi_es_next(&at, &p)) {
        n++;
    }
    *good = n == most || *at == '\0';
    if (n == 0) {
        return true;
    }
    fwi_heard *heard = malloc(sizeof *heard + n * sizeof heard->at[0]);
    if (heard == NULL) {
        return false;
    }
    heard->n = n;
    at = id;
    for (uint32_t i = 0; i < n; i++) {
        fwi_es_next(&at, &heard->at[i]);
    }
    *slot_of(s) = heard;
    s->names_rooms = true;
    return true;
}

int fwi_sse_read_id(fwi_session *s, const char **why)
{
    const char *header = fwi_facts_header(s->facts, "last-event-id");
    const char *query = fwi_facts_query(s->facts);
    bool good = true;
    *why = "out of memory";
    if (header != NULL) {
        return remember(s, header, &good) ? 0 : 503;
    }
    size_t cap = strlen(query) + 1; /* decoding never makes it longer */
    char *id = malloc(cap);
    if (id == NULL) {
        return 503;
    }
    long n = fwi_http_query_get(query, "last_event_id", 0, id, cap);
    bool ok = n <= 0 || remember(s, id, &good);
    free(id);
    if (!ok) {
        return 503;
    }
    *why = "last_event_id is not the id of an event";
    return n == -2 || !good ? 400 : 0;
}

fwi_position fwi_sse_heard(fwi_session *s, const char *room)
{
    const fwi_heard *heard = heard_of(s);
    uint32_t number = fwi_es_room(room);
    for (uint32_t i = 0; heard != NULL && i < heard->n; i++) {
        if (heard->at[i].room == number) {
            return (fwi_position){heard->at[i].epoch, heard->at[i].offset};
        }
    }
    return (fwi_position){0, 0};
}

void fwi_sse_heard_drop(fwi_session *s, const char *room)
{
    fwi_heard *heard = *slot_of(s);
    uint32_t number = fwi_es_room(room), kept = 0;
    if (heard == NULL) {
        return;
    }
    for (uint32_t i = 0; i < heard->n; i++) {
        if (heard->at[i].room != number) {
            heard->at[kept++] = heard->at[i];
        }
    }
    heard->n = kept;
    if (kept == 0) {
        fwi_sse_heard_free(s);
    }
}

void fwi_sse_heard_free(fwi_session *s)
{
    fwi_heard **heard = slot_of(s);
    free(*heard);
    *heard = NULL;
    s->names_rooms = false;
}

/* --- what it is told --- */

static bool put(fwi_buf *out, size_t from, uint32_t number, fwi_position at)
{
    const fwi_es_position p = {number, at.epoch, at.offset};
    return at.epoch == 0 || fwi_es_put_position(out, from, &p);
}

bool fwi_sse_put_room_id(fwi_buf *out, const char *room, fwi_position at)
{
    size_t from;
    return fwi_es_begin_id(out, &from) && put(out, from, fwi_es_room(room), at) &&
           fwi_es_end_id(out, from);
}

/* Has an id to name it? */
static bool is_named(const fwi_place *p)
{
    return p->room->kept && fwi_place_is_in(p);
}

bool fwi_sse_put_id_by(fwi_buf *out, const fwi_session *s, fwi_sse_where where,
                       const void *arg)
{
    const fwi_heard *heard = heard_of(s);
    size_t from;
    bool ok = fwi_es_begin_id(out, &from);
    for (size_t i = 0; ok && i < s->n_places; i++) {
        const fwi_place *p = &s->places[i];
        if (is_named(p)) {
            ok = put(out, from, fwi_es_room(p->room->channel + 2), where(s, p, arg));
        }
    }
    for (uint32_t i = 0; ok && heard != NULL && i < heard->n; i++) {
        ok = fwi_es_put_position(out, from, &heard->at[i]);
    }
    return ok && fwi_es_end_id(out, from);
}

typedef struct spot {
    const fwi_place *place;
    fwi_position at;
} spot;

static fwi_position by_spot(const fwi_session *s, const fwi_place *p, const void *arg)
{
    const spot *known = arg;
    (void)s;
    return p == known->place ? known->at : fwi_fanout_heard(p);
}

bool fwi_sse_put_id(fwi_buf *out, const fwi_session *s, const fwi_place *place,
                    fwi_position at)
{
    return fwi_sse_put_id_by(out, s, by_spot, &(spot){place, at});
}

/* Is there a room that an id must name beside this place's? */
static bool has_others(const fwi_session *s, const fwi_place *place)
{
    if (s->names_rooms) {
        return true;
    }
    for (size_t i = 0; i < s->n_places; i++) {
        if (&s->places[i] != place && is_named(&s->places[i])) {
            return true;
        }
    }
    return false;
}

fwi_frame *fwi_sse_personal(const fwi_session *s, fwi_frame *f, const fwi_place *place,
                            fwi_position at)
{
    /* What has no id changes nothing of where the client is: the last one holds. */
    if (strncmp((const char *)f->bytes, "id: ", 4) != 0 || !has_others(s, place)) {
        return fwi_frame_ref(f);
    }
    const uint8_t *rest = memchr(f->bytes, '\n', f->len);
    size_t line = (size_t)(rest + 1 - f->bytes);
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_buf_reserve(&text, f->len + FWI_ES_POSITION_MAX) &&
              fwi_sse_put_id(&text, s, place, at) &&
              fwi_buf_append(&text, rest + 1, f->len - line);
    return fwi_sse_frame_of(&text, ok);
}

bool fwi_sse_put_retry(fwi_buf *out, fwi_session *s)
{
    return fwi_buf_printf(out, "retry: %u\n", (unsigned)fwi_shard_retry_ms(s->shard));
}

fwi_frame *fwi_sse_frame_of(fwi_buf *text, bool ok)
{
    fwi_frame *f = ok ? fwi_frame_new_bare(text->data, text->len) : NULL;
    fwi_buf_fini(text);
    return f;
}

void fwi_sse_say(fwi_session *s, fwi_buf *text, bool ok)
{
    fwi_frame *f = fwi_sse_frame_of(text, ok);
    if (f != NULL) {
        fwi_session_push(s, f, FWI_OUTBOX_KEPT);
        fwi_frame_unref(f);
    }
}

void fwi_sse_greeted(fwi_session *s)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_sse_put_retry(&text, s) && fwi_buf_puts(&text, "\n");
    fwi_sse_say(s, &text, ok);
}
