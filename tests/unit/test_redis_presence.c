/*
 * Presence and lease of the Redis backplane with a Redis that the test plays: when
 * entries are written and written again, when a life is over, who may judge, and answers
 * that no Redis should give.
 */
#include "redis_backplane_rig.h"

#include "core/error.h"

static char served[8192];     /* what was asked: "BEAT:1:1:0 HSET:0 1 PUBLISH " */
static const char *beat_says; /* what a beat is answered with; "" : nothing for now */
static const char *channels_say, *sweep_says, *members_say, *names_say;
static const char *hset_says = ":1\r\n";
static char nodes[512]; /* "+other -other " */
static char page[512];  /* of the last answer: "ERR " or "TOTAL NEXT user " */
static unsigned pages;

static void on_members(void *user, uint64_t ref, const fwi_member_page *p)
{
    (void)user;
    ck_assert_uint_eq(ref, 5);
    pages++;
    if (p->err != FW_OK) {
        ck_assert_str_ne(p->why, "");
        strcpy(page, "ERR ");
        return;
    }
    snprintf(page, sizeof page, "%d %d ", (int)p->total, (int)p->next);
    for (size_t i = 0; i < p->n; i++) {
        strcat(page, p->members[i]->origin->user);
        strcat(page, " ");
    }
}

static void on_node(void *user, uint64_t node, const char *name, bool up)
{
    (void)user;
    ck_assert_uint_eq(node, 0xdead);
    strcat(nodes, up ? "+" : "-");
    strcat(nodes, name);
    strcat(nodes, " ");
}

static fw_message *member(uint64_t node, uint64_t local, const char *user,
                          const char *node_name)
{
    fw_message *m = fwi_message_new(FWI_MSG_LEFT, "", 0, FW_TEXT);
    ck_assert_ptr_nonnull(m);
    m->origin = fwi_origin_new((fw_session_id){node, local}, user, node_name);
    ck_assert_ptr_nonnull(m->origin);
    return m;
}

static fw_message *describe(void *user)
{
    (void)user;
    return member(NODE, 0, "", "me");
}

static const fwi_backplane_sink present_sink = {
    .on_subscribed = on_subscribed,
    .on_message = on_message,
    .on_state = on_state,
    .on_members = on_members,
    .on_node = on_node,
    .describe = describe,
};

static void set_up(void)
{
    served[0] = nodes[0] = page[0] = '\0';
    pages = 0;
    beat_says = "0 1 9999\n";
    channels_say = sweep_says = members_say = names_say = "";
    hset_says = ":1\r\n";
    hub_sink = &present_sink;
    begin();
}

static void tear_down(void)
{
    end();
}

/* --- the server: takes one command after the other, and answers --- */

typedef struct command_words {
    int argc;
    const char *argv[20];
    size_t lens[16];
} command_words;

/* The next command of those that were written. false: there is none. */
static bool next_command(fwi_buf *b, size_t *at, command_words *c)
{
    if (*at >= b->len) {
        return false;
    }
    char *p = b->data + *at;
    ck_assert_int_eq(*p, '*');
    c->argc = (int)strtol(p + 1, &p, 10);
    ck_assert_int_le(c->argc, 20);
    p += 2;
    for (int i = 0; i < c->argc; i++) {
        ck_assert_int_eq(*p, '$');
        c->lens[i] = strtoul(p + 1, &p, 10);
        c->argv[i] = p + 2;
        p += 2 + c->lens[i] + 2;
    }
    *at = (size_t)(p - b->data);
    return true;
}

static void took(const char *name, const char *detail, size_t len)
{
    size_t n = strlen(served);
    snprintf(served + n, sizeof served - n, "%s%.*s ", name, (int)len, detail);
}

static void say_text(const char *text)
{
    char out[1024];
    snprintf(out, sizeof out, "$%zu\r\n%s\r\n", strlen(text), text);
    fake_stream_feed_text(command, out);
}

static bool is_script(const command_words *c, const char *part)
{
    return memmem(c->argv[1], c->lens[1], part, strlen(part)) != NULL;
}

