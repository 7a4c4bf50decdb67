/*
 * The Redis backplane with a Redis that the test plays by hand: what real ones do only
 * when they are killed at the worst moment.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/backplanes.h"
#include "support/fake_loop.h"
#include "wire/envelope.h"

enum { NODE = 0xabc };

#define PROBE_CHANNEL "fanwire:probe:0000000000000abc"

static fwi_loop *loop;
static fwi_backplane *bp;
static fwi_redis_config config;
static const fwi_log silent;
static fake_stream *command, *subscriber;
static char heard[4096]; /* "r:a=hello " for each message, "+r:a " for each report */
static unsigned ups, downs;
static char why[1024];
static bool answers_back, stops; /* what the hub does when it hears something */

static fw_message *text_message(const char *text)
{
    fw_message *m = fwi_message_new(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    ck_assert_ptr_nonnull(m);
    return m;
}

static void publish(const char *channel, const char *text)
{
    fw_message *m = text_message(text);
    ck_assert(bp->ops->publish(bp, channel, m));
    fw_message_unref(m);
}

static void note(const char *what)
{
    ck_assert_uint_lt(strlen(heard) + strlen(what), sizeof heard - 1);
    strcat(heard, what);
}

static void on_subscribed(void *user, const char *channel)
{
    char line[300];
    (void)user;
    snprintf(line, sizeof line, "+%s ", channel);
    note(line);
}

static void on_message(void *user, const char *channel, fw_message *m)
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

static void on_state(void *user, bool up, const char *text)
{
    (void)user;
    ups += up;
    downs += !up;
    snprintf(why, sizeof why, "%s", text != NULL ? text : "");
}

static const fwi_backplane_sink sink = {on_subscribed, on_message, on_state};

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

static void begin(void)
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
    ck_assert_ptr_null(fwi_redis_url_parse("redis://127.0.0.1", &config.url));
    loop = fake_loop_new(&loop_events, NULL);
    bp = fwi_backplane_redis_new(loop, &config, &sink, NULL);
    ck_assert_ptr_nonnull(bp);
    ck_assert_int_eq(bp->ops->start(bp), 0);
}

static void end(void)
{
    bp->ops->stop(bp);
    bp->ops->free(bp);
    fake_loop_free(loop);
}

/* --- the server's part --- */

static void expect_heard(const char *what)
{
    ck_assert_str_eq(heard, what);
    heard[0] = '\0';
}

static void confirm(const char *what, const char *channel)
{
    char text[400];
    snprintf(text, sizeof text, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n", strlen(what),
             what, strlen(channel), channel);
    fake_stream_feed_text(subscriber, text);
    fake_loop_turn(loop);
}

/* Both links as far as live; nothing confirmed. */
static void connect_links(void)
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

static const char *written(fake_stream *s)
{
    return fwi_buf_text(fake_stream_written(s));
}

static void forget_written(void)
{
    fake_stream_written(command)->len = 0;
    fake_stream_written(subscriber)->len = 0;
}

/* Up, with the first round of the health check answered. */
static void come_up(void)
{
    connect_links();
    confirm("subscribe", PROBE_CHANNEL);
}

