/*
 * See hook_stats.h.
 */
#include "hook_stats.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[FWD_HOOK_RESULTS] = {
    [FWD_HOOK_ANSWERED] = "answered",
    [FWD_HOOK_GONE] = "gone",
    [FWD_HOOK_UNREACHABLE] = "unreachable",
    [FWD_HOOK_TIMEOUT] = "timeout",
    [FWD_HOOK_STATUS] = "status",
    [FWD_HOOK_REDIRECT] = "redirect",
    [FWD_HOOK_TOO_LARGE] = "too_large",
    [FWD_HOOK_MALFORMED] = "malformed",
    [FWD_HOOK_FULL] = "full",
    [FWD_HOOK_LATE] = "late",
    [FWD_HOOK_BROKEN] = "broken",
    [FWD_HOOK_ABANDONED] = "abandoned",
};

static const struct {
    int64_t us;
    const char *text;
} bounds[FWD_HOOK_BOUNDS] = {
    {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"},
    {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},
};

void fwd_hook_stats_init(fwd_hook_stats *stats, const fwd_hook_config *c)
{
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        stats->on[i] = c->url[i][0] != '\0';
    }
}

void fwd_hook_stats_took(fwd_hook_stats *stats, fwd_hook_kind kind, int64_t us)
{
    size_t i = 0;
    while (i < FWD_HOOK_BOUNDS && us > bounds[i].us) {
        i++;
    }
    atomic_fetch_add(&stats->took[kind][i], 1);
    atomic_fetch_add(&stats->took_us[kind], (unsigned long long)us);
}

/* --- as text --- */

typedef struct page {
    char *out;
    size_t cap, n; /* n may be more than there is room for */
} page;

static void put(page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(page *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    bool fits = p->n < p->cap;
    int n = vsnprintf(fits ? p->out + p->n : NULL, fits ? p->cap - p->n : 0, fmt, ap);
    va_end(ap);
    p->n += n > 0 ? (size_t)n : 0;
}

static void put_head(page *p, const char *name, const char *kind, const char *help)
{
    put(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void put_requests(page *p, fwd_hook_stats *stats)
{
    const char *name = "fanwire_hook_requests_total";
    put_head(p, name, "counter", "Questions for hooks, by what became of them");
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        for (size_t k = 0; stats->on[i] && k < FWD_HOOK_RESULTS; k++) {
            put(p, "%s{hook=\"%s\",result=\"%s\"} %llu\n", name, fwd_hook_rows[i].name,
                names[k], atomic_load(&stats->ended[i][k]));
        }
    }
}

static void put_times(page *p, fwd_hook_stats *stats)
{
    const char *name = "fanwire_hook_request_seconds";
    put_head(p, name, "histogram", "How long requests to hooks took");
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        const char *hook = fwd_hook_rows[i].name;
        unsigned long long n = 0, us = atomic_load(&stats->took_us[i]);
        if (!stats->on[i]) {
            continue;
        }
        for (size_t k = 0; k < FWD_HOOK_BOUNDS; k++) {
            n += atomic_load(&stats->took[i][k]);
            put(p, "%s_bucket{hook=\"%s\",le=\"%s\"} %llu\n", name, hook, bounds[k].text,
                n);
        }
        n += atomic_load(&stats->took[i][FWD_HOOK_BOUNDS]);
        put(p,
            "%s_bucket{hook=\"%s\",le=\"+Inf\"} %llu\n%s_sum{hook=\"%s\"} %llu.%06llu\n"
            "%s_count{hook=\"%s\"} %llu\n",
            name, hook, n, name, hook, us / 1000000, us % 1000000, name, hook, n);
    }
}

static void put_gauge(page *p, const fwd_hook_stats *stats, const char *name,
                      const char *help, const unsigned long long values[FWD_HOOKS])
{
    put_head(p, name, "gauge", help);
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        if (stats->on[i]) {
            put(p, "%s{hook=\"%s\"} %llu\n", name, fwd_hook_rows[i].name, values[i]);
        }
    }
}

size_t fwd_hook_stats_text(void *user, char *out, size_t cap)
{
    fwd_hook_stats *stats = user;
    page p = {out, cap, 0};
    unsigned long long in_flight[FWD_HOOKS], queued[FWD_HOOKS], breaker[FWD_HOOKS];
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        in_flight[i] = atomic_load(&stats->in_flight[i]);
        queued[i] = atomic_load(&stats->queued[i]);
        breaker[i] = atomic_load(&stats->breaker[i]);
    }
    put_requests(&p, stats);
    put_times(&p, stats);
    put_gauge(&p, stats, "fanwire_hook_in_flight", "Requests to hooks under way",
              in_flight);
    put_gauge(&p, stats, "fanwire_hook_queued", "Requests to hooks that wait", queued);
    put_gauge(&p, stats, "fanwire_hook_breaker_state",
              "Is the hook asked? 0: yes; 1: one request tries; 2: not for now", breaker);
    return p.n;
}
