/*
 * The backplane of one process: what is published to a subscribed channel comes back at
 * the next flush. It behaves towards the hub as Redis does (nothing happens inside
 * publish or subscribe, one order for all), so that the hub has one path and no second.
 *
 * Called by the hub on loop 0's thread. Knows no sessions and no other process.
 *
 * What is published holds the channel as it was then: one that was left and entered again
 * is another, and hears nothing from before. What a room keeps is different: it goes to
 * who is subscribed when it gets its position, as with Redis.
 *
 * Publishes, reads and orders to forget stand in one queue and are carried out from
 * there, at the flush. So a page holds what was delivered before it and nothing else.
 */
#include "backplane/backplanes.h"

#include <string.h>

#include "backplane/memory_history.h"
#include "backplane/memory_presence.h"
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

typedef enum { PUBLISH, KEEP, READ, FORGET } order_kind;

/* What somebody wants to know the outcome of, or what concerns a history. */
typedef struct order {
    order_kind kind;
    fwi_terms terms;
    fwi_history_query query;
    uint64_t ref;
    char channel[];
} order;

typedef struct queued {
    channel *to; /* NULL: goes to nobody, or to whom there is then */
    fw_message *m;
    order *what; /* NULL: a publish, and nobody asks */
} queued;

typedef struct memory_backplane {
    fwi_backplane base;
    fwi_loop *loop;
    channel *channels;
    fwi_list fresh;
    fwi_memory_history history;
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

/* Takes over `what`, NULL or not. false: out of memory. */
static bool enqueue(memory_backplane *mb, channel *c, fw_message *m, order *what)
{
    if (!reserve(mb)) {
        free(what);
        return false;
    }
    if (c != NULL) {
        c->queued++;
    }
    mb->ring[mb->end++ & (mb->cap - 1)] =
        (queued){c, m != NULL ? fw_message_ref(m) : NULL, what};
    return true;
}

static order *new_order(order_kind kind, const char *name, uint64_t ref)
{
    size_t len = strlen(name);
    order *o = calloc(1, sizeof *o + len + 1);
    if (o != NULL) {
        o->kind = kind;
        o->ref = ref;
        memcpy(o->channel, name, len + 1);
    }
    return o;
}

static bool memory_publish(fwi_backplane *bp, const char *name, fw_message *m,
                           const fwi_terms *terms)
{
    memory_backplane *mb = memory_of(bp);
    bool kept = terms != NULL && terms->history_size > 0;
    channel *c = kept ? NULL : find(mb, name);
    mb->published++;
    if (!kept && (terms == NULL || terms->ref == 0)) {
        return c == NULL || enqueue(mb, c, m, NULL);
    }
    order *o = new_order(kept ? KEEP : PUBLISH, name, terms->ref);
    if (o == NULL) {
        return false;
    }
    o->terms = *terms;
    return enqueue(mb, c, m, o);
}

static bool memory_read_history(fwi_backplane *bp, const char *name,
                                const fwi_history_query *query, uint64_t ref)
{
    order *o = new_order(READ, name, ref);
    if (o != NULL) {
        o->query = *query;
    }
    return o != NULL && enqueue(memory_of(bp), NULL, NULL, o);
}

static bool memory_forget_history(fwi_backplane *bp, const char *name, uint64_t ref)
{
    order *o = new_order(FORGET, name, ref);
    return o != NULL && enqueue(memory_of(bp), NULL, NULL, o);
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
    free(q->what);
    if (q->to != NULL) {
        q->to->queued--;
        free_unheld(q->to);
    }
}

static void deliver(memory_backplane *mb, const channel *to, fw_message *m)
{
    if (to != NULL && to->subscribed) {
        mb->received++;
        mb->base.sink->on_message(mb->base.sink_user, to->name, m);
    }
}

static void tell(memory_backplane *mb, uint64_t ref, int err, const char *why,
                 fwi_position at)
{
    const fwi_published what = {err, why, at};
    if (ref != 0 && mb->base.sink->on_published != NULL) {
        mb->base.sink->on_published(mb->base.sink_user, ref, &what);
    }
}

static void keep(memory_backplane *mb, const queued *q)
{
    const order *o = q->what;
    fwi_position at = {0};
    fw_message *kept;
    if (!fwi_memory_history_keep(&mb->history, o->channel, q->m, &o->terms, &kept, &at)) {
        tell(mb, o->ref, FW_ERR_MEMORY, "out of memory", at);
        return;
    }
    if (kept != NULL) {
        deliver(mb, find(mb, o->channel), kept);
        fw_message_unref(kept);
    }
    tell(mb, o->ref, FW_OK, "", at);
}

static void read_page(memory_backplane *mb, const order *o)
{
    fwi_history_page page;
    fwi_memory_history_read(&mb->history, o->channel, &o->query, &page);
    if (mb->base.sink->on_history != NULL) {
        mb->base.sink->on_history(mb->base.sink_user, o->ref, &page);
    }
    fwi_memory_history_page_fini(&page);
}

static void carry_out(memory_backplane *mb, const queued *q)
{
    fwi_position at = {0};
    if (q->what == NULL || q->what->kind == PUBLISH) {
        deliver(mb, q->to, q->m);
    }
    if (q->what == NULL) {
        return;
    }
    switch (q->what->kind) {
    case PUBLISH:
        tell(mb, q->what->ref, FW_OK, "", at);
        break;
    case KEEP:
        keep(mb, q);
        break;
    case READ:
        read_page(mb, q->what);
        break;
    case FORGET: {
        bool ok = fwi_memory_history_forget(&mb->history, q->what->channel, &at);
        tell(mb, q->what->ref, ok ? FW_OK : FW_ERR_MEMORY, ok ? "" : "out of memory", at);
        break;
    }
    }
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
        carry_out(mb, &q);
        give_back(&q);
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
    out->kept = mb->history.kept;
    out->history_reads = mb->history.reads;
    out->repeated = mb->history.repeated;
}

static void refuse(memory_backplane *mb, const order *o)
{
    const char *why = "stopped before it was done";
    if (o->kind != READ) {
        tell(mb, o->ref, FW_ERR_CLOSED, why, (fwi_position){0});
    } else if (mb->base.sink->on_history != NULL) {
        const fwi_history_page page = {.err = FW_ERR_CLOSED, .why = why};
        mb->base.sink->on_history(mb->base.sink_user, o->ref, &page);
    }
}

static void memory_stop(fwi_backplane *bp)
{
    memory_backplane *mb = memory_of(bp);
    if (mb->stopped) {
        return;
    }
    mb->stopped = true;
    for (queued q; take(mb, &q);) {
        if (q.what != NULL) {
            refuse(mb, q.what);
        }
        give_back(&q);
    }
    fwi_memory_presence_stop(&mb->presence);
}

static void memory_free(fwi_backplane *bp)
{
    memory_backplane *mb = memory_of(bp);
    for (queued q; take(mb, &q);) {
        give_back(&q);
    }
    free(mb->ring);
    fwi_memory_history_fini(&mb->history);
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
    .alone = true,
    .start = memory_start,
    .subscribe = memory_subscribe,
    .unsubscribe = memory_unsubscribe,
    .publish = memory_publish,
    .read_history = memory_read_history,
    .forget_history = memory_forget_history,
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
    fwi_memory_history_init(&mb->history, loop);
    fwi_memory_presence_init(&mb->presence, &mb->base);
    return &mb->base;
}
