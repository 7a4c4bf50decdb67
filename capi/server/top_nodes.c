/*
 * See top_nodes.h. Facts come from other nodes, of other versions perhaps: what isn't in
 * them, or isn't a number, isn't known.
 */
#include "top_nodes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plain.h"

/* Figures that are told as they are. */
static const struct {
    fwd_figure which;
    const char *name;
} told[] = {
    {FWD_UPTIME, "uptime"},
    {FWD_SESSIONS, "sessions"},
    {FWD_ROOMS, "rooms"},
    {FWD_MEMBERS, "members"},
    {FWD_WAITING, "fanwire_outbox_bytes"},
    {FWD_LAG, "fanwire_loop_lag_seconds"},
    {FWD_LOST, "fanwire_redis_disconnects_total"},
    {FWD_QUEUE, "fanwire_redis_queue_bytes"},
};

static const struct {
    fwd_total of;
    const char *name;
} counted[] = {
    {FWD_TOTAL_IN, "fanwire_messages_in_total"},
    {FWD_TOTAL_OUT, "fanwire_deliveries_total"},
    {FWD_TOTAL_DROPPED, "fanwire_outbox_dropped_total"},
    {FWD_TOTAL_DROPPED, "fanwire_inbox_dropped_total"},
    {FWD_TOTAL_DROPPED, "fanwire_events_dropped_total"},
    {FWD_TOTAL_DROPPED, "fanwire_redis_queue_dropped_total"},
    {FWD_TOTAL_BUSY, "fanwire_loop_turn_seconds_sum"},
};

static const fwd_figure rate_of[FWD_TOTALS] = {FWD_IN, FWD_OUT, FWD_DROPPED, FWD_BUSY};

#define LEN_OF(array) (sizeof(array) / sizeof(array)[0])

/* What stands behind "name": in the facts, NULL if it isn't there. In a string of JSON a
 * quote has a backslash before it, so what looks like a name is one. */
static const char *behind(const char *facts, size_t len, const char *name)
{
    char key[64];
    int n = snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = memmem(facts, len, key, (size_t)n);
    return at != NULL ? at + n : NULL;
}

/* Digits, with a fraction perhaps. NAN: something else. */
static double number_behind(const char *facts, size_t len, const char *name)
{
    const char *end = facts + len, *p = behind(facts, len, name);
    double value = 0, scale = 1;
    if (p == NULL || p == end || *p < '0' || *p > '9') {
        return NAN;
    }
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (*p - '0');
    }
    if (p < end && *p == '.') {
        for (p++; p < end && *p >= '0' && *p <= '9'; p++) {
            scale /= 10;
            value += scale * (*p - '0');
        }
    }
    return value;
}

static void read_version(fwd_node *node, const char *facts, size_t len)
{
    const char *p = behind(facts, len, "version");
    size_t n = 0, left = p != NULL ? (size_t)(facts + len - p) : 0;
    node->version[0] = '\0';
    if (left > 0 && *p == '"') {
        while (n + 1 < left && p[n + 1] != '"' && p[n + 1] != '\\') {
            n++;
        }
        fwd_plain_copy(node->version, sizeof node->version, p + 1, n);
    }
}

/* What has happened since the facts before; nothing is known of a node that has started
 * anew meanwhile. */
static void read_rates(fwd_node *node, const char *facts, size_t len, double at_s)
{
    double total[FWD_TOTALS] = {0};
    for (size_t i = 0; i < LEN_OF(counted); i++) {
        double value = number_behind(facts, len, counted[i].name);
        /* Without Redis nothing waits for it: 0. */
        total[counted[i].of] += isnan(value) ? 0 : value;
    }
    for (size_t i = 0; i < FWD_TOTALS; i++) {
        double since = total[i] - node->total[i], took_s = at_s - node->at_s;
        bool known = took_s > 0 && since >= 0; /* not of NAN */
        node->figure[rate_of[i]] = known ? since / took_s : NAN;
        node->total[i] = total[i];
    }
}

static fwd_node *find(fwd_nodes *nodes, uint64_t number)
{
    for (size_t i = 0; i < nodes->n; i++) {
        if (nodes->node[i].number == number) {
            return &nodes->node[i];
        }
    }
    return NULL;
}

