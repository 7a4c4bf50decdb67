/*
 * What test_backplane_contract.c, test_backplane_redis.c and test_redis_emitter.c share:
 * a Redis started anew for each test, a Cluster for all of them, and nodes that have a
 * backplane on one of them or on memory. The test's thread only; a node's own thread is
 * behind support/backplane_node.h.
 */
#ifndef TESTS_BACKPLANE_RIG_H
#define TESTS_BACKPLANE_RIG_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "support/backplane_node.h"
#include "support/redis_cluster.h"
#include "support/redis_server.h"

enum { MEMORY, REDIS, CLUSTER, BACKPLANES };

static const char *const names[BACKPLANES] = {"memory", "redis", "cluster"};

static redis_server *server;
static redis_cluster shards; /* started by the first test that needs it */
static char prefix[32];      /* another one for each test: a Cluster serves many */

static const fwi_log silent;

static inline fwi_redis_config config_for(const char *url)
{
    fwi_redis_config c = {
        .prefix = "fanwire",
        .queue_max_bytes = 16u << 20,
        .queue_deadline_ms = 30000,
        .lease_ms = 10000,
        .log = &silent,
    };
    const char *problem = fwi_redis_url_parse(url, &c.url);
    ck_assert_msg(problem == NULL, "%s: %s", url, problem);
    return c;
}

static inline node *node_up(int which)
{
    fwi_redis_config c;
    if (which == CLUSTER && shards.nodes == 0) {
        redis_cluster_start(&shards, 3, 0);
    }
    if (which != MEMORY) {
        c = config_for(which == REDIS ? redis_server_url(server) : shards.url);
    }
    if (which == CLUSTER) {
        c.prefix = prefix;
    }
    node *n = node_new(which != MEMORY ? &c : NULL);
    node_start(n);
    ck_assert_msg(node_wait(n, node_is_up, NULL, 0), "%s: not up: %s", names[which],
                  n->why);
    return n;
}

static inline void enter(node *n, const char *channel)
{
    node_subscribe(n, channel);
    ck_assert_msg(node_wait(n, node_has_reports, channel, 1), "no report of %s", channel);
}

static inline void start_server(void)
{
    static int tests;
    snprintf(prefix, sizeof prefix, "fanwire-%d", tests++);
    server = redis_server_start(NULL);
}

static inline void stop_server(void)
{
    redis_server_stop(server);
    server = NULL;
}

static inline TCase *case_of(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start_server, stop_server);
    suite_add_tcase(s, tc);
    return tc;
}

#endif
