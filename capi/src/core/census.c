/*
 * See census.h. What a loop has counted travels as text: the members of a room in
 * decimal, a blank, the room's name, NUL.
 * @thread loop, where a loop counts; else loop 0
 */
#include "core/census.h"

#include <inttypes.h>
#include <string.h>

#include "core/shard.h"

typedef struct census {
    atomic_uint refs; /* one of each item, one of loop 0 while it begins */
    unsigned waiting; /* loops that have not told yet */
    bool ok;
    fwi_census_room *rooms;
    fwi_census_fn on_done;
    void *user;
} census;

/* What a loop has counted, on its way. */
typedef struct piece {
    census *c;
    fwi_buf text;
    bool ok;
} piece;

static void census_unref(census *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    fwi_census_room *r, *next;
    HASH_ITER(hh, c->rooms, r, next)
    {
        HASH_DEL(c->rooms, r);
        free(r);
    }
    free(c);
}

static void piece_free(void *ptr)
{
    piece *p = ptr;
    census_unref(p->c);
    fwi_buf_fini(&p->text);
    free(p);
}

static piece *piece_new(census *c)
{
    piece *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->c = c;
        p->ok = true;
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    }
    return p;
}

/* --- a loop counts --- */

static void on_room(void *user, const char *channel, uint32_t members)
{
    piece *p = user;
    if (channel[0] == 'r') {
        p->ok = p->ok &&
                fwi_buf_printf(&p->text, "%" PRIu32 " %s", members, channel + 2) &&
                fwi_buf_append(&p->text, "", 1);
    }
}

static void count(fwi_shard *shard, piece *p)
{
    fwi_room_count_all(shard, on_room, p);
}

/* --- loop 0 puts it together --- */

static bool add(census *c, uint64_t members, const char *name)
{
    fwi_census_room *r = NULL;
    size_t n = strlen(name);
    HASH_FIND(hh, c->rooms, name, n, r);
    if (r == NULL) {
        r = calloc(1, sizeof *r + n + 1);
        if (r == NULL) {
            return false;
        }
        memcpy(r->name, name, n);
        HASH_ADD_KEYPTR(hh, c->rooms, r->name, n, r);
        if (!FWI_HASH_ADDED(r)) {
            free(r);
            return false;
        }
    }
    r->members += members;
    return true;
}

static void take(census *c, const piece *p)
{
    const char *at = p->text.len > 0 ? p->text.data : "", *end = at + p->text.len;
    c->ok = c->ok && p->ok;
    while (at < end && c->ok) {
        char *name;
        uint64_t members = strtoull(at, &name, 10);
        c->ok = add(c, members, name + 1);
        at = name + 1 + strlen(name + 1) + 1;
    }
    if (--c->waiting == 0) {
        c->on_done(c->user, c->ok ? c->rooms : NULL, c->ok);
    }
}

static void run_counted(fwi_shard *shard, fwi_item *item)
{
    (void)shard;
    const piece *p = item->ptr;
    take(p->c, p);
    fwi_item_free(item);
}

static void run_count(fwi_shard *shard, fwi_item *item)
{
    count(shard, item->ptr);
    item->run = run_counted;
    fwi_shard_post(shard->hub->shard[0], item, false); /* refused only when all ends */
}

/* Of loop 0 it is there at once. */
static void ask_loop(fwi_hub *hub, census *c, unsigned i)
{
    piece *p = piece_new(c);
    fwi_item *item = p != NULL ? fwi_item_new(run_count, NULL, NULL) : NULL;
    if (item == NULL) {
        const piece none = {.ok = false};
        take(c, &none);
        if (p != NULL) {
            piece_free(p);
        }
        return;
    }
    item->ptr = p;
    item->ptr_free = piece_free;
    if (i == 0) {
        count(hub->shard[0], p);
        run_counted(hub->shard[0], item);
    } else {
        fwi_shard_post(hub->shard[i], item, false);
    }
}

void fwi_census_take(fwi_hub *hub, fwi_census_fn on_done, void *user)
{
    census *c = calloc(1, sizeof *c);
    if (c == NULL) {
        on_done(user, NULL, false);
        return;
    }
    atomic_init(&c->refs, 1);
    c->ok = true;
    c->waiting = hub->n_shards;
    c->on_done = on_done;
    c->user = user;
    for (unsigned i = 0; i < hub->n_shards; i++) {
        ask_loop(hub, c, i);
    }
    census_unref(c);
}
