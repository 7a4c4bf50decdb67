/*
 * See fanout.h. No user code runs while members are walked: what an overflow means for a
 * session waits for the end of the turn, and a socket that fails is told of later.
 * @thread loop
 */
#include "core/fanout.h"

#include <string.h>

#include "core/compress.h"
#include "core/outbox.h"
#include "core/session_inside.h"
#include "wire/ws_extensions.h"

enum {
    UNUSED_MAX = 256, /* batches, and references in each, that are kept for later */
    SAID_KEPT = 256,
    AHEAD = 4 /* members whose memory is asked for early: there may be thousands */
};

bool fwi_fanout_init(fwi_fanout *fo)
{
    memset(fo, 0, sizeof *fo);
    fwi_list_init(&fo->speaking);
    fwi_list_init(&fo->unused);
    fo->joined = malloc(2 * FWI_PROTOCOLS * (size_t)FWI_SCRATCH);
    return fo->joined != NULL;
}

static void batch_free(fwi_batch *b)
{
    free(b->said);
    free(b);
}

static void release(fwi_fanout *fo, fwi_batch *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        for (unsigned p = 0; p < FWI_PROTOCOLS; p++) {
            fwi_frame_unref(b->said[i].frame[p]);
        }
    }
    if (b->n > 0) {
        b->room->at = b->said[b->n - 1].at;
    }
    b->room->batch = NULL;
    b->room = NULL;
    b->n = 0;
    memset(b->bytes, 0, sizeof b->bytes);
    b->news = false;
    fwi_list_remove(&b->link);
    fo->n_speaking--;
    if (fo->n_unused < UNUSED_MAX && b->cap <= SAID_KEPT) {
        fwi_list_append(&fo->unused, &b->link);
        fo->n_unused++;
    } else {
        batch_free(b);
    }
}

void fwi_fanout_fini(fwi_fanout *fo)
{
    FWI_ASSERT(fwi_list_is_empty(&fo->speaking));
    for (fwi_list *e; (e = fwi_list_pop(&fo->unused)) != NULL;) {
        batch_free(fwi_list_entry(e, fwi_batch, link));
    }
    free(fo->joined);
    free(fo->merging);
}

void fwi_fanout_forget(fwi_shard *shard, fwi_room *room)
{
    if (room->batch != NULL) {
        release(&shard->fanout, room->batch);
    }
}

/* --- what is said --- */

static fwi_batch *batch_of(fwi_fanout *fo, fwi_room *room)
{
    if (room->batch != NULL) {
        return room->batch;
    }
    fwi_batch *b;
    fwi_list *e = fwi_list_pop(&fo->unused);
    if (e != NULL) {
        b = fwi_list_entry(e, fwi_batch, link);
        fo->n_unused--;
    } else {
        b = calloc(1, sizeof *b);
        if (b == NULL) {
            return NULL;
        }
        fwi_list_init(&b->link);
    }
    b->room = room;
    room->batch = b;
    fwi_list_append(&fo->speaking, &b->link);
    fo->n_speaking++;
    return b;
}

static bool is_news(const fwi_telling *told)
{
    return told->m != NULL && told->m->kind != FWI_MSG_DATA;
}

static fwi_position position_of(const fwi_telling *told)
{
    return told->m != NULL ? told->m->at : told->at;
}

/* Where somebody is who has heard so much of what the room has said in this turn. */
static fwi_position position_at(const fwi_room *room, uint32_t heard)
{
    return heard > 0 ? room->batch->said[heard - 1].at : room->at;
}

fwi_position fwi_fanout_heard(const fwi_place *place)
{
    return position_at(place->room, place->room->batch != NULL ? place->heard : 0);
}

void fwi_fanout_stand(fwi_room *room, fwi_position at)
{
    if (room->batch != NULL && room->batch->n > 0) {
        room->batch->said[room->batch->n - 1].at = at;
    } else {
        room->at = at;
    }
}

static bool add(fwi_fanout *fo, fwi_room *room, const fwi_telling *told)
{
    fwi_batch *b = batch_of(fo, room);
    if (b == NULL) {
        return false;
    }
    if (b->n == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 4;
        fwi_said *said = realloc(b->said, cap * sizeof *said);
        if (said == NULL) {
            if (b->n == 0) {
                release(fo, b); /* nobody is to be written nothing */
            }
            return false;
        }
        b->said = said;
        b->cap = cap;
    }
    fwi_position at = position_of(told);
    if (at.epoch == 0) {
        at = position_at(room, b->n); /* it is of no history */
    }
    fwi_said *said = &b->said[b->n++];
    *said = (fwi_said){.serial = ++fo->serial, .at = at, .news = is_news(told)};
    for (unsigned p = 0; p < FWI_PROTOCOLS; p++) {
        if (told->frame[p] != NULL) {
            said->frame[p] = fwi_frame_ref(told->frame[p]);
            b->bytes[p] += told->frame[p]->len;
        }
    }
    b->news = b->news || said->news;
    return true;
}

