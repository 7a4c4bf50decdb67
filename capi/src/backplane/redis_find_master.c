/*
 * Asks Sentinels for the master, waiting for each. See the header. A connection serves
 * one question: it is asked only when the emitter connects.
 */
#include "backplane/redis_find_master.h"

#include <string.h>

#include "backplane/redis_peer.h"
#include "backplane/redis_topology.h"
#include "base/clock.h"
#include "core/error.h"

static int ask_for_master(fwi_redis_peer *sentinel, const char *name,
                          uint64_t deadline_us, fwi_redis_host *to)
{
    const fwi_redis_reply *reply;
    const char *question[] = {"SENTINEL", "get-master-addr-by-name", name};
    int err = fwi_redis_peer_ask(sentinel, 3, question, NULL, deadline_us, &reply);
    const char *problem = err == FW_OK ? fwi_redis_master_of(reply, to) : NULL;
    return problem != NULL ? fwi_redis_peer_problem(sentinel, name, problem) : err;
}

static int ask_one(const fwi_redis_config *config, const char *name, uint64_t deadline_us,
                   fwi_redis_host *to)
{
    fwi_redis_peer sentinel = {.config = *config, .kind = "Sentinel"};
    int err = fwi_redis_peer_open(&sentinel, deadline_us);
    if (err == FW_OK) {
        err = ask_for_master(&sentinel, name, deadline_us, to);
    }
    fwi_redis_peer_close(&sentinel);
    return err;
}

int fwi_redis_find_master(fwi_redis_config *config, size_t first, uint64_t deadline_us,
                          size_t *told)
{
    fwi_redis_url *url = &config->url;
    fwi_redis_config sentinel = *config;
    int err = FW_ERR_BACKPLANE;
    sentinel.url = fwi_redis_url_of_host(url);
    for (size_t i = 0; i < url->n_hosts; i++) {
        size_t which = (first + i) % url->n_hosts;
        uint64_t now_us = fwi_clock_us();
        uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
        fwi_redis_host master;
        memcpy(sentinel.url.host, url->hosts[which].host, sizeof sentinel.url.host);
        sentinel.url.port = url->hosts[which].port;
        /* One share is left for the master itself. */
        err = ask_one(&sentinel, url->master, now_us + left_us / (url->n_hosts - i + 1),
                      &master);
        if (err == FW_OK) {
            memcpy(url->host, master.host, sizeof master.host);
            url->port = master.port;
            *told = which;
            return FW_OK;
        }
    }
    return err;
}
