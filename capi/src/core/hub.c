/*
 * Routing on loop 0: interest of the loops in channels, and what comes from the
 * backplane. What goes there is in publish.c, what is done with one session in orders.c,
 * orders that come in orders_came.c, how a room is walked in room.c. Knows no protocol,
 * no socket, no Redis.
 * @thread loop 0, but for fwi_hub_interest_*
 */
#include "core/hub.h"

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "core/presence.h"
#include "core/publish.h"
#include "core/session_inside.h"
#include "core/settings.h"

/* How long a channel is still heard after its last member has gone: a page that is
 * reloaded comes back within it. */
enum { LINGER_MS = 3000 };

/* --- life --- */

static void on_unused(fwi_routes *routes, fwi_route *r);

bool fwi_hub_init(fwi_hub *hub, fw_hub *handle, uint64_t node, const char *name,
                  const fw_options *o)
{
    memset(hub, 0, sizeof *hub);
    if (!fwi_rooms_options_init(&hub->rooms, o)) {
        return false;
    }
    hub->handle = handle;
    hub->node = node;
    snprintf(hub->name, sizeof hub->name, "%s", name);
    snprintf(hub->channel, sizeof hub->channel, "n:%016" PRIx64, node);
    fwi_settings_read(&hub->set, o);
    fwi_events_init(&hub->events);
    hub->events.queued = fwi_options_int(o, FWI_OPT_EVENTS) == FWI_EVENTS_QUEUED;
    hub->events.max_bytes = (size_t)fwi_options_int(o, FWI_OPT_EVENTS_MAX_BYTES);
    hub->events.bytes_per_session = hub->events.max_bytes / FWI_EVENTS_SHARES;
    hub->events.per_session = (unsigned)fwi_options_int(o, FWI_OPT_EVENTS_PER_SESSION);
    fwi_limits_init(&hub->limits);
    fwi_rates_init(&hub->rates);
    fwi_tokens_init(&hub->tokens);
    fwi_histories_init(hub, (size_t)fwi_options_int(o, FWI_OPT_HISTORY_CACHE_MAX_BYTES));
    hub->routes.on_unused = on_unused;
    return true;
}

void fwi_hub_fini(fwi_hub *hub)
{
    fwi_routes_fini(&hub->routes);
    fwi_traces_fini(&hub->traces);
    fwi_asks_fini(hub);
    fwi_events_fini(&hub->events);
    fwi_limits_fini(&hub->limits);
    fwi_rates_fini(&hub->rates);
    fwi_tokens_fini(&hub->tokens);
    fwi_rooms_options_fini(&hub->rooms);
}

bool fwi_hub_subscribe_own(fwi_hub *hub)
{
    hub->started_us = fwi_loop_now_us(hub->shard[0]->loop);
    return hub->bp->ops->subscribe(hub->bp, "all") &&
           hub->bp->ops->subscribe(hub->bp, hub->channel);
}

/* --- interest: loop 0 keeps the book --- */

static void send_held(fwi_hub *hub, fwi_route *r)
{
    uint64_t number;
    for (fw_message *m; (m = fwi_route_unhold(r, &number)) != NULL;) {
        fwi_publish_send_off(hub, r->channel, m, number);
        fw_message_unref(m);
    }
}

static void on_unused(fwi_routes *routes, fwi_route *r)
{
    fwi_hub *hub = fwi_container_of(routes, fwi_hub, routes);
    hub->bp->ops->unsubscribe(hub->bp, r->channel);
    send_held(hub, r);
    fwi_route_free(r);
}

static void run_subscribed(fwi_shard *shard, fwi_item *item)
{
    fwi_room_subscribed(shard, item->text);
    fwi_item_free(item);
}

static void run_unheard(fwi_shard *shard, fwi_item *item)
{
    fwi_room_unheard(shard, item->text);
    fwi_item_free(item);
}

static void tell_subscribed(fwi_hub *hub, unsigned loop, const char *channel)
{
    if (loop == 0) {
        fwi_room_subscribed(hub->shard[0], channel);
    } else {
        fwi_shard_post(hub->shard[loop], fwi_item_new(run_subscribed, channel, NULL),
                       false);
    }
}

