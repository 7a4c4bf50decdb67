/*
 * The backplane on a Redis Cluster: the operations of the port, each at the server that
 * has the channel's slot, and what these servers tell, put together for the hub. See
 * redis_cluster.h. Called by the hub, by the loop's timers and by the servers; loop 0.
 *
 * Invariants:
 * - A channel is wanted, and a publish waits, at one server at a time, or at nobody.
 * - A server's callbacks move no publish and end no server: the flush does.
 * - To the hub it is up when all servers are, and every slot has one.
 */
#include "backplane/redis_cluster.h"

#include <stddef.h>
#include <string.h>

#include "backplane/redis_sharded.h"
#include "core/error.h"
#include "wire/name.h"

static fwi_redis_cluster *of(fwi_backplane *bp)
{
    return fwi_container_of(bp, fwi_redis_cluster, base);
}

/* --- who has what --- */

fwi_redis_backplane *fwi_redis_cluster_at(fwi_redis_cluster *c, unsigned slot)
{
    uint16_t owner = slot < FWI_REDIS_SLOTS ? c->owner[slot] : FWI_REDIS_NO_MASTER;
    return owner != FWI_REDIS_NO_MASTER ? c->shards[owner]->rb : c->nobody.rb;
}

static fwi_redis_backplane *at_key(fwi_redis_cluster *c, const char *key, size_t len)
{
    return fwi_redis_cluster_at(c, fwi_redis_slot(key, len));
}

fwi_redis_backplane *fwi_redis_cluster_of(fwi_redis_cluster *c, const char *channel)
{
    c->name.len = 0;
    return fwi_name_to_redis(&c->name, c->config.prefix, channel)
               ? at_key(c, c->name.data, c->name.len)
               : c->nobody.rb;
}

/* The i-th server, nobody being the last one; NULL: it has gone. */
static fwi_redis_backplane *server(const fwi_redis_cluster *c, size_t i)
{
    return i == c->n ? c->nobody.rb : c->shards[i] != NULL ? c->shards[i]->rb : NULL;
}

/* --- what servers ask --- */

static void on_slot_left(void *user, fwi_redis_backplane *rb, unsigned slot)
{
    fwi_redis_cluster_slot_left(user, rb, slot);
}

static fwi_redis_backplane *server_of(void *user, fwi_redis_backplane *rb,
                                      const char *key, size_t len)
{
    fwi_redis_cluster *c = user;
    if (rb != c->node) {
        return rb;
    }
    fwi_redis_backplane *at = at_key(c, key, len);
    return at != c->nobody.rb ? at : NULL;
}

static bool cluster_publish(fwi_backplane *bp, const char *channel, fw_message *m,
                            const fwi_terms *terms);

static bool publish_for_node(void *user, const char *channel, fw_message *m)
{
    fwi_redis_cluster *c = user;
    return cluster_publish(&c->base, channel, m, NULL);
}

static const fwi_redis_cluster_port port = {on_slot_left, server_of, publish_for_node};

/* --- up and away --- */

static void place_lease(fwi_redis_cluster *c)
{
    const fwi_redis_backplane *at = fwi_redis_lease_key(c->node, &c->name) && !c->stopped
                                        ? at_key(c, c->name.data, c->name.len)
                                        : c->nobody.rb;
    at = at->state == FWI_REDIS_UP ? at : NULL;
    if (at == c->lease_at) {
        return;
    }
    if (c->lease_at != NULL) {
        fwi_redis_lease_link_down(c->node);
    }
    c->lease_at = at;
    if (at != NULL) {
        fwi_redis_lease_link_up(c->node);
    }
}

/* A server that is new is waited for only at the start. */
static bool is_missing(const fwi_redis_cluster *c, const fwi_redis_shard *s)
{
    return s != NULL && !s->up && (!c->up || s->away);
}

static bool is_anybody_away(const fwi_redis_cluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->shards[i] != NULL && c->shards[i]->away) {
            return true;
        }
    }
    return false;
}

