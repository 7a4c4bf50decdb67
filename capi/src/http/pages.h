/*
 * The pages for machines that watch over a node: /health, /ready, /metrics. Knows the
 * figures, not where they come from; knows no socket. pages.c has the pages, metrics.c
 * the text of /metrics.
 *
 * Figures of Redis are there only where the backplane is Redis.
 */
#ifndef FWI_HTTP_PAGES_H
#define FWI_HTTP_PAGES_H

#include <fanwire/stats.h>

#include "core/backplane.h"
#include "core/stats.h"
#include "http/page.h"

/* A snapshot of a hub, made by the api layer for each request. */
typedef struct fwi_hub_figures {
    const char *node_name, *version, *backplane; /* "memory" or "redis" */
    uint64_t node;
    bool draining;
    uint64_t uptime_us;
    uint64_t sums[FWI_STAT_COUNT];
    fwi_backplane_figures bp;
    unsigned loops;
    double loop_lag_s[64]; /* the longest turn in the last 10 s, each loop */
    fwi_histogram turns;   /* of all loops, in microseconds */
    fwi_histogram sizes;   /* of messages from clients, in bytes */
    uint64_t inbox_bytes, events_bytes;
    fw_metrics_fn more; /* the application's own; NULL: none */
    void *more_user;
} fwi_hub_figures;

/* Everything as Prometheus text: the counters, fanwire_redis_up, fanwire_redis_*,
 * fanwire_loop_lag_seconds{loop="0"}, fanwire_info{version,node}, ... */
bool fwi_metrics_text(const fwi_hub_figures *f, fwi_buf *out);

typedef enum {
    FWI_METRICS_FOUND,
    FWI_METRICS_UNKNOWN,
    FWI_METRICS_NO_MEMORY
} fwi_metrics_result;

/* One figure by name with labels, as it stands in that text. */
fwi_metrics_result fwi_metrics_find(const fwi_hub_figures *f, const char *name,
                                    double *value);

/* GET and HEAD of /health (200 always while it lives; JSON with node, backplane, probe
 * age), /ready (200, or 503 while draining or while Redis is away), /metrics; 405 else.
 * false: out of memory. */
bool fwi_page_of_figures(const fwi_hub_figures *f, const char *method, const char *path,
                         fwi_page *p);

struct fwi_site;
void fwi_pages_on_request(struct fwi_site *site, fwi_http_call *call);

#endif
