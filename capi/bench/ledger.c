/*
 * The books of a run; see ledger.h. Called for each message that is said and heard, so
 * everything here takes the same time however many members, rooms and senders there are,
 * and the tables grow with what can be heard: members times the senders of their room.
 */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

typedef struct room {
    unsigned first_sender, senders;
    unsigned open; /* members that are waited for */
} room;

typedef struct sender {
    unsigned member;
    uint32_t serial;   /* the next */
    uint32_t finished; /* all before are */
} sender;

typedef struct hearer {
    unsigned room;
    bool open;
    size_t heard; /* the first of its sequences: one for each sender of its room */
} hearer;

struct ledger {
    ledger_options o;
    uint32_t mask; /* of the window */
    unsigned n_slow;
    room *rooms;
    sender *senders;
    hearer *hearers;
    bool *slow;
    uint32_t *unheard;   /* [sender][serial & mask]: by how many */
    sequence *sequences; /* see hearer; of echoes and direct messages one a member */
    uint64_t missing, lost;
    ledger_figures figures;
};

static bool is_for_one(const ledger *l)
{
    return l->o.hearers != HEARD_BY_ROOM;
}

static void place_senders(ledger *l)
{
    const layout *o = &l->o.layout;
    for (unsigned i = 0; i < o->senders; i++) {
        unsigned member = layout_sender(o, i);
        room *r = &l->rooms[layout_room(o, member)];
        l->senders[i].member = member;
        r->first_sender = r->senders == 0 ? i : r->first_sender;
        r->senders++;
    }
}

static void choose_slow(ledger *l)
{
    const layout *o = &l->o.layout;
    unsigned next_sender = 0, silent = 0;
    for (unsigned i = 0; i < o->members; i++) {
        if (next_sender < o->senders && l->senders[next_sender].member == i) {
            next_sender++;
        } else {
            l->slow[i] = layout_is_slow(o, silent++);
            l->n_slow += l->slow[i];
        }
    }
}

/* The number of sequences. */
static size_t place_hearers(ledger *l)
{
    size_t heard = 0;
    for (unsigned i = 0; i < l->o.layout.members; i++) {
        hearer *h = &l->hearers[i];
        h->room = layout_room(&l->o.layout, i);
        h->heard = heard;
        heard += is_for_one(l) ? 1 : l->rooms[h->room].senders;
    }
    return heard;
}

ledger *ledger_new(const ledger_options *options)
{
    const layout *o = &options->layout;
    ledger *l = calloc(1, sizeof *l);
    if (!l) {
        return NULL;
    }
    l->o = *options;
    uint32_t window = 1;
    while (window < options->window) {
        window *= 2;
    }
    l->mask = window - 1;
    l->rooms = calloc(o->rooms, sizeof *l->rooms);
    l->senders = calloc(o->senders, sizeof *l->senders);
    l->hearers = calloc(o->members, sizeof *l->hearers);
    l->slow = calloc(o->members, sizeof *l->slow);
    l->unheard = calloc((size_t)o->senders * window, sizeof *l->unheard);
    if (l->rooms && l->senders && l->hearers && l->slow && l->unheard) {
        place_senders(l);
        choose_slow(l);
        l->sequences = calloc(place_hearers(l) + 1, sizeof *l->sequences);
    }
    if (!l->sequences) {
        ledger_free(l);
        return NULL;
    }
    return l;
}

void ledger_free(ledger *l)
{
    if (l) {
        free(l->rooms);
        free(l->senders);
        free(l->hearers);
        free(l->slow);
        free(l->unheard);
        free(l->sequences);
        free(l);
    }
}

unsigned ledger_member_of(const ledger *l, unsigned s)
{
    return l->senders[s].member;
}

bool ledger_is_slow(const ledger *l, unsigned member)
{
    return l->slow[member];
}

const bool *ledger_slow_members(const ledger *l)
{
    return l->slow;
}

unsigned ledger_slow_count(const ledger *l)
{
    return l->n_slow;
}

void ledger_opened(ledger *l, unsigned member)
{
    hearer *h = &l->hearers[member];
    h->open = true;
    l->rooms[h->room].open += !l->slow[member];
}

/* One hearer less is waited for. */
static void count_off(ledger *l, unsigned index, uint32_t serial)
{
    sender *s = &l->senders[index];
    uint32_t *unheard = &l->unheard[(size_t)index * (l->mask + 1)];
    l->missing--;
    if (--unheard[serial & l->mask] > 0) {
        return;
    }
    while (s->finished != s->serial && unheard[s->finished & l->mask] == 0) {
        s->finished++;
    }
    if (l->o.on_finished) {
        l->o.on_finished(l->o.user, index);
    }
}

