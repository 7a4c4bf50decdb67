/*
 * What test_redis_backplane.c and test_redis_backplane_away.c share: the backplane on a
 * fake loop, a hub that notes down what it hears, and the server's part, which the test
 * speaks on the two links byte by byte. One thread, a clock wound by hand.
 */
#ifndef TESTS_REDIS_BACKPLANE_RIG_H
#define TESTS_REDIS_BACKPLANE_RIG_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/backplanes.h"
#include "support/fake_loop.h"
#include "wire/envelope.h"
#include "support/test_message.h"

enum { NODE = 0xabc };

#define PROBE_CHANNEL "fanwire:probe:0000000000000abc"

static fwi_loop *loop;
static fwi_backplane *bp;
static fwi_redis_config config;
static const fwi_log silent;
static fake_stream *command, *subscriber;
/* "r:a=hello " for each message, "+r:a " for each report, "!r:a " for each channel that
 * is heard again */
static char heard[4096];
static unsigned ups, downs;
static char why[1024];
static bool answers_back, stops; /* what the hub does when it hears something */

static inline fw_message *text_message(const char *text)
{
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    return m;
}

static inline void publish(const char *channel, const char *text)
{
    fw_message *m = text_message(text);
    ck_assert(bp->ops->publish(bp, channel, m, NULL));
    fw_message_unref(m);
}

static inline void note(const char *what)
{
    ck_assert_uint_lt(strlen(heard) + strlen(what), sizeof heard - 1);
    strcat(heard, what);
}

static inline void on_subscribed(void *user, const char *channel)
{
    char line[300];
    (void)user;
    snprintf(line, sizeof line, "+%s ", channel);
    note(line);
}

static inline void on_message(void *user, const char *channel, fw_message *m)
{
    char line[600];
    (void)user;
    snprintf(line, sizeof line, "%s=%.*s ", channel, (int)fwi_message_len(m),
             (const char *)fwi_message_bytes(m));
    note(line);
    if (answers_back) {
        answers_back = false;
        publish(channel, "answer");
    }
    if (stops) {
        bp->ops->stop(bp);
    }
}

static inline void on_missed(void *user, const char *channel)
{
    char line[300];
    (void)user;
    snprintf(line, sizeof line, "!%s ", channel);
    note(line);
}

static inline void on_state(void *user, bool up, const char *text)
{
    (void)user;
    ups += up;
    downs += !up;
    snprintf(why, sizeof why, "%s", text != NULL ? text : "");
}

static const fwi_backplane_sink sink = {.on_subscribed = on_subscribed,
                                        .on_message = on_message,
                                        .on_state = on_state,
                                        .on_missed = on_missed};

static const fwi_backplane_sink *hub_sink = &sink; /* a test's own, set before begin() */

static inline void on_wake(void *user)
{
    (void)user;
}

static inline void on_turn_end(void *user)
{
    (void)user;
    bp->ops->flush(bp);
}

static const fwi_loop_events loop_events = {on_wake, on_turn_end};

static inline void begin(void)
{
    heard[0] = why[0] = '\0';
    ups = downs = 0;
    answers_back = stops = false;
    memset(&config, 0, sizeof config);
    config.log = &silent;
    config.prefix = "fanwire";
    config.node = NODE;
    config.seed = 1;
    config.queue_max_bytes = 1u << 20;
    config.queue_deadline_ms = 30000;
    config.lease_ms = 9000;
    ck_assert_ptr_null(fwi_redis_url_parse("redis://127.0.0.1", &config.url));
    loop = fake_loop_new(&loop_events, NULL);
    bp = fwi_backplane_redis_new(loop, &config, hub_sink, NULL);
    ck_assert_ptr_nonnull(bp);
    ck_assert_int_eq(bp->ops->start(bp), 0);
}

static inline void end(void)
{
    bp->ops->stop(bp);
    bp->ops->free(bp);
    fake_loop_free(loop);
}

/* --- the server's part --- */

static inline void expect_heard(const char *what)
{
    ck_assert_str_eq(heard, what);
    heard[0] = '\0';
}

