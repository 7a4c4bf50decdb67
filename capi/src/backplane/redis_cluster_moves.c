/*
 * Slots go from one server to another, and with them the channels that are subscribed
 * there and the publishes that wait. See redis_cluster.h.
 *
 *     a server says "not here", or a new map says so
 *          |  slot_left: the map is asked for; move_left: the channels go to nobody
 *     the slot is nobody's: what is published is delivered here, and waits
 *          |  settle: once its former server owes no answer about it, and the map says
 *          |  who is next
 *     the next server: channels are subscribed to there, what has waited is sent
 *
 * The wait for answers keeps the order of a room: what one server has refused must be
 * sent by the next one ahead of what was published later.
 *
 * In a room without history a publish whose answer is lost together with its server, and
 * whose slot is another shard's now, isn't sent again: others may have heard it, and
 * can't know it again there (redis_seen.c). One with a place in a history is: Redis knows
 * it by its serial, which moves with the slot.
 */
#include "backplane/redis_cluster.h"

#include <string.h>

#include "backplane/redis_sharded.h"
#include "core/error.h"

enum { SETTLE_MS = 10 };

/* What was published under the subscription there is now will be delivered here; the
 * subscription itself goes away. */
static void free_of_subscriptions(fwi_redis_cluster *c, fwi_redis_backplane *from)
{
    for (fwi_list *l = from->pending.local.next, *next; l != &from->pending.local;
         l = next) {
        fwi_redis_publish *e = fwi_list_entry(l, fwi_redis_publish, local);
        next = l->next;
        if (fwi_redis_cluster_of(c, e->channel) == from) {
            continue;
        }
        const fwi_redis_channel *channel =
            fwi_redis_channels_find(&from->channels, e->channel);
        if (channel != NULL && channel->subscription == e->subscription) {
            e->subscription = FWI_REDIS_ANY_SUBSCRIPTION;
        }
    }
}

/* Channels whose slots `from` doesn't have any more. false: out of memory, some are still
 * there. */
static bool move_channels(fwi_redis_cluster *c, fwi_redis_backplane *from)
{
    fwi_redis_channel *channel, *next;
    bool ok = true;
    free_of_subscriptions(c, from);
    HASH_ITER(hh, from->channels.table, channel, next)
    {
        bool probe = strcmp(channel->name, from->probe_channel) == 0;
        fwi_redis_backplane *to = probe ? from : fwi_redis_cluster_of(c, channel->name);
        if (to == from || channel->subscription == 0) {
            continue;
        }
        fwi_redis_channel *there =
            fwi_redis_channels_move(&from->channels, &to->channels, channel);
        ok = ok && there != NULL;
        if (there != NULL && to->state != FWI_REDIS_UP) {
            fwi_redis_channels_report(&to->channels, there);
        }
    }
    return ok;
}

static fwi_redis_shard *shard_of(fwi_redis_cluster *c, const fwi_redis_backplane *rb)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->shards[i] != NULL && c->shards[i]->rb == rb) {
            return c->shards[i];
        }
    }
    return &c->nobody;
}

void fwi_redis_cluster_slot_left(fwi_redis_cluster *c, fwi_redis_backplane *rb,
                                 unsigned slot)
{
    /* Even if that is known: what was refused mustn't be tried there again. */
    c->unsettled = true;
    shard_of(c, rb)->strays = true;
    if (slot >= FWI_REDIS_SLOTS || fwi_redis_cluster_at(c, slot) != rb) {
        return;
    }
    c->owner[slot] = c->target[slot] = FWI_REDIS_NO_MASTER;
    c->left = shard_of(c, rb)->left = true;
    fwi_redis_topology_hurry(c->topology, FWI_REDIS_TOPOLOGY_SOON_MS);
}

void fwi_redis_cluster_move_left(fwi_redis_cluster *c)
{
    bool some = false;
    for (size_t i = 0; c->left && i <= c->n; i++) {
        fwi_redis_shard *s = i < c->n ? c->shards[i] : &c->nobody;
        if (s != NULL && s->left) {
            s->left = !move_channels(c, s->rb);
            some = some || s->left;
        }
    }
    c->left = some;
    c->unsettled = c->unsettled || some;
}

/* --- publishes --- */

static bool is_on_its_way(const fwi_redis_publish *e)
{
    return !e->answered && !fwi_redis_publish_is_unsent(e);
}

/* Others may have heard it. */
static void give_up(fwi_redis_backplane *from, fwi_redis_publish *e)
{
    uint64_t ref = fwi_redis_publish_take_ref(e);
    from->counts.queue_dropped++;
    fwi_redis_publish_set_refused(e);
    fwi_redis_pending_release(&from->pending, e);
    fwi_redis_tell_published(from, ref, FW_ERR_BACKPLANE,
                             "its server was lost, and its slot has moved",
                             (fwi_position){0});
}