static void answer_health(void)
{
    fake_stream_feed_text(command, ":1\r\n+PONG\r\n");
    fake_stream_feed_text(subscriber, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    forget_written();
}

static void message_from(uint64_t node, uint64_t serial, const char *channel,
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
static void message_probe(void)
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

static void enter(const char *channel, const char *redis_name)
{
    ck_assert(bp->ops->subscribe(bp, channel));
    fake_loop_turn(loop);
    confirm("subscribe", redis_name);
    heard[0] = '\0';
}

/* How many PUBLISHes were written to the command link, the probe's not counted. */
static unsigned publishes(void)
{
    const fwi_buf *b = fake_stream_written(command);
    unsigned n = 0;
    for (size_t i = 0; i + 7 <= b->len; i++) {
        n += memcmp(b->data + i, "PUBLISH", 7) == 0;
    }
    return n;
}

static fwi_backplane_figures figures(void)
{
    fwi_backplane_figures f;
    bp->ops->figures(bp, &f);
    return f;
}

static void up_in_room(void)
{
    come_up();
    answer_health();
    enter("r:a", "fanwire:r:a");
    forget_written();
}

static void lose(void)
{
    fake_stream_fail(subscriber, "connection reset");
    fake_loop_turn(loop);
}

static void return_to_room(void)
{
    connect_links();
    confirm("subscribe", PROBE_CHANNEL);
    confirm("subscribe", "fanwire:r:a");
}

/* --- up --- */

START_TEST(up_comes_when_all_subscriptions_are_confirmed)
{
    bp->ops->subscribe(bp, "r:a");
    connect_links();
    ck_assert_ptr_nonnull(strstr(written(subscriber), "$9\r\nSUBSCRIBE\r\n"));
    confirm("subscribe", PROBE_CHANNEL);
    ck_assert_uint_eq(ups, 0);
    confirm("subscribe", "fanwire:r:a");
    ck_assert_uint_eq(ups, 1);
    expect_heard("+r:a ");
    ck_assert_uint_eq(figures().channels, 1);
}
END_TEST

START_TEST(a_subscription_is_reported_when_redis_confirms_it)
{
    come_up();
    bp->ops->subscribe(bp, "r:a");
    fake_loop_turn(loop);
    expect_heard("");
    confirm("subscribe", "fanwire:r:a");
    expect_heard("+r:a ");
}
END_TEST

START_TEST(an_echo_delivers_the_very_object_that_was_published)
{
    up_in_room();
    fw_message *m = text_message("hello");
    bp->ops->publish(bp, "r:a", m);
    fake_loop_turn(loop);
    expect_heard("");
    message_from(NODE, 1, "fanwire:r:a", "decoding this would be seen");
    expect_heard("r:a=hello ");
    ck_assert_uint_gt(figures().queue_bytes, 0);
    fake_stream_feed_text(command, ":1\r\n");
    ck_assert_uint_eq(figures().queue_bytes, 0);
    message_from(NODE, 1, "fanwire:r:a", "again");
    expect_heard("");
    ck_assert_uint_eq(figures().duplicates, 1);
    fw_message_unref(m);
}
END_TEST

START_TEST(publishes_of_a_turn_go_out_in_one_write)
{
    up_in_room();
    unsigned before = fake_stream_writes(command);
    for (int i = 0; i < 50; i++) {
        publish("r:elsewhere", "x");
    }
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 50);
    ck_assert_uint_eq(fake_stream_writes(command), before + 1);
}
END_TEST

START_TEST(a_publish_before_the_confirmation_waits_and_later_ones_behind_it)
{
    up_in_room();
    bp->ops->subscribe(bp, "r:b");
    publish("r:b", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 0);
    confirm("subscribe", "fanwire:r:b");
    ck_assert_uint_eq(publishes(), 2);
    message_from(NODE, 1, "fanwire:r:b", "1");
    message_from(NODE, 2, "fanwire:r:a", "2");
    expect_heard("+r:b r:b=1 r:a=2 ");
}
END_TEST

START_TEST(a_refused_publish_is_delivered_here_in_its_turn_and_counted)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    publish("r:a", "3");
    fake_loop_turn(loop);
    fake_stream_feed_text(command, ":1\r\n-NOPERM not there\r\n:1\r\n");
    expect_heard("");
    message_from(NODE, 1, "fanwire:r:a", "1");
    message_from(NODE, 3, "fanwire:r:a", "3");
    expect_heard("r:a=1 r:a=2 r:a=3 ");
    ck_assert_uint_eq(figures().queue_dropped, 1);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(an_echo_from_before_leaving_is_not_heard_after_entering_again)
{
    up_in_room();
    publish("r:a", "old");
    fake_loop_turn(loop);
    bp->ops->unsubscribe(bp, "r:a");
    bp->ops->subscribe(bp, "r:a");
    fake_loop_turn(loop);
    expect_heard("+r:a ");
    message_from(NODE, 1, "fanwire:r:a", "old");
    fake_stream_feed_text(command, ":1\r\n");
    expect_heard("");
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(a_slow_server_gets_a_megabyte_at_a_time)
{
    up_in_room();
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    fake_stream_block(command, true);
    for (int i = 0; i < 20; i++) {
        publish("r:elsewhere", text);
    }
    fake_loop_turn(loop);
    fake_stream_block(command, false);
    ck_assert_uint_eq(publishes(), 11);
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 20);
}
END_TEST

START_TEST(an_answer_after_leaving_the_room_needs_no_echo)
{
    up_in_room();
    publish("r:a", "1");
    fake_loop_turn(loop);
    bp->ops->unsubscribe(bp, "r:a");
    fake_loop_turn(loop);
    fake_stream_feed_text(command, ":0\r\n");
    ck_assert_uint_eq(figures().queue_bytes, 0);
    expect_heard("");
}
END_TEST

/* --- from others --- */

START_TEST(what_another_node_publishes_twice_is_heard_once)
{
    up_in_room();
    message_from(7, 1, "fanwire:r:a", "one");
    message_from(7, 2, "fanwire:r:a", "two");
    message_from(7, 1, "fanwire:r:a", "one");
    message_from(7, 2, "fanwire:r:a", "two");
    message_from(7, 3, "fanwire:r:a", "three");
    message_from(8, 1, "fanwire:r:a", "other");
    expect_heard("r:a=one r:a=two r:a=three r:a=other ");
    ck_assert_uint_eq(figures().duplicates, 2);
}
END_TEST

static const struct {
    const char *name, *reply;
    const char *heard;
    unsigned malformed;
    bool up;
} strange[] = {
    {"plain bytes", "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$2\r\nhi\r\n",
     "r:a=hi ", 0, true},
    {"empty", "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$0\r\n\r\n", "r:a= ", 0,
     true},
    {"unknown version",
     "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$4\r\n\xff"
     "FW\x09\r\n",
     "", 1, true},
    {"damaged",
     "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$6\r\n\xff"
     "FW\x01zz\r\n",
     "", 1, true},
    {"a channel we have left",
     "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:z\r\n$2\r\nhi\r\n", "", 0, true},
    {"a channel not ours", "*3\r\n$7\r\nmessage\r\n$3\r\nabc\r\n$2\r\nhi\r\n", "", 1,
     true},
    {"pmessage", "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nb\r\n", "", 1,
     true},
    {"a number", ":5\r\n", "", 1, true},
    {"nothing", "$-1\r\n", "", 1, true},
    {"an empty array", "*0\r\n", "", 1, true},
    {"arrays in arrays", "*2\r\n*1\r\n:1\r\n*1\r\n:2\r\n", "", 1, true},
    {"a message without bytes", "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$-1\r\n",
     "", 1, true},
    {"a confirmation nobody asked for",
     "*3\r\n$9\r\nsubscribe\r\n$11\r\nfanwire:r:q\r\n:1\r\n", "", 1, true},
    {"unsubscribed from all of nothing", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", "",
     1, true},
    {"an error", "-NOPERM this channel\r\n", "", 0, false},
    {"rubbish", "hello\r\n", "", 0, false},
};

START_TEST(strange_replies_are_counted_and_never_fatal)
{
    up_in_room();
    fake_stream_feed_text(subscriber, strange[_i].reply);
    ck_assert_msg(strcmp(heard, strange[_i].heard) == 0, "%s: %s", strange[_i].name,
                  heard);
    ck_assert_msg(figures().malformed == strange[_i].malformed, "%s", strange[_i].name);
    ck_assert_msg(figures().up == strange[_i].up, "%s: %s", strange[_i].name, why);
}
END_TEST

START_TEST(an_answer_nobody_asked_for_ends_the_links)
{
    up_in_room();
    fake_stream_feed_text(command, ":1\r\n");
    ck_assert(!figures().up);
    ck_assert(fake_stream_is_closed(subscriber));
}
END_TEST

/* --- away and back --- */

START_TEST(losing_one_link_drops_both_and_delivers_what_had_no_echo)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    publish("r:elsewhere", "3");
    fake_loop_turn(loop);
    message_from(NODE, 1, "fanwire:r:a", "1");
    expect_heard("r:a=1 ");
    lose();
    ck_assert(fake_stream_is_closed(command));
    expect_heard("r:a=2 ");
    ck_assert_uint_eq(downs, 1);
    ck_assert_ptr_nonnull(strstr(why, "connection reset"));
}
END_TEST