static bool is_whole(const fwi_redis_cluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (is_missing(c, c->shards[i])) {
            return false;
        }
    }
    return c->has_map && c->unserved == 0;
}

/* Why it isn't whole; "": nothing has gone wrong yet. */
static void find_reason(const fwi_redis_cluster *c, char *out, size_t cap)
{
    size_t away = 0;
    out[0] = '\0';
    for (size_t i = 0; i < c->n; i++) {
        const fwi_redis_shard *s = c->shards[i];
        if (is_missing(c, s) && s->away && away++ == 0) {
            snprintf(out, cap, "%s", s->why);
        }
    }
    size_t len = strlen(out);
    if (away > 1) {
        snprintf(out + len, cap - len, " (and %zu more servers)", away - 1);
    } else if (away == 0 && c->unserved > 0 && c->has_map) {
        snprintf(out, cap, "%u slots of the Cluster are served by nobody", c->unserved);
    }
}

static void tell(fwi_redis_cluster *c, const char *why)
{
    bool up = why[0] == '\0';
    if (up == c->up && strcmp(why, c->why) == 0) {
        return;
    }
    bool was_up = c->up;
    c->up = up;
    snprintf(c->why, sizeof c->why, "%s", why);
    if (up || was_up) {
        FWI_LOG(c->config.log, FWI_LOG_INFO, "redis", "the Cluster is %s",
                up ? "up" : "not whole");
    }
    c->base.sink->on_state(c->base.sink_user, up, up ? NULL : c->why);
}

void fwi_redis_cluster_tell_state(fwi_redis_cluster *c)
{
    char why[sizeof c->why] = "";
    bool whole = is_whole(c);
    place_lease(c);
    if (!whole) {
        find_reason(c, why, sizeof why);
    }
    if (whole || why[0] != '\0') {
        tell(c, why);
    }
}

/* --- what servers tell --- */

static const fwi_backplane_sink *sink_of(void *user, void **sink_user)
{
    const fwi_redis_shard *s = user;
    *sink_user = s->cluster->base.sink_user;
    return s->cluster->base.sink;
}

static void on_subscribed(void *user, const char *channel)
{
    void *hub;
    sink_of(user, &hub)->on_subscribed(hub, channel);
}

static void on_message(void *user, const char *channel, fw_message *m)
{
    void *hub;
    sink_of(user, &hub)->on_message(hub, channel, m);
}

static void on_missed(void *user, const char *channel)
{
    void *hub;
    const fwi_backplane_sink *sink = sink_of(user, &hub);
    if (sink->on_missed != NULL) {
        sink->on_missed(hub, channel);
    }
}

static void on_published(void *user, uint64_t ref, const fwi_published *what)
{
    void *hub;
    const fwi_backplane_sink *sink = sink_of(user, &hub);
    if (sink->on_published != NULL) {
        sink->on_published(hub, ref, what);
    }
}

static void on_history(void *user, uint64_t ref, const fwi_history_page *page)
{
    void *hub;
    const fwi_backplane_sink *sink = sink_of(user, &hub);
    if (sink->on_history != NULL) {
        sink->on_history(hub, ref, page);
    }
}

static void on_state(void *user, bool up, const char *why)
{
    fwi_redis_shard *s = user;
    fwi_redis_cluster *c = s->cluster;
    bool lost = s->up && !up;
    s->up = up;
    s->away = !up;
    snprintf(s->why, sizeof s->why, "%s", up ? "" : why);
    if (lost) {
        fwi_redis_presence_server_lost(c->node, s->rb);
        fwi_redis_topology_hurry(c->topology, FWI_REDIS_TOPOLOGY_SOON_MS);
    }
    /* What had no answer may not belong there any more. */
    s->strays = c->unsettled = true;
    fwi_redis_cluster_tell_state(c);
}

static const fwi_backplane_sink shard_sink = {
    .on_subscribed = on_subscribed,
    .on_message = on_message,
    .on_state = on_state,
    .on_missed = on_missed,
    .on_published = on_published,
    .on_history = on_history,
};

