/*
 * See load.h. Numbers with a fraction are put together from integers, as for /metrics:
 * the locale is the application's.
 */
#include "core/load.h"

#include <inttypes.h>

#include "core/shard.h"
#include "core/stats.h"

/* Counters and gauges that are told; the rest is for /metrics alone. */
static const char *const told[] = {
    "fanwire_messages_in_total",    "fanwire_deliveries_total",
    "fanwire_outbox_dropped_total", "fanwire_inbox_dropped_total",
    "fanwire_events_dropped_total", "fanwire_outbox_bytes",
};

static uint64_t sum_of(const fwi_hub *hub, fwi_stat which)
{
    uint64_t sum = fwi_stat_get(&hub->outside, which);
    for (unsigned i = 0; i < hub->n_shards; i++) {
        sum += fwi_stat_get(&hub->shard[i]->stats, which);
    }
    return sum;
}

static bool seconds(fwi_buf *out, const char *before, uint64_t us)
{
    return fwi_buf_puts(out, before) && fwi_buf_put_seconds(out, us);
}

static bool loops(const fwi_hub *hub, fwi_buf *out)
{
    fwi_histogram turns = {0};
    uint64_t lag_us = 0;
    for (unsigned i = 0; i < hub->n_shards; i++) {
        lag_us = FWI_MAX(lag_us, fwi_loop_lag_us(hub->shard[i]->loop));
        fwi_histogram_sum_up(&turns, &hub->shard[i]->loop->turns);
    }
    return seconds(out, ",\"fanwire_loop_lag_seconds\":", lag_us) &&
           seconds(out, ",\"fanwire_loop_turn_seconds_sum\":", turns.sum);
}

static bool redis(const fwi_hub *hub, fwi_buf *out)
{
    fwi_backplane_figures f;
    if (hub->bp->ops->alone) {
        return true;
    }
    hub->bp->ops->figures(hub->bp, &f);
    return fwi_buf_printf(out,
                          ",\"fanwire_redis_disconnects_total\":%" PRIu64
                          ",\"fanwire_redis_queue_bytes\":%" PRIu64
                          ",\"fanwire_redis_queue_dropped_total\":%" PRIu64,
                          f.disconnects, f.queue_bytes, f.queue_dropped);
}

bool fwi_load_put(fwi_hub *hub, fwi_buf *out)
{
    uint64_t up_us = fwi_loop_now_us(hub->shard[0]->loop) - hub->started_us;
    bool ok = seconds(out, "{\"interval\":", up_us) && fwi_buf_puts(out, ",\"items\":{");
    for (size_t i = 0; i < FWI_ARRAY_LEN(told) && ok; i++) {
        int which = fwi_stats_find(told[i]);
        FWI_ASSERT(which >= 0);
        ok = fwi_buf_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", told[i],
                            sum_of(hub, (fwi_stat)which));
    }
    return ok && loops(hub, out) && redis(hub, out) && fwi_buf_puts(out, "}}");
}