START_TEST(the_unanswered_is_sent_again_before_the_new_and_its_echo_is_dropped)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    fake_stream_feed_text(command, ":1\r\n"); /* 1 was taken, its echo is lost */
    lose();
    expect_heard("r:a=1 r:a=2 ");
    publish("r:a", "3");
    fake_loop_turn(loop);
    expect_heard("r:a=3 ");

    return_to_room();
    ck_assert_uint_eq(ups, 2);
    ck_assert_uint_eq(publishes(), 3); /* the probe, 2, 3 */
    answer_health();
    message_from(NODE, 2, "fanwire:r:a", "2");
    message_from(NODE, 3, "fanwire:r:a", "3");
    fake_stream_feed_text(command, ":1\r\n:1\r\n");
    expect_heard("");
    ck_assert_uint_eq(figures().duplicates, 2);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(while_away_subscribing_is_reported_and_members_hear_each_other)
{
    bp->ops->subscribe(bp, "r:a");
    publish("r:a", "hello");
    expect_heard("");
    fake_loop_turn(loop);
    expect_heard("+r:a r:a=hello ");
    return_to_room();
    expect_heard("");
    ck_assert_uint_eq(ups, 1);
}
END_TEST

START_TEST(a_subscription_in_flight_when_the_link_is_lost_is_reported)
{
    up_in_room();
    bp->ops->subscribe(bp, "r:b");
    publish("r:b", "hello");
    fake_loop_turn(loop);
    expect_heard("");
    lose();
    expect_heard("+r:b r:b=hello ");
}
END_TEST

