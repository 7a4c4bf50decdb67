/*
 * This node's own publishes that wait for answer and echo. See the header.
 */
#include "backplane/redis_pending.h"

#include <string.h>

enum { SLOTS_MIN = 256, SLOTS_KEPT = 64 * 1024 };

void fwi_redis_pending_init(fwi_redis_pending *p)
{
    memset(p, 0, sizeof *p);
    fwi_list_init(&p->all);
    fwi_list_init(&p->local);
    fwi_list_init(&p->unsent);
    fwi_list_init(&p->outcomes);
    fwi_list_init(&p->aside);
    fwi_list_init(&p->spare);
    p->serials = &p->own_serials;
}

static fwi_redis_publish **slot_of(const fwi_redis_pending *p, uint64_t serial)
{
    return &p->slots[serial & (p->slot_count - 1)];
}

static void put_into_slot(fwi_redis_pending *p, fwi_redis_publish *e)
{
    fwi_redis_publish **slot = slot_of(p, e->serial);
    e->behind = *slot;
    *slot = e;
    p->count++;
}

static void take_from_slot(fwi_redis_pending *p, fwi_redis_publish *e)
{
    fwi_redis_publish **at = slot_of(p, e->serial);
    while (*at != e) {
        at = &(*at)->behind;
    }
    *at = e->behind;
    p->count--;
}

/* For one more. false: out of memory. */
static bool reserve_slot(fwi_redis_pending *p)
{
    if (p->count < p->slot_count) {
        return true;
    }
    size_t count = p->slot_count ? p->slot_count * 2 : SLOTS_MIN;
    fwi_redis_publish **slots = calloc(count, sizeof(fwi_redis_publish *));
    if (slots == NULL) {
        return false;
    }
    free(p->slots);
    p->slots = slots;
    p->slot_count = count;
    p->count = 0;
    for (fwi_list *l = p->all.next; l != &p->all; l = l->next) {
        put_into_slot(p, fwi_list_entry(l, fwi_redis_publish, all));
    }
    return true;
}

static fwi_redis_publish *take_entry(fwi_redis_pending *p, size_t name_size)
{
    size_t cap = FWI_MAX(name_size, (size_t)FWI_REDIS_PUBLISH_NAME);
    fwi_list *l = cap == FWI_REDIS_PUBLISH_NAME ? fwi_list_pop(&p->spare) : NULL;
    if (l != NULL) {
        p->spare_count--;
        return fwi_list_entry(l, fwi_redis_publish, all);
    }
    fwi_redis_publish *e = malloc(sizeof *e + cap);
    if (e != NULL) {
        e->name_cap = cap;
    }
    return e;
}

static void give_back(fwi_redis_pending *p, fwi_redis_publish *e)
{
    if (p->spare_count >= FWI_REDIS_PUBLISH_SPARE ||
        e->name_cap != FWI_REDIS_PUBLISH_NAME) {
        free(e);
        return;
    }
    fwi_list_append(p->spare.next, &e->all); /* first: the cache still has it */
    p->spare_count++;
}

static fwi_redis_publish *last_of_room(const fwi_redis_pending *p, const char *channel)
{
    fwi_redis_publish *e;
    HASH_FIND_STR(p->rooms, channel, e);
    return e;
}

static void forget_room(fwi_redis_pending *p, fwi_redis_publish *e)
{
    if (FWI_HASH_ADDED(e)) {
        HASH_DEL(p->rooms, e);
        e->hh.tbl = NULL;
    }
}

/* false: out of memory. */
static bool remember_room(fwi_redis_pending *p, fwi_redis_publish *e)
{
    HASH_ADD_STR(p->rooms, channel, e);
    return FWI_HASH_ADDED(e);
}

/* Out of all that p knows of it. */
static void take_out(fwi_redis_pending *p, fwi_redis_publish *e)
{
    take_from_slot(p, e);
    forget_room(p, e);
    fwi_list_remove(&e->all);
    fwi_list_remove(&e->local);
    fwi_list_remove(&e->unsent);
    e->aside = false;
    p->bytes -= e->cost;
}

static void drop(fwi_redis_pending *p, fwi_redis_publish *e)
{
    take_out(p, e);
    fw_message_unref(e->m);
    give_back(p, e);
    if (fwi_list_is_empty(&p->all) && p->slot_count > SLOTS_KEPT) {
        free(p->slots);
        p->slots = NULL;
        p->slot_count = 0;
    }
}

