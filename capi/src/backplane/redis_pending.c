/*
 * This node's own publishes that wait for answer and echo. See the header.
 */
#include "backplane/redis_pending.h"

#include <string.h>

void fwi_redis_pending_init(fwi_redis_pending *p)
{
    memset(p, 0, sizeof *p);
    fwi_list_init(&p->all);
    fwi_list_init(&p->local);
    fwi_list_init(&p->unsent);
}

static void drop(fwi_redis_pending *p, fwi_redis_publish *e)
{
    HASH_DEL(p->table, e);
    fwi_list_remove(&e->all);
    fwi_list_remove(&e->local);
    fwi_list_remove(&e->unsent);
    p->bytes -= e->cost;
    fw_message_unref(e->m);
    free(e);
}

void fwi_redis_pending_fini(fwi_redis_pending *p)
{
    fwi_redis_publish *e;
    while ((e = fwi_redis_pending_oldest(p)) != NULL) {
        drop(p, e);
    }
}

fwi_redis_publish *fwi_redis_pending_add(fwi_redis_pending *p, const char *channel,
                                         fw_message *m, uint64_t subscription,
                                         uint64_t deadline_ms)
{
    size_t len = strlen(channel);
    fwi_redis_publish *e = calloc(1, sizeof *e + len + 1);
    if (e == NULL) {
        return NULL;
    }
    e->serial = p->last_serial + 1;
    HASH_ADD(hh, p->table, serial, sizeof e->serial, e);
    if (!FWI_HASH_ADDED(e)) {
        free(e);
        return NULL;
    }
    p->last_serial = e->serial;
    e->subscription = subscription;
    e->deadline_ms = deadline_ms;
    e->cost = fwi_message_cost(m);
    e->m = fw_message_ref(m);
    memcpy(e->channel, channel, len + 1);
    fwi_list_init(&e->local);
    fwi_list_init(&e->unsent);
    fwi_list_init(&e->all);
    fwi_list_append(&p->all, &e->all);
    fwi_list_append(&p->unsent, &e->unsent);
    if (subscription != 0) {
        fwi_list_append(&p->local, &e->local);
    }
    p->bytes += e->cost;
    return e;
}

fwi_redis_publish *fwi_redis_pending_find(fwi_redis_pending *p, uint64_t serial)
{
    fwi_redis_publish *e;
    HASH_FIND(hh, p->table, &serial, sizeof serial, e);
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

void fwi_redis_pending_release(fwi_redis_pending *p, fwi_redis_publish *e)
{
    if (e->answered && fwi_redis_publish_is_delivered(e)) {
        drop(p, e);
    }
}

void fwi_redis_pending_link_down(fwi_redis_pending *p)
{
    fwi_list_init(&p->unsent);
    for (fwi_list *l = p->all.next; l != &p->all; l = l->next) {
        fwi_redis_publish *e = fwi_list_entry(l, fwi_redis_publish, all);
        fwi_list_init(&e->unsent);
        if (!e->answered) {
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

bool fwi_redis_asked_pop(fwi_redis_asked *a, uint64_t *what)
{
    if (a->count == 0) {
        return false;
    }
    *what = a->ring[a->head];
    a->head = (a->head + 1) & (a->cap - 1);
    a->count--;
    return true;
}

void fwi_redis_asked_clear(fwi_redis_asked *a)
{
    a->head = a->count = 0;
}
