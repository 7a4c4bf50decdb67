/*
 * What only Redis can do, with real servers: carry several nodes, go away, come back,
 * stand still, refuse.
 */
#include <limits.h>
#include <time.h>

#include "backplane_rig.h"

/* The server's URL with something in front of the path and behind it. */
static fwi_redis_config config_with(const char *who, const char *query)
{
    char url[256];
    snprintf(url, sizeof url, "redis+unix://%s%s%s", who, redis_server_socket(server),
             query);
    return config_for(url);
}

/* --- Redis: several nodes --- */

START_TEST(two_nodes_hear_each_other_in_one_order)
{
    node *a = node_up(REDIS), *b = node_up(REDIS);
    enter(a, "r:x");
    enter(b, "r:x");
    for (unsigned k = 0; k < 20; k++) {
        node_publish_many(a, "r:x", "a", k * 50, 50);
        node_publish_many(b, "r:x", "b", k * 50, 50);
    }
    ck_assert(node_wait(a, node_has_messages, "r:x", 2000));
    ck_assert(node_wait(b, node_has_messages, "r:x", 2000));
    for (size_t i = 0; i < 2000; i++) {
        ck_assert_str_eq(a->messages[i].text, b->messages[i].text);
    }
    node_free(a);
    node_free(b);
}
END_TEST

START_TEST(plain_text_of_redis_cli_reaches_the_room)
{
    node *n = node_up(REDIS);
    char out[256];
    enter(n, "r:lobby");
    ck_assert_int_eq(redis_server_cli(server, out, sizeof out, "PUBLISH",
                                      "fanwire:r:lobby", "hello", NULL),
                     0);
    ck_assert_str_eq(out, "1");
    ck_assert(node_wait(n, node_has_text, "hello", 1));
    ck_assert(!n->messages[0].binary);
    ck_assert_str_eq(n->messages[0].channel, "r:lobby");
    node_free(n);
}
END_TEST

START_TEST(an_unknown_version_is_counted_and_dropped)
{
    node *n = node_up(REDIS);
    char out[256];
    enter(n, "r:a");
    redis_server_cli(server, out, sizeof out, "PUBLISH", "fanwire:r:a",
                     "\xff"
                     "FW\x7f rest",
                     NULL);
    redis_server_cli(server, out, sizeof out, "PUBLISH", "fanwire:r:a", "fine", NULL);
    ck_assert(node_wait(n, node_has_text, "fine", 1));
    ck_assert_uint_eq(node_count(n, NULL, NULL), 1);
    ck_assert_uint_eq(node_figures(n).malformed, 1);
    node_free(n);
}
END_TEST

/* --- Redis: what it costs --- */

static unsigned long executed(const char *command)
{
    char text[16384], key[64];
    redis_server_cli(server, text, sizeof text, "INFO", "commandstats", NULL);
    snprintf(key, sizeof key, "cmdstat_%s:calls=", command);
    const char *at = strstr(text, key);
    return at != NULL ? strtoul(at + strlen(key), NULL, 10) : 0;
}

START_TEST(ten_thousand_rooms_of_a_turn_are_a_few_commands_in_one_write)
{
    enum { ROOMS = 10000 };
    node *n = node_up(REDIS);
    fwi_backplane_figures before = node_figures(n);
    unsigned long subscribes = executed("subscribe");
    node_subscribe_many(n, "r:", ROOMS);
    ck_assert(node_wait(n, node_has_reports, NULL, ROOMS));
    fwi_backplane_figures after = node_figures(n);
    uint64_t rounds = after.publishes - before.publishes + 1;
    ck_assert_uint_eq(executed("subscribe"), subscribes + (ROOMS + 511) / 512);
    /* A round of the health check writes on both links; one may just have begun. */
    ck_assert_uint_ge(after.writes, before.writes + 1);
    ck_assert_uint_le(after.writes, before.writes + 1 + 2 * rounds);
    node_free(n);
}
END_TEST