START_TEST(handlers_that_publish_while_away_are_heard_in_order)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    answers_back = true;
    lose();
    expect_heard("r:a=1 r:a=2 r:a=answer ");
}
END_TEST

START_TEST(joins_while_resubscribing_do_not_put_off_the_return)
{
    up_in_room();
    lose();
    connect_links();
    bp->ops->subscribe(bp, "r:late");
    fake_loop_turn(loop);
    confirm("subscribe", PROBE_CHANNEL);
    confirm("subscribe", "fanwire:r:a");
    ck_assert_uint_eq(ups, 2);
    expect_heard("+r:late ");
    forget_written();
    publish("r:late", "hello"); /* reported already, but not confirmed: it waits */
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 0);
    confirm("subscribe", "fanwire:r:late");
    ck_assert_uint_eq(publishes(), 1);
    message_from(NODE, 1, "fanwire:r:late", "hello");
    expect_heard("r:late=hello ");
}
END_TEST

START_TEST(a_server_that_confirms_nothing_is_given_up)
{
    connect_links();
    size_t n = fake_loop_stream_count(loop);
    fake_loop_advance(loop, 10000);
    ck_assert_ptr_nonnull(strstr(why, "SUBSCRIBE"));
    ck_assert_uint_ge(fake_loop_stream_count(loop), n + 2);
    come_up();
    ck_assert_uint_eq(ups, 1);
}
END_TEST

START_TEST(a_server_that_confirms_slowly_is_waited_for)
{
    static const char *const channels[] = {"fanwire:r:0", "fanwire:r:1", "fanwire:r:2"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(channels); i++) {
        ck_assert(bp->ops->subscribe(bp, channels[i] + strlen("fanwire:")));
    }
    connect_links();
    size_t n = fake_loop_stream_count(loop);
    for (size_t i = 0; i < FWI_ARRAY_LEN(channels); i++) {
        fake_loop_advance(loop, 2500);
        confirm("subscribe", channels[i]);
    }
    fake_loop_advance(loop, 2500);
    confirm("subscribe", PROBE_CHANNEL);
    ck_assert_uint_eq(ups, 1);
    ck_assert_uint_eq(fake_loop_stream_count(loop), n);
}
END_TEST

static void begin_again_with_queue(size_t max_bytes)
{
    end();
    config.queue_max_bytes = max_bytes;
    loop = fake_loop_new(&loop_events, NULL);
    bp = fwi_backplane_redis_new(loop, &config, &sink, NULL);
    ck_assert_int_eq(bp->ops->start(bp), 0);
}

static void publish_numbers(int count)
{
    for (int i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        publish("r:a", text);
    }
}

static void expect_numbers(int count)
{
    char want[2048] = "";
    for (int i = 0; i < count; i++) {
        size_t n = strlen(want);
        snprintf(want + n, sizeof want - n, "r:a=%d ", i);
    }
    expect_heard(want);
}

START_TEST(a_full_queue_is_counted_and_still_delivered_here_in_order)
{
    begin_again_with_queue(500);
    bp->ops->subscribe(bp, "r:a");
    fake_loop_turn(loop);
    heard[0] = '\0';
    publish_numbers(6);
    fake_loop_turn(loop);
    expect_numbers(6);
    ck_assert_uint_eq(figures().queue_dropped, 3);
    ck_assert_uint_le(figures().queue_bytes, 500);
}
END_TEST

