/*
 * Publishes from a process that has no hub: one blocking connection, one command, one
 * answer. Called by the API's emitter, on whatever thread, one call at a time.
 *
 * A publish that failed isn't repeated by itself: Redis may have taken it. The connection
 * is dropped then and made anew by the next publish.
 */
#include "backplane/backplanes.h"

#include <string.h>
#include <unistd.h>

#include "backplane/redis_emitter_cluster.h"
#include "backplane/redis_find_master.h"
#include "backplane/redis_peer.h"
#include "backplane/redis_topology.h"
#include "base/clock.h"
#include "base/rand.h"
#include "core/error.h"
#include "core/message.h"
#include "wire/name.h"

enum {
    DEFAULT_TIMEOUT_MS = 5000,
    /* Sentinels aren't asked more often because nobody hears what is published. */
    ASK_AGAIN_MS = 5000
};

struct fwi_redis_emitter {
    fwi_redis_config config;
    fwi_redis_peer server;              /* the one, or the master */
    fwi_redis_emitter_cluster *cluster; /* instead of it; or NULL */
    size_t sentinel;                    /* which to ask first */
    uint64_t found_us;                  /* when the master was asked for */
    uint64_t serial;
    pid_t owner; /* the process that the connection and the number belong to */
};

fwi_redis_emitter *fwi_redis_emitter_new(const fwi_redis_config *config)
{
    fwi_redis_emitter *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    e->config = *config;
    e->owner = getpid();
    if (config->url.kind == FWI_REDIS_CLUSTER) {
        e->cluster = fwi_redis_emitter_cluster_new(config);
        if (e->cluster == NULL) {
            free(e);
            return NULL;
        }
    }
    return e;
}

static void disconnect(fwi_redis_emitter *e)
{
    fwi_redis_peer_close(&e->server);
    fwi_redis_emitter_cluster_close(e->cluster);
}

void fwi_redis_emitter_free(fwi_redis_emitter *e)
{
    if (e == NULL) {
        return;
    }
    disconnect(e);
    fwi_redis_emitter_cluster_free(e->cluster);
    free(e);
}

static int check_master(fwi_redis_peer *server, uint64_t deadline_us)
{
    const fwi_redis_reply *reply;
    const char *info[] = {"INFO", "replication"};
    int err = fwi_redis_peer_ask(server, 2, info, NULL, deadline_us, &reply);
    const char *problem = err == FW_OK ? fwi_redis_master_problem(reply) : NULL;
    return problem != NULL ? fwi_redis_peer_problem(server, "INFO", problem) : err;
}

/* After a fork two processes hold this emitter. The child takes a connection and a number
 * of its own: on one connection they would read each other's answers, and with one number
 * the nodes would take what the second one sends for repetitions. Closing here leaves the
 * parent's connection alone. */
static void notice_fork(fwi_redis_emitter *e)
{
    if (e->owner != getpid()) {
        disconnect(e);
        e->config.node = fwi_rand_secure();
        e->serial = 0;
        e->owner = getpid();
    }
}

static int connect_again(fwi_redis_emitter *e, uint64_t deadline_us)
{
    bool sentinels = e->config.url.kind == FWI_REDIS_SENTINEL;
    int err = FW_OK;
    if (fwi_redis_peer_is_open(&e->server)) {
        return FW_OK;
    }
    if (sentinels) {
        err = fwi_redis_find_master(&e->config, e->sentinel, deadline_us, &e->sentinel);
        e->found_us = fwi_clock_us();
        e->server.kind = "the server at";
    }
    e->server.config = e->config;
    if (err == FW_OK) {
        err = fwi_redis_peer_open(&e->server, deadline_us);
    }
    if (err == FW_OK && sentinels) {
        err = check_master(&e->server, deadline_us);
    }
    if (err != FW_OK && sentinels) {
        e->sentinel++; /* What this one said led nowhere. */
    }
    return err;
}

static int publish(fwi_redis_emitter *e, const fwi_buf *name, const fwi_buf *envelope,
                   uint64_t deadline_us, long long *receivers)
{
    const char *argv[] = {"PUBLISH", name->data, envelope->data};
    const size_t lens[] = {7, name->len, envelope->len};
    const fwi_redis_reply *reply;
    int err = connect_again(e, deadline_us);
    if (err == FW_OK) {
        err = fwi_redis_peer_ask(&e->server, 3, argv, lens, deadline_us, &reply);
    }
    if (err == FW_OK) {
        err = fwi_redis_peer_number(&e->server, argv[0], reply, receivers);
    }
    if (err == FW_OK && *receivers == 0 && e->config.url.kind == FWI_REDIS_SENTINEL &&
        fwi_clock_us() - e->found_us > ASK_AGAIN_MS * 1000u) {
        /* A master that was replaced and doesn't know has no nodes any more. */
        disconnect(e);
    }
    return err;
}

int fwi_redis_emitter_publish(fwi_redis_emitter *e, const char *channel,
                              const fw_message *m, int timeout_ms)
{
    uint64_t wait_ms = timeout_ms > 0 ? (uint64_t)timeout_ms : DEFAULT_TIMEOUT_MS;
    uint64_t deadline_us = fwi_clock_us() + wait_ms * 1000u;
    fwi_buf name, envelope;
    long long receivers = 0;
    int err;
    fwi_buf_init(&name);
    fwi_buf_init(&envelope);

    notice_fork(e);
    if (!fwi_name_to_redis(&name, e->config.prefix, channel) ||
        !fwi_message_encode(m, e->config.node, e->serial + 1, &envelope)) {
        err = fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    } else {
        e->serial++;
        err = e->cluster != NULL
                  ? fwi_redis_emitter_cluster_publish(e->cluster, &name, &envelope,
                                                      deadline_us, &receivers)
                  : publish(e, &name, &envelope, deadline_us, &receivers);
    }
    fwi_buf_fini(&name);
    fwi_buf_fini(&envelope);
    if (err != FW_OK) {
        disconnect(e);
        return err;
    }
    return receivers > INT32_MAX ? INT32_MAX : (int)receivers;
}