START_TEST(a_thousand_publishes_of_a_turn_are_one_write)
{
    enum { MESSAGES = 1000 };
    node *n = node_up(REDIS);
    enter(n, "r:a");
    fwi_backplane_figures before = node_figures(n);
    node_publish_many(n, "r:a", "m", 0, MESSAGES);
    ck_assert(node_wait(n, node_has_messages, "r:a", MESSAGES));
    fwi_backplane_figures after = node_figures(n);
    ck_assert_uint_ge(after.publishes, before.publishes + MESSAGES);
    uint64_t rounds = after.publishes - before.publishes - MESSAGES + 1;
    ck_assert_uint_ge(after.writes, before.writes + 1);
    ck_assert_uint_le(after.writes, before.writes + 1 + 2 * rounds);
    node_free(n);
}
END_TEST

/* --- Redis: away and back --- */

START_TEST(without_redis_the_members_of_a_node_hear_each_other)
{
    redis_server_kill(server);
    fwi_redis_config c = config_for(redis_server_url(server));
    node *n = node_new(&c);
    node_start(n);
    ck_assert(node_wait(n, node_is_away, "redis+unix://", 0));
    enter(n, "r:a");
    node_publish(n, "r:a", "hello");
    ck_assert(node_wait(n, node_has_text, "hello", 1));
    ck_assert(!node_figures(n).up);

    redis_server_restart(server);
    ck_assert(node_wait(n, node_is_up, NULL, 0));
    node_publish(n, "r:a", "again");
    ck_assert(node_wait(n, node_has_text, "again", 1));
    ck_assert_uint_eq(node_count(n, "r:a", "hello"), 1);
    ck_assert(node_ask(n, node_has_reports, "r:a", 1));
    node_free(n);
}
END_TEST

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

START_TEST(redis_killed_while_publishing_loses_nothing_here_and_doubles_nothing_there)
{
    node *a = node_up(REDIS), *b = node_up(REDIS);
    enter(a, "r:x");
    enter(b, "r:x");
    unsigned sent = 0;
    long quickest_ms = LONG_MAX;
    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < 40; k++, sent += 50) {
            node_publish_many(a, "r:x", "m", sent, 50);
        }
        redis_server_kill(server);
        for (int k = 0; k < 10; k++, sent += 50) {
            node_publish_many(a, "r:x", "m", sent, 50);
        }
        /* While it is away. */
        ck_assert(node_wait(a, node_has_messages, "r:x", sent));

        redis_server_restart(server);
        long back = now_ms();
        ck_assert(node_wait(a, node_is_up, NULL, 0));
        ck_assert(node_wait(b, node_is_up, NULL, 0));
        char marker[32];
        snprintf(marker, sizeof marker, "flows %d", round);
        node_publish(a, "r:x", marker);
        ck_assert(node_wait(b, node_has_text, marker, 1));
        long took_ms = now_ms() - back;
        quickest_ms = took_ms < quickest_ms ? took_ms : quickest_ms;
    }
    /* Of three: a busy machine may hold up one or the other. */
    ck_assert_int_lt(quickest_ms, 5000);
    size_t here, there;
    ck_assert(node_is_in_order(a, "r:x", "m", &here));
    ck_assert(node_is_in_order(b, "r:x", "m", &there));
    ck_assert_uint_eq(here, sent);
    ck_assert_uint_le(there, sent);
    ck_assert_uint_eq(node_figures(a).queue_dropped, 0);
    node_free(a);
    node_free(b);
}
END_TEST

