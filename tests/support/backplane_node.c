/*
 * A loop, a backplane and a notebook. See the header.
 */
#include "support/backplane_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rand.h"
#include "core/error.h"
#include "io/loop_uv.h"
#include "support/test_message.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "backplane_node: %s\n", what);
        abort();
    }
}

/* --- what the backplane tells; on the loop's thread --- */

static void on_subscribed(void *user, const char *channel)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    if (n->report_count == n->report_cap) {
        n->report_cap = n->report_cap ? n->report_cap * 2 : 64;
        n->reports = realloc(n->reports, n->report_cap * sizeof *n->reports);
        must(n->reports != NULL, "out of memory");
    }
    snprintf(n->reports[n->report_count++], sizeof *n->reports, "%s", channel);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void on_message(void *user, const char *channel, fw_message *m)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    if (n->count == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 256;
        n->messages = realloc(n->messages, n->cap * sizeof *n->messages);
        must(n->messages != NULL, "out of memory");
    }
    noted_message *to = &n->messages[n->count++];
    snprintf(to->channel, sizeof to->channel, "%s", channel);
    if (m->kind == FWI_MSG_ENTERED || m->kind == FWI_MSG_LEFT) {
        char session[FW_SESSION_ID_TEXT];
        snprintf(to->text, sizeof to->text, "%c%s", m->kind == FWI_MSG_LEFT ? '-' : '+',
                 fw_session_id_text(m->origin->session, session));
    } else {
        snprintf(to->text, sizeof to->text, "%.*s", (int)fwi_message_len(m),
                 (const char *)fwi_message_bytes(m));
    }
    to->binary = (m->flags & FW_BINARY) != 0;
    to->at = m->at;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void on_state(void *user, bool up, const char *why)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    n->up = up;
    n->ups += up;
    n->downs += !up;
    snprintf(n->why, sizeof n->why, "%s", why != NULL ? why : "");
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void on_members(void *user, uint64_t ref, const fwi_member_page *page)
{
    node *n = user;
    must(ref == 9, "another's answer");
    pthread_mutex_lock(&n->lock);
    n->members = realloc(n->members, (page->n + 1) * sizeof *n->members);
    must(n->members != NULL, "out of memory");
    for (size_t i = 0; i < page->n; i++) {
        const fw_message *m = page->members[i];
        char session[FW_SESSION_ID_TEXT];
        snprintf(n->members[i], sizeof *n->members, "%s %s %s %.*s",
                 fw_session_id_text(m->origin->session, session), m->origin->user,
                 m->origin->node_name, (int)fwi_message_len(m),
                 (const char *)fwi_message_bytes(m));
    }
    n->member_count = page->n;
    n->total = page->total;
    n->next = page->next;
    n->page_err = page->err;
    n->pages++;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void on_node(void *user, uint64_t number, const char *name, bool up)
{
    node *n = user;
    (void)number;
    pthread_mutex_lock(&n->lock);
    n->node_ups += up;
    n->node_downs += !up;
    snprintf(n->last_node, sizeof n->last_node, "%s", name);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static fw_message *member_message(const node *n, uint64_t local, const char *user,
                                  const char *info)
{
    fw_message *m = test_message(FWI_MSG_LEFT, info, strlen(info), FW_TEXT);
    must(m != NULL, "out of memory");
    m->origin = fwi_origin_new((fw_session_id){n->number, local}, user, n->name);
    must(m->origin != NULL, "out of memory");
    return m;
}

static fw_message *describe(void *user)
{
    return member_message(user, 0, "", "{}");
}

static const fwi_backplane_sink sink = {
    .on_subscribed = on_subscribed,
    .on_published = node_on_published,
    .on_history = node_on_history,
    .on_message = on_message,
    .on_state = on_state,
    .on_members = on_members,
    .on_node = on_node,
    .describe = describe,
};

static void on_wake(void *user)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    void (*order)(node *, void *) = n->order;
    void *arg = n->arg;
    pthread_mutex_unlock(&n->lock);
    if (order == NULL) {
        return;
    }
    order(n, arg);
    pthread_mutex_lock(&n->lock);
    n->order = NULL;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void on_turn_end(void *user)
{
    node *n = user;
    n->bp->ops->flush(n->bp);
}

static const fwi_loop_events loop_events = {on_wake, on_turn_end};

/* --- orders --- */

void node_order(node *n, void (*order)(node *, void *), void *arg)
{
    pthread_mutex_lock(&n->lock);
    n->order = order;
    n->arg = arg;
    n->loop->ops->wake(n->loop);
    while (n->order != NULL) {
        pthread_cond_wait(&n->changed, &n->lock);
    }
    pthread_mutex_unlock(&n->lock);
}

typedef struct publish_order {
    const char *channel, *text;
    unsigned first, count;
} publish_order;

static void do_subscribe(node *n, void *arg)
{
    must(n->bp->ops->subscribe(n->bp, arg), "subscribe");
}

static void do_unsubscribe(node *n, void *arg)
{
    n->bp->ops->unsubscribe(n->bp, arg);
}

static void do_resubscribe(node *n, void *arg)
{
    do_unsubscribe(n, arg);
    do_subscribe(n, arg);
}

static void publish_one(node *n, const char *channel, const char *text)
{
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    must(m != NULL && n->bp->ops->publish(n->bp, channel, m, NULL), "publish");
    fw_message_unref(m);
}

static void do_publish(node *n, void *arg)
{
    const publish_order *o = arg;
    publish_one(n, o->channel, o->text);
}

static void do_publish_many(node *n, void *arg)
{
    const publish_order *o = arg;
    for (unsigned i = 0; i < o->count; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s %u", o->text, o->first + i);
        publish_one(n, o->channel, text);
    }
}

static void do_subscribe_many(node *n, void *arg)
{
    const publish_order *o = arg;
    for (unsigned i = 0; i < o->count; i++) {
        char channel[64];
        snprintf(channel, sizeof channel, "%s%u", o->channel, i);
        do_subscribe(n, channel);
    }
}

typedef struct member_order {
    const char *channel;
    unsigned first, count;
    bool tell;
    uint64_t cursor;
} member_order;

static void do_enter(node *n, void *arg)
{
    const member_order *o = arg;
    for (unsigned i = o->first; i < o->first + o->count; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i);
        fw_message *m = member_message(n, i, user, "info");
        must(n->bp->ops->enter(n->bp, o->channel, m, o->tell), "enter");
        fw_message_unref(m);
    }
}

static void do_leave(node *n, void *arg)
{
    const member_order *o = arg;
    for (unsigned i = o->first; i < o->first + o->count; i++) {
        n->bp->ops->leave(n->bp, o->channel, (fw_session_id){n->number, i});
    }
}

static void do_read(node *n, void *arg)
{
    const member_order *o = arg;
    bool ok = o->channel != NULL
                  ? n->bp->ops->read_presence(n->bp, o->channel, o->cursor, o->count, 9)
                  : n->bp->ops->read_nodes(n->bp, 9);
    must(ok, "read");
}

static void do_figures(node *n, void *arg)
{
    n->bp->ops->figures(n->bp, arg);
}

static void do_stop(node *n, void *arg)
{
    (void)arg;
    n->bp->ops->stop(n->bp);
}

static void do_start(node *n, void *arg)
{
    (void)arg;
    must(n->bp->ops->start(n->bp) == FW_OK, "start");
}

void node_subscribe(node *n, const char *channel)
{
    node_order(n, do_subscribe, (void *)(uintptr_t)channel);
}

void node_subscribe_many(node *n, const char *prefix, unsigned count)
{
    publish_order o = {prefix, NULL, 0, count};
    node_order(n, do_subscribe_many, &o);
}

void node_unsubscribe(node *n, const char *channel)
{
    node_order(n, do_unsubscribe, (void *)(uintptr_t)channel);
}

void node_resubscribe(node *n, const char *channel)
{
    node_order(n, do_resubscribe, (void *)(uintptr_t)channel);
}

void node_publish(node *n, const char *channel, const char *text)
{
    publish_order o = {channel, text, 0, 1};
    node_order(n, do_publish, &o);
}

void node_publish_many(node *n, const char *channel, const char *prefix, unsigned first,
                       unsigned count)
{
    publish_order o = {channel, prefix, first, count};
    node_order(n, do_publish_many, &o);
}

void node_enter(node *n, const char *channel, unsigned first, unsigned count, bool tell)
{
    member_order o = {.channel = channel, .first = first, .count = count, .tell = tell};
    node_order(n, do_enter, &o);
}

void node_leave(node *n, const char *channel, unsigned first, unsigned count)
{
    member_order o = {.channel = channel, .first = first, .count = count};
    node_order(n, do_leave, &o);
}

static bool has_pages(const node *n, const void *unused, size_t pages)
{
    (void)unused;
    return n->pages >= pages;
}

void node_read(node *n, const char *channel, uint64_t cursor, uint32_t limit)
{
    member_order o = {.channel = channel, .count = limit, .cursor = cursor};
    unsigned before = n->pages;
    node_order(n, do_read, &o);
    must(node_wait(n, has_pages, NULL, before + 1), "no answer to a question");
}

bool node_shows(node *n, const char *member)
{
    bool found = false;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->member_count; i++) {
        found = found || strcmp(n->members[i], member) == 0;
    }
    pthread_mutex_unlock(&n->lock);
    return found;
}