bool fwi_redis_shard_init(fwi_redis_shard *s, fwi_redis_cluster *c,
                          const fwi_redis_config *config)
{
    s->cluster = c;
    s->rb =
        fwi_redis_server_new(c->loop, config, &fwi_redis_sharded_verbs, &shard_sink, s);
    if (s->rb == NULL) {
        return false;
    }
    s->rb->cluster = &port;
    s->rb->cluster_user = c;
    s->rb->pending.serials = &c->serials;
    return true;
}

void fwi_redis_shard_fini(fwi_redis_shard *s)
{
    if (s->rb != NULL) {
        s->rb->base.ops->free(&s->rb->base);
    }
}

/* --- the map --- */

static void ask_again(fwi_redis_cluster *c)
{
    uint64_t delay_ms = fwi_rand_between(&c->rand, c->backoff_ms / 2, c->backoff_ms);
    c->backoff_ms = FWI_MIN(c->backoff_ms * 2, (uint64_t)FWI_REDIS_BACKOFF_MAX_MS);
    fwi_loop_timer_set(c->loop, &c->retry, delay_ms);
}

static void on_nobody_knows(void *user, const char *why)
{
    fwi_redis_cluster *c = user;
    ask_again(c);
    bool is_news = strcmp(why, c->why) != 0;
    FWI_LOG(c->config.log, is_news ? FWI_LOG_WARN : FWI_LOG_DEBUG, "redis", "%s: %s",
            is_news ? "away" : "still away", why);
    tell(c, why);
}

static void on_retry(fwi_timer *t)
{
    fwi_redis_cluster *c = fwi_container_of(t, fwi_redis_cluster, retry);
    if (!fwi_redis_topology_find(c->topology)) {
        on_nobody_knows(c, "out of memory");
    }
}

/* The flush at the end of this turn acts on it. */
static const char *on_map(void *user, const fwi_redis_part *text,
                          const fwi_redis_host *from)
{
    fwi_redis_cluster *c = user;
    fwi_redis_map map;
    const char *problem =
        fwi_redis_map_read(text->str, text->len, from, c->config.url.tls, &map);
    if (problem == NULL) {
        problem = fwi_redis_cluster_take_map(c, &map);
        fwi_redis_map_fini(&map);
    }
    if (problem == NULL) {
        c->backoff_ms = FWI_REDIS_BACKOFF_MIN_MS;
        if (is_anybody_away(c)) { /* somebody may have taken over the next time */
            fwi_redis_topology_hurry(c->topology, FWI_REDIS_TOPOLOGY_AWAY_MS);
        }
    }
    return problem;
}

static const fwi_redis_topology_events topology_events = {.on_lost = on_nobody_knows,
                                                          .on_map = on_map};

static void on_settle(fwi_timer *t)
{
    fwi_container_of(t, fwi_redis_cluster, settle)->unsettled = true;
}

/* --- the operations of the port --- */

static int cluster_start(fwi_backplane *bp)
{
    fwi_redis_cluster *c = of(bp);
    fwi_redis_server_park(c->nobody.rb, "no server of the Cluster serves it just now");
    fwi_loop_timer_set(c->loop, &c->retry, 0);
    return FW_OK;
}

/* Where a channel is, and what is published to it goes. */
static fwi_redis_backplane *place_of(fwi_backplane *bp, const char *channel)
{
    fwi_redis_cluster_move_left(of(bp));
    return fwi_redis_cluster_of(of(bp), channel);
}

static bool cluster_subscribe(fwi_backplane *bp, const char *channel)
{
    fwi_redis_backplane *rb = place_of(bp, channel);
    return rb->base.ops->subscribe(&rb->base, channel);
}

static void cluster_unsubscribe(fwi_backplane *bp, const char *channel)
{
    fwi_redis_backplane *rb = place_of(bp, channel);
    rb->base.ops->unsubscribe(&rb->base, channel);
}