START_TEST(what_was_published_while_away_reaches_the_others_on_return)
{
    static const char *const args[] = {"--requirepass", "secret", NULL};
    node *a = node_up(REDIS);
    enter(a, "r:x");
    redis_server_kill(server);
    ck_assert(node_wait(a, node_is_away, "", 0));
    node_publish_many(a, "r:x", "m", 0, 100);
    ck_assert(node_wait(a, node_has_messages, "r:x", 100));

    /* A password keeps the one out until the other listens. */
    redis_server_set_args(server, args);
    redis_server_restart(server);
    fwi_redis_config c = config_with(":secret@", "");
    node *b = node_new(&c);
    node_start(b);
    ck_assert(node_wait(b, node_is_up, NULL, 0));
    enter(b, "r:x");
    ck_assert(node_wait(a, node_is_away, "NOAUTH", 0));
    node_publish_many(a, "r:x", "m", 100, 100);
    char out[64];
    ck_assert_int_eq(redis_server_cli(server, out, sizeof out, "--no-auth-warning", "-a",
                                      "secret", "CONFIG", "SET", "requirepass", "", NULL),
                     0);
    ck_assert(node_wait(b, node_has_messages, "r:x", 200));
    node_publish(a, "r:x", "flows");
    ck_assert(node_wait(a, node_has_text, "flows", 1));
    ck_assert(node_wait(b, node_has_text, "flows", 1));
    size_t here, there;
    ck_assert(node_is_in_order(a, "r:x", "m", &here));
    ck_assert(node_is_in_order(b, "r:x", "m", &there));
    ck_assert_uint_eq(here, 200);
    ck_assert_uint_eq(there, 200);
    node_free(a);
    node_free(b);
}
END_TEST

START_TEST(a_redis_that_stands_still_is_found_by_the_probe)
{
    node *n = node_up(REDIS);
    enter(n, "r:a");
    redis_server_pause(server);
    node_publish(n, "r:a", "held");
    ck_assert(node_wait(n, node_is_away, "no answer to PING", 0));
    ck_assert(node_wait(n, node_has_text, "held", 1));
    redis_server_resume(server);
    ck_assert(node_wait(n, node_is_up, NULL, 0));
    node_publish(n, "r:a", "flows");
    ck_assert(node_wait(n, node_has_text, "flows", 1));
    ck_assert_uint_eq(node_count(n, NULL, "held"), 1);
    /* It would be longer had the age gone on from before. */
    ck_assert_uint_lt(node_figures(n).probe_age_us, 4000000);
    node_free(n);
}
END_TEST

START_TEST(a_full_queue_is_counted_and_still_delivered_here)
{
    fwi_redis_config c = config_for(redis_server_url(server));
    c.queue_max_bytes = 2000;
    node *n = node_new(&c);
    node_start(n);
    ck_assert(node_wait(n, node_is_up, NULL, 0));
    enter(n, "r:a");
    redis_server_kill(server);
    ck_assert(node_wait(n, node_is_away, "", 0));
    node_publish_many(n, "r:a", "m", 0, 100);
    ck_assert(node_wait(n, node_has_messages, "r:a", 100));
    size_t count;
    ck_assert(node_is_in_order(n, "r:a", "m", &count));
    fwi_backplane_figures f = node_figures(n);
    ck_assert_uint_gt(f.queue_dropped, 80);
    ck_assert_uint_lt(f.queue_dropped, 100);
    ck_assert_uint_le(f.queue_bytes, 2000);
    node_free(n);
}
END_TEST

START_TEST(what_waits_longer_than_the_deadline_is_counted_as_dropped)
{
    fwi_redis_config c = config_for(redis_server_url(server));
    c.queue_deadline_ms = 200;
    redis_server_kill(server);
    node *n = node_new(&c);
    node_start(n);
    ck_assert(node_wait(n, node_is_away, "", 0));
    node_publish(n, "r:a", "late");
    long until = now_ms() + 60000;
    while (node_figures(n).queue_dropped == 0) {
        ck_assert_int_lt(now_ms(), until);
    }
    ck_assert_uint_eq(node_figures(n).queue_bytes, 0);
    node_free(n);
}
END_TEST

/* --- Redis: who may, and how --- */

static void expect_up(const fwi_redis_config *c)
{
    node *n = node_new(c);
    node_start(n);
    ck_assert_msg(node_wait(n, node_is_up, NULL, 0), "%s", n->why);
    enter(n, "r:a");
    node_publish(n, "r:a", "hello");
    ck_assert(node_wait(n, node_has_text, "hello", 1));
    node_free(n);
}