fwi_backplane_figures node_figures(node *n)
{
    fwi_backplane_figures f;
    node_order(n, do_figures, &f);
    return f;
}

/* --- its life --- */

node *node_new(const fwi_redis_config *config)
{
    node *n = calloc(1, sizeof *n);
    must(n != NULL, "out of memory");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&n->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&n->lock, NULL);
    n->loop = fwi_loop_uv_new(&loop_events, n);
    must(n->loop != NULL, "no loop");
    n->number = fwi_rand_secure();
    snprintf(n->name, sizeof n->name, "node-%x", (unsigned)n->number);
    if (config != NULL) {
        fwi_redis_config own = *config;
        own.node = n->number;
        own.seed = own.node;
        n->bp = fwi_backplane_redis_new(n->loop, &own, &sink, n);
    } else {
        n->bp = fwi_backplane_memory_new(n->loop, &sink, n);
    }
    must(n->bp != NULL, "no backplane");
    must(fwi_loop_uv_start(n->loop, 0) == FW_OK, "no thread");
    return n;
}

void node_start(node *n)
{
    node_order(n, do_start, NULL);
}

static void do_stop_loop(node *n, void *arg)
{
    (void)arg;
    fwi_loop_uv_stop(n->loop);
}

void node_free(node *n)
{
    node_order(n, do_stop, NULL);
    node_order(n, do_stop_loop, NULL);
    fwi_loop_uv_join(n->loop);
    n->bp->ops->free(n->bp);
    fwi_loop_uv_free(n->loop);
    pthread_cond_destroy(&n->changed);
    pthread_mutex_destroy(&n->lock);
    free(n->messages);
    free(n->results);
    free(n->members);
    free(n->reports);
    free(n);
}