START_TEST(while_up_four_times_as_much_may_be_on_its_way)
{
    begin_again_with_queue(500);
    up_in_room();
    publish_numbers(17);
    fake_loop_turn(loop);
    ck_assert_uint_eq(figures().queue_dropped, 2);
    ck_assert_uint_eq(publishes(), 15);
    expect_heard("");
    char text[16];
    for (unsigned i = 0; i < 15; i++) {
        snprintf(text, sizeof text, "%u", i);
        message_from(NODE, i + 1, "fanwire:r:a", text);
    }
    fake_loop_turn(loop);
    expect_numbers(17);
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(far_too_much_gives_the_links_up_and_is_delivered_here_in_order)
{
    begin_again_with_queue(500);
    up_in_room();
    publish_numbers(30);
    fake_loop_turn(loop);
    expect_numbers(30);
    ck_assert_uint_eq(downs, 1);
    ck_assert_ptr_nonnull(strstr(why, "more is published than it takes"));
    ck_assert_uint_le(figures().queue_bytes, 2000);
    return_to_room();
    ck_assert_uint_eq(ups, 2);
    ck_assert_uint_eq(publishes(), 16); /* the probe, and what fitted */
}
END_TEST

START_TEST(a_repetition_is_known_as_long_as_a_queue_may_hold_it)
{
    const uint64_t minute_ms = 60000;
    config.queue_deadline_ms = 30 * minute_ms;
    begin_again_with_queue(config.queue_max_bytes);
    up_in_room();
    message_from(7, 1, "fanwire:r:a", "once");
    lose();
    fake_loop_advance(loop, 20 * minute_ms);
    return_to_room();
    message_from(8, 1, "fanwire:r:a", "other"); /* when silent nodes are forgotten */
    message_from(7, 1, "fanwire:r:a", "once");
    message_from(7, 2, "fanwire:r:a", "new");
    expect_heard("r:a=once r:a=other r:a=new ");
}
END_TEST

START_TEST(what_is_too_late_is_counted_and_gone)
{
    publish("r:a", "late");
    fake_loop_turn(loop);
    fake_loop_advance(loop, 29000);
    ck_assert_uint_eq(figures().queue_dropped, 0);
    fake_loop_advance(loop, 2000);
    ck_assert_uint_eq(figures().queue_dropped, 1);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(attempts_back_off_to_a_second_and_go_on)
{
    fake_loop_advance(loop, 1);
    uint64_t last_ms = fwi_loop_now_ms(loop), longest = 0;
    size_t attempts = 0;
    for (int i = 0; i < 20; i++) {
        size_t n = fake_loop_stream_count(loop);
        fake_stream_fail(fake_loop_stream(loop, n - 1), "connection refused");
        while (fake_loop_stream_count(loop) == n) {
            fake_loop_advance(loop, 1);
        }
        uint64_t now_ms = fwi_loop_now_ms(loop);
        longest = FWI_MAX(longest, now_ms - last_ms);
        ck_assert_uint_ge(now_ms - last_ms, 25);
        last_ms = now_ms;
        attempts++;
    }
    ck_assert_uint_le(longest, 1002);
    ck_assert_uint_ge(longest, 500);
    ck_assert_uint_eq(downs, 1); /* one reason, told once */
}
END_TEST

START_TEST(a_good_connection_makes_the_next_attempt_quick_again)
{
    for (int i = 0; i < 10; i++) {
        fake_loop_advance(loop, 1001);
        fake_stream_fail(fake_loop_last_stream(loop), "connection refused");
    }
    come_up();
    message_probe();
    lose();
    size_t n = fake_loop_stream_count(loop);
    fake_loop_advance(loop, 51);
    ck_assert_uint_eq(fake_loop_stream_count(loop), n + 2);
}
END_TEST

START_TEST(a_new_reason_is_told)
{
    fake_loop_advance(loop, 1);
    fake_stream_fail(fake_loop_last_stream(loop), "connection refused");
    ck_assert_str_eq(why, "redis://127.0.0.1:6379/0: connection refused");
    fake_loop_advance(loop, 100);
    fake_stream_fail(fake_loop_last_stream(loop), "no route");
    ck_assert_uint_eq(downs, 2);
}
END_TEST

/* --- the probe --- */

START_TEST(no_pong_in_time_ends_the_links)
{
    come_up();
    fake_loop_advance(loop, 2990);
    ck_assert(figures().up);
    fake_loop_advance(loop, 20);
    ck_assert(!figures().up);
    ck_assert_ptr_nonnull(strstr(why, "no answer to PING"));
}
END_TEST

START_TEST(a_deaf_link_is_found_though_it_answers)
{
    come_up();
    answer_health();
    fake_loop_advance(loop, 3010);
    ck_assert(!figures().up);
    ck_assert_ptr_nonnull(strstr(why, "deaf"));
}
END_TEST

START_TEST(an_echo_keeps_it_up_and_the_next_round_comes_after_five_seconds)
{
    up_in_room();
    publish("r:a", "1");
    fake_loop_turn(loop);
    message_from(NODE, 1, "fanwire:r:a", "1");
    fake_stream_feed_text(command, ":1\r\n");
    forget_written();
    fake_loop_advance(loop, 4900);
    ck_assert(figures().up);
    ck_assert_uint_eq(publishes(), 0);
    fake_loop_advance(loop, 200);
    ck_assert_uint_eq(publishes(), 1);
    ck_assert_ptr_nonnull(strstr(written(subscriber), "PING"));
    ck_assert_uint_ge(figures().probe_age_us, 5000000);
}
END_TEST

START_TEST(stopping_inside_a_handler_is_safe)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    stops = true;
    message_from(NODE, 1, "fanwire:r:a", "1");
    expect_heard("r:a=1 ");
    fake_loop_advance(loop, 10000);
    expect_heard("");
}
END_TEST

START_TEST(stopping_while_links_are_lost_is_safe)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    stops = true;
    lose();
    fake_loop_advance(loop, 10000);
    expect_heard("r:a=1 ");
}
END_TEST