/* NULL: out of memory. */
static fwi_route *new_route(fwi_hub *hub, const char *channel)
{
    const fwi_room_options *o = fwi_room_options_of(hub, channel);
    fwi_route *r = fwi_route_new(&hub->routes, channel);
    if (r == NULL) {
        return NULL;
    }
    if (o->history_size > 0) {
        r->history = fwi_history_new(hub, r, o);
    }
    if ((o->history_size > 0 && r->history == NULL) ||
        !hub->bp->ops->subscribe(hub->bp, channel)) {
        fwi_route_free(r);
        return NULL;
    }
    return r;
}

/* NULL: out of memory. */
static fwi_route *add_interest(fwi_hub *hub, unsigned loop, const char *channel)
{
    fwi_route *r = fwi_route_find(&hub->routes, channel);
    if (r == NULL) {
        r = new_route(hub, channel);
    }
    if (r == NULL) {
        return NULL;
    }
    fwi_loop_timer_clear(hub->shard[0]->loop, &r->linger);
    fwi_route_add(r, loop);
    return r;
}

/* The item itself goes back with the answer: it needs no memory. */
static void run_interest_add(fwi_shard *shard, fwi_item *item)
{
    fwi_hub *hub = shard->hub;
    const fwi_route *r = add_interest(hub, item->count, item->text);
    if (r != NULL && !r->subscribed) {
        fwi_item_free(item); /* it is told when it is heard */
        return;
    }
    item->run = r != NULL ? run_subscribed : run_unheard;
    fwi_shard_post(hub->shard[item->count], item, false);
}

int fwi_hub_interest_add(fwi_hub *hub, fwi_shard *from, const char *channel, bool *heard)
{
    *heard = false;
    if (from->index == 0) {
        fwi_route *r = add_interest(hub, 0, channel);
        *heard = r != NULL && r->subscribed;
        return r != NULL ? FW_OK : FW_ERR_MEMORY;
    }
    fwi_item *item = fwi_item_new(run_interest_add, channel, NULL);
    if (item == NULL) {
        return FW_ERR_MEMORY;
    }
    item->count = from->index;
    fwi_shard_post(hub->shard[0], item, false); /* refused only when all ends */
    return FW_OK;
}

/* A join without a wish is to hear whatever is said from here on. */
static void expect(fwi_history *h, fwi_item *item)
{
    if (item->at.epoch == 0 && item->at.offset == 0) {
        item->code = 1; /* quiet */
        item->at = h->at;
    } else {
        fwi_history_expect(h, item->at);
    }
}

void fwi_hub_forward_interest(fwi_hub *hub, unsigned loop, fwi_item *item)
{
    char channel[2 + 255 + 1];
    snprintf(channel, sizeof channel, "%s", item->text);
    fwi_route *r = add_interest(hub, loop, channel);
    item->count = r != NULL;
    if (r != NULL && r->history != NULL) {
        expect(r->history, item);
    }
    fwi_shard_post(hub->shard[loop], item, false);
    if (r != NULL && r->subscribed) {
        tell_subscribed(hub, loop, channel);
    }
}

static void drop_interest(fwi_hub *hub, unsigned loop, const char *channel, unsigned n)
{
    fwi_route *r = fwi_route_find(&hub->routes, channel);
    if (r != NULL && r->interest[loop] >= n && fwi_route_drop(r, loop, n)) {
        fwi_loop_timer_set(hub->shard[0]->loop, &r->linger, LINGER_MS);
    }
}

static void run_interest_drop(fwi_shard *shard, fwi_item *item)
{
    drop_interest(shard->hub, (unsigned)item->code, item->text, item->count);
    fwi_item_free(item);
}

void fwi_hub_interest_drop(fwi_hub *hub, fwi_shard *from, const char *channel, unsigned n)
{
    if (from->index == 0) {
        drop_interest(hub, 0, channel, n);
        return;
    }
    fwi_item *item = fwi_item_new(run_interest_drop, channel, NULL);
    if (item != NULL) {
        item->code = (int)from->index;
        item->count = n;
        fwi_shard_post(hub->shard[0], item, false);
    }
}

/* --- what the backplane brings --- */

static void run_deliver(fwi_shard *shard, fwi_item *item)
{
    fwi_room_deliver(shard, item->text, item->m);
    fwi_item_free(item);
}