/* Is a message on its way still, so far as its sender knows? */
static bool is_unfinished(const ledger *l, unsigned index, uint32_t serial)
{
    const sender *s = &l->senders[index];
    return serial - s->finished < s->serial - s->finished &&
           l->unheard[(size_t)index * (l->mask + 1) + (serial & l->mask)] > 0;
}

/* What a member hasn't heard of this sender, and now never will. */
static void give_up(ledger *l, const sequence *q, unsigned index)
{
    uint32_t end = l->senders[index].serial;
    for (uint32_t serial = l->senders[index].finished; serial != end; serial++) {
        if (is_unfinished(l, index, serial) && !sequence_has(q, serial)) {
            l->lost++;
            count_off(l, index, serial);
        }
    }
}

void ledger_closed(ledger *l, unsigned member)
{
    hearer *h = &l->hearers[member];
    const room *r = &l->rooms[h->room];
    if (!h->open) {
        return;
    }
    h->open = false;
    if (l->slow[member]) {
        return;
    }
    l->rooms[h->room].open--;
    for (unsigned i = 0; i < r->senders && !is_for_one(l); i++) {
        give_up(l, &l->sequences[h->heard + i], r->first_sender + i);
    }
    /* An echo or direct message for it stays missing: nobody else waits for that. */
}

bool ledger_may_say(const ledger *l, unsigned index)
{
    const sender *s = &l->senders[index];
    return s->serial - s->finished <= l->mask;
}

void ledger_say(ledger *l, unsigned index, uint64_t when_ns, mark *m)
{
    sender *s = &l->senders[index];
    const room *r = &l->rooms[l->hearers[s->member].room];
    unsigned expected = is_for_one(l) ? 1 : r->open;
    *m = (mark){
        .magic = MARK_MAGIC, .sender = index, .serial = s->serial, .when_ns = when_ns};
    if (l->o.hearers == HEARD_BY_TARGET) {
        m->spare = layout_target(&l->o.layout, s->member);
    }
    l->unheard[(size_t)index * (l->mask + 1) + (s->serial & l->mask)] = expected;
    l->missing += expected;
    l->figures.sent++;
    s->serial++;
}

/* The sequence of what this member hears of this sender; NULL: it should hear nothing. */
static sequence *sequence_of(ledger *l, unsigned member, const mark *m)
{
    const hearer *h = &l->hearers[member];
    if (l->o.hearers == HEARD_BY_ROOM) {
        const room *r = &l->rooms[h->room];
        unsigned place = m->sender - r->first_sender;
        return place < r->senders ? &l->sequences[h->heard + place] : NULL;
    }
    if (m->sender >= l->o.layout.senders) {
        return NULL;
    }
    unsigned from = l->senders[m->sender].member;
    bool fits = l->o.hearers == HEARD_BY_SENDER
                    ? from == member
                    : layout_target(&l->o.layout, from) == member;
    return fits ? &l->sequences[h->heard] : NULL;
}

void ledger_heard(ledger *l, unsigned member, const mark *m, uint64_t now_ns)
{
    ledger_figures *f = &l->figures;
    sequence *q = sequence_of(l, member, m);
    if (!q) {
        f->unexpected++; /* and what should have come instead will be found missing */
        return;
    }
    uint32_t skipped;
    sequence_verdict verdict = sequence_take(q, m->serial, &skipped);
    uint64_t took = now_ns > m->when_ns ? now_ns - m->when_ns : 0;
    if (verdict == SEQUENCE_DUPLICATE) {
        f->duplicated++;
        return;
    }
    f->late += verdict == SEQUENCE_LATE;
    if (l->slow[member]) {
        f->slow_delivered++;
        f->slow_skipped += skipped;
        f->slow_skipped -= verdict == SEQUENCE_LATE;
        histogram_add(&f->slow_latency, took);
        return;
    }
    f->delivered++;
    histogram_add(&f->latency, took);
    if (is_unfinished(l, m->sender, m->serial)) {
        if (l->unheard[(size_t)m->sender * (l->mask + 1) + (m->serial & l->mask)] == 1) {
            histogram_add(&f->last, took);
        }
        count_off(l, m->sender, m->serial);
    }
}

uint64_t ledger_missing(const ledger *l)
{
    return l->missing;
}

uint64_t ledger_lost(const ledger *l)
{
    return l->lost;
}

const ledger_figures *ledger_figures_of(const ledger *l)
{
    return &l->figures;
}

void ledger_reset_figures(ledger *l)
{
    memset(&l->figures, 0, sizeof l->figures);
}
