/*
 * Members that say nothing: what a session costs in memory, and what its heartbeat costs.
 */
#include "process.h"
#include "report.h"
#include "scenario.h"
#include "talk.h"
#include "usage.h"

/* What a server puts off after a connect has been done by then. */
static const double settle_s = 1.0;

typedef struct footprint {
    unsigned members;
    uint64_t pss, kernel;
} footprint;

static bool take_footprint(talk *t, const plan *p, unsigned members, footprint *f)
{
    if (!talk_connect(t, members)) {
        return false;
    }
    talk_wait(t, settle_s);
    *f = (footprint){members, usage_pss(p), kernel_tcp_bytes()};
    return true;
}

static double each(uint64_t before, uint64_t after, unsigned sessions)
{
    return sessions > 0 ? ((double)after - (double)before) / sessions : 0;
}

static void report_step(const plan *p, const footprint *first, const footprint *f)
{
    unsigned sessions = f->members - first->members;
    report_count("members", f->members);
    if (p->n_pids > 0) {
        report_count("pss", f->pss);
        report_real("bytes_per_session", each(first->pss, f->pss, sessions), 0);
    }
    report_count("kernel_bytes", f->kernel);
    report_real("kernel_bytes_per_session", each(first->kernel, f->kernel, sessions), 0);
}

static bool measure_idle(talk *t, const plan *p)
{
    footprint first, steps[PLAN_STEPS];
    unsigned count = p->n_steps > 0 ? p->n_steps : 1;
    unsigned least = p->n_steps > 0 ? p->steps[0] : p->members;
    /* The first hundred pay for what a server keeps once; they are left out. */
    bool ok = take_footprint(t, p, least > 1000 ? 100 : least / 10, &first);
    for (unsigned i = 0; ok && i < count; i++) {
        unsigned members = p->n_steps > 0 ? p->steps[i] : p->members;
        ok = take_footprint(t, p, members, &steps[i]);
    }
    if (!ok) {
        return false;
    }
    report_begin(NULL, '{');
    report_step(p, &first, &steps[count - 1]);
    if (p->n_pids > 0) {
        report_count("pss_before", first.pss);
        report_count("pss_after", steps[count - 1].pss);
        usage_report_pss(p);
    }
    report_begin("steps", '[');
    for (unsigned i = 0; i < count; i++) {
        report_begin(NULL, '{');
        report_step(p, &first, &steps[i]);
        report_end('}');
    }
    report_end(']');
    report_count("closed", talk_closed(t));
    report_end('}');
    return true;
}

bool scenario_idle(const plan *p)
{
    talk *t = talk_new(p, NULL);
    bool ok = t && measure_idle(t, p);
    if (t) {
        talk_free(t);
    }
    return ok;
}

static void report_heartbeat(const plan *p, talk *t, const usage *begin, const usage *end)
{
    double seconds = usage_seconds(begin, end), cpu_us = usage_cpu_us(p, begin, end);
    double pings = (double)crowd_figures_of(talk_crowd(t))->pings;
    report_begin(NULL, '{');
    report_count("members", p->members);
    report_real("seconds", seconds, 3);
    report_real("pings", pings, 0);
    if (p->n_pids > 0) {
        report_real("cpu_us_per_ping", pings > 0 ? cpu_us / pings : 0, 4);
        report_real("cpu_us_per_session_s", cpu_us / seconds / p->members, 4);
        report_real("cpu_share", cpu_us / 1e6 / seconds, 4);
        usage_report(p, begin, end);
        report_count("pss", usage_pss(p));
    }
    report_count("closed", talk_closed(t));
    report_end('}');
}

bool scenario_heartbeat(const plan *p)
{
    usage begin, end;
    talk *t = talk_new(p, NULL);
    bool ok = t && talk_connect(t, p->members);
    if (ok) {
        talk_wait(t, p->warmup_s);
        talk_reset_figures(t);
        usage_take(p, &begin);
        talk_wait(t, p->seconds);
        usage_take(p, &end);
        report_heartbeat(p, t, &begin, &end);
    }
    if (t) {
        talk_free(t);
    }
    return ok;
}
