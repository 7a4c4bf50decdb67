/*
 * Counters as text and by name, both from FWI_STAT_MAP. Counting itself is in the header,
 * since it happens everywhere and has to cost nothing.
 * @thread any
 */
#include "core/stats.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *metric, *labels, *kind, *help;
} rows[] = {
#define STAT_ROW(symbol, metric, labels, kind, help) {metric, labels, kind, help},
    FWI_STAT_MAP(STAT_ROW)
#undef STAT_ROW
};

bool fwi_stats_text(const uint64_t *sums, fwi_buf *out)
{
    bool ok = true;
    for (size_t i = 0; i < FWI_STAT_COUNT; i++) {
        if (i == 0 || strcmp(rows[i].metric, rows[i - 1].metric) != 0) {
            ok = ok && fwi_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].metric,
                                      rows[i].help, rows[i].metric, rows[i].kind);
        }
        bool labelled = rows[i].labels[0] != '\0';
        ok = ok && fwi_buf_printf(out, "%s%s%s%s %" PRIu64 "\n", rows[i].metric,
                                  labelled ? "{" : "", rows[i].labels,
                                  labelled ? "}" : "", sums[i]);
    }
    return ok;
}

int fwi_stats_find(const char *name)
{
    for (size_t i = 0; i < FWI_STAT_COUNT; i++) {
        size_t n = strlen(rows[i].metric);
        if (strncmp(name, rows[i].metric, n) != 0) {
            continue;
        }
        size_t l = strlen(rows[i].labels);
        const char *rest = name + n;
        if (l == 0 ? rest[0] == '\0'
                   : rest[0] == '{' && strncmp(rest + 1, rows[i].labels, l) == 0 &&
                         strcmp(rest + 1 + l, "}") == 0) {
            return (int)i;
        }
    }
    return -1;
}
