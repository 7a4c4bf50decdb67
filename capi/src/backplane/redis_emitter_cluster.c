/*
 * See the header. A server that says "not here" or "not now" hasn't taken the message,
 * and neither has one that can't be reached: then the map is asked for again. Once it was
 * written and no answer came, nobody knows, and it isn't repeated.
 */
#include "backplane/redis_emitter_cluster.h"

#include <string.h>
#include <time.h>

#include "backplane/redis_map.h"
#include "backplane/redis_peer.h"
#include "backplane/redis_sharded.h"
#include "base/clock.h"
#include "core/error.h"

enum {
    PAUSE_MS = 50, /* between two tries */
    /* The map isn't asked for more often because nobody hears what is published. */
    ASK_AGAIN_MS = 5000
};

struct fwi_redis_emitter_cluster {
    fwi_redis_config config;
    size_t given_hosts; /* of the URL; behind them are the masters of the newest map */
    fwi_redis_map map;
    fwi_redis_peer *peers; /* [map.n]; NULL: there is no map */
    size_t first;          /* which host to ask first */
    uint64_t asked_us;
};

fwi_redis_emitter_cluster *fwi_redis_emitter_cluster_new(const fwi_redis_config *config)
{
    fwi_redis_emitter_cluster *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->config = *config;
        c->given_hosts = config->url.n_hosts;
    }
    return c;
}

void fwi_redis_emitter_cluster_close(fwi_redis_emitter_cluster *c)
{
    if (c == NULL || c->peers == NULL) {
        return;
    }
    for (size_t i = 0; i < c->map.n; i++) {
        fwi_redis_peer_close(&c->peers[i]);
    }
    free(c->peers);
    c->peers = NULL;
    fwi_redis_map_fini(&c->map);
}

void fwi_redis_emitter_cluster_free(fwi_redis_emitter_cluster *c)
{
    fwi_redis_emitter_cluster_close(c);
    free(c);
}

/* --- the map --- */

static void address(fwi_redis_peer *p, const fwi_redis_config *config,
                    const fwi_redis_host *at)
{
    *p = (fwi_redis_peer){.config = *config, .kind = "Cluster node"};
    p->config.url = fwi_redis_url_of_host(&config->url);
    memcpy(p->config.url.host, at->host, sizeof at->host);
    p->config.url.port = at->port;
}

static int read_map(fwi_redis_emitter_cluster *c, const fwi_redis_peer *from,
                    const fwi_redis_reply *reply)
{
    fwi_redis_host at = {.port = from->config.url.port};
    memcpy(at.host, from->config.url.host, sizeof at.host);
    int err = fwi_redis_peer_check(from, "CLUSTER NODES", reply);
    if (err != FW_OK) {
        return err;
    }
    const char *problem = fwi_redis_map_read(reply->whole.str, reply->whole.len, &at,
                                             c->config.url.tls, &c->map);
    if (problem != NULL) {
        return fwi_redis_peer_problem(from, "CLUSTER NODES", problem);
    }
    fwi_redis_map_add_hosts(&c->map, &c->config.url, c->given_hosts);
    c->peers = calloc(c->map.n, sizeof *c->peers);
    if (c->peers == NULL) {
        fwi_redis_map_fini(&c->map);
        return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    }
    for (size_t i = 0; i < c->map.n; i++) {
        address(&c->peers[i], &c->config, &c->map.masters[i].at);
    }
    return FW_OK;
}

static int ask_one(fwi_redis_emitter_cluster *c, const fwi_redis_host *at,
                   uint64_t deadline_us)
{
    static const char *const question[] = {"CLUSTER", "NODES"};
    const fwi_redis_reply *reply;
    fwi_redis_peer node;
    address(&node, &c->config, at);
    int err = fwi_redis_peer_open(&node, deadline_us);
    if (err == FW_OK) {
        err = fwi_redis_peer_ask(&node, 2, question, NULL, deadline_us, &reply);
    }
    if (err == FW_OK) {
        err = read_map(c, &node, reply);
    }
    fwi_redis_peer_close(&node);
    return err;
}

static int find_map(fwi_redis_emitter_cluster *c, uint64_t deadline_us)
{
    const fwi_redis_url *url = &c->config.url;
    int err = FW_ERR_BACKPLANE;
    for (size_t i = 0; i < url->n_hosts && c->peers == NULL; i++) {
        uint64_t now_us = fwi_clock_us();
        uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
        /* One share is left for the publish itself. */
        err = ask_one(c, &url->hosts[(c->first + i) % url->n_hosts],
                      now_us + left_us / (url->n_hosts - i + 1));
    }
    c->first++; /* what this one said may lead nowhere */
    c->asked_us = fwi_clock_us();
    return c->peers != NULL ? FW_OK : err;
}

/* --- a publish --- */

/* *again: it wasn't taken. */
static int try_publish(fwi_redis_emitter_cluster *c, const fwi_buf *channel,
                       const fwi_buf *envelope, uint64_t deadline_us,
                       long long *receivers, bool *again)
{
    const char *argv[] = {"SPUBLISH", channel->data, envelope->data};
    const size_t lens[] = {8, channel->len, envelope->len};
    const fwi_redis_reply *reply;
    *again = false;
    int err = c->peers == NULL ? find_map(c, deadline_us) : FW_OK;
    if (err != FW_OK) {
        return err;
    }
    *again = true;
    unsigned slot = fwi_redis_slot(channel->data, channel->len);
    if (c->map.owner[slot] == FWI_REDIS_NO_MASTER) {
        return fwi_error(FW_ERR_BACKPLANE, "redis: slot %u is served by nobody", slot);
    }
    fwi_redis_peer *to = &c->peers[c->map.owner[slot]];
    err = fwi_redis_peer_open(to, deadline_us);
    if (err != FW_OK) {
        return err;
    }
    *again = false;
    err = fwi_redis_peer_ask(to, 3, argv, lens, deadline_us, &reply);
    if (err != FW_OK) {
        return err;
    }
    *again = fwi_redis_is_elsewhere(reply);
    return fwi_redis_peer_number(to, argv[0], reply, receivers);
}

/* false: the deadline would have passed. */
static bool pause_until(uint64_t deadline_us)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    if (fwi_clock_us() + PAUSE_MS * 1000u >= deadline_us) {
        return false;
    }
    nanosleep(&pause, NULL);
    return true;
}

int fwi_redis_emitter_cluster_publish(fwi_redis_emitter_cluster *c,
                                      const fwi_buf *channel, const fwi_buf *envelope,
                                      uint64_t deadline_us, long long *receivers)
{
    bool again;
    int err;
    for (;;) {
        err = try_publish(c, channel, envelope, deadline_us, receivers, &again);
        if (err == FW_OK || !again || err == FW_ERR_MEMORY) {
            break;
        }
        fwi_redis_emitter_cluster_close(c);
        if (!pause_until(deadline_us)) {
            break;
        }
    }
    if (err == FW_OK && *receivers == 0 &&
        fwi_clock_us() - c->asked_us > ASK_AGAIN_MS * 1000u) {
        /* A master that was replaced and doesn't know has no nodes any more. */
        fwi_redis_emitter_cluster_close(c);
    }
    return err;
}
