/*
 * A hub's parts: which adapters it gets by its options, how they are put together, and
 * how they are taken apart again, in the reverse order. Called by start and stop alone.
 * @thread one at a time (hub->life)
 */
#include "api/hub_inside.h"

#include <errno.h>
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
    fwi_access_free(hub->access);
    hub->access = NULL;
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
        return fwi_error(errno == ENOMEM ? FW_ERR_MEMORY : FW_ERR_SYSTEM,
                         "a loop can't be made: %m");
    }
    return fwi_transport_new(&hub->transport[i], hub->loop[i], shard,
                             &hub->access->config);
}

void fwi_access_free(fwi_access *a)
{
    if (a != NULL) {
        free(a->origins);
        fwi_networks_free(a->trusted);
        fw_options_free(a->options);
        free(a);
    }
}

static bool read_trusted(fwi_access *a)
{
    size_t n = fwi_options_count(a->options, FWI_OPT_PROXY_TRUSTED), bad;
    const char **trusted = calloc(n + 1, sizeof *trusted);
    for (size_t i = 0; trusted != NULL && i < n; i++) {
        trusted[i] = fwi_options_item(a->options, FWI_OPT_PROXY_TRUSTED, i);
    }
    a->trusted = trusted != NULL ? fwi_networks_new(trusted, n, &bad) : NULL;
    free(trusted);
    return a->trusted != NULL;
}

static bool read_origins(fwi_access *a, size_t *n)
{
    *n = fwi_options_count(a->options, FWI_OPT_ORIGINS);
    a->origins = calloc(*n + 1, sizeof *a->origins);
    for (size_t i = 0; a->origins != NULL && i < *n; i++) {
        a->origins[i] = fwi_options_item(a->options, FWI_OPT_ORIGINS, i);
    }
    return a->origins != NULL;
}

fwi_access *fwi_access_new(const fw_hub *hub, const fw_options *options, int *err)
{
    fwi_access *a = calloc(1, sizeof *a);
    size_t n_origins;
    if (a == NULL || (a->options = fwi_options_copy(options)) == NULL ||
        !read_origins(a, &n_origins) || !read_trusted(a)) {
        fwi_access_free(a);
        *err = fwi_error(FW_ERR_MEMORY, "out of memory");
        return NULL;
    }
    /* What can't change while it runs is as it was at the start. */
    const fw_options *o = hub->options;
    const char *cert = fwi_options_text(o, FWI_OPT_TLS_CERT);
    const char *key = fwi_options_text(o, FWI_OPT_TLS_KEY);
    a->config = (fwi_transport_config){
        .log = &hub->log,
        .tls_cert = cert[0] ? cert : NULL,
        .tls_key = key[0] ? key : NULL,
        .handshake_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HANDSHAKE_TIMEOUT),
        .request_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HTTP_REQUEST_TIMEOUT),
        .idle_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HTTP_IDLE_TIMEOUT),
        .http_max = (unsigned)fwi_options_int(o, FWI_OPT_LIMIT_HTTP_CONNECTIONS),
        .message_max = (size_t)fwi_options_int(options, FWI_OPT_MESSAGE_MAX_BYTES),
        .compression = hub->core.set.compression,
        .origins = a->origins,
        .n_origins = n_origins,
        .trusted = a->trusted,
        .guests = &fwi_guest_uv,
    };
    *err = FW_OK;
    return a;
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
    int err;
    hub->access = fwi_access_new(hub, hub->options, &err);
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
