/*
 * Sums over the server's processes; see usage.h.
 */
#include "usage.h"

#include "measure.h"
#include "process.h"
#include "report.h"

void usage_take(const plan *p, usage *u)
{
    for (unsigned i = 0; i < p->n_pids; i++) {
        u->cpu_ns[i] = process_cpu_ns(p->pids[i]);
    }
    u->when_ns = now_ns();
}

double usage_seconds(const usage *begin, const usage *end)
{
    return (double)(end->when_ns - begin->when_ns) / 1e9;
}

static double cpu_us_of(const usage *begin, const usage *end, unsigned i)
{
    return ((double)end->cpu_ns[i] - (double)begin->cpu_ns[i]) / 1e3;
}

double usage_cpu_us(const plan *p, const usage *begin, const usage *end)
{
    double sum = 0;
    for (unsigned i = 0; i < p->n_pids; i++) {
        sum += cpu_us_of(begin, end, i);
    }
    return sum;
}

void usage_report(const plan *p, const usage *begin, const usage *end)
{
    report_begin("cpu_us_by_pid", '{');
    for (unsigned i = 0; i < p->n_pids; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", p->pids[i]);
        report_real(name, cpu_us_of(begin, end, i), 1);
    }
    report_end('}');
}

uint64_t usage_pss(const plan *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->n_pids; i++) {
        sum += process_pss(p->pids[i]);
    }
    return sum;
}

void usage_report_pss(const plan *p)
{
    report_begin("pss_by_pid", '{');
    for (unsigned i = 0; i < p->n_pids; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", p->pids[i]);
        report_count(name, process_pss(p->pids[i]));
    }
    report_end('}');
}