static void run_behind(fwi_shard *shard, fwi_item *item)
{
    fwi_room_behind(shard, item->text);
    fwi_item_free(item);
}

static void run_reset(fwi_shard *shard, fwi_item *item)
{
    fwi_room_reset(shard, item->text, item->at);
    fwi_item_free(item);
}

static void deliver_all(fwi_shard *shard, fw_message *m)
{
    const fwi_session *except = fwi_session_find(shard, m->except);
    fwi_telling told = {.shard = shard, .m = m};
    for (fwi_list *e = shard->open.next; e != &shard->open; e = e->next) {
        fwi_session *s = fwi_list_entry(e, fwi_session, all);
        fwi_frame *f =
            s != except && s->announced ? fwi_telling_as(&told, s->protocol) : NULL;
        if (f != NULL) {
            fwi_session_push(s, f, 0);
        }
    }
    fwi_telling_fini(&told);
}

static void run_deliver_all(fwi_shard *shard, fwi_item *item)
{
    deliver_all(shard, item->m);
    fwi_item_free(item);
}

static bool is_limited(const fw_message *m)
{
    return m->kind == FWI_MSG_DATA || m->kind == FWI_MSG_ENTERED ||
           m->kind == FWI_MSG_LEFT;
}

void fwi_hub_to_loops(fwi_hub *hub, uint64_t loops, fwi_item_fn run, const char *channel,
                      fw_message *m)
{
    for (unsigned i = 0; i < hub->n_shards; i++) {
        if (!(loops & 1ull << i)) {
            continue;
        }
        fwi_item *item = fwi_item_new(run, channel, m);
        if (i == 0 && item != NULL) {
            run(hub->shard[0], item);
        } else if (fwi_shard_post(hub->shard[i], item, is_limited(m)) != FW_OK) {
            fwi_shard_count(hub->shard[0], FWI_STAT_INBOX_DROPPED);
            if (run == fwi_trace_run_deliver) {
                fwi_trace_note(hub, channel, m, FWI_TRACE_LOST);
            }
            if (m->at.epoch != 0) { /* a hole that nobody would hear of */
                fwi_shard_post(hub->shard[i], fwi_item_new(run_behind, channel, NULL),
                               false);
            }
        }
    }
}

static void raise_room_message(fwi_hub *hub, const char *channel, const fw_message *m)
{
    if (m->kind != FWI_MSG_DATA) {
        fwi_presence_raise(hub, channel, m);
        return;
    }
    if (channel[0] != 'r' || !fwi_events_want(&hub->events, FW_EVENT_ROOM_MESSAGE)) {
        return;
    }
    fw_event e = {.type = FW_EVENT_ROOM_MESSAGE,
                  .room = channel + 2,
                  .data = fwi_message_bytes(m),
                  .len = fwi_message_len(m),
                  .flags = m->flags & FW_BINARY,
                  .at = m->at};
    fwi_shard_raise(hub->shard[0], &e, NULL);
}

static void to_members(fwi_hub *hub, const fwi_route *r, fw_message *m)
{
    if (hub->traces.n > 0 && m->kind == FWI_MSG_DATA &&
        fwi_trace_follows(hub, r->channel)) {
        fwi_hub_to_loops(hub, r->loops, fwi_trace_run_deliver, r->channel, m);
    } else if (hub->n_shards == 1) {
        fwi_room_deliver(hub->shard[0], r->channel, m);
    } else {
        fwi_hub_to_loops(hub, r->loops, run_deliver, r->channel, m);
    }
}

void fwi_hub_deliver(fwi_hub *hub, const fwi_route *r, fw_message *m)
{
    if (r->loops != 0) {
        to_members(hub, r, m);
        raise_room_message(hub, r->channel, m);
    }
}

static void run_send_here(fwi_shard *shard, fwi_item *item)
{
    const fwi_route *r = fwi_route_find(&shard->hub->routes, item->text);
    if (r != NULL) {
        to_members(shard->hub, r, item->m);
    }
    fwi_item_free(item);
}

int fwi_hub_send_here(fwi_hub *hub, const char *channel, fw_message *m)
{
    return fwi_shard_post(hub->shard[0], fwi_item_new(run_send_here, channel, m), true);
}