uint64_t fwi_fanout_tag(const fwi_room *room)
{
    if (room->channel[0] != 'r') {
        return 0;
    }
    return room->kept ? room->serial | FWI_OUTBOX_KEPT : room->serial;
}

/* What of it is for s? NULL: nothing. */
static fwi_frame *frame_for(const fwi_session *s, const fwi_room *room,
                            fwi_frame *const frames[FWI_PROTOCOLS], bool news)
{
    const fwi_protocol *p = fwi_session_protocol(s);
    bool wanted = !news || p->wants_news == NULL || p->wants_news(s, room);
    return wanted ? frames[s->protocol] : NULL;
}

/* Into the outbox of s, which is at `at` in the room of that place with it. */
static void give(fwi_session *s, const fwi_place *place, fwi_frame *f, fwi_position at)
{
    const fwi_protocol *p = fwi_session_protocol(s);
    uint64_t tag = fwi_fanout_tag(place->room);
    if (p->personal == NULL || !place->room->kept) {
        fwi_session_put(s, f, tag);
        return;
    }
    fwi_frame *own = p->personal(s, f, place, at);
    if (own != NULL) {
        fwi_session_put(s, own, tag);
        fwi_frame_unref(own);
    } else {
        /* A message that it doesn't hear of is one too many: it is to come again. */
        s->mute |= FWI_MUTE_OVERFLOWED;
        fwi_session_mark_dirty(s);
    }
}

/* Past the batch, which can't take it. Each catches up first: order is kept. */
static void push_to_all(fwi_room *room, const fwi_telling *told,
                        const fwi_session *except)
{
    fwi_position at = position_of(told);
    for (uint32_t i = 0; i < room->n_in; i++) {
        fwi_session *s = room->members[i];
        fwi_frame *f = frame_for(s, room, told->frame, is_news(told));
        fwi_fanout_catch_up(s);
        if (s != except && f != NULL) {
            give(s, fwi_session_place(s, room), f, at);
        }
    }
    if (at.epoch != 0) {
        fwi_fanout_stand(room, at);
    }
}

void fwi_fanout_missed(fwi_session *s, const fwi_place *place,
                       const fwi_history_slice *missed)
{
    fwi_fanout_catch_up(s);
    for (size_t i = 0; missed != NULL && i < missed->n; i++) {
        fw_message *m = missed->m[i];
        if (fw_session_id_equal(m->except, fwi_session_identity(s))) {
            continue;
        }
        fwi_frame *f = fwi_session_protocol(s)->frame(s->shard, place->room->channel, m);
        if (f != NULL) {
            give(s, place, f, m->at);
            fwi_frame_unref(f);
        }
    }
}

/* What has been said until now isn't for s any more, or not yet. */
static void skip(fwi_session *s, fwi_place *place)
{
    place->heard = place->room->batch->n;
    s->ahead = true;
}

/* One write a batch is what its buffer holds, and what may wait for a slow reader: what
 * the kernel doesn't take of it is kept by the transport. A single message may be larger
 * in the words of some protocol; it goes alone, though nothing follows in these words. */
static bool fits(const fwi_shard *shard, const fwi_batch *b, const fwi_telling *told)
{
    size_t max = FWI_MIN((size_t)FWI_SCRATCH, shard->hub->set.outbox_max);
    for (unsigned p = 0; p < FWI_PROTOCOLS; p++) {
        size_t more = told->frame[p] != NULL ? told->frame[p]->len : 0;
        if (b->bytes[p] + more > max) {
            return false;
        }
    }
    return true;
}

void fwi_fanout_say(fwi_shard *shard, fwi_room *room, const fwi_telling *told)
{
    fwi_fanout *fo = &shard->fanout;
    bool any = false;
    for (unsigned p = 0; p < FWI_PROTOCOLS; p++) {
        any = any || told->frame[p] != NULL;
    }
    if (!any) {
        return;
    }
    fwi_session *except =
        told->m != NULL ? fwi_session_find(shard, told->m->except) : NULL;
    fwi_place *place = except != NULL ? fwi_session_place(except, room) : NULL;
    if (place != NULL && !fwi_place_is_in(place)) {
        place = NULL;
    }
    if (room->batch != NULL && !fits(shard, room->batch, told)) {
        fwi_fanout_all(shard);
    }
    if (place != NULL) {
        fwi_fanout_catch_up(except);
    }
    if (!add(fo, room, told)) {
        push_to_all(room, told, except);
    } else if (place != NULL) {
        skip(except, place);
    }
}