static bool cluster_publish(fwi_backplane *bp, const char *channel, fw_message *m,
                            const fwi_terms *terms)
{
    fwi_redis_backplane *rb = place_of(bp, channel);
    return rb->base.ops->publish(&rb->base, channel, m, terms);
}

static bool cluster_read_history(fwi_backplane *bp, const char *channel,
                                 const fwi_history_query *query, uint64_t ref)
{
    fwi_redis_backplane *rb = place_of(bp, channel);
    return rb->base.ops->read_history(&rb->base, channel, query, ref);
}

static bool cluster_forget_history(fwi_backplane *bp, const char *channel, uint64_t ref)
{
    fwi_redis_backplane *rb = place_of(bp, channel);
    return rb->base.ops->forget_history(&rb->base, channel, ref);
}

static bool cluster_enter(fwi_backplane *bp, const char *channel, fw_message *member,
                          bool tell_end)
{
    return fwi_redis_presence_enter(&of(bp)->node->base, channel, member, tell_end);
}

static void cluster_leave(fwi_backplane *bp, const char *channel, fw_session_id session)
{
    fwi_redis_presence_leave(&of(bp)->node->base, channel, session);
}

static bool cluster_read_presence(fwi_backplane *bp, const char *channel, uint64_t cursor,
                                  uint32_t limit, uint64_t ref)
{
    return fwi_redis_read_presence(&of(bp)->node->base, channel, cursor, limit, ref);
}

static bool cluster_read_nodes(fwi_backplane *bp, uint64_t ref)
{
    return fwi_redis_read_nodes(&of(bp)->node->base, ref);
}

static void flush_node(fwi_redis_cluster *c)
{
    fwi_redis_calls_lost(c->node); /* what went to nobody */
    fwi_redis_presence_tell(c->node);
    if (!c->stopped) {
        fwi_redis_presence_send(c->node); /* ahead of what is said about it */
        c->node->give_up = NULL;          /* no memory: at the next flush, then */
    }
}

static void cluster_flush(fwi_backplane *bp)
{
    fwi_redis_cluster *c = of(bp);
    if (c->stopped || c->nobody.rb->state == FWI_REDIS_IDLE) {
        return;
    }
    if (c->unsettled) {
        fwi_redis_cluster_settle(c);
    }
    if (!c->stopped) {
        flush_node(c);
    }
    const fwi_list *last = c->node->presence.todo.prev;
    for (size_t i = 0; i <= c->n && !c->stopped; i++) {
        fwi_redis_backplane *rb = server(c, i);
        if (rb != NULL) {
            rb->base.ops->flush(&rb->base);
        }
    }
    /* Handlers may have let somebody in, or moved what waits. */
    if (!c->stopped && (c->unsettled || last != c->node->presence.todo.prev)) {
        c->loop->ops->wake(c->loop);
    }
}

void fwi_redis_cluster_add_figures(fwi_redis_backplane *rb, fwi_backplane_figures *sum)
{
    static const size_t counters[] = {
#define COUNTER(name) offsetof(fwi_backplane_figures, name)
        COUNTER(queue_bytes), COUNTER(queue_dropped), COUNTER(published),
        COUNTER(received),    COUNTER(duplicates),    COUNTER(malformed),
        COUNTER(connects),    COUNTER(disconnects),   COUNTER(publishes),
        COUNTER(subscribes),  COUNTER(unsubscribes),  COUNTER(writes),
        COUNTER(channels),    COUNTER(kept),          COUNTER(history_reads),
        COUNTER(repeated),    COUNTER(present),       COUNTER(sweeps),
        COUNTER(swept),       COUNTER(calls),         COUNTER(lives)};
#undef COUNTER
    fwi_backplane_figures f;
    rb->base.ops->figures(&rb->base, &f);
    for (size_t i = 0; i < FWI_ARRAY_LEN(counters); i++) {
        uint64_t one, all;
        memcpy(&one, (const char *)&f + counters[i], sizeof one);
        memcpy(&all, (const char *)sum + counters[i], sizeof all);
        all += one;
        memcpy((char *)sum + counters[i], &all, sizeof all);
    }
    fwi_histogram_sum_up(&sum->probes, &f.probes);
    sum->probe_age_us = FWI_MAX(sum->probe_age_us, f.probe_age_us);
}