static void add_up(Suite *s)
{
    TCase *tc = tcase_create("up");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, up_comes_when_all_subscriptions_are_confirmed);
    tcase_add_test(tc, a_subscription_is_reported_when_redis_confirms_it);
    tcase_add_test(tc, an_echo_delivers_the_very_object_that_was_published);
    tcase_add_test(tc, publishes_of_a_turn_go_out_in_one_write);
    tcase_add_test(tc, a_publish_before_the_confirmation_waits_and_later_ones_behind_it);
    tcase_add_test(tc, a_refused_publish_is_delivered_here_in_its_turn_and_counted);
    tcase_add_test(tc, an_echo_from_before_leaving_is_not_heard_after_entering_again);
    tcase_add_test(tc, a_slow_server_gets_a_megabyte_at_a_time);
    tcase_add_test(tc, an_answer_after_leaving_the_room_needs_no_echo);
    tcase_add_test(tc, what_another_node_publishes_twice_is_heard_once);
    tcase_add_loop_test(tc, strange_replies_are_counted_and_never_fatal, 0,
                        (int)FWI_ARRAY_LEN(strange));
    tcase_add_test(tc, an_answer_nobody_asked_for_ends_the_links);
    suite_add_tcase(s, tc);
}

static void add_away(Suite *s)
{
    TCase *tc = tcase_create("away");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, losing_one_link_drops_both_and_delivers_what_had_no_echo);
    tcase_add_test(tc,
                   the_unanswered_is_sent_again_before_the_new_and_its_echo_is_dropped);
    tcase_add_test(tc, while_away_subscribing_is_reported_and_members_hear_each_other);
    tcase_add_test(tc, a_subscription_in_flight_when_the_link_is_lost_is_reported);
    tcase_add_test(tc, handlers_that_publish_while_away_are_heard_in_order);
    tcase_add_test(tc, joins_while_resubscribing_do_not_put_off_the_return);
    tcase_add_test(tc, a_server_that_confirms_nothing_is_given_up);
    tcase_add_test(tc, a_server_that_confirms_slowly_is_waited_for);
    tcase_add_test(tc, a_full_queue_is_counted_and_still_delivered_here_in_order);
    tcase_add_test(tc, while_up_four_times_as_much_may_be_on_its_way);
    tcase_add_test(tc, far_too_much_gives_the_links_up_and_is_delivered_here_in_order);
    tcase_add_test(tc, a_repetition_is_known_as_long_as_a_queue_may_hold_it);
    tcase_add_test(tc, what_is_too_late_is_counted_and_gone);
    tcase_add_test(tc, attempts_back_off_to_a_second_and_go_on);
    tcase_add_test(tc, a_good_connection_makes_the_next_attempt_quick_again);
    tcase_add_test(tc, a_new_reason_is_told);
    tcase_add_test(tc, no_pong_in_time_ends_the_links);
    tcase_add_test(tc, a_deaf_link_is_found_though_it_answers);
    tcase_add_test(tc, an_echo_keeps_it_up_and_the_next_round_comes_after_five_seconds);
    tcase_add_test(tc, stopping_inside_a_handler_is_safe);
    tcase_add_test(tc, stopping_while_links_are_lost_is_safe);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("redis_backplane");
    add_up(s);
    add_away(s);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