void fwi_fanout_entered(fwi_session *s, fwi_place *place)
{
    place->heard = 0;
    if (place->room->batch != NULL) {
        skip(s, place);
    }
}

/* --- who hears it --- */

static bool has_more(const fwi_place *p)
{
    const fwi_batch *b = p->room != NULL ? p->room->batch : NULL;
    return b != NULL && fwi_place_is_in(p) && p->heard < b->n;
}

/* When p's room has said what comes next there. */
static uint64_t next_serial(const fwi_place *p)
{
    return p->room->batch->said[p->heard].serial;
}

/* Into the outbox with what comes next in p. */
static void hear(fwi_session *s, fwi_place *p)
{
    const fwi_said *said = &p->room->batch->said[p->heard++];
    fwi_frame *f = frame_for(s, p->room, said->frame, said->news);
    s->ahead = true;
    if (f != NULL) {
        give(s, p, f, fwi_fanout_heard(p));
    }
}

/* The place whose room has said the oldest that s hasn't got; NULL: there is none. */
static fwi_place *next_to_hear(fwi_session *s)
{
    fwi_place *next = NULL;
    for (size_t i = 0; i <= s->n_places; i++) {
        fwi_place *p = i < s->n_places ? &s->places[i] : &s->user_place;
        if (has_more(p) && (next == NULL || next_serial(p) < next_serial(next))) {
            next = p;
        }
    }
    return next;
}

/* merging[i] may be later than those below it in the heap. */
static void sift(fwi_place **merging, size_t n, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n &&
            next_serial(merging[child + 1]) < next_serial(merging[child])) {
            child++;
        }
        if (next_serial(merging[i]) <= next_serial(merging[child])) {
            return;
        }
        fwi_place *p = merging[i];
        merging[i] = merging[child];
        merging[child] = p;
    }
}

/* The places of s with more to hear, in fo->merging. false: out of memory. */
static bool gather_places(fwi_fanout *fo, fwi_session *s, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i <= s->n_places; i++) {
        fwi_place *p = i < s->n_places ? &s->places[i] : &s->user_place;
        if (!has_more(p)) {
            continue;
        }
        if (*n == fo->merging_cap) {
            size_t cap = fo->merging_cap ? fo->merging_cap * 2 : 16;
            fwi_place **merging = realloc(fo->merging, cap * sizeof(fwi_place *));
            if (merging == NULL) {
                return false;
            }
            fo->merging = merging;
            fo->merging_cap = cap;
        }
        fo->merging[(*n)++] = p;
    }
    return true;
}

/* A heap, since a session may be in hundreds of rooms that all speak; where there is no
 * memory for it, the oldest is looked for each time. */
void fwi_fanout_catch_up(fwi_session *s)
{
    fwi_fanout *fo = &s->shard->fanout;
    size_t n;
    if (fwi_fanout_is_quiet(fo)) {
        return;
    }
    if (!gather_places(fo, s, &n)) {
        for (fwi_place *p; (p = next_to_hear(s)) != NULL;) {
            hear(s, p);
        }
        return;
    }
    for (size_t i = n / 2; i > 0; i--) {
        sift(fo->merging, n, i - 1);
    }
    while (n > 0) {
        fwi_place *p = fo->merging[0];
        hear(s, p);
        if (!has_more(p)) {
            fo->merging[0] = fo->merging[--n];
        }
        sift(fo->merging, n, 0);
    }
}

/* In this round: the batches are given up behind it. */
static void hear_slowly(fwi_session *s, uint32_t round)
{
    fwi_fanout_catch_up(s);
    for (size_t i = 0; i < s->n_places; i++) {
        if (fwi_place_is_in(&s->places[i])) {
            s->places[i].heard = 0;
        }
    }
    s->user_place.heard = 0;
    s->ahead = false;
    s->several = 0;
    s->heard_round = round;
}

/* A batch in one piece, as members with this protocol and window (0: uncompressed) get
 * it. */
typedef struct wording {
    const uint8_t *bytes; /* NULL: not put together yet */
    size_t len;
    uint32_t frames;  /* so many are in it */
    uint64_t written; /* to so many members */
} wording;

/* Puts it together in `space`; a single frame stays where it is, and may be larger. A
 * compressed frame is never longer than the plain one, so both fit. */
