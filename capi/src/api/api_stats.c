/*
 * Figures: the sums of all loops' counters and what the backplane says of itself.
 */
#include "api/hub_inside.h"

#include <fanwire/stats.h>
#include <fanwire/version.h>

#include "base/clock.h"

/* How long a reader waits for loop 0; then it gets what was said last. */
enum { FIGURES_WAIT_MS = 1000 };

static void run_figures(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    fwi_backplane_figures figures;
    hub->core.bp->ops->figures(hub->core.bp, &figures);
    fwi_item_free(item);
    pthread_mutex_lock(&hub->lock);
    hub->figures = figures;
    hub->figures_seq++;
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

static void wait_for_figures(fw_hub *hub, uint64_t seq)
{
    struct timespec until = fwi_api_deadline(FIGURES_WAIT_MS);
    int err = 0;
    pthread_mutex_lock(&hub->lock);
    while (hub->figures_seq == seq && err == 0) {
        err = pthread_cond_timedwait(&hub->changed, &hub->lock, &until);
    }
    pthread_mutex_unlock(&hub->lock);
}

/* Only loop 0 knows the backplane: others ask it, and wait a moment for the answer. */
static void backplane_figures(fw_hub *hub, fwi_backplane_figures *out)
{
    fwi_shard *here = fwi_shard_here(&hub->core);
    if (atomic_load(&hub->state) == FWI_HUB_RUNNING) {
        if (here != NULL && here->index == 0) {
            hub->core.bp->ops->figures(hub->core.bp, out);
            return;
        }
        pthread_mutex_lock(&hub->lock);
        uint64_t seq = hub->figures_seq;
        pthread_mutex_unlock(&hub->lock);
        fwi_item *item = fwi_item_new(run_figures, NULL, NULL);
        if (fwi_shard_post(hub->shard[0], item, false) == FW_OK && here == NULL) {
            wait_for_figures(hub, seq);
        }
    }
    pthread_mutex_lock(&hub->lock);
    *out = hub->figures;
    pthread_mutex_unlock(&hub->lock);
}

void fwi_figures_take(fw_hub *hub, fwi_hub_figures *out)
{
    *out = (fwi_hub_figures){
        .node_name = hub->core.name,
        .version = FW_VERSION_STRING,
        .backplane =
            fwi_options_text(hub->options, FWI_OPT_REDIS_URL)[0] ? "redis" : "memory",
        .node = hub->core.node,
        .draining = atomic_load(&hub->core.draining),
        .uptime_us = fwi_clock_us() - hub->started_us,
        .loops = hub->n_loops,
        .events_bytes = atomic_load(&hub->core.events.bytes),
        .more = hub->metrics_fn,
        .more_user = hub->metrics_user,
    };
    for (size_t k = 0; k < FWI_STAT_COUNT; k++) {
        out->sums[k] = fwi_stat_get(&hub->core.outside, (fwi_stat)k);
    }
    for (unsigned i = 0; i < hub->core.n_shards; i++) {
        for (size_t k = 0; k < FWI_STAT_COUNT; k++) {
            out->sums[k] += fwi_stat_get(&hub->shard[i]->stats, (fwi_stat)k);
        }
        out->inbox_bytes += fwi_inbox_bytes(&hub->shard[i]->inbox);
        fwi_histogram_sum_up(&out->sizes, &hub->shard[i]->sizes);
    }
    pthread_mutex_lock(&hub->lock);
    for (unsigned i = 0; i < hub->n_loops; i++) {
        /* NULL: the hub has been stopped since the caller came in. */
        uint64_t lag_us = hub->loop[i] != NULL ? fwi_loop_lag_us(hub->loop[i]) : 0;
        out->loop_lag_s[i] = (double)lag_us / 1e6;
        if (hub->loop[i] != NULL) {
            fwi_histogram_sum_up(&out->turns, &hub->loop[i]->turns);
        }
    }
    pthread_mutex_unlock(&hub->lock);
    backplane_figures(hub, &out->bp);
}

int fw_stats_get(fw_hub *hub, const char *name, double *value)
{
    int err = fwi_api_enter_running(hub);
    if (err != FW_OK) {
        return err;
    }
    fwi_hub_figures figures;
    fwi_figures_take(hub, &figures);
    switch (fwi_metrics_find(&figures, name, value)) {
    case FWI_METRICS_FOUND:
        return FW_OK;
    case FWI_METRICS_NO_MEMORY:
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    default:
        return fwi_error(FW_ERR_INVALID, "no such figure: %s", name);
    }
}

int fw_stats_text(fw_hub *hub, char **text)
{
    int err = fwi_api_enter_running(hub);
    if (err != FW_OK) {
        return err;
    }
    fwi_hub_figures figures;
    fwi_buf out;
    fwi_figures_take(hub, &figures);
    fwi_buf_init(&out);
    if (!fwi_metrics_text(&figures, &out) || fwi_buf_text(&out) == NULL) {
        fwi_buf_fini(&out);
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    *text = out.data;
    return FW_OK;
}

void fw_stats_text_free(char *text)
{
    free(text);
}

int fw_hub_on_metrics(fw_hub *hub, fw_metrics_fn fn, void *user)
{
    int err = fwi_api_enter(hub);
    if (err == FW_OK && atomic_load(&hub->state) != FWI_HUB_NEW) {
        err = fwi_error(FW_ERR_STATE, "the hub has been started");
    }
    if (err == FW_OK) {
        hub->metrics_fn = fn;
        hub->metrics_user = user;
    }
    return err;
}