void fwi_redis_pending_fini(fwi_redis_pending *p)
{
    fwi_redis_publish *e;
    while ((e = fwi_redis_pending_oldest(p)) != NULL) {
        drop(p, e);
    }
    for (fwi_list *l; (l = fwi_list_pop(&p->spare)) != NULL;) {
        free(fwi_list_entry(l, fwi_redis_publish, all));
    }
    free(p->slots);
}

fwi_redis_publish *fwi_redis_pending_add(fwi_redis_pending *p, const char *channel,
                                         fw_message *m, uint64_t subscription,
                                         uint64_t deadline_ms, const fwi_terms *terms)
{
    size_t name_size = strlen(channel) + 1;
    if (!reserve_slot(p)) {
        return NULL;
    }
    fwi_redis_publish *e = take_entry(p, name_size);
    if (e == NULL) {
        return NULL;
    }
    e->serial = p->last_serial = ++*p->serials;
    e->subscription = subscription;
    e->deadline_ms = deadline_ms;
    e->cost = fwi_message_cost(m);
    e->m = fw_message_ref(m);
    e->terms = terms != NULL ? *terms : (fwi_terms){0};
    e->hint = (fwi_redis_channel_hint){0};
    e->answered = e->refused = e->outcome = e->aside = e->doubtful = false;
    e->hh.tbl = NULL;
    memcpy(e->channel, channel, name_size);
    fwi_list_init(&e->local);
    fwi_list_init(&e->unsent);
    fwi_list_init(&e->all);
    fwi_list_append(&p->all, &e->all);
    fwi_list_append(&p->unsent, &e->unsent);
    if (subscription != 0) {
        fwi_list_append(&p->local, &e->local);
    }
    p->bytes += e->cost;
    put_into_slot(p, e);
    return e;
}

/* Both: behind the last one with a smaller serial. */
static void insert_all(fwi_redis_pending *p, fwi_redis_publish *e)
{
    fwi_list *at = p->all.prev;
    while (at != &p->all &&
           fwi_list_entry(at, fwi_redis_publish, all)->serial > e->serial) {
        at = at->prev;
    }
    fwi_list_append(at->next, &e->all);
}

static uint64_t serial_at(const fwi_list *at)
{
    return fwi_list_entry(at, fwi_redis_publish, unsent)->serial;
}

/* That, or those aside. */
static void insert_unsent(fwi_list *list, fwi_redis_publish *e)
{
    fwi_list *at = list->prev;
    if (at != list && serial_at(list->next) > e->serial) {
        at = list; /* the first of many was tried, and comes back */
    }
    while (at != list && serial_at(at) > e->serial) {
        at = at->prev;
    }
    fwi_list_append(at->next, &e->unsent);
}

void fwi_redis_pending_put_back(fwi_redis_pending *p, fwi_redis_publish *e)
{
    fwi_list_remove(&e->unsent);
    insert_unsent(&p->unsent, e);
}

bool fwi_redis_pending_move(fwi_redis_pending *from, fwi_redis_pending *to,
                            fwi_redis_publish *e, bool anew)
{
    FWI_ASSERT(!e->answered && fwi_redis_publish_is_unsent(e) && !e->outcome &&
               fwi_redis_publish_is_delivered(e));
    if (!reserve_slot(to)) {
        return false;
    }
    take_out(from, e);
    e->hint = (fwi_redis_channel_hint){0};
    if (anew) {
        e->serial = to->last_serial = ++*to->serials;
        fwi_list_append(&to->all, &e->all);
        fwi_list_append(&to->unsent, &e->unsent);
    } else {
        insert_all(to, e);
        insert_unsent(&to->unsent, e);
    }
    to->bytes += e->cost;
    put_into_slot(to, e);
    return true;
}

fwi_redis_publish *fwi_redis_pending_find(fwi_redis_pending *p, uint64_t serial)
{
    fwi_redis_publish *e = p->slot_count > 0 ? *slot_of(p, serial) : NULL;
    while (e != NULL && e->serial != serial) {
        e = e->behind;
    }
    return e;
}

fwi_redis_publish *fwi_redis_pending_oldest(fwi_redis_pending *p)
{
    return fwi_list_is_empty(&p->all)
               ? NULL
               : fwi_list_entry(p->all.next, fwi_redis_publish, all);
}

fwi_redis_publish *fwi_redis_pending_next_local(fwi_redis_pending *p)
{
    return fwi_list_is_empty(&p->local)
               ? NULL
               : fwi_list_entry(p->local.next, fwi_redis_publish, local);
}

fwi_redis_publish *fwi_redis_pending_next_unsent(fwi_redis_pending *p)
{
    return fwi_list_is_empty(&p->unsent)
               ? NULL
               : fwi_list_entry(p->unsent.next, fwi_redis_publish, unsent);
}