static void cluster_figures(fwi_backplane *bp, fwi_backplane_figures *out)
{
    fwi_redis_cluster *c = of(bp);
    *out = c->gone;
    out->probe_age_us = 0;
    for (size_t i = 0; i <= c->n; i++) {
        fwi_redis_backplane *rb = server(c, i);
        if (rb != NULL) {
            fwi_redis_cluster_add_figures(rb, out);
        }
    }
    fwi_redis_cluster_add_figures(c->node, out);
    fwi_redis_lease_figures(c->node, out);
    out->up = c->up;
}

static void cluster_stop(fwi_backplane *bp)
{
    fwi_redis_cluster *c = of(bp);
    if (c->stopped) {
        return;
    }
    fwi_redis_presence_send(c->node);
    fwi_redis_lease_end(c->node);
    c->stopped = true;
    fwi_redis_topology_stop(c->topology);
    fwi_loop_timer_clear(c->loop, &c->retry);
    fwi_loop_timer_clear(c->loop, &c->settle);
    for (size_t i = 0; i <= c->n; i++) {
        fwi_redis_backplane *rb = server(c, i);
        if (rb != NULL) {
            rb->base.ops->stop(&rb->base);
        }
    }
    c->node->base.ops->stop(&c->node->base);
}

static void cluster_free(fwi_backplane *bp)
{
    fwi_redis_cluster *c = of(bp);
    fwi_redis_topology_free(c->topology);
    for (size_t i = 0; i < c->n; i++) {
        if (c->shards[i] != NULL) {
            fwi_redis_shard_fini(c->shards[i]);
            free(c->shards[i]);
        }
    }
    fwi_redis_shard_fini(&c->nobody);
    if (c->node != NULL) {
        c->node->base.ops->free(&c->node->base);
    }
    fwi_buf_fini(&c->name);
    free(c);
}

static const fwi_backplane_ops cluster_ops = {
    .name = "redis",
    .start = cluster_start,
    .subscribe = cluster_subscribe,
    .unsubscribe = cluster_unsubscribe,
    .publish = cluster_publish,
    .read_history = cluster_read_history,
    .forget_history = cluster_forget_history,
    .enter = cluster_enter,
    .leave = cluster_leave,
    .read_presence = cluster_read_presence,
    .read_nodes = cluster_read_nodes,
    .flush = cluster_flush,
    .figures = cluster_figures,
    .stop = cluster_stop,
    .free = cluster_free,
};

fwi_backplane *fwi_redis_cluster_new(fwi_loop *loop, const fwi_redis_config *config,
                                     const fwi_backplane_sink *sink, void *sink_user)
{
    fwi_redis_cluster *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->base = (fwi_backplane){&cluster_ops, sink, sink_user};
    c->loop = loop;
    c->config = *config;
    c->given_hosts = config->url.n_hosts;
    c->backoff_ms = FWI_REDIS_BACKOFF_MIN_MS;
    fwi_rand_init(&c->rand, config->seed);
    fwi_buf_init(&c->name);
    fwi_timer_init(&c->retry, on_retry);
    fwi_timer_init(&c->settle, on_settle);
    for (unsigned slot = 0; slot < FWI_REDIS_SLOTS; slot++) {
        c->owner[slot] = c->target[slot] = c->named[slot] = FWI_REDIS_NO_MASTER;
    }
    c->topology = fwi_redis_topology_new(loop, &c->config, &topology_events, c);
    c->node =
        fwi_redis_server_new(loop, config, &fwi_redis_sharded_verbs, sink, sink_user);
    if (c->topology == NULL || c->node == NULL ||
        !fwi_redis_shard_init(&c->nobody, c, config)) {
        cluster_free(&c->base);
        return NULL;
    }
    c->node->cluster = &port;
    c->node->cluster_user = c;
    return &c->base;
}
