/*
 * The masters of a Cluster, as its newest map has them. See redis_cluster.h.
 *
 * Which shard a master belongs to is told by its id; and if that is new, by the slots: a
 * replica that has taken over serves those of its master. A master that is new
 * altogether is a new shard.
 */
#include "backplane/redis_cluster.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_sharded.h"

enum { PROBE_TRIES = 1000000 };

/* --- from a map to shards --- */

static size_t find_by_id(const fwi_redis_cluster *c, const char *id)
{
    size_t i = 0;
    while (i < c->n && (c->shards[i] == NULL || strcmp(c->shards[i]->id, id) != 0)) {
        i++;
    }
    return i;
}

/* The shard that has most of a master's slots; FWI_REDIS_NO_MASTER: none has any. */
static size_t find_by_slots(const fwi_redis_cluster *c, const fwi_redis_map *map,
                            size_t master)
{
    unsigned shared[FWI_REDIS_MASTERS_MAX + 1] = {0};
    size_t best = FWI_REDIS_NO_MASTER;
    for (unsigned slot = 0; slot < FWI_REDIS_SLOTS; slot++) {
        uint16_t former = c->named[slot];
        if (map->owner[slot] == master && former != FWI_REDIS_NO_MASTER) {
            shared[former]++;
            best = best == FWI_REDIS_NO_MASTER || shared[former] > shared[best] ? former
                                                                                : best;
        }
    }
    return best;
}

/* FWI_REDIS_NO_MASTER: out of memory. */
static size_t add_shard(fwi_redis_cluster *c, const fwi_redis_host *at)
{
    size_t i = 0;
    while (i < c->n && c->shards[i] != NULL) {
        i++;
    }
    if (i == FWI_REDIS_MASTERS_MAX) {
        return FWI_REDIS_NO_MASTER;
    }
    c->shards[i] = fwi_redis_shard_new(c, at);
    if (c->shards[i] == NULL) {
        return FWI_REDIS_NO_MASTER;
    }
    c->n = FWI_MAX(c->n, i + 1);
    return i;
}

/* Those that are known by their ids first, so that none of them is taken for another's
 * successor. */
static void match(const fwi_redis_cluster *c, const fwi_redis_map *map, size_t *shard_of)
{
    bool taken[FWI_REDIS_MASTERS_MAX] = {false};
    for (size_t m = 0; m < map->n; m++) {
        size_t i = find_by_id(c, map->masters[m].id);
        shard_of[m] = i < c->n ? i : FWI_REDIS_NO_MASTER;
        if (i < c->n) {
            taken[i] = true;
        }
    }
    for (size_t m = 0; m < map->n; m++) {
        size_t i = shard_of[m] == FWI_REDIS_NO_MASTER ? find_by_slots(c, map, m)
                                                      : FWI_REDIS_NO_MASTER;
        if (i != FWI_REDIS_NO_MASTER && !taken[i]) {
            taken[i] = true;
            shard_of[m] = i;
        }
    }
}

const char *fwi_redis_cluster_take_map(fwi_redis_cluster *c, const fwi_redis_map *map)
{
    size_t shard_of[FWI_REDIS_MASTERS_MAX];
    c->unsettled = true; /* in any case: those that were added in vain are ended */
    match(c, map, shard_of);
    for (size_t m = 0; m < map->n; m++) {
        if (shard_of[m] == FWI_REDIS_NO_MASTER) {
            shard_of[m] = add_shard(c, &map->masters[m].at);
        }
        if (shard_of[m] == FWI_REDIS_NO_MASTER) {
            return "out of memory";
        }
    }
    bool is_news = false;
    for (size_t m = 0; m < map->n; m++) {
        fwi_redis_shard *s = c->shards[shard_of[m]];
        is_news = is_news || strcmp(s->id, map->masters[m].id) != 0;
        memcpy(s->id, map->masters[m].id, sizeof s->id);
        s->at = map->masters[m].at;
    }
    for (unsigned slot = 0; slot < FWI_REDIS_SLOTS; slot++) {
        uint16_t m = map->owner[slot];
        uint16_t to =
            m != FWI_REDIS_NO_MASTER ? (uint16_t)shard_of[m] : FWI_REDIS_NO_MASTER;
        is_news = is_news || c->named[slot] != to;
        c->target[slot] = c->named[slot] = to;
    }
    if (is_news) {
        fwi_redis_topology_helped(c->topology);
    }
    fwi_redis_map_add_hosts(map, &c->config.url, c->given_hosts);
    c->unserved = map->unserved;
    c->has_map = true;
    return NULL;
}

