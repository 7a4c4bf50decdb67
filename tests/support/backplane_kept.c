/*
 * What a node without a hub does with rooms with history: orders, results, pages. A part
 * of backplane_node.c; see its header.
 */
#include <stdlib.h>
#include <string.h>

#include "support/backplane_node.h"
#include "support/test_message.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "backplane_kept: %s\n", what);
        abort();
    }
}

void node_on_published(void *user, uint64_t ref, const fwi_published *what)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    if (n->result_count == n->result_cap) {
        n->result_cap = n->result_cap ? n->result_cap * 2 : 64;
        n->results = realloc(n->results, n->result_cap * sizeof *n->results);
        must(n->results != NULL, "out of memory");
    }
    noted_result *to = &n->results[n->result_count++];
    to->ref = ref;
    to->err = what->err;
    to->at = what->at;
    snprintf(to->why, sizeof to->why, "%s", what->why);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

void node_on_history(void *user, uint64_t ref, const fwi_history_page *page)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    n->page.count++;
    n->page.err = page->err;
    n->page.ref = ref;
    n->page.top = page->top;
    n->page.n = page->n;
    for (size_t i = 0; i < page->n; i++) {
        noted_message *to = &n->page.messages[i];
        snprintf(to->text, sizeof to->text, "%.*s",
                 (int)fwi_message_len(page->messages[i]),
                 (const char *)fwi_message_bytes(page->messages[i]));
        to->at = page->messages[i]->at;
    }
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

typedef struct keep_order {
    const char *channel, *text, *key;
    unsigned first, count;
    fwi_terms terms;
} keep_order;

static void keep_one(node *n, const keep_order *o, const char *text, uint64_t ref)
{
    fwi_terms terms = o->terms;
    terms.ref = ref;
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    must(m != NULL, "out of memory");
    m->key = o->key != NULL ? strdup(o->key) : NULL;
    must(n->bp->ops->publish(n->bp, o->channel, m, &terms), "publish");
    fw_message_unref(m);
}

static void do_keep(node *n, void *arg)
{
    const keep_order *o = arg;
    keep_one(n, o, o->text, o->terms.ref);
}

static void do_keep_many(node *n, void *arg)
{
    const keep_order *o = arg;
    for (unsigned i = 0; i < o->count; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s %u", o->text, o->first + i);
        keep_one(n, o, text, o->terms.ref != 0 ? o->terms.ref + i : 0);
    }
}

void node_keep(node *n, const char *channel, const char *text, const char *key,
               const fwi_terms *terms)
{
    keep_order o = {channel, text, key, 0, 1, *terms};
    node_order(n, do_keep, &o);
}

void node_keep_many(node *n, const char *channel, const char *prefix, unsigned first,
                    unsigned count, const fwi_terms *terms)
{
    keep_order o = {channel, prefix, NULL, first, count, *terms};
    node_order(n, do_keep_many, &o);
}

typedef struct history_order {
    const char *channel;
    const fwi_history_query *query;
    uint64_t ref;
} history_order;

static void do_read_history(node *n, void *arg)
{
    const history_order *o = arg;
    must(n->bp->ops->read_history(n->bp, o->channel, o->query, o->ref), "read_history");
}

static void do_forget_history(node *n, void *arg)
{
    const history_order *o = arg;
    must(n->bp->ops->forget_history(n->bp, o->channel, o->ref), "forget_history");
}

static bool has_page(const node *n, const void *unused, size_t count)
{
    (void)unused;
    return n->page.count >= count;
}

void node_history(node *n, const char *channel, const fwi_history_query *query)
{
    history_order o = {channel, query, 1};
    unsigned before = n->page.count;
    node_order(n, do_read_history, &o);
    must(node_wait(n, has_page, NULL, before + 1), "no page of history");
}

void node_forget_history(node *n, const char *channel, uint64_t ref)
{
    history_order o = {channel, NULL, ref};
    node_order(n, do_forget_history, &o);
}

bool node_has_results(const node *n, const void *unused, size_t at_least)
{
    (void)unused;
    return n->result_count >= at_least;
}

static const noted_result *find_result(const node *n, uint64_t ref)
{
    for (size_t i = 0; i < n->result_count; i++) {
        if (n->results[i].ref == ref) {
            return &n->results[i];
        }
    }
    return NULL;
}

static bool has_result(const node *n, const void *ref, size_t unused)
{
    (void)unused;
    return find_result(n, *(const uint64_t *)ref) != NULL;
}

noted_result node_result(node *n, uint64_t ref)
{
    noted_result out = {.err = 1};
    node_wait(n, has_result, &ref, 0);
    pthread_mutex_lock(&n->lock);
    const noted_result *r = find_result(n, ref);
    if (r != NULL) {
        out = *r;
    }
    pthread_mutex_unlock(&n->lock);
    return out;
}