static void serve_eval(const command_words *c)
{
    if (is_script(c, "'ZADD'")) {
        char detail[32];
        snprintf(detail, sizeof detail, ":%.*s:%.*s:%.*s", (int)c->lens[9], c->argv[9],
                 (int)c->lens[10], c->argv[10], (int)c->lens[12], c->argv[12]);
        took("BEAT", detail, strlen(detail));
        say_text(beat_says);
    } else if (is_script(c, "'SRANDMEMBER'")) {
        took("CHANNELS:", c->argv[3], c->lens[3]);
        say_text(channels_say);
        channels_say = "";
    } else if (is_script(c, "'HDEL', KEYS[1], r")) {
        took("SWEEP:", c->argv[4], c->lens[4]);
        say_text(sweep_says);
    } else if (is_script(c, "'ZREM'")) {
        took("FORGET", "", 0);
        say_text("1");
    } else if (is_script(c, "'ZRANGEBYSCORE'")) {
        took("NAMES", "", 0);
        say_text(names_say);
    } else {
        took("MEMBERS", "", 0);
        say_text(members_say);
    }
}

static void serve_one(const command_words *c)
{
    const char *name = c->argv[0];
    if (memcmp(name, "PUBLISH", 7) == 0) {
        bool probe = c->lens[1] == strlen(PROBE_CHANNEL);
        if (!probe) {
            took("PUBLISH", "", 0);
        }
        fake_stream_feed_text(command, ":1\r\n");
        fwi_buf out;
        fwi_buf_init(&out);
        fwi_buf_printf(&out, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n",
                       c->lens[1], (int)c->lens[1], c->argv[1], c->lens[2]);
        fwi_buf_append(&out, c->argv[2], c->lens[2]);
        fwi_buf_puts(&out, "\r\n");
        fake_stream_feed(subscriber, out.data, out.len);
        fwi_buf_fini(&out);
    } else if (memcmp(name, "PING", 4) == 0) {
        fake_stream_feed_text(command, "+PONG\r\n");
        fake_stream_feed_text(subscriber, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    } else if (memcmp(name, "EVAL", 4) == 0) {
        serve_eval(c);
    } else if (memcmp(name, "HSET", 4) == 0) {
        took("HSET:", c->argv[3], 3); /* "TELL LIFE" */
        fake_stream_feed_text(command, hset_says);
    } else {
        took("", name, c->lens[0]);
        fake_stream_feed_text(command, ":1\r\n");
    }
}

/* Until nothing is asked any more. */
static void serve(void)
{
    fake_loop_turn(loop);
    fake_stream_written(subscriber)->len = 0;
    for (fwi_buf *b; (b = fake_stream_written(command))->len > 0;) {
        fwi_buf taken = *b;
        fwi_buf_init(b);
        command_words c;
        size_t at = 0;
        while (!fake_stream_is_closed(command) && next_command(&taken, &at, &c)) {
            serve_one(&c);
        }
        fwi_buf_fini(&taken);
        fake_loop_turn(loop);
    }
}

static void expect_served(const char *what)
{
    ck_assert_str_eq(served, what);
    served[0] = '\0';
}

static void pass(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 100) {
        fake_loop_advance(loop, 100);
        serve();
    }
}

static void be_up(void)
{
    come_up();
    serve();
    served[0] = '\0';
}

static void enter_one(bool tell)
{
    fw_message *m = member(NODE, 1, "ann", "me");
    ck_assert(bp->ops->enter(bp, "r:a", m, tell));
    fw_message_unref(m);
}

static void leave_one(void)
{
    bp->ops->leave(bp, "r:a", (fw_session_id){NODE, 1});
}

static void go_and_return(void)
{
    lose();
    come_up();
    serve();
}

/* --- entries --- */

START_TEST(entries_wait_until_the_lease_is_held_and_go_ahead_of_what_is_said)
{
    enter_one(false);
    come_up();
    fake_loop_turn(loop);
    ck_assert_ptr_null(strstr(written(command), "HSET"));
    serve();
    expect_served("BEAT:1:1:0 SADD HSET:0 1 ");
    leave_one();
    enter_one(true);
    publish("r:a", "hello");
    serve();
    expect_served("HSET:1 1 PUBLISH ");
    leave_one();
    serve();
    expect_served("HDEL ");
    ck_assert_uint_eq(figures().present, 0);
}
END_TEST

START_TEST(who_comes_and_goes_before_anything_is_sent_costs_nothing)
{
    be_up();
    enter_one(true);
    leave_one();
    leave_one();
    serve();
    expect_served("");
}
END_TEST

START_TEST(after_a_break_what_isn_t_safe_is_written_again_and_nothing_else)
{
    be_up();
    enter_one(false);
    serve();
    expect_served("SADD HSET:0 1 ");
    go_and_return();
    expect_served("BEAT:1:2:0 SADD HSET:0 1 ");
    pass(3000); /* a beat behind it */
    expect_served("BEAT:1:3:0 ");
    go_and_return();
    expect_served("BEAT:1:4:0 ");
    leave_one();
    serve();
    go_and_return();
    expect_served("HDEL BEAT:1:5:0 HDEL ");
    pass(3000);
    expect_served("BEAT:1:6:0 SREM ");
    ck_assert_uint_eq(figures().lives, 0);
}
END_TEST