void fwi_hub_tell_reset(fwi_hub *hub, const fwi_route *r, fwi_position at)
{
    for (unsigned i = 1; i < hub->n_shards; i++) {
        fwi_item *item =
            r->loops & 1ull << i ? fwi_item_new(run_reset, r->channel, NULL) : NULL;
        if (item != NULL) {
            item->at = at;
            fwi_shard_post(hub->shard[i], item, false);
        }
    }
    bool here = r->loops & 1;
    if (r->loops != 0) {
        fw_event e = {.type = FW_EVENT_ROOM_RESET, .room = r->channel + 2, .at = at};
        fwi_shard_raise(hub->shard[0], &e, NULL);
    }
    if (here) {
        fwi_room_reset(hub->shard[0], r->channel, at);
    }
}

static void on_channel_message(fwi_hub *hub, const char *channel, fw_message *m)
{
    uint64_t every = hub->n_shards == 64 ? UINT64_MAX : (1ull << hub->n_shards) - 1;
    if (strcmp(channel, "all") == 0 || channel[0] == 'n') {
        fwi_hub_to_loops(hub, every, run_deliver_all, NULL, m);
        return;
    }
    fwi_route *r = fwi_route_find(&hub->routes, channel);
    if (r == NULL) {
        return;
    }
    if (r->history != NULL && m->at.epoch != 0) {
        fwi_history_came(r->history, m);
    } else {
        fwi_hub_deliver(hub, r, m);
    }
}

static bool is_known(const fw_message *m)
{
    return (m->kind >= FWI_MSG_DATA && m->kind <= FWI_MSG_REFRESH) ||
           m->kind == FWI_MSG_GIVE;
}

static void on_message(void *user, const char *channel, fw_message *m)
{
    fwi_hub *hub = user;
    if (fwi_trace_is(m)) {
        fwi_trace_came(hub, channel, m);
    } else if (!is_known(m)) { /* of a node of a later version */
        fwi_shard_count(hub->shard[0], FWI_STAT_UNKNOWN);
    } else if (m->kind == FWI_MSG_DATA ||
               (fwi_presence_is_news(m) && channel[0] == 'r')) {
        on_channel_message(hub, channel, m);
    } else {
        fwi_orders_came(hub, channel, m);
    }
}

static void on_subscribed(void *user, const char *channel)
{
    fwi_hub *hub = user;
    fwi_route *r = fwi_route_find(&hub->routes, channel);
    if (r == NULL || r->subscribed) {
        return;
    }
    r->subscribed = true;
    for (unsigned i = 1; i < hub->n_shards; i++) {
        if (r->loops & 1ull << i) {
            tell_subscribed(hub, i, channel);
        }
    }
    if (r->history != NULL) {
        fwi_history_settle(r->history); /* ahead of what was held: see history_join.c */
    }
    send_held(hub, r);
    /* Last: handlers of loop 0 may change the routes. */
    if (r->loops & 1) {
        fwi_room_subscribed(hub->shard[0], channel);
    }
}

static void on_state(void *user, bool up, const char *why)
{
    fwi_hub *hub = user;
    bool news = !hub->backplane_told || atomic_load(&hub->backplane_up) != up;
    hub->backplane_told = true;
    atomic_store(&hub->backplane_up, up);
    if (hub->on_backplane != NULL) {
        hub->on_backplane(hub->watcher, up, why);
    }
    if (up) {
        fwi_histories_returned(hub);
    }
    if (!news) {
        return; /* down as before, for another reason */
    }
    fw_event e = {.type = up ? FW_EVENT_BACKPLANE_UP : FW_EVENT_BACKPLANE_DOWN,
                  .reason = why};
    fwi_shard_raise(hub->shard[0], &e, NULL);
}

static void on_missed(void *user, const char *channel)
{
    fwi_hub *hub = user;
    const fwi_route *r = fwi_route_find(&hub->routes, channel);
    if (r != NULL && r->history != NULL) {
        fwi_history_missed(r->history);
    }
}

const fwi_backplane_sink fwi_hub_sink = {
    .on_subscribed = on_subscribed,
    .on_message = on_message,
    .on_state = on_state,
    .on_missed = on_missed,
    .on_published = fwi_publish_on_published,
    .on_history = fwi_publish_on_history,
    .on_members = fwi_presence_on_members,
    .on_node = fwi_presence_on_node,
    .describe = fwi_presence_describe,
};
