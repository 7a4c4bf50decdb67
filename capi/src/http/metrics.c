/*
 * The figures of a hub as Prometheus' text format, version 0.0.4. The counters come from
 * their own table (core/stats.h); the rest are the rows here. Any thread.
 *
 * Numbers with a fraction are put together from integers: printf and strtod would follow
 * the locale of the application, which may want a comma.
 */
#include "http/pages.h"

#include <inttypes.h>
#include <string.h>

#define MICRO 1000000u
enum { MORE_TRIES = 8 };

static bool head(fwi_buf *out, const char *name, const char *kind, const char *help)
{
    return fwi_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static bool whole(fwi_buf *out, const char *name, const char *kind, const char *help,
                  uint64_t value)
{
    return head(out, name, kind, help) &&
           fwi_buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

/* A bound or a sum, in the unit of the metric's name. */
static bool amount(fwi_buf *out, uint64_t value, bool is_us)
{
    return is_us ? fwi_buf_put_seconds(out, value)
                 : fwi_buf_printf(out, "%" PRIu64, value);
}

/* Its counts are of one bucket each, those of the format of all up to it. */
static bool histogram(fwi_buf *out, const char *name, const char *help,
                      const fwi_bounds bounds, bool is_us, const fwi_histogram *h)
{
    bool ok = head(out, name, "histogram", help);
    uint64_t n = 0;
    for (size_t i = 0; i < FWI_HISTOGRAM_BOUNDS && ok; i++) {
        n += h->count[i];
        ok = fwi_buf_printf(out, "%s_bucket{le=\"", name) &&
             amount(out, bounds[i], is_us) && fwi_buf_printf(out, "\"} %" PRIu64 "\n", n);
    }
    n += h->count[FWI_HISTOGRAM_BOUNDS];
    return ok &&
           fwi_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, n,
                          name) &&
           amount(out, h->sum, is_us) &&
           fwi_buf_printf(out, "\n%s_count %" PRIu64 "\n", name, n);
}

/* A label's value: backslash, quote and line feed are escaped. */
static bool label(fwi_buf *out, const char *before, const char *value)
{
    bool ok = fwi_buf_puts(out, before);
    for (const char *p = value; *p != '\0' && ok; p++) {
        if (*p == '\n') {
            ok = fwi_buf_puts(out, "\\n");
        } else {
            ok = (*p != '"' && *p != '\\') || fwi_buf_puts(out, "\\");
            ok = ok && fwi_buf_append(out, p, 1);
        }
    }
    return ok && fwi_buf_puts(out, "\"");
}

static bool info(const fwi_hub_figures *f, fwi_buf *out)
{
    return head(out, "fanwire_info", "gauge", "Who this is; always 1") &&
           label(out, "fanwire_info{version=\"", f->version) &&
           label(out, ",node=\"", f->node_name) &&
           label(out, ",backplane=\"", f->backplane) && fwi_buf_puts(out, "} 1\n");
}

static bool loop_lags(const fwi_hub_figures *f, fwi_buf *out)
{
    bool ok = head(out, "fanwire_loop_lag_seconds", "gauge",
                   "The longest turn of a loop in the last ten seconds");
    for (unsigned i = 0; i < f->loops && i < FWI_ARRAY_LEN(f->loop_lag_s) && ok; i++) {
        uint64_t us = (uint64_t)(f->loop_lag_s[i] * MICRO + 0.5);
        ok = fwi_buf_printf(out, "fanwire_loop_lag_seconds{loop=\"%u\"} ", i) &&
             fwi_buf_put_seconds(out, us) && fwi_buf_puts(out, "\n");
    }
    return ok;
}

static bool commands(const fwi_backplane_figures *bp, fwi_buf *out)
{
    const char *name = "fanwire_redis_commands_total";
    return head(out, name, "counter", "Commands sent to Redis") &&
           fwi_buf_printf(out, "%s{command=\"publish\"} %" PRIu64 "\n", name,
                          bp->publishes) &&
           fwi_buf_printf(out, "%s{command=\"subscribe\"} %" PRIu64 "\n", name,
                          bp->subscribes) &&
           fwi_buf_printf(out, "%s{command=\"unsubscribe\"} %" PRIu64 "\n", name,
                          bp->unsubscribes) &&
           fwi_buf_printf(out, "%s{command=\"presence\"} %" PRIu64 "\n", name, bp->calls);
}

static bool presence(const fwi_backplane_figures *bp, fwi_buf *out)
{
    return whole(out, "fanwire_presence_entries", "gauge",
                 "Entries of this node's sessions in rooms and users with presence",
                 bp->present);
}

static bool lease(const fwi_backplane_figures *bp, fwi_buf *out)
{
    return head(out, "fanwire_lease_age_seconds", "gauge",
                "Since Redis last confirmed that this node lives") &&
           fwi_buf_puts(out, "fanwire_lease_age_seconds ") &&
           fwi_buf_put_seconds(out, bp->lease_age_us) && fwi_buf_puts(out, "\n") &&
           whole(
               out, "fanwire_presence_rewrites_total", "counter",
               "Times that all entries of this node were written anew: it was taken for "
               "dead, or Redis had lost them",
               bp->lives) &&
           whole(out, "fanwire_presence_sweeps_total", "counter",
                 "Dead nodes whose entries this node has removed", bp->sweeps) &&
           whole(out, "fanwire_presence_swept_total", "counter",
                 "Entries of dead nodes that this node has removed", bp->swept);
}

static bool redis(const fwi_backplane_figures *bp, fwi_buf *out)
{
    return whole(out, "fanwire_redis_up", "gauge",
                 "Can the other nodes be reached through Redis? 1 or 0", bp->up) &&
           head(out, "fanwire_redis_probe_age_seconds", "gauge",
                "Since this node last heard its own probe through Redis") &&
           fwi_buf_puts(out, "fanwire_redis_probe_age_seconds ") &&
           fwi_buf_put_seconds(out, bp->probe_age_us) && fwi_buf_puts(out, "\n") &&
           whole(out, "fanwire_redis_queue_bytes", "gauge",
                 "Publishes that wait for their echo or for Redis", bp->queue_bytes) &&
           whole(out, "fanwire_redis_queue_dropped_total", "counter",
                 "Messages that other nodes never got: the queue was full or it took too "
                 "long",
                 bp->queue_dropped) &&
           whole(out, "fanwire_redis_published_total", "counter",
                 "Messages published to Redis", bp->published) &&
           whole(out, "fanwire_redis_received_total", "counter",
                 "Messages received from Redis", bp->received) &&
           whole(out, "fanwire_redis_duplicates_total", "counter",
                 "Received messages that had been delivered before, and were dropped",
                 bp->duplicates) &&
           whole(out, "fanwire_redis_malformed_total", "counter",
                 "Received messages that could not be read, and were dropped",
                 bp->malformed) &&
           whole(out, "fanwire_redis_connects_total", "counter",
                 "Connections to Redis made", bp->connects) &&
           whole(out, "fanwire_redis_disconnects_total", "counter",
                 "Connections to Redis lost", bp->disconnects) &&
           commands(bp, out) &&
           whole(out, "fanwire_redis_writes_total", "counter",
                 "Writes to Redis, each with all the commands of a turn", bp->writes) &&
           whole(out, "fanwire_redis_channels", "gauge", "Channels subscribed to",
                 bp->channels) &&
           histogram(out, "fanwire_redis_probe_seconds",
                     "How long probes took from this node through Redis and back",
                     fwi_bounds_us, true, &bp->probes) &&
           lease(bp, out);
}

static bool history(const fwi_backplane_figures *bp, fwi_buf *out)
{
    return whole(out, "fanwire_history_published_total", "counter",
                 "Messages that got their position in a room's history", bp->kept) &&
           whole(out, "fanwire_history_repeated_total", "counter",
                 "Publishes that were in a room's history already, and weren't again",
                 bp->repeated) &&
           whole(out, "fanwire_history_reads_total", "counter",
                 "Pages of rooms' histories that were read", bp->history_reads);
}

/* What the application has to say. How much that is may change from call to call. */
static bool more(const fwi_hub_figures *f, fwi_buf *out)
{
    size_t room = 4096;
    for (int tries = 0; f->more != NULL && tries < MORE_TRIES; tries++) {
        if (!fwi_buf_reserve(out, room + 1)) {
            return false;
        }
        size_t n = f->more(f->more_user, out->data + out->len, room + 1);
        if (n <= room) {
            out->len += n;
            return true;
        }
        room = n;
    }
    return true;
}

bool fwi_metrics_text(const fwi_hub_figures *f, fwi_buf *out)
{
    return info(f, out) &&
           head(out, "fanwire_uptime_seconds", "gauge", "Since the hub was started") &&
           fwi_buf_puts(out, "fanwire_uptime_seconds ") &&
           fwi_buf_put_seconds(out, f->uptime_us) && fwi_buf_puts(out, "\n") &&
           whole(out, "fanwire_draining", "gauge",
                 "Are newcomers refused and sessions closed? 1 or 0", f->draining) &&
           fwi_stats_text(f->sums, out) &&
           whole(out, "fanwire_inbox_bytes", "gauge", "What waits between threads",
                 f->inbox_bytes) &&
           whole(out, "fanwire_events_bytes", "gauge",
                 "Queued and unfinished events of the application", f->events_bytes) &&
           loop_lags(f, out) &&
           histogram(out, "fanwire_loop_turn_seconds", "How long turns of the loops took",
                     fwi_bounds_us, true, &f->turns) &&
           histogram(out, "fanwire_message_in_size_bytes",
                     "How large messages from clients were", fwi_bounds_bytes, false,
                     &f->sizes) &&
           presence(&f->bp, out) && history(&f->bp, out) &&
           (strcmp(f->backplane, "redis") != 0 || redis(&f->bp, out)) && more(f, out);
}

/* As this file and core/stats.c write numbers. */
static double read_value(const char *p)
{
    double value = 0, scale = 1;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (*p - '0');
    }
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++) {
            scale /= 10;
            value += scale * (*p - '0');
        }
    }
    return value;
}

fwi_metrics_result fwi_metrics_find(const fwi_hub_figures *f, const char *name,
                                    double *value)
{
    fwi_buf text;
    fwi_buf_init(&text);
    char *line = fwi_metrics_text(f, &text) ? fwi_buf_text(&text) : NULL;
    if (line == NULL) {
        fwi_buf_fini(&text);
        return FWI_METRICS_NO_MEMORY;
    }
    bool found = false;
    size_t len = strlen(name);
    while (line != NULL && !found && len > 0) {
        found = line[0] != '#' && strncmp(line, name, len) == 0 && line[len] == ' ';
        if (found) {
            *value = read_value(line + len + 1);
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    fwi_buf_fini(&text);
    return found ? FWI_METRICS_FOUND : FWI_METRICS_UNKNOWN;
}