START_TEST(what_the_lost_link_had_not_answered_is_written_again)
{
    be_up();
    enter_one(false);
    fake_loop_turn(loop); /* sent */
    forget_written();
    leave_one();
    go_and_return();
    expect_served("BEAT:1:2:0 HDEL ");
}
END_TEST

/* --- lives --- */

START_TEST(who_was_taken_for_dead_begins_another_life_and_says_that_he_is_back)
{
    be_up();
    enter_one(true);
    serve();
    served[0] = '\0';
    beat_says = "1 0 0\n"; /* life 1 is over */
    fake_loop_advance(loop, 3000);
    fwi_buf taken = *fake_stream_written(command);
    fwi_buf_init(fake_stream_written(command));
    command_words c;
    size_t at = 0;
    ck_assert(next_command(&taken, &at, &c));
    serve_one(&c);
    fwi_buf_fini(&taken);
    expect_served("BEAT:1:2:0 ");
    beat_says = "1 0 0\n";
    fake_loop_advance(loop, 1);
    serve();
    expect_served("BEAT:2:3:0 SADD HSET:1 2 PUBLISH ");
    ck_assert_uint_eq(figures().lives, 1);
}
END_TEST

START_TEST(a_redis_that_has_lost_writes_is_told_all_and_nobody_else_is)
{
    static const char *const answers[] = {"0 0 0\n", "0 1 1\n"}; /* empty; gone back */
    be_up();
    pass(3000);
    enter_one(true);
    serve();
    expect_served("BEAT:1:2:0 SADD HSET:1 1 ");
    beat_says = answers[_i];
    fake_loop_advance(loop, 3000);
    fwi_buf taken = *fake_stream_written(command);
    fwi_buf_init(fake_stream_written(command));
    command_words c;
    size_t at = 0;
    while (next_command(&taken, &at, &c)) {
        serve_one(&c);
    }
    fwi_buf_fini(&taken);
    beat_says = "0 1 3\n";
    fake_loop_advance(loop, 1);
    serve();
    /* What it still has of the former life is removed. */
    ck_assert_ptr_nonnull(strstr(served, "CHANNELS:fanwire:n:0000000000000abc:1:c "));
    ck_assert_ptr_nonnull(strstr(served, "BEAT:2:4:0 "));
    ck_assert_ptr_nonnull(strstr(served, "SADD HSET:1 2 "));
    ck_assert_ptr_null(strstr(served, "PUBLISH"));
    ck_assert_uint_eq(figures().lives, 1);
    ck_assert_uint_eq(figures().sweeps, 0);
}
END_TEST

/* --- the others --- */

START_TEST(only_who_has_watched_for_a_lease_judges)
{
    beat_says = "0 1 9999\n000000000000dead -1 0\n";
    be_up();
    pass(8900);
    ck_assert_ptr_null(strstr(served, ":1 "));
    pass(400); /* it looks as soon as it may */
    ck_assert_ptr_nonnull(strstr(served, ":1 "));
    go_and_return();
    served[0] = '\0';
    pass(8500);
    ck_assert_ptr_null(strstr(served, ":1 "));
}
END_TEST

START_TEST(nodes_are_told_by_name_once)
{
    char envelope[256] = "1 1 ";
    fwi_buf text;
    fwi_buf_init(&text);
    fw_message *m = member(0xdead, 0, "", "other");
    fwi_buf value;
    fwi_buf_init(&value);
    fwi_buf_puts(&value, envelope);
    ck_assert(fwi_message_encode(m, 0, 0, &value));
    fw_message_unref(m);
    be_up();
    beat_says = "0 1 9999\n000000000000dead 5000 0\n";
    pass(3000);
    ck_assert_ptr_nonnull(strstr(served, "NAMES "));
    ck_assert_str_eq(nodes, ""); /* nobody has said its name */
    /* The answer has NULs: it is fed by hand. */
    fwi_buf_printf(&text, "1 0\n%zu\n", value.len);
    fwi_buf_append(&text, value.data, value.len);
    fwi_buf answer;
    fwi_buf_init(&answer);
    fwi_buf_printf(&answer, "$%zu\r\n", text.len);
    fwi_buf_append(&answer, text.data, text.len);
    fwi_buf_puts(&answer, "\r\n");
    ck_assert(bp->ops->read_nodes(bp, 5));
    fake_loop_turn(loop);
    forget_written();
    fake_stream_feed(command, answer.data, answer.len);
    ck_assert_str_eq(page, "1 0  ");
    fwi_buf_fini(&answer);
    fwi_buf_fini(&text);
    fwi_buf_fini(&value);
}
END_TEST