static void join(fwi_shard *shard, const fwi_batch *b, const fwi_session *s,
                 uint8_t *space, wording *out)
{
    out->bytes = space;
    for (uint32_t i = 0; i < b->n; i++) {
        fwi_frame *f = b->said[i].frame[s->protocol];
        if (f == NULL) {
            continue;
        }
        if (s->deflates != 0) {
            f = fwi_frame_for_deflate(shard, f, s->deflates);
        }
        if (b->n == 1) {
            out->bytes = f->bytes;
        } else {
            memcpy(space + out->len, f->bytes, f->len);
        }
        out->len += f->len;
        out->frames++;
    }
}

enum { WORDINGS = 2 * FWI_PROTOCOLS };

/* Is s told more with a message than the room's others are? */
static bool is_told_more(const fwi_session *s, const fwi_room *room)
{
    return fwi_session_protocol(s)->personal != NULL && room->kept &&
           (s->n_places > 1 || s->names_rooms);
}

/* What s gets. NULL: its window is one of the rare small ones, or it may not want all of
 * that or is told more, and it goes slowly. */
static wording *wording_for(fwi_shard *shard, const fwi_batch *b, const fwi_session *s,
                            wording all[WORDINGS])
{
    bool deflated = s->deflates != 0;
    if ((deflated && s->deflates != FWI_WS_WINDOW_MAX) ||
        (b->news && fwi_session_protocol(s)->wants_news != NULL) ||
        is_told_more(s, b->room)) {
        return NULL;
    }
    unsigned which = s->protocol * 2u + deflated;
    if (all[which].bytes == NULL) {
        join(shard, b, s, shard->fanout.joined + which * FWI_SCRATCH, &all[which]);
    }
    return &all[which];
}

static void count(fwi_shard *shard, const wording *w)
{
    fwi_stat_add(&shard->stats, FWI_STAT_DELIVERIES, w->written * w->frames);
    fwi_stat_add(&shard->stats, FWI_STAT_WRITES, w->written);
    fwi_stat_add(&shard->stats, FWI_STAT_WRITTEN, w->written * w->frames);
    fwi_stat_add(&shard->stats, FWI_STAT_WRITTEN_BYTES, w->written * w->len);
}

static void speak(fwi_shard *shard, fwi_batch *b)
{
    fwi_fanout *fo = &shard->fanout;
    const fwi_room *room = b->room;
    wording all[WORDINGS];
    memset(all, 0, sizeof all);
    for (uint32_t i = 0; i < room->n_in; i++) {
        if (i + 2 * AHEAD < room->n_in) {
            __builtin_prefetch(room->members[i + 2 * AHEAD]);
            __builtin_prefetch(room->members[i + AHEAD]->conn);
        }
        fwi_session *s = room->members[i];
        if (s->heard_round == fo->round) {
            continue;
        }
        wording *w = NULL;
        if (s->several <= 1 && !s->ahead && fwi_session_can_write_now(s)) {
            w = wording_for(shard, b, s, all);
        }
        if (w == NULL) {
            hear_slowly(s, fo->round);
            continue;
        }
        s->several = 0;
        if (w->len > 0) {
            w->written += s->tp->write(s->conn, w->bytes, w->len); /* or gone comes */
        }
    }
    for (unsigned i = 0; i < WORDINGS; i++) {
        count(shard, &all[i]);
    }
}

/* Who is in more than one of the rooms that speak? */
static void count_several(fwi_fanout *fo)
{
    for (fwi_list *e = fo->speaking.next; e != &fo->speaking; e = e->next) {
        const fwi_room *room = fwi_list_entry(e, fwi_batch, link)->room;
        for (uint32_t i = 0; i < room->n_in; i++) {
            fwi_session *s = room->members[i];
            s->several = s->several == 0 ? 1 : 2;
        }
    }
}

/* Rounds begin anew, some days into a busy loop's life: who was slow in one of that
 * number has heard nothing of the next. 0 is the round of sessions that have never been.
 */
static void forget_rounds(fwi_shard *shard)
{
    for (fwi_list *e = shard->open.next; e != &shard->open; e = e->next) {
        fwi_list_entry(e, fwi_session, all)->heard_round = 0;
    }
    shard->fanout.round = 0;
}

void fwi_fanout_all(fwi_shard *shard)
{
    fwi_fanout *fo = &shard->fanout;
    if (fwi_fanout_is_quiet(fo)) {
        return;
    }
    if (fo->round == UINT32_MAX) {
        forget_rounds(shard);
    }
    fo->round++;
    if (fo->n_speaking > 1) {
        count_several(fo);
    }
    for (fwi_list *e = fo->speaking.next; e != &fo->speaking; e = e->next) {
        speak(shard, fwi_list_entry(e, fwi_batch, link));
    }
    while (!fwi_list_is_empty(&fo->speaking)) {
        release(fo, fwi_list_entry(fo->speaking.next, fwi_batch, link));
    }
}