static void expect_away(const fwi_redis_config *c, const char *why)
{
    node *n = node_new(c);
    node_start(n);
    ck_assert_msg(node_wait(n, node_is_away, why, 0), "wanted %s, got %s", why, n->why);
    node_free(n);
}

START_TEST(passwords_users_and_databases)
{
    static const char *const args[] = {
        "--requirepass", "secret",     "--user",  "ann",      "on",
        ">geheim",       "&fanwire:*", "+ping",   "+publish", "+subscribe",
        "+unsubscribe",  "+select",    "+client", NULL};
    redis_server_set_args(server, args);
    redis_server_restart(server);
    fwi_redis_config c = config_with("", "");
    expect_away(&c, "NOAUTH");
    c = config_with(":wrong@", "");
    expect_away(&c, "WRONGPASS");
    c = config_with(":secret@", "");
    expect_up(&c);
    c = config_with("ann:geheim@", "?db=3");
    expect_up(&c);
    c = config_with("ann:geheim@", "?db=99");
    expect_away(&c, "out of range");
    c = config_with("ann:geheim@", "");
    c.prefix = "other";
    expect_away(&c, "NOPERM");
}
END_TEST

START_TEST(tcp_and_tls)
{
    redis_server_options o = {.tcp = true, .tls = true};
    redis_server *r = redis_server_start(&o);
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", redis_server_port(r));
    fwi_redis_config c = config_for(url);
    expect_up(&c);
    snprintf(url, sizeof url, "rediss://localhost:%d", redis_server_tls_port(r));
    c = config_for(url);
    expect_away(&c, "certificate");
    c.tls_ca = redis_server_ca(r);
    expect_up(&c);
    c.tls_ca = NULL;
    c.tls_insecure = true;
    expect_up(&c);
    redis_server_stop(r);
}
END_TEST

START_TEST(the_connection_carries_the_nodes_name_and_database)
{
    fwi_redis_config c = config_with("", "?db=5");
    node *n = node_new(&c);
    node_start(n);
    ck_assert(node_wait(n, node_is_up, NULL, 0));
    char out[4096];
    redis_server_cli(server, out, sizeof out, "CLIENT", "LIST", NULL);
    ck_assert_ptr_nonnull(strstr(out, "name=fanwire-"));
    ck_assert_ptr_nonnull(strstr(out, "db=5"));
    node_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backplane_redis");
    TCase *tc = case_of(s, "redis: nodes");
    tcase_add_test(tc, two_nodes_hear_each_other_in_one_order);
    tcase_add_test(tc, plain_text_of_redis_cli_reaches_the_room);
    tcase_add_test(tc, an_unknown_version_is_counted_and_dropped);
    tc = case_of(s, "redis: cost");
    tcase_add_test(tc, ten_thousand_rooms_of_a_turn_are_a_few_commands_in_one_write);
    tcase_add_test(tc, a_thousand_publishes_of_a_turn_are_one_write);
    tc = case_of(s, "redis: away and back");
    tcase_add_test(tc, without_redis_the_members_of_a_node_hear_each_other);
    tcase_add_test(
        tc, redis_killed_while_publishing_loses_nothing_here_and_doubles_nothing_there);
    tcase_add_test(tc, what_was_published_while_away_reaches_the_others_on_return);
    tcase_add_test(tc, a_redis_that_stands_still_is_found_by_the_probe);
    tcase_add_test(tc, a_full_queue_is_counted_and_still_delivered_here);
    tcase_add_test(tc, what_waits_longer_than_the_deadline_is_counted_as_dropped);
    tc = case_of(s, "redis: who may, and how");
    tcase_add_test(tc, passwords_users_and_databases);
    tcase_add_test(tc, tcp_and_tls);
    tcase_add_test(tc, the_connection_carries_the_nodes_name_and_database);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
