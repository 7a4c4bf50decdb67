/*
 * Figures of the hooks, for /metrics. Counted by the thread of the hooks, read by any.
 */
#ifndef FANWIRED_HOOK_STATS_H
#define FANWIRED_HOOK_STATS_H

#include <stdatomic.h>

#include "hook_breaker.h"
#include "hook_config.h"

/* How a request to a hook has ended; names are in hook_stats.c. */
typedef enum {
    FWD_HOOK_ANSWERED,    /* yes or no: an answer that was passed on */
    FWD_HOOK_GONE,        /* ... but nobody waited for it any more */
    FWD_HOOK_UNREACHABLE, /* no connection, or it broke */
    FWD_HOOK_TIMEOUT,     /* no answer within hook.timeout */
    FWD_HOOK_STATUS,      /* an HTTP status that is none of success */
    FWD_HOOK_REDIRECT,
    FWD_HOOK_TOO_LARGE, /* more than hook.max_bytes */
    FWD_HOOK_MALFORMED, /* no answer that can be understood */
    FWD_HOOK_FULL,      /* not made: hook.queue */
    FWD_HOOK_LATE,      /* not made: it has waited for hook.timeout */
    FWD_HOOK_BROKEN,    /* not made: the breaker is open */
    FWD_HOOK_ABANDONED, /* not made, or not waited for: this process ends */
    FWD_HOOK_RESULTS
} fwd_hook_result;

enum { FWD_HOOK_BOUNDS = 12 };

typedef struct fwd_hook_stats {
    bool on[FWD_HOOKS]; /* others aren't shown */
    atomic_ullong ended[FWD_HOOKS][FWD_HOOK_RESULTS];
    atomic_ullong took[FWD_HOOKS][FWD_HOOK_BOUNDS + 1]; /* one bucket each */
    atomic_ullong took_us[FWD_HOOKS];
    atomic_ullong in_flight[FWD_HOOKS], queued[FWD_HOOKS];
    atomic_uint breaker[FWD_HOOKS]; /* fwd_breaker_state */
} fwd_hook_stats;

void fwd_hook_stats_init(fwd_hook_stats *stats, const fwd_hook_config *c);

/* A request that was made has ended after so long. */
void fwd_hook_stats_took(fwd_hook_stats *stats, fwd_hook_kind kind, int64_t us);

/* A fw_metrics_fn; user is the fwd_hook_stats. @thread any */
size_t fwd_hook_stats_text(void *user, char *out, size_t cap);

#endif
