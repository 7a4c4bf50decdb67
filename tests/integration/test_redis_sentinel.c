/*
 * Nodes that find their Redis by Sentinels, with a real master, replica and Sentinels: a
 * failover is an outage of a moment, after which everybody is at the new master.
 */
#include "backplane_rig.h"

#include <poll.h>

#include "support/redis_sentinels.h"

enum { NODES = 2, RETURN_MS = 30000 };

static redis_sentinels group;
static node *nodes[NODES];
static fwi_redis_config config;

static void begin_with(const char *password, const char *sentinel_password)
{
    redis_sentinels_start(&group, password, sentinel_password);
    config = config_for(group.url);
    for (int i = 0; i < NODES; i++) {
        nodes[i] = node_new(&config);
        node_start(nodes[i]);
        ck_assert_msg(node_wait(nodes[i], node_is_up, NULL, 0), "not up: %s",
                      nodes[i]->why);
        enter(nodes[i], "r:a");
    }
}

static void end(void)
{
    for (int i = 0; i < NODES; i++) {
        node_free(nodes[i]);
    }
    redis_sentinels_stop(&group);
}

static void both_hear(const char *text)
{
    node_publish(nodes[0], "r:a", text);
    for (int i = 0; i < NODES; i++) {
        ck_assert_msg(node_wait(nodes[i], node_has_text, text, 1), "node %d: %s", i,
                      text);
    }
}

static bool is_at_new_master(const char *channel)
{
    char out[256];
    redis_server_cli(group.replica, out, sizeof out, "-a",
                     group.password != NULL ? group.password : "", "--no-auth-warning",
                     "PUBSUB", "NUMSUB", channel, NULL);
    size_t len = strlen(out);
    return len > 2 && strcmp(out + len - 2, "\n2") == 0;
}

/* Both have resubscribed there, by themselves. */
static void both_return(void)
{
    for (int waited = 0; !is_at_new_master("fanwire:r:a"); waited += 20) {
        ck_assert_msg(waited < RETURN_MS, "away: %s", nodes[0]->why);
        poll(NULL, 0, 20);
    }
    for (int i = 0; i < NODES; i++) {
        ck_assert(node_wait(nodes[i], node_is_up, NULL, 0));
    }
}

static int emit(fwi_redis_emitter *e, const char *text)
{
    fw_message *m = fwi_message_new(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    int n = fwi_redis_emitter_publish(e, "r:a", m, 2000);
    fw_message_unref(m);
    return n;
}

START_TEST(an_ordered_failover_takes_the_nodes_along)
{
    begin_with(NULL, NULL);
    both_hear("before");
    redis_sentinels_failover(&group);
    both_return();
    both_hear("after");
    for (int i = 0; i < NODES; i++) {
        ck_assert_uint_eq(node_count(nodes[i], NULL, "before"), 1);
    }
    end();
}
END_TEST

START_TEST(a_killed_master_is_replaced_and_what_waited_is_delivered)
{
    begin_with(NULL, NULL);
    both_hear("before");
    redis_server_kill(group.master);
    ck_assert(node_wait(nodes[0], node_is_away, "", 0));
    node_publish(nodes[0], "r:a", "meanwhile");
    ck_assert(node_wait(nodes[0], node_has_text, "meanwhile", 1));
    redis_sentinels_await_failover(&group);
    both_return();
    both_hear("after");
    /* Whoever is back first sends what waited; who isn't yet can't hear it. */
    ck_assert_uint_eq(node_count(nodes[0], NULL, "meanwhile"), 1);
    ck_assert_uint_le(node_count(nodes[1], NULL, "meanwhile"), 1);
    end();
}
END_TEST

START_TEST(a_killed_sentinel_is_not_missed)
{
    begin_with(NULL, NULL);
    redis_server_kill(group.sentinel[0]);
    both_hear("before");
    redis_server_kill(group.master);
    redis_sentinels_await_failover(&group);
    both_return();
    both_hear("after");
    end();
}
END_TEST

START_TEST(servers_and_sentinels_have_their_own_passwords)
{
    begin_with("s3cret", "other");
    both_hear("before");
    redis_sentinels_failover(&group);
    both_return();
    both_hear("after");
    end();
}
END_TEST

START_TEST(the_emitter_follows_the_master)
{
    begin_with("s3cret", "other");
    config.node = 77;
    fwi_redis_emitter *e = fwi_redis_emitter_new(&config);
    ck_assert_int_eq(emit(e, "before"), NODES);
    redis_sentinels_failover(&group);
    both_return();
    /* A call fails whose connection broke or whose Sentinel is behind; none is repeated
     * by itself. */
    int n = 0;
    for (int waited = 0; n <= 0 && waited < RETURN_MS; waited += 20) {
        n = emit(e, "after");
        poll(NULL, 0, 20);
    }
    ck_assert_msg(n == NODES, "%d %s", n, fw_error_detail());
    for (int i = 0; i < NODES; i++) {
        ck_assert(node_wait(nodes[i], node_has_text, "after", 1));
    }
    fwi_redis_emitter_free(e);
    end();
}
END_TEST

START_TEST(an_unknown_master_is_said)
{
    begin_with(NULL, NULL);
    fwi_redis_config other = config;
    strcpy(other.url.master, "nobody");
    node *n = node_new(&other);
    node_start(n);
    ck_assert(node_wait(n, node_is_away, "knows no master of this name", 0));
    node_free(n);
    fwi_redis_emitter *e = fwi_redis_emitter_new(&other);
    ck_assert_int_eq(emit(e, "x"), FW_ERR_BACKPLANE);
    ck_assert_ptr_nonnull(strstr(fw_error_detail(), "knows no master of this name"));
    fwi_redis_emitter_free(e);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_sentinel");
    TCase *tc = tcase_create("sentinel");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, an_ordered_failover_takes_the_nodes_along);
    tcase_add_test(tc, a_killed_master_is_replaced_and_what_waited_is_delivered);
    tcase_add_test(tc, a_killed_sentinel_is_not_missed);
    tcase_add_test(tc, servers_and_sentinels_have_their_own_passwords);
    tcase_add_test(tc, the_emitter_follows_the_master);
    tcase_add_test(tc, an_unknown_master_is_said);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
