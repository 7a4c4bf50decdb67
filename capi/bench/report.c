/*
 * Writing JSON to standard output; see report.h.
 */
#include "report.h"

#include <math.h>
#include <stdio.h>

static bool needs_comma;
static int depth;

static void lead(const char *name)
{
    if (needs_comma) {
        fputs(depth == 1 ? ",\n  " : ", ", stdout);
    } else if (depth == 1) {
        fputs("\n  ", stdout);
    }
    needs_comma = true;
    if (name) {
        printf("\"%s\": ", name);
    }
}

void report_begin(const char *name, char bracket)
{
    lead(name);
    putchar(bracket);
    needs_comma = false;
    depth++;
}

void report_end(char bracket)
{
    depth--;
    needs_comma = depth > 0;
    printf(depth > 0 ? "%c" : "\n%c\n", bracket);
    if (depth == 0) {
        fflush(stdout);
    }
}

void report_text(const char *name, const char *value)
{
    lead(name);
    printf("\"%s\"", value);
}

void report_count(const char *name, uint64_t value)
{
    lead(name);
    printf("%llu", (unsigned long long)value);
}

void report_real(const char *name, double value, int decimals)
{
    lead(name);
    printf("%.*f", decimals, isfinite(value) ? value : 0.0);
}

void report_latency(const char *name, const histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    report_begin(name, '{');
    for (unsigned i = 0; i < sizeof shares / sizeof *shares; i++) {
        report_real(shares[i].name, histogram_us(h, shares[i].share), 1);
    }
    report_real("max", (double)h->max / 1000.0, 1);
    report_end('}');
}
