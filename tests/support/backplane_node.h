/*
 * A node without a hub, for integration tests: a real loop with its thread, one backplane
 * on it, and a note of everything that the backplane tells. The test's thread gives
 * orders, which the loop's thread carries out, and waits for what is noted.
 */
#ifndef FANWIRE_TESTS_BACKPLANE_NODE_H
#define FANWIRE_TESTS_BACKPLANE_NODE_H

#include <pthread.h>

#include "backplane/backplanes.h"
#include "core/loop.h"

typedef struct noted_message {
    char channel[64], text[64];
    bool binary;
    fwi_position at;
} noted_message;

typedef struct noted_result {
    uint64_t ref;
    int err;
    fwi_position at;
    char why[128];
} noted_result;

typedef struct node {
    fwi_loop *loop;
    fwi_backplane *bp;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t changed;
    void (*order)(struct node *n, void *arg); /* NULL: done */
    void *arg;
    noted_message *messages;
    size_t count, cap;
    char (*reports)[64]; /* of on_subscribed, in order */
    size_t report_count, report_cap;
    unsigned ups, downs;
    bool up;
    char why[1024];
    fwi_backplane_figures figures;
    uint64_t number; /* the node's */
    char name[32];
    /* The newest page of members: who they are, as "<session> <user> <node> <info>". */
    char (*members)[160];
    size_t member_count;
    uint64_t total, next;
    unsigned pages;
    int page_err;
    noted_result *results;
    size_t result_count, result_cap;
    /* The newest page of history. */
    struct {
        unsigned count; /* how many pages came */
        int err;
        uint64_t ref;
        fwi_position top;
        noted_message messages[512];
        size_t n;
    } page;
    unsigned node_ups, node_downs; /* of other nodes */
    char last_node[64];
} node;

/* With Redis if config isn't NULL; its node number is set here. Not started. */
node *node_new(const fwi_redis_config *config);
void node_start(node *n);
void node_free(node *n);

/* Carries `order` out on the loop's thread and waits for it. */
void node_order(node *n, void (*order)(node *, void *), void *arg);
/* Parts of the sink, in backplane_kept.c. */
void node_on_published(void *user, uint64_t ref, const fwi_published *what);
void node_on_history(void *user, uint64_t ref, const fwi_history_page *page);

/* Orders; each returns when the loop's thread has carried it out. */
void node_subscribe(node *n, const char *channel);
/* "PREFIX0", "PREFIX1", ... all in one turn. */
void node_subscribe_many(node *n, const char *prefix, unsigned count);
void node_unsubscribe(node *n, const char *channel);
void node_publish(node *n, const char *channel, const char *text);
/* "PREFIX FIRST", "PREFIX FIRST+1", ... all in one turn. */
void node_publish_many(node *n, const char *channel, const char *prefix, unsigned first,
                       unsigned count);
/* Leaves and enters again within one turn. */
void node_resubscribe(node *n, const char *channel);
fwi_backplane_figures node_figures(node *n);
/* Sessions FIRST .. FIRST+COUNT-1 of this node come into a channel, as users "u<number>",
 * all in one turn; and go. */
void node_enter(node *n, const char *channel, unsigned first, unsigned count, bool tell);
void node_leave(node *n, const char *channel, unsigned first, unsigned count);
/* Asks for a page and waits for it; channel NULL: the nodes. */
void node_read(node *n, const char *channel, uint64_t cursor, uint32_t limit);
/* Is somebody in the newest page who is shown like this? */
bool node_shows(node *n, const char *member);

/* Publishes with terms, and a key if it isn't NULL. */
void node_keep(node *n, const char *channel, const char *text, const char *key,
               const fwi_terms *terms);
/* "PREFIX FIRST" ... in one turn, with refs from `terms->ref` on, if that isn't 0. */
void node_keep_many(node *n, const char *channel, const char *prefix, unsigned first,
                    unsigned count, const fwi_terms *terms);
/* Asks for a page and waits until it is there, in n->page. */
void node_history(node *n, const char *channel, const fwi_history_query *query);
void node_forget_history(node *n, const char *channel, uint64_t ref);
/* Waits for the result of that ref; err is 1 if it doesn't come. */
noted_result node_result(node *n, uint64_t ref);

/* Questions for node_wait; asked under the lock. */
typedef bool (*node_question)(const node *n, const void *arg, size_t number);
bool node_is_up(const node *n, const void *unused, size_t unused_too);
bool node_is_away(const node *n, const void *part_of_why, size_t unused);
/* channel NULL: any */
bool node_has_reports(const node *n, const void *channel, size_t times);
bool node_has_messages(const node *n, const void *channel, size_t at_least);
bool node_has_results(const node *n, const void *unused, size_t at_least);
bool node_has_text(const node *n, const void *text, size_t times);

bool node_knows_nodes(const node *n, const void *unused, size_t ups);
bool node_misses_nodes(const node *n, const void *unused, size_t downs);

/* Waits for the answer yes; false after `timeout_ms`. */
bool node_wait_ms(node *n, node_question ask, const void *arg, size_t number,
                  long timeout_ms);
/* ... after a minute, which only a failing test waits for. */
bool node_wait(node *n, node_question ask, const void *arg, size_t number);
/* Now. */
bool node_ask(node *n, node_question ask, const void *arg, size_t number);

/* How many messages of this text, of this channel (either NULL: any). */
size_t node_count(node *n, const char *channel, const char *text);

/* Are the texts "PREFIX k" that came on the channel in rising order, none twice? Tells
 * how many there are. */
bool node_is_in_order(node *n, const char *channel, const char *prefix, size_t *how_many);

#endif