fwi_redis_publish *fwi_redis_pending_next_outcome(fwi_redis_pending *p)
{
    return fwi_list_is_empty(&p->outcomes)
               ? NULL
               : fwi_list_entry(p->outcomes.next, fwi_redis_publish, unsent);
}

void fwi_redis_pending_release(fwi_redis_pending *p, fwi_redis_publish *e)
{
    if (e->answered && fwi_redis_publish_is_delivered(e) && !e->outcome) {
        drop(p, e);
    }
}

bool fwi_redis_pending_follow(fwi_redis_pending *p, fwi_redis_publish *e,
                              uint64_t *before)
{
    fwi_redis_publish *last = last_of_room(p, e->channel);
    *before = 0;
    if (last != NULL && last->aside) {
        return true; /* it goes ahead of those that still wait */
    }
    if (last != NULL) {
        *before = last->serial;
        forget_room(p, last);
    }
    return remember_room(p, e);
}

bool fwi_redis_pending_is_behind(const fwi_redis_pending *p, const fwi_redis_publish *e)
{
    const fwi_redis_publish *last = last_of_room(p, e->channel);
    return last != NULL && last->aside && last->serial <= e->serial;
}

bool fwi_redis_pending_put_aside(fwi_redis_pending *p, fwi_redis_publish *e)
{
    fwi_redis_publish *last = last_of_room(p, e->channel);
    fwi_list_remove(&e->unsent);
    insert_unsent(&p->aside, e);
    e->aside = true;
    if (last != NULL && last->serial < e->serial) {
        forget_room(p, last);
        last = NULL;
    }
    return last != NULL || remember_room(p, e);
}

void fwi_redis_pending_resume(fwi_redis_pending *p, bool one)
{
    fwi_list first; /* ahead of what is unsent: of a room it is what came before */
    fwi_list_init(&first);
    for (fwi_list *l = p->aside.next, *next;
         l != &p->aside && !(one && !fwi_list_is_empty(&first)); l = next) {
        fwi_redis_publish *e = fwi_list_entry(l, fwi_redis_publish, unsent);
        fwi_redis_publish *last = last_of_room(p, e->channel);
        next = l->next;
        if (last != NULL && !last->aside) {
            continue;
        }
        if (last != NULL && (!one || last == e)) {
            forget_room(p, last);
        }
        e->aside = false;
        fwi_list_remove(&e->unsent);
        fwi_list_append(&first, &e->unsent);
    }
    fwi_list_splice(&first, &p->unsent);
    fwi_list_splice(&p->unsent, &first);
}

void fwi_redis_pending_link_down(fwi_redis_pending *p)
{
    fwi_list_init(&p->unsent);
    fwi_list_init(&p->aside);
    for (fwi_list *l = p->all.next; l != &p->all; l = l->next) {
        fwi_redis_publish *e = fwi_list_entry(l, fwi_redis_publish, all);
        forget_room(p, e);
        e->aside = false;
        if (!e->answered) {
            e->doubtful = e->doubtful || !fwi_redis_publish_is_unsent(e);
            fwi_list_init(&e->unsent);
            fwi_list_append(&p->unsent, &e->unsent);
        }
    }
}

void fwi_redis_asked_fini(fwi_redis_asked *a)
{
    free(a->ring);
    memset(a, 0, sizeof *a);
}

bool fwi_redis_asked_push(fwi_redis_asked *a, uint64_t what)
{
    if (a->count == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 64;
        uint64_t *ring = malloc(cap * sizeof *ring);
        if (ring == NULL) {
            return false;
        }
        for (size_t i = 0; i < a->count; i++) {
            ring[i] = a->ring[(a->head + i) & (a->cap - 1)];
        }
        free(a->ring);
        a->ring = ring;
        a->cap = cap;
        a->head = 0;
    }
    a->ring[(a->head + a->count++) & (a->cap - 1)] = what;
    return true;
}

bool fwi_redis_asked_first(const fwi_redis_asked *a, uint64_t *what)
{
    if (a->count > 0) {
        *what = a->ring[a->head];
    }
    return a->count > 0;
}

bool fwi_redis_asked_pop(fwi_redis_asked *a, uint64_t *what)
{
    if (!fwi_redis_asked_first(a, what)) {
        return false;
    }
    a->head = (a->head + 1) & (a->cap - 1);
    a->count--;
    return true;
}

void fwi_redis_asked_clear(fwi_redis_asked *a)
{
    a->head = a->count = 0;
}
