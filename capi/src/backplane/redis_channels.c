/*
 * What this node is subscribed to. See the header.
 *
 * Redis answers the commands of one link in order. So when it was last told SUBSCRIBE and
 * no SUBSCRIBE of the channel is outstanding, the last one has been answered, and with it
 * every UNSUBSCRIBE before. That holds however quickly the hub changes its mind.
 */
#include "backplane/redis_channels.h"

#include <string.h>

void fwi_redis_channels_init(fwi_redis_channels *cs)
{
    memset(cs, 0, sizeof *cs);
    fwi_list_init(&cs->dirty);
    fwi_list_init(&cs->reports);
}

static void drop(fwi_redis_channels *cs, fwi_redis_channel *c)
{
    HASH_DEL(cs->table, c);
    cs->dropped++;
    fwi_list_remove(&c->dirty);
    fwi_list_remove(&c->report);
    free(c);
}

void fwi_redis_channels_fini(fwi_redis_channels *cs)
{
    fwi_redis_channel *c, *next;
    HASH_ITER(hh, cs->table, c, next)
    {
        drop(cs, c);
    }
}

static fwi_redis_channel *find_any(fwi_redis_channels *cs, const char *name)
{
    fwi_redis_channel *c;
    HASH_FIND_STR(cs->table, name, c);
    return c;
}

/* Makes it if there is none; hashes the name once. */
static fwi_redis_channel *find_or_add(fwi_redis_channels *cs, const char *name)
{
    size_t len = strlen(name);
    unsigned hash;
    fwi_redis_channel *c = NULL;
    HASH_VALUE(name, len, hash);
    HASH_FIND_BYHASHVALUE(hh, cs->table, name, len, hash, c);
    if (c != NULL) {
        return c;
    }
    c = calloc(1, sizeof *c + len + 1);
    if (c == NULL) {
        return NULL;
    }
    memcpy(c->name, name, len + 1);
    fwi_list_init(&c->dirty);
    fwi_list_init(&c->report);
    HASH_ADD_BYHASHVALUE(hh, cs->table, name[0], len, hash, c);
    if (!FWI_HASH_ADDED(c)) {
        free(c);
        return NULL;
    }
    return c;
}

fwi_redis_channel *fwi_redis_channels_find(fwi_redis_channels *cs, const char *name)
{
    fwi_redis_channel *c = find_any(cs, name);
    return c != NULL && c->subscription != 0 ? c : NULL;
}

fwi_redis_channel *fwi_redis_channels_find_again(fwi_redis_channels *cs, const char *name,
                                                 fwi_redis_channel_hint *hint)
{
    if (hint->at == NULL || hint->dropped != cs->dropped) {
        hint->at = find_any(cs, name);
        hint->dropped = cs->dropped;
    }
    return hint->at != NULL && hint->at->subscription != 0 ? hint->at : NULL;
}

static bool is_idle(const fwi_redis_channel *c)
{
    return c->subscription == 0 && !c->asked && c->subscribes == 0 &&
           c->unsubscribes == 0;
}

static void update_dirty(fwi_redis_channels *cs, fwi_redis_channel *c)
{
    bool dirty = (c->subscription != 0) != c->asked;
    if (dirty && !fwi_list_is_linked(&c->dirty)) {
        fwi_list_append(&cs->dirty, &c->dirty);
    } else if (!dirty) {
        fwi_list_remove(&c->dirty);
    }
}

static void stop_awaiting(fwi_redis_channels *cs, fwi_redis_channel *c)
{
    if (c->awaited) {
        c->awaited = false;
        cs->awaited--;
    }
}

static void settle(fwi_redis_channels *cs, fwi_redis_channel *c)
{
    bool was_confirmed = c->confirmed;
    c->confirmed = c->asked && c->subscribes == 0;
    if (c->confirmed && c->subscription != 0) {
        /* What is wanted while the others are asked for again is told at once, and the
         * return doesn't wait for it. */
        bool too_early = !was_confirmed && !c->awaited && !fwi_list_is_linked(&c->report);
        c->reported = c->reported && !too_early;
        stop_awaiting(cs, c);
        fwi_redis_channels_report(cs, c);
    }
}

