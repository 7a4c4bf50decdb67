/*
 * The hub's side of the Redis backplane on a fake loop: what it asks for, an order of the
 * input after the other, and what it must be told. For targets whose Redis is redis.h's.
 */
#ifndef TESTS_FUZZ_REDIS_WANTS_H
#define TESTS_FUZZ_REDIS_WANTS_H

#include <fanwire/error.h>

#include "redis.h"

enum { LIMIT = 8 };

typedef enum {
    WAIT = FUZZ_REDIS_ORDERS, /* tenths of a second */
    PUBLISH,
    KEEP, /* a publish to a room with history */
    READ_HISTORY,
    FORGET_HISTORY,
    SUBSCRIBE,
    UNSUBSCRIBE,
    ENTER,
    LEAVE,
    READ_PRESENCE,
    READ_NODES,
    ORDERS
} order;

#define CHANNEL "r:" FUZZ_ROOM

static fwi_backplane *bp;
static fwi_redis_config config;
static bool subscribed; /* to room b */
static unsigned asked, answered;

/* --- the hub --- */

static fw_message *member(void)
{
    fw_message *m = fwi_message_new(FWI_MSG_LEFT, "", 0, FW_TEXT);
    MUST(m != NULL);
    m->origin = fwi_origin_new((fw_session_id){FUZZ_NODE, 1}, "ann", "me");
    MUST(m->origin != NULL);
    return m;
}

static fw_message *describe(void *user)
{
    (void)user;
    return member();
}

static void look_at(const fw_message *m)
{
    const uint8_t *bytes = fwi_message_bytes(m);
    unsigned sum = 0;
    for (size_t i = 0; i < fwi_message_len(m); i++) {
        sum += bytes[i];
    }
    MUST(sum <= 255 * fwi_message_len(m));
}

static void on_subscribed(void *user, const char *channel)
{
    (void)user;
    MUST(channel[0] == 'r');
}

static void on_message(void *user, const char *channel, fw_message *m)
{
    (void)user;
    MUST(channel[0] == 'r');
    look_at(m);
}

static void on_state(void *user, bool up, const char *why)
{
    (void)user;
    MUST(up == (why == NULL));
}

static void on_published(void *user, uint64_t ref, const fwi_published *what)
{
    (void)user;
    MUST(ref == 1 && what->why != NULL);
    answered++;
}

static void on_history(void *user, uint64_t ref, const fwi_history_page *page)
{
    (void)user;
    MUST(ref == 2 && page->why != NULL && (page->err == FW_OK || page->n == 0));
    for (size_t i = 0; i < page->n; i++) {
        MUST(page->messages[i]->at.epoch == page->top.epoch);
        look_at(page->messages[i]);
    }
    answered++;
}

static void on_members(void *user, uint64_t ref, const fwi_member_page *page)
{
    (void)user;
    MUST(ref == 3 && page->why != NULL);
    for (size_t i = 0; i < page->n; i++) {
        MUST(page->members[i]->origin != NULL);
        look_at(page->members[i]);
    }
    answered++;
}

static void on_node(void *user, uint64_t node, const char *name, bool up)
{
    (void)user;
    (void)up;
    MUST(node != FUZZ_NODE && name != NULL);
}

static const fwi_backplane_sink sink = {.on_subscribed = on_subscribed,
                                        .on_message = on_message,
                                        .on_state = on_state,
                                        .on_published = on_published,
                                        .on_history = on_history,
                                        .on_members = on_members,
                                        .on_node = on_node,
                                        .describe = describe};

static void on_wake(void *user)
{
    (void)user;
}

static void on_turn_end(void *user)
{
    (void)user;
    bp->ops->flush(bp);
}

static const fwi_loop_events loop_events = {on_wake, on_turn_end};

/* --- what the hub wants --- */

static void publish(bool kept)
{
    const fwi_terms terms = {kept ? 10 : 0, kept ? 60000 : 0, 1};
    fw_message *m = fwi_message_new(FWI_MSG_DATA, "hello", 5, FW_TEXT);
    MUST(m != NULL && bp->ops->publish(bp, CHANNEL, m, &terms));
    fw_message_unref(m);
    asked++;
}

static void enter(bool come)
{
    fw_message *m = member();
    if (come) {
        MUST(bp->ops->enter(bp, CHANNEL, m, true));
    } else {
        bp->ops->leave(bp, CHANNEL, m->origin->session);
    }
    fw_message_unref(m);
}

static void want(order what, fuzz_input *in)
{
    const fwi_history_query query = {.limit = LIMIT, .history_ttl_ms = 60000};
    switch (what) {
    case WAIT:
        fake_loop_advance(fuzz_loop, 100u * fuzz_u8(in));
        break;
    case PUBLISH:
    case KEEP:
        publish(what == KEEP);
        break;
    case READ_HISTORY:
        MUST(bp->ops->read_history(bp, CHANNEL, &query, 2));
        asked++;
        break;
    case FORGET_HISTORY:
        MUST(bp->ops->forget_history(bp, CHANNEL, 1));
        asked++;
        break;
    case SUBSCRIBE:
        MUST(subscribed || bp->ops->subscribe(bp, "r:b"));
        subscribed = true;
        break;
    case UNSUBSCRIBE:
        if (subscribed) {
            bp->ops->unsubscribe(bp, "r:b");
        }
        subscribed = false;
        break;
    case ENTER:
    case LEAVE:
        enter(what == ENTER);
        break;
    case READ_PRESENCE:
        MUST(bp->ops->read_presence(bp, CHANNEL, 0, LIMIT, 3));
        asked++;
        break;
    default:
        MUST(bp->ops->read_nodes(bp, 3));
        asked++;
        break;
    }
    fake_loop_turn(fuzz_loop);
}

static void begin(unsigned kind)
{
    config = fuzz_redis_config(kind);
    fuzz_loop = fake_loop_new(&loop_events, NULL);
    bp = fwi_backplane_redis_new(fuzz_loop, &config, &sink, NULL);
    asked = answered = 0;
    subscribed = false;
    MUST(bp != NULL && bp->ops->start(bp) == FW_OK && bp->ops->subscribe(bp, CHANNEL));
    fake_loop_advance(fuzz_loop, 1001);
}

/* Each question has one answer, whatever happened. */
static void end(void)
{
    fwi_backplane_figures figures;
    bp->ops->figures(bp, &figures);
    fake_loop_advance(fuzz_loop, 40000);
    bp->ops->stop(bp);
    MUST(answered == asked);
    bp->ops->free(bp);
    fake_loop_free(fuzz_loop);
}

#endif