static fwd_node *add(fwd_nodes *nodes, uint64_t number)
{
    if (nodes->n == nodes->cap) {
        size_t cap = nodes->cap > 0 ? nodes->cap * 2 : 8;
        fwd_node *node = realloc(nodes->node, cap * sizeof *node);
        if (node == NULL) {
            return NULL;
        }
        nodes->node = node;
        nodes->cap = cap;
    }
    fwd_node *node = &nodes->node[nodes->n++];
    *node = (fwd_node){.number = number, .at_s = NAN};
    for (size_t i = 0; i < FWD_FIGURES; i++) {
        node->figure[i] = NAN;
    }
    return node;
}

void fwd_nodes_fini(fwd_nodes *nodes)
{
    free(nodes->node);
    *nodes = (fwd_nodes){0};
}

void fwd_nodes_begin(fwd_nodes *nodes)
{
    for (size_t i = 0; i < nodes->n; i++) {
        nodes->node[i].is_there = false;
    }
}

bool fwd_nodes_take(fwd_nodes *nodes, uint64_t number, const char *name,
                    const char *facts, size_t len, uint64_t now_ms)
{
    fwd_node *node = find(nodes, number);
    bool is_new = node == NULL;
    node = is_new ? add(nodes, number) : node;
    if (node == NULL) {
        return false;
    }
    double at_s = number_behind(facts, len, "interval");
    double uptime = number_behind(facts, len, "uptime");
    bool has_news =
        is_new || (isnan(at_s) ? uptime != node->figure[FWD_UPTIME] : at_s != node->at_s);
    node->is_there = true;
    if (has_news) {
        node->news_ms = now_ms;
        fwd_plain_copy(node->name, sizeof node->name, name, strlen(name));
        read_version(node, facts, len);
        for (size_t i = 0; i < LEN_OF(told); i++) {
            node->figure[told[i].which] = number_behind(facts, len, told[i].name);
        }
        read_rates(node, facts, len, at_s);
        node->at_s = at_s;
    }
    node->is_late = now_ms - node->news_ms >= FWD_LATE_MS;
    return true;
}

void fwd_nodes_end(fwd_nodes *nodes)
{
    size_t kept = 0;
    for (size_t i = 0; i < nodes->n; i++) {
        if (nodes->node[i].is_there) {
            nodes->node[kept++] = nodes->node[i];
        }
    }
    nodes->n = kept;
}

bool fwd_nodes_have_rates(const fwd_nodes *nodes)
{
    for (size_t i = 0; i < nodes->n; i++) {
        const fwd_node *node = &nodes->node[i];
        if (!isnan(node->at_s) && isnan(node->figure[FWD_IN])) {
            return false;
        }
    }
    return true;
}

double fwd_nodes_sum(const fwd_nodes *nodes, fwd_figure which)
{
    double sum = 0;
    for (size_t i = 0; i < nodes->n; i++) {
        double value = nodes->node[i].figure[which];
        sum += isnan(value) ? 0 : value;
    }
    return sum;
}

typedef struct order {
    int which;
    bool the_other_way;
} order;

static int compare(const void *one, const void *two, void *by)
{
    const fwd_node *a = one, *b = two;
    const order *o = by;
    int result = 0;
    if (o->which >= 0) {
        double x = a->figure[o->which], y = b->figure[o->which];
        if (isnan(x) != isnan(y)) {
            return isnan(x) ? 1 : -1;
        }
        result = x < y ? 1 : x > y ? -1 : 0;
    }
    if (result == 0) {
        int names = strcmp(a->name, b->name);
        /* Two nodes may have one name; they don't change places for it. */
        int equal = names != 0 ? names : a->number < b->number ? -1 : 1;
        return o->which < 0 && o->the_other_way ? -equal : equal;
    }
    return o->the_other_way ? -result : result;
}

void fwd_nodes_sort(fwd_nodes *nodes, int which, bool the_other_way)
{
    order by = {.which = which, .the_other_way = the_other_way};
    if (nodes->n > 1) {
        qsort_r(nodes->node, nodes->n, sizeof *nodes->node, compare, &by);
    }
}