fwi_redis_channel *fwi_redis_channels_want(fwi_redis_channels *cs, const char *name)
{
    fwi_redis_channel *c = find_or_add(cs, name);
    if (c == NULL) {
        return NULL;
    }
    FWI_ASSERT(c->subscription == 0);
    c->subscription = ++cs->subscriptions;
    c->reported = false;
    cs->wanted++;
    update_dirty(cs, c);
    /* Left and entered within one turn: Redis never heard of it and needs not to. */
    settle(cs, c);
    return c;
}

void fwi_redis_channels_unwant(fwi_redis_channels *cs, const char *name)
{
    fwi_redis_channel *c = fwi_redis_channels_find(cs, name);
    if (c == NULL) {
        return;
    }
    c->subscription = 0;
    cs->wanted--;
    fwi_list_remove(&c->report);
    stop_awaiting(cs, c);
    update_dirty(cs, c);
    if (is_idle(c)) {
        drop(cs, c);
    }
}

size_t fwi_redis_channels_batch(fwi_redis_channels *cs, bool *subscribe,
                                fwi_redis_channel **out, size_t max)
{
    size_t n = 0;
    while (n < max && !fwi_list_is_empty(&cs->dirty)) {
        fwi_redis_channel *c = fwi_list_entry(cs->dirty.next, fwi_redis_channel, dirty);
        bool wants = c->subscription != 0;
        if (n == 0) {
            *subscribe = wants;
        } else if (*subscribe != wants) {
            break;
        }
        fwi_list_remove(&c->dirty);
        c->asked = wants;
        c->confirmed = false;
        if (wants) {
            c->subscribes++;
        } else {
            c->unsubscribes++;
        }
        out[n++] = c;
    }
    return n;
}

bool fwi_redis_channels_acked(fwi_redis_channels *cs, const char *name, bool subscribe)
{
    fwi_redis_channel *c = find_any(cs, name);
    if (c == NULL || (subscribe ? c->subscribes : c->unsubscribes) == 0) {
        return false;
    }
    if (subscribe) {
        c->subscribes--;
    } else {
        c->unsubscribes--;
    }
    settle(cs, c);
    if (is_idle(c)) {
        drop(cs, c);
    }
    return true;
}

fwi_redis_channel *fwi_redis_channels_next_report(fwi_redis_channels *cs)
{
    fwi_list *e = fwi_list_pop(&cs->reports);
    return e != NULL ? fwi_list_entry(e, fwi_redis_channel, report) : NULL;
}

void fwi_redis_channels_report(fwi_redis_channels *cs, fwi_redis_channel *c)
{
    if (!c->reported) {
        c->reported = true;
        fwi_list_append(&cs->reports, &c->report);
    }
}

void fwi_redis_channels_report_all(fwi_redis_channels *cs)
{
    fwi_redis_channel *c, *next;
    HASH_ITER(hh, cs->table, c, next)
    {
        if (c->subscription != 0) {
            fwi_redis_channels_report(cs, c);
        }
    }
}

void fwi_redis_channels_link_up(fwi_redis_channels *cs)
{
    fwi_redis_channel *c, *next;
    HASH_ITER(hh, cs->table, c, next)
    {
        if (!c->awaited) {
            c->awaited = true;
            cs->awaited++;
        }
    }
}

void fwi_redis_channels_link_down(fwi_redis_channels *cs)
{
    fwi_redis_channel *c, *next;
    HASH_ITER(hh, cs->table, c, next)
    {
        stop_awaiting(cs, c);
        c->asked = c->confirmed = false;
        c->subscribes = c->unsubscribes = 0;
        update_dirty(cs, c);
        if (is_idle(c)) {
            drop(cs, c);
        }
    }
}