/* --- their lives --- */

fwi_redis_shard *fwi_redis_shard_new(fwi_redis_cluster *c, const fwi_redis_host *at)
{
    fwi_redis_config config = c->config;
    fwi_redis_shard *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    config.url = fwi_redis_url_of_host(&c->config.url);
    memcpy(config.url.host, at->host, sizeof config.url.host);
    config.url.port = at->port;
    config.seed = fwi_rand_next(&c->rand);
    s->at = *at;
    if (!fwi_redis_shard_init(s, c, &config)) {
        free(s);
        return NULL;
    }
    return s;
}

/* The probe is a channel that this server serves, and it serves some. false: no memory.
 */
static bool choose_probe(fwi_redis_cluster *c, fwi_redis_backplane *rb)
{
    char name[sizeof rb->probe_channel];
    if (fwi_redis_cluster_of(c, rb->probe_channel) == rb) {
        return fwi_redis_sharded_set_probe(rb, rb->probe_channel);
    }
    for (unsigned k = 0; k < PROBE_TRIES; k++) {
        snprintf(name, sizeof name, "probe:%016" PRIx64 ":%u", rb->config.node, k);
        if (fwi_redis_cluster_of(c, name) == rb) {
            return fwi_redis_sharded_set_probe(rb, name);
        }
    }
    return false;
}

static void end_shard(fwi_redis_cluster *c, size_t i)
{
    fwi_redis_shard *s = c->shards[i];
    fwi_redis_cluster_add_figures(s->rb, &c->gone);
    FWI_LOG(c->config.log, FWI_LOG_INFO, "redis", "serves no slots any more: %s",
            s->rb->url);
    s->rb->base.ops->stop(&s->rb->base);
    c->shards[i] = NULL;
    while (c->n > 0 && c->shards[c->n - 1] == NULL) {
        c->n--;
    }
    fwi_redis_shard_fini(s);
    free(s);
}

/* owns: slots have been opened there. */
static void keep_shard(fwi_redis_cluster *c, fwi_redis_shard *s, bool owns)
{
    fwi_redis_server_moved(s->rb, &s->at);
    if (!owns) { /* it would refuse each time what is asked for again */
        fwi_redis_channels_unwant(&s->rb->channels, s->rb->probe_channel);
        return;
    }
    if (c->stopped || !choose_probe(c, s->rb) || s->started) {
        return;
    }
    s->started = s->rb->base.ops->start(&s->rb->base) == 0;
}

/* Is nothing here any more that must be moved or answered first? */
static bool is_done(const fwi_redis_shard *s)
{
    const fwi_redis_history *h = &s->rb->history;
    return !s->left && !s->strays && s->rb->calls.count == 0 &&
           fwi_list_is_empty(&h->questions) && fwi_list_is_empty(&h->unanswered) &&
           fwi_redis_pending_oldest(&s->rb->pending) == NULL;
}

void fwi_redis_cluster_keep_shards(fwi_redis_cluster *c)
{
    bool owns[FWI_REDIS_MASTERS_MAX + 1] = {false};
    bool serves[FWI_REDIS_MASTERS_MAX + 1] = {false};
    for (unsigned slot = 0; slot < FWI_REDIS_SLOTS; slot++) {
        owns[c->owner[slot]] = serves[c->owner[slot]] = true;
        serves[c->named[slot]] = true; /* it may say so again, or a successor */
    }
    for (size_t i = c->n; i-- > 0 && !c->stopped;) {
        fwi_redis_shard *s = c->shards[i];
        if (s != NULL && serves[i]) {
            keep_shard(c, s, owns[i]);
        } else if (s != NULL && is_done(s)) {
            end_shard(c, i);
        } else if (s != NULL) {
            fwi_redis_cluster_settle_later(c);
        }
    }
    if (!c->stopped) {
        fwi_redis_cluster_tell_state(c);
    }
}