/* e isn't on its way, and is delivered here. */
static void move_publish(fwi_redis_cluster *c, fwi_redis_backplane *from,
                         fwi_redis_publish *e)
{
    bool kept = fwi_redis_publish_is_kept(e);
    fwi_redis_backplane *nobody = c->nobody.rb;
    fwi_redis_backplane *to =
        from == nobody ? fwi_redis_cluster_of(c, e->channel) : nobody;
    /* For a new server a new serial; but none of a room with history: one that was lost
     * may have been used, and the others of its room stay before and behind it. */
    bool anew = to != nobody && !kept;
    if (e->doubtful && !kept) {
        give_up(from, e);
    } else if (!fwi_redis_pending_move(&from->pending, &to->pending, e, anew)) {
        c->unsettled = true;
    }
}

/* Delivers it here, and moves it. Unless its server still owes an answer: true, and the
 * slot is fenced. */
static bool deliver_and_move(fwi_redis_cluster *c, fwi_redis_backplane *from,
                             fwi_redis_publish *e, bool *fenced)
{
    char name[FWI_REDIS_CHANNEL_MAX];
    fw_message *m = fwi_redis_take_delivery(from, e) ? fw_message_ref(e->m) : NULL;
    bool stays = is_on_its_way(e);
    snprintf(name, sizeof name, "%s", e->channel);
    if (e->answered) {
        fwi_redis_pending_release(&from->pending, e);
    } else if (stays) {
        fenced[fwi_redis_sharded_slot(from, e->channel)] = true;
    } else {
        move_publish(c, from, e);
    }
    /* At last: what the hub publishes in answer comes behind it, wherever it is. */
    if (m != NULL && !c->stopped) {
        from->base.sink->on_message(from->base.sink_user, name, m);
    }
    fw_message_unref(m);
    return stays;
}

/* Publishes whose slots `from` doesn't have any more. true: some are still there. */
static bool move_publishes(fwi_redis_cluster *c, fwi_redis_backplane *from, bool *fenced)
{
    uint64_t up_to = c->serials; /* handlers may publish anew */
    bool some = false;
    for (fwi_list *l = from->pending.all.next, *next;
         l != &from->pending.all && !c->stopped; l = next) {
        fwi_redis_publish *e = fwi_list_entry(l, fwi_redis_publish, all);
        next = l->next;
        if (e->serial <= up_to && fwi_redis_cluster_of(c, e->channel) != from) {
            some = deliver_and_move(c, from, e, fenced) || some;
        }
    }
    return some;
}

/* --- at the flush --- */

void fwi_redis_cluster_settle_later(fwi_redis_cluster *c)
{
    if (!fwi_timer_is_set(&c->settle)) {
        fwi_loop_timer_set(c->loop, &c->settle, SETTLE_MS);
    }
}

/* Slots that by the newest map aren't where they are. */
static void follow_map(fwi_redis_cluster *c)
{
    bool left[FWI_REDIS_MASTERS_MAX] = {false};
    for (unsigned slot = 0; slot < FWI_REDIS_SLOTS; slot++) {
        uint16_t owner = c->owner[slot];
        if (owner != FWI_REDIS_NO_MASTER && owner != c->target[slot]) {
            left[owner] = true;
            c->owner[slot] = FWI_REDIS_NO_MASTER;
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        if (left[i]) {
            c->shards[i]->strays = true;
            c->left = c->shards[i]->left = true;
        }
    }
    fwi_redis_cluster_move_left(c);
}

/* false: stopped by the hub. */
static bool collect_strays(fwi_redis_cluster *c, bool *fenced)
{
    for (size_t i = 0; i < c->n && !c->stopped; i++) {
        fwi_redis_shard *s = c->shards[i];
        if (s != NULL && s->strays) {
            s->strays = move_publishes(c, s->rb, fenced);
        }
    }
    return !c->stopped;
}

/* Slots of nobody whose next server is known, and whose former one owes no answer. */
static void open_slots(fwi_redis_cluster *c, const bool *fenced)
{
    bool opened = false, waits = false;
    for (unsigned slot = 0; slot < FWI_REDIS_SLOTS; slot++) {
        if (c->owner[slot] == FWI_REDIS_NO_MASTER) {
            bool ready = c->target[slot] != FWI_REDIS_NO_MASTER && !fenced[slot];
            c->owner[slot] = ready ? c->target[slot] : FWI_REDIS_NO_MASTER;
            opened = opened || ready;
            waits = waits || fenced[slot];
        }
    }
    if (waits) {
        fwi_redis_cluster_settle_later(c);
    }
    if (opened) {
        c->left = c->nobody.left = c->nobody.strays = true;
        fwi_redis_cluster_move_left(c);
    }
}

void fwi_redis_cluster_settle(fwi_redis_cluster *c)
{
    bool fenced[FWI_REDIS_SLOTS + 1] = {false}; /* one more: of no memory for a name */
    c->unsettled = false;
    follow_map(c);
    if (!collect_strays(c, fenced)) {
        return;
    }
    open_slots(c, fenced);
    if (c->nobody.strays) {
        c->nobody.strays = false;
        (void)move_publishes(c, c->nobody.rb, fenced);
    }
    if (!c->stopped) {
        fwi_redis_cluster_keep_shards(c);
        fwi_redis_watch_deadline(c->nobody.rb);
    }
    for (size_t i = 0; i < c->n && !c->stopped; i++) {
        if (c->shards[i] != NULL) {
            fwi_redis_watch_deadline(c->shards[i]->rb);
            fwi_redis_check_return(c->shards[i]->rb); /* what it waited for may be gone */
        }
    }
}
