/*
 * A master, a replica, three Sentinels. See the header.
 */
#include "support/redis_sentinels.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEADLINE_S = 60, CONFIG_MAX = 512 };

/* Asks until the answer holds `want`; there is no event to wait for. */
static void await(redis_server *r, const char *password, const char *a, const char *b,
                  const char *want)
{
    char out[8192] = "";
    time_t until = time(NULL) + DEADLINE_S;
    do {
        redis_server_cli(r, out, sizeof out, "-a", password != NULL ? password : "",
                         "--no-auth-warning", a, b, "m", NULL);
        if (strstr(out, want) != NULL) {
            return;
        }
        poll(NULL, 0, 20);
    } while (time(NULL) < until);
    fprintf(stderr, "redis_sentinels: %s %s: no \"%s\" in: %s\n", a, b, want, out);
    exit(1);
}

static redis_server *start_data(const char *password, const char *master_port)
{
    const char *args[] = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    size_t n = 0;
    if (password != NULL) {
        args[n++] = "--requirepass";
        args[n++] = password;
        args[n++] = "--masterauth";
        args[n++] = password;
    }
    if (master_port != NULL) {
        args[n++] = "--replicaof";
        args[n++] = master_port;
    }
    redis_server *r =
        redis_server_start(&(redis_server_options){.tcp = true, .args = args});
    redis_server_set_args(r, NULL); /* Those were of this call. */
    return r;
}

static redis_server *start_sentinel(const redis_sentinels *g)
{
    static const char *const args[] = {"--sentinel", NULL};
    char config[CONFIG_MAX];
    int n = snprintf(config, sizeof config,
                     "sentinel monitor m 127.0.0.1 %d 2\n"
                     "sentinel down-after-milliseconds m 500\n"
                     "sentinel failover-timeout m 4000\n",
                     redis_server_port(g->master));
    if (g->password != NULL) {
        n += snprintf(config + n, sizeof config - (size_t)n, "sentinel auth-pass m %s\n",
                      g->password);
    }
    if (g->sentinel_password != NULL) {
        snprintf(config + n, sizeof config - (size_t)n,
                 "requirepass %s\nsentinel sentinel-pass %s\n", g->sentinel_password,
                 g->sentinel_password);
    }
    return redis_server_start(
        &(redis_server_options){.tcp = true, .config = config, .args = args});
}

static void write_url(redis_sentinels *g)
{
    int n = snprintf(g->url, sizeof g->url, "redis+sentinel://");
    if (g->password != NULL) {
        n += snprintf(g->url + n, sizeof g->url - (size_t)n, ":%s@", g->password);
    }
    for (int i = 0; i < SENTINELS; i++) {
        n += snprintf(g->url + n, sizeof g->url - (size_t)n, "%s127.0.0.1:%d",
                      i > 0 ? "," : "", redis_server_port(g->sentinel[i]));
    }
    n += snprintf(g->url + n, sizeof g->url - (size_t)n, "/m");
    if (g->sentinel_password != NULL) {
        snprintf(g->url + n, sizeof g->url - (size_t)n, "?sentinel_password=%s",
                 g->sentinel_password);
    }
}

void redis_sentinels_start(redis_sentinels *g, const char *password,
                           const char *sentinel_password)
{
    char master[32];
    *g = (redis_sentinels){.password = password, .sentinel_password = sentinel_password};
    g->master = start_data(password, NULL);
    snprintf(master, sizeof master, "127.0.0.1 %d", redis_server_port(g->master));
    g->replica = start_data(password, master);
    await(g->replica, password, "INFO", "replication", "master_link_status:up");
    for (int i = 0; i < SENTINELS; i++) {
        g->sentinel[i] = start_sentinel(g);
    }
    for (int i = 0; i < SENTINELS; i++) {
        await(g->sentinel[i], sentinel_password, "SENTINEL", "MASTER",
              "num-slaves\n1\nnum-other-sentinels\n2\n");
    }
    write_url(g);
}

void redis_sentinels_stop(redis_sentinels *g)
{
    for (int i = 0; i < SENTINELS; i++) {
        redis_server_stop(g->sentinel[i]);
    }
    redis_server_stop(g->replica);
    redis_server_stop(g->master);
}

void redis_sentinels_failover(redis_sentinels *g)
{
    /* Refused until the replica has been found fit. */
    await(g->sentinel[0], g->sentinel_password, "SENTINEL", "FAILOVER", "OK");
    redis_sentinels_await_failover(g);
}

void redis_sentinels_await_failover(redis_sentinels *g)
{
    await(g->replica, g->password, "INFO", "replication", "role:master");
}