START_TEST(a_claimed_life_is_swept_channel_by_channel_and_forgotten)
{
    be_up();
    beat_says = "0 1 9999\n000000000000dead -5 2\n";
    channels_say = "r:{a}\nr:b";
    sweep_says = "0 3";
    fake_loop_advance(loop, 3000);
    fwi_buf *b = fake_stream_written(command);
    ck_assert_uint_gt(b->len, 0);
    fwi_buf taken = *b;
    fwi_buf_init(b);
    command_words c;
    size_t at = 0;
    while (next_command(&taken, &at, &c)) {
        serve_one(&c);
    }
    fwi_buf_fini(&taken);
    beat_says = "0 1 9999\n";
    serve();
    expect_served("BEAT:1:2:0 CHANNELS:fanwire:n:000000000000dead:2:c NAMES "
                  "SWEEP:fanwire:r:%7Ba%7D SWEEP:fanwire:r:b SREM SREM "
                  "CHANNELS:fanwire:n:000000000000dead:2:c "
                  "CHANNELS:fanwire:n:000000000000dead:1:c FORGET ");
    ck_assert_uint_eq(figures().sweeps, 1);
    ck_assert_uint_eq(figures().swept, 6);
}
END_TEST

/* --- questions --- */

START_TEST(a_question_while_away_is_answered_at_once_and_is_an_error)
{
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    ck_assert_uint_eq(pages, 0);
    fake_loop_turn(loop);
    ck_assert_str_eq(page, "ERR ");
    be_up();
    members_say = "0 0\n";
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    serve();
    ck_assert_str_eq(page, "0 0 ");
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    fake_loop_turn(loop);
    lose();
    fake_loop_turn(loop);
    ck_assert_str_eq(page, "ERR ");
    ck_assert_uint_eq(pages, 3);
}
END_TEST

START_TEST(answers_that_no_redis_gives_harm_nobody)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "0 0",
                                      "7 7\n",
                                      "1 0\n5\n1 1",
                                      "1 0\n99999999999\nx",
                                      "1 0\n3\nabc",
                                      "1 0\n4\n1 1 "};
    be_up();
    for (size_t i = 0; i < FWI_ARRAY_LEN(bad); i++) {
        members_say = bad[i];
        ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
        serve();
        ck_assert_uint_eq(pages, i + 1);
        beat_says = bad[i];
        fake_loop_advance(loop, 3000);
        serve();
        beat_says = "0 1 9999\n";
        pass(3000);
    }
    beat_says = "0 1 9999\nzz zz zz\n";
    pass(3000);
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(a_refusal_of_presence_leaves_the_links_alone)
{
    be_up();
    hset_says = "-NOPERM not you\r\n";
    enter_one(false);
    serve();
    expect_served("SADD HSET:0 1 ");
    ck_assert_uint_eq(downs, 0);
    hset_says = "-LOADING wait\r\n";
    enter_one(false);
    serve();
    ck_assert_uint_eq(downs, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_presence");
    TCase *tc = tcase_create("redis_presence");
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, entries_wait_until_the_lease_is_held_and_go_ahead_of_what_is_said);
    tcase_add_test(tc, who_comes_and_goes_before_anything_is_sent_costs_nothing);
    tcase_add_test(tc, after_a_break_what_isn_t_safe_is_written_again_and_nothing_else);
    tcase_add_test(tc, what_the_lost_link_had_not_answered_is_written_again);
    tcase_add_test(tc,
                   who_was_taken_for_dead_begins_another_life_and_says_that_he_is_back);
    tcase_add_loop_test(tc, a_redis_that_has_lost_writes_is_told_all_and_nobody_else_is,
                        0, 2);
    tcase_add_test(tc, only_who_has_watched_for_a_lease_judges);
    tcase_add_test(tc, nodes_are_told_by_name_once);
    tcase_add_test(tc, a_claimed_life_is_swept_channel_by_channel_and_forgotten);
    tcase_add_test(tc, a_question_while_away_is_answered_at_once_and_is_an_error);
    tcase_add_test(tc, answers_that_no_redis_gives_harm_nobody);
    tcase_add_test(tc, a_refusal_of_presence_leaves_the_links_alone);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