static inline void confirm(const char *what, const char *channel)
{
    char text[400];
    snprintf(text, sizeof text, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n", strlen(what),
             what, strlen(channel), channel);
    fake_stream_feed_text(subscriber, text);
    fake_loop_turn(loop);
}

/* Both links as far as live; nothing confirmed. */
static inline void connect_links(void)
{
    fake_loop_advance(loop, 1001);
    size_t n = fake_loop_stream_count(loop);
    ck_assert_uint_ge(n, 2);
    command = fake_loop_stream(loop, n - 2);
    subscriber = fake_loop_stream(loop, n - 1);
    fake_stream_open(command);
    fake_stream_open(subscriber);
    fake_stream_feed_text(command, "+OK\r\n+PONG\r\n");
    fake_stream_feed_text(subscriber, "+OK\r\n+PONG\r\n");
    fake_stream_written(command)->len = 0;
    fake_stream_written(subscriber)->len = 0;
    fake_loop_turn(loop);
}

static inline const char *written(fake_stream *s)
{
    return fwi_buf_text(fake_stream_written(s));
}

static inline void forget_written(void)
{
    fake_stream_written(command)->len = 0;
    fake_stream_written(subscriber)->len = 0;
}

/* Up, with the first round of the health check answered. */
static inline void come_up(void)
{
    connect_links();
    confirm("subscribe", PROBE_CHANNEL);
}

static inline void answer_health(void)
{
    fake_stream_feed_text(command, ":1\r\n+PONG\r\n");
    fake_stream_feed_text(subscriber, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    forget_written();
}

static inline void message_from(uint64_t node, uint64_t serial, const char *channel,
                                const char *text)
{
    fwi_buf envelope, out;
    fw_message *m = text_message(text);
    fwi_buf_init(&envelope);
    fwi_buf_init(&out);
    ck_assert(fwi_message_encode(m, node, serial, &envelope));
    fwi_buf_printf(&out, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel),
                   channel, envelope.len);
    fwi_buf_append(&out, envelope.data, envelope.len);
    fwi_buf_puts(&out, "\r\n");
    fake_stream_feed(subscriber, out.data, out.len);
    fw_message_unref(m);
    fwi_buf_fini(&envelope);
    fwi_buf_fini(&out);
}

/* The first probe comes back. */
static inline void message_probe(void)
{
    fwi_buf out;
    fwi_envelope e = {.kind = FWI_MSG_PROBE, .node = NODE, .serial = 1};
    fwi_buf_init(&out);
    fwi_buf_printf(&out, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$26\r\n",
                   strlen(PROBE_CHANNEL), PROBE_CHANNEL);
    ck_assert(fwi_envelope_encode(&e, &out));
    fwi_buf_puts(&out, "\r\n");
    fake_stream_feed(subscriber, out.data, out.len);
    fwi_buf_fini(&out);
}

static inline void enter(const char *channel, const char *redis_name)
{
    ck_assert(bp->ops->subscribe(bp, channel));
    fake_loop_turn(loop);
    confirm("subscribe", redis_name);
    heard[0] = '\0';
}

/* How many PUBLISHes were written to the command link, the probe's not counted. */
static inline unsigned publishes(void)
{
    const fwi_buf *b = fake_stream_written(command);
    unsigned n = 0;
    for (size_t i = 0; i + 7 <= b->len; i++) {
        n += memcmp(b->data + i, "PUBLISH", 7) == 0;
    }
    return n;
}

static inline fwi_backplane_figures figures(void)
{
    fwi_backplane_figures f;
    bp->ops->figures(bp, &f);
    return f;
}

static inline void up_in_room(void)
{
    come_up();
    answer_health();
    enter("r:a", "fanwire:r:a");
    forget_written();
}

static inline void lose(void)
{
    fake_stream_fail(subscriber, "connection reset");
    fake_loop_turn(loop);
}

static inline void return_to_room(void)
{
    connect_links();
    confirm("subscribe", PROBE_CHANNEL);
    confirm("subscribe", "fanwire:r:a");
}

#endif
