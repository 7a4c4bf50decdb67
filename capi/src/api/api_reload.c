/*
 * Other options for a hub that runs. First everything is made and checked that can fail,
 * then it is put into effect, loop by loop: so an error changes nothing.
 */
#include "api/hub_inside.h"

#include "io/stream_tls.h"

/* A key that doesn't fit or a file that was half written is found here: libwebsockets
 * would have the new certificate and the old key. */
static int check_tls(const fwi_transport_config *c)
{
    char why[256];
    if (c->tls_cert == NULL ||
        fwi_tls_files_are_good(c->tls_cert, c->tls_key, why, sizeof why)) {
        return FW_OK;
    }
    return fwi_error(FW_ERR_TLS, "tls.cert: %s", why);
}

static void warn_of_change(void *user, const char *name, bool live)
{
    const fw_hub *hub = user;
    if (!live) {
        FWI_LOG(&hub->log, FWI_LOG_WARN, "reload",
                "%s has changed, which needs a restart: it stays as it was", name);
    }
}

/* Who a raw client is was settled at the start: see raw.user. */
static void warn_of_first_key(const fw_hub *hub, const fw_options *options)
{
    if (fwi_options_have_keys(options) && !fwi_options_have_keys(hub->options)) {
        FWI_LOG(&hub->log, FWI_LOG_WARN, "reload",
                "there is a key for tokens now, which needs a restart: raw clients are "
                "asked for none");
    }
}

static void run_reload(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    if (!fwi_transport_reload(hub->transport[shard->index], &hub->access->config)) {
        FWI_LOG(&hub->log, FWI_LOG_ERROR, "reload", "tls.cert: %s: it can't be loaded",
                hub->access->config.tls_cert);
    }
    if (hub->beats_changed) {
        fwi_shard_reload(shard);
    }
    if (shard->index == 0) {
        fwi_site_exchange(&hub->site, hub->secrets);
        hub->secrets = NULL;
    }
    fwi_api_ack(hub, item);
}

/* All that can fail. */
static int prepare(fw_hub *hub, const fw_options *options, fwi_access **next,
                   fwi_keys **keys)
{
    int err;
    *next = fwi_access_new(hub, options, &err);
    err = *next != NULL ? check_tls(&(*next)->config) : err;
    hub->secrets = err == FW_OK ? fwi_site_secrets_new(options) : NULL;
    if (err == FW_OK && hub->secrets == NULL) {
        err = fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    if (err == FW_OK) {
        err = fwi_api_read_keys(options, keys);
    }
    if (err != FW_OK) {
        fwi_access_free(*next);
        fwi_site_secrets_free(hub->secrets);
        hub->secrets = NULL;
    }
    return err;
}

/* Under hub->life, so it runs until we are done. */
static int reload(fw_hub *hub, const fw_options *options)
{
    if (atomic_load(&hub->state) != FWI_HUB_RUNNING) {
        return fwi_error(FW_ERR_STATE, "the hub is not running");
    }
    fwi_access *next = NULL;
    fwi_keys *keys = NULL;
    int err = prepare(hub, options, &next, &keys);
    if (err != FW_OK) {
        return err;
    }
    hub->log.level = (int)fwi_options_int(options, FWI_OPT_LOG_LEVEL);
    hub->core.log.level = hub->log.level;
    fwi_options_compare(hub->options, options, warn_of_change, hub);
    warn_of_first_key(hub, options);
    fwi_tokens_exchange(&hub->core.tokens, keys);
    hub->beats_changed = fwi_hub_reload(&hub->core, options);
    fwi_access *before = hub->access;
    hub->access = next;
    fwi_api_on_loops(hub, run_reload, false);
    fwi_site_secrets_free(hub->secrets); /* a loop that ends took nothing */
    hub->secrets = NULL;
    fwi_access_free(before);
    FWI_LOG(&hub->log, FWI_LOG_INFO, "reload", "options taken over");
    return FW_OK;
}

int fw_hub_reload(fw_hub *hub, const fw_options *options)
{
    int err = fwi_api_enter_outside(hub);
    if (err != FW_OK) {
        return err;
    }
    if (options == NULL) {
        err = fwi_error(FW_ERR_INVALID, "there are no options");
    } else {
        pthread_mutex_lock(&hub->life);
        err = reload(hub, options);
        pthread_mutex_unlock(&hub->life);
    }
    fwi_stat_add_shared(&hub->core.outside,
                        err == FW_OK ? FWI_STAT_RELOADS : FWI_STAT_RELOADS_FAILED, 1);
    return err;
}
