/*
 * A hub's parts: which adapters it gets by its options, how they are put together, and
 * how they are taken apart again, in the reverse order. Called by start and stop alone.
 * @thread one at a time (hub->life)
 */
#include "api/hub_inside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- taking apart, the reverse of what follows; each part may be absent --- */

void fwi_take_apart(fw_hub *hub)
{
    for (unsigned i = 0; i < hub->n_loops; i++) {
        if (hub->thread[i]) {
            fwi_loop_uv_join(hub->loop[i]);
            hub->thread[i] = false;
        }
    }
    fwi_gates_close(hub, true);
    if (hub->core.bp != NULL) {
        hub->core.bp->ops->free(hub->core.bp);
        hub->core.bp = NULL;
    }
    fwi_routes_fini(&hub->core.routes);
    for (unsigned i = 0; i < hub->n_loops; i++) {
        if (hub->shard[i] != NULL) {
            fwi_inbox_close(&hub->shard[i]->inbox); /* nobody wakes the loop any more */
        }
        if (hub->transport[i] != NULL) {
            fwi_transport_free(hub->transport[i]);
            hub->transport[i] = NULL;
        }
        pthread_mutex_lock(&hub->lock);
        fwi_loop *loop = hub->loop[i];
        hub->loop[i] = NULL; /* who reads figures looks here */
        pthread_mutex_unlock(&hub->lock);
        fwi_loop_uv_free(loop);
    }
    fwi_site_fini(&hub->site);
    free(hub->origins);
    hub->origins = NULL;
    fwi_networks_free(hub->trusted);
    hub->trusted = NULL;
}

void fwi_shards_free(fw_hub *hub)
{
    for (unsigned i = 0; i < hub->core.n_shards; i++) {
        if (hub->shard[i] != NULL) {
            fwi_shard_fini(hub->shard[i]);
            free(hub->shard[i]);
            hub->shard[i] = hub->core.shard[i] = NULL;
        }
    }
    hub->core.n_shards = 0;
}

static unsigned loops_wanted(const fw_options *o)
{
    int64_t n = fwi_options_int(o, FWI_OPT_THREADS);
    if (n == 0) {
        n = sysconf(_SC_NPROCESSORS_ONLN);
    }
    return n < 1 ? 1 : n > FWI_LOOPS_MAX ? FWI_LOOPS_MAX : (unsigned)n;
}

static int make_loop(fw_hub *hub, unsigned i)
{
    fwi_shard *shard = malloc(sizeof *shard);
    if (shard == NULL || !fwi_shard_init(shard, &hub->core, i)) {
        free(shard);
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    hub->shard[i] = hub->core.shard[i] = shard;
    hub->loop[i] = shard->loop = fwi_loop_uv_new(&fwi_shard_loop_events, shard);
    if (hub->loop[i] == NULL) {
        return fwi_error(FW_ERR_SYSTEM, "a loop can't be made: %s", strerror(errno));
    }
    return fwi_transport_new(&hub->transport[i], hub->loop[i], shard,
                             &hub->transport_config);
}

static int read_transport_config(fw_hub *hub)
{
    const fw_options *o = hub->options;
    size_t n = fwi_options_count(o, FWI_OPT_ORIGINS), bad;
    hub->origins = calloc(n + 1, sizeof *hub->origins);
    size_t n_trusted = fwi_options_count(o, FWI_OPT_PROXY_TRUSTED);
    const char **trusted = calloc(n_trusted + 1, sizeof *trusted);
    if (hub->origins == NULL || trusted == NULL) {
        free(trusted);
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        hub->origins[i] = fwi_options_item(o, FWI_OPT_ORIGINS, i);
    }
    for (size_t i = 0; i < n_trusted; i++) {
        trusted[i] = fwi_options_item(o, FWI_OPT_PROXY_TRUSTED, i);
    }
    hub->trusted = fwi_networks_new(trusted, n_trusted, &bad);
    free(trusted);
    if (hub->trusted == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    const char *cert = fwi_options_text(o, FWI_OPT_TLS_CERT);
    const char *key = fwi_options_text(o, FWI_OPT_TLS_KEY);
    hub->transport_config = (fwi_transport_config){
        .log = &hub->log,
        .tls_cert = cert[0] ? cert : NULL,
        .tls_key = key[0] ? key : NULL,
        .handshake_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HANDSHAKE_TIMEOUT),
        .request_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HTTP_REQUEST_TIMEOUT),
        .idle_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HTTP_IDLE_TIMEOUT),
        .http_max = (unsigned)fwi_options_int(o, FWI_OPT_LIMIT_HTTP_CONNECTIONS),
        .message_max = hub->core.set.message_max,
        .compression = hub->core.set.compression,
        .origins = hub->origins,
        .n_origins = n,
        .trusted = hub->trusted,
        .run_pending = fwi_loop_uv_run_pending,
    };
    return FW_OK;
}

static int make_backplane(fw_hub *hub)
{
    if (fwi_options_text(hub->options, FWI_OPT_REDIS_URL)[0] == '\0') {
        hub->core.bp = fwi_backplane_memory_new(hub->loop[0], &fwi_hub_sink, &hub->core);
    } else {
        hub->redis.node = hub->core.node;
        hub->redis.seed = fwi_rand_secure();
        hub->redis.log = &hub->log;
        hub->core.bp =
            fwi_backplane_redis_new(hub->loop[0], &hub->redis, &fwi_hub_sink, &hub->core);
    }
    return hub->core.bp ? FW_OK : fwi_error(FW_ERR_MEMORY, "out of memory");
}

static void take_figures(void *user, fwi_hub_figures *out)
{
    fwi_figures_take(user, out);
}

static int make_site(fw_hub *hub)
{
    if (!fwi_site_init(&hub->site, &hub->core, hub->options)) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    hub->site.take_figures = take_figures;
    hub->site.user = hub;
    return FW_OK;
}

int fwi_put_together(fw_hub *hub)
{
    fwi_shards_free(hub); /* of a start that failed */
    int err = read_transport_config(hub);
    if (err == FW_OK) {
        err = make_site(hub);
    }
    hub->n_loops = loops_wanted(hub->options);
    hub->core.n_shards = hub->core.routes.n_loops = hub->n_loops;
    for (unsigned i = 0; i < hub->n_loops && err == FW_OK; i++) {
        err = make_loop(hub, i);
    }
    if (err == FW_OK) {
        err = make_backplane(hub);
    }
    return err == FW_OK ? fwi_gates_open(hub) : err;
}
