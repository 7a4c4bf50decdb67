/*
 * The backplane of one process: what is published to a subscribed channel comes back at
 * the next flush. It behaves towards the hub as Redis does (nothing happens inside
 * publish or subscribe, one order for all), so that the hub has one path and no second.
 *
 * Called by the hub on loop 0's thread. Knows no sessions and no other process.
 *
 * What is published holds the channel as it was then: one that was left and entered again
 * is another, and hears nothing from before.
 */
#include "backplane/backplanes.h"
#include "backplane/memory_presence.h"

#include <string.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "core/error.h"

/* A handler that answers each message with another must not keep the loop from its
 * sockets: after so many the rest waits for the next turn. */
enum { FLUSH_LIMIT = 10000, RING_KEPT = 4096 };

typedef struct channel {
    UT_hash_handle hh;
    fwi_list fresh;  /* in memory->fresh until on_subscribed was called */
    bool subscribed; /* it is in the table */
    unsigned queued; /* messages that hold it */
    char name[];
} channel;

typedef struct queued {
    channel *to;
    fw_message *m;
} queued;

typedef struct memory_backplane {
    fwi_backplane base;
    fwi_loop *loop;
    channel *channels;
    fwi_list fresh;
    queued *ring; /* what was published, oldest at first & (cap - 1) */
    size_t cap, first, end;
    bool started, told, stopped;
    uint64_t published, received;
    fwi_memory_presence presence;
} memory_backplane;

static memory_backplane *memory_of(fwi_backplane *bp)
{
    return fwi_container_of(bp, memory_backplane, base);
}

static channel *find(memory_backplane *mb, const char *name)
{
    channel *c;
    HASH_FIND_STR(mb->channels, name, c);
    return c;
}

static int memory_start(fwi_backplane *bp)
{
    memory_backplane *mb = memory_of(bp);
    mb->started = true;
    mb->loop->ops->wake(mb->loop);
    return FW_OK;
}

static bool memory_subscribe(fwi_backplane *bp, const char *name)
{
    memory_backplane *mb = memory_of(bp);
    FWI_ASSERT(find(mb, name) == NULL);
    size_t len = strlen(name);
    channel *c = calloc(1, sizeof *c + len + 1);
    if (c == NULL) {
        return false;
    }
    memcpy(c->name, name, len + 1);
    HASH_ADD_STR(mb->channels, name, c);
    if (!FWI_HASH_ADDED(c)) {
        free(c);
        return false;
    }
    c->subscribed = true;
    fwi_list_init(&c->fresh);
    fwi_list_append(&mb->fresh, &c->fresh);
    return true;
}

static void free_unheld(channel *c)
{
    if (!c->subscribed && c->queued == 0) {
        free(c);
    }
}

static void remove_channel(memory_backplane *mb, channel *c)
{
    HASH_DEL(mb->channels, c);
    fwi_list_remove(&c->fresh);
    c->subscribed = false;
    free_unheld(c);
}

static void memory_unsubscribe(fwi_backplane *bp, const char *name)
{
    memory_backplane *mb = memory_of(bp);
    channel *c = find(mb, name);
    if (c != NULL) {
        remove_channel(mb, c);
    }
}