/* --- questions --- */

bool node_is_up(const node *n, const void *unused, size_t unused_too)
{
    (void)unused;
    (void)unused_too;
    return n->up;
}

bool node_is_away(const node *n, const void *part_of_why, size_t unused)
{
    (void)unused;
    return !n->up && n->downs > 0 && strstr(n->why, part_of_why) != NULL;
}

bool node_has_reports(const node *n, const void *channel, size_t times)
{
    size_t found = 0;
    for (size_t i = 0; i < n->report_count; i++) {
        found += channel == NULL || strcmp(n->reports[i], channel) == 0;
    }
    return found == times;
}

bool node_knows_nodes(const node *n, const void *unused, size_t ups)
{
    (void)unused;
    return n->node_ups >= ups;
}

bool node_misses_nodes(const node *n, const void *unused, size_t downs)
{
    (void)unused;
    return n->node_downs >= downs;
}

static size_t count_messages(const node *n, const char *channel, const char *text)
{
    size_t found = 0;
    for (size_t i = 0; i < n->count; i++) {
        found += (channel == NULL || strcmp(n->messages[i].channel, channel) == 0) &&
                 (text == NULL || strcmp(n->messages[i].text, text) == 0);
    }
    return found;
}

bool node_has_messages(const node *n, const void *channel, size_t at_least)
{
    return n->count >= at_least && count_messages(n, channel, NULL) >= at_least;
}

bool node_has_text(const node *n, const void *text, size_t times)
{
    return count_messages(n, NULL, text) == times;
}

bool node_wait_ms(node *n, node_question ask, const void *arg, size_t number,
                  long timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&n->lock);
    while (!ask(n, arg, number) &&
           pthread_cond_timedwait(&n->changed, &n->lock, &until) != ETIMEDOUT) {
    }
    bool yes = ask(n, arg, number);
    pthread_mutex_unlock(&n->lock);
    return yes;
}

bool node_wait(node *n, node_question ask, const void *arg, size_t number)
{
    return node_wait_ms(n, ask, arg, number, 60000);
}

bool node_ask(node *n, node_question ask, const void *arg, size_t number)
{
    return node_wait_ms(n, ask, arg, number, 0);
}

size_t node_count(node *n, const char *channel, const char *text)
{
    pthread_mutex_lock(&n->lock);
    size_t found = count_messages(n, channel, text);
    pthread_mutex_unlock(&n->lock);
    return found;
}

bool node_is_in_order(node *n, const char *channel, const char *prefix, size_t *how_many)
{
    size_t len = strlen(prefix);
    long last = -1;
    bool ok = true;
    *how_many = 0;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->count && ok; i++) {
        const noted_message *m = &n->messages[i];
        if (strcmp(m->channel, channel) == 0 && strncmp(m->text, prefix, len) == 0) {
            long k = strtol(m->text + len, NULL, 10);
            ok = k > last;
            last = k;
            (*how_many)++;
        }
    }
    pthread_mutex_unlock(&n->lock);
    return ok;
}