static bool reserve(memory_backplane *mb)
{
    if (mb->end - mb->first < mb->cap) {
        return true;
    }
    size_t cap = mb->cap ? mb->cap * 2 : 64;
    queued *ring = malloc(cap * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (size_t i = mb->first; i < mb->end; i++) {
        ring[i & (cap - 1)] = mb->ring[i & (mb->cap - 1)];
    }
    free(mb->ring);
    mb->ring = ring;
    mb->cap = cap;
    return true;
}

static bool memory_publish(fwi_backplane *bp, const char *name, fw_message *m,
                           const fwi_terms *terms)
{
    (void)terms;
    memory_backplane *mb = memory_of(bp);
    channel *c = find(mb, name);
    mb->published++;
    if (c == NULL) {
        return true;
    }
    if (!reserve(mb)) {
        return false;
    }
    c->queued++;
    mb->ring[mb->end++ & (mb->cap - 1)] = (queued){c, fw_message_ref(m)};
    return true;
}

/* false: nothing waits. */
static bool take(memory_backplane *mb, queued *q)
{
    if (mb->first == mb->end) {
        return false;
    }
    *q = mb->ring[mb->first++ & (mb->cap - 1)];
    if (mb->first == mb->end && mb->cap > RING_KEPT) { /* a burst's memory goes back */
        free(mb->ring);
        mb->ring = NULL;
        mb->cap = 0;
    }
    return true;
}

static void give_back(const queued *q)
{
    fw_message_unref(q->m);
    q->to->queued--;
    free_unheld(q->to);
}

static void deliver(memory_backplane *mb, const queued *q)
{
    if (q->to->subscribed) {
        mb->received++;
        mb->base.sink->on_message(mb->base.sink_user, q->to->name, q->m);
    }
    give_back(q);
}

static void report(memory_backplane *mb, channel *c)
{
    /* Copied, since the hub may unsubscribe in answer. */
    char name[512];
    snprintf(name, sizeof name, "%s", c->name);
    mb->base.sink->on_subscribed(mb->base.sink_user, name);
}

static bool memory_enter(fwi_backplane *bp, const char *name, fw_message *member,
                         bool tell)
{
    return fwi_memory_presence_enter(&memory_of(bp)->presence, name, member, tell);
}

static void memory_leave(fwi_backplane *bp, const char *name, fw_session_id session)
{
    fwi_memory_presence_leave(&memory_of(bp)->presence, name, session);
}

/* Who asks in answer to an answer, from inside the flush, is answered in another turn. */
static bool memory_read_presence(fwi_backplane *bp, const char *name, uint64_t cursor,
                                 uint32_t limit, uint64_t ref)
{
    memory_backplane *mb = memory_of(bp);
    mb->loop->ops->wake(mb->loop);
    return fwi_memory_presence_read(&mb->presence, name, cursor, limit, ref);
}

static bool memory_read_nodes(fwi_backplane *bp, uint64_t ref)
{
    return memory_read_presence(bp, NULL, 0, 0, ref);
}

static void memory_flush(fwi_backplane *bp)
{
    memory_backplane *mb = memory_of(bp);
    if (!mb->started || mb->stopped) {
        return;
    }
    if (!mb->told) {
        mb->told = true;
        bp->sink->on_state(bp->sink_user, true, NULL);
    }
    fwi_memory_presence_flush(&mb->presence);
    int budget = FLUSH_LIMIT;
    while (budget-- > 0 && !mb->stopped) {
        fwi_list *e = fwi_list_pop(&mb->fresh);
        if (e != NULL) {
            report(mb, fwi_list_entry(e, channel, fresh));
            continue;
        }
        queued q;
        if (!take(mb, &q)) {
            return;
        }
        deliver(mb, &q);
    }
    if (mb->first != mb->end || !fwi_list_is_empty(&mb->fresh)) {
        mb->loop->ops->wake(mb->loop);
    }
}

static void memory_figures(fwi_backplane *bp, fwi_backplane_figures *out)
{
    memory_backplane *mb = memory_of(bp);
    memset(out, 0, sizeof *out);
    out->up = mb->started && !mb->stopped;
    out->published = mb->published;
    out->received = mb->received;
    out->channels = HASH_COUNT(mb->channels);
    out->present = mb->presence.table.n;
}

static void memory_stop(fwi_backplane *bp)
{
    memory_of(bp)->stopped = true;
}

static void memory_free(fwi_backplane *bp)
{
    memory_backplane *mb = memory_of(bp);
    for (queued q; take(mb, &q);) {
        give_back(&q);
    }
    free(mb->ring);
    channel *c, *next;
    HASH_ITER(hh, mb->channels, c, next)
    {
        remove_channel(mb, c);
    }
    fwi_memory_presence_fini(&mb->presence);
    free(mb);
}

static const fwi_backplane_ops memory_ops = {
    .name = "memory",
    .start = memory_start,
    .subscribe = memory_subscribe,
    .unsubscribe = memory_unsubscribe,
    .publish = memory_publish,
    .enter = memory_enter,
    .leave = memory_leave,
    .read_presence = memory_read_presence,
    .read_nodes = memory_read_nodes,
    .flush = memory_flush,
    .figures = memory_figures,
    .stop = memory_stop,
    .free = memory_free,
};

fwi_backplane *fwi_backplane_memory_new(fwi_loop *loop, const fwi_backplane_sink *sink,
                                        void *sink_user)
{
    memory_backplane *mb = calloc(1, sizeof *mb);
    if (mb == NULL) {
        return NULL;
    }
    mb->base = (fwi_backplane){&memory_ops, sink, sink_user};
    mb->loop = loop;
    fwi_list_init(&mb->fresh);
    fwi_memory_presence_init(&mb->presence, &mb->base);
    return &mb->base;
}
