/*
 * Rooms with history on real Redis servers: links that are killed between a publish and
 * its answer, a server that lost its memory, scripts that were flushed, a stream that was
 * evicted.
 */
#include "backplane_rig.h"

static const fwi_terms thousands = {10000, 60000, 0};
static const fwi_history_query all = {.limit = 512, .history_ttl_ms = 60000};

static void cli(const char *a, const char *b, const char *c, char *out, size_t cap)
{
    ck_assert_int_eq(redis_server_cli(server, out, cap, a, b, c, NULL), 0);
}

/* Reads the whole history: each text "m K" once, and no offset left out. */
static void expect_each_once(node *n, const char *channel, unsigned count)
{
    static unsigned seen[20000];
    memset(seen, 0, sizeof seen);
    fwi_history_query q = all;
    uint64_t offset = 0;
    do {
        node_history(n, channel, &q);
        ck_assert_int_eq(n->page.err, FW_OK);
        ck_assert_uint_gt(n->page.n, 0);
        for (size_t i = 0; i < n->page.n; i++) {
            unsigned k = (unsigned)strtoul(n->page.messages[i].text + 2, NULL, 10);
            ck_assert_uint_lt(k, count);
            seen[k]++;
            ck_assert_uint_eq(n->page.messages[i].at.offset, ++offset);
        }
        q.since = n->page.messages[n->page.n - 1].at;
    } while (offset < n->page.top.offset);
    for (unsigned k = 0; k < count; k++) {
        ck_assert_msg(seen[k] == 1, "%u is there %u times", k, seen[k]);
    }
}

START_TEST(links_killed_before_the_answer_leave_each_message_once)
{
    enum { ROUNDS = 30, EACH = 100 };
    node *a = node_up(REDIS), *b = node_up(REDIS);
    enter(b, "r:a");
    fwi_terms terms = thousands;
    char out[256];
    for (unsigned round = 0; round < ROUNDS; round++) {
        terms.ref = 1 + round * EACH;
        node_keep_many(a, "r:a", "m", round * EACH, EACH, &terms);
        ck_assert_int_eq(redis_server_cli(server, out, sizeof out, "CLIENT", "KILL",
                                          "TYPE", round % 2 ? "normal" : "pubsub", NULL),
                         0);
        ck_assert(node_wait(a, node_is_up, NULL, 0));
    }
    ck_assert(node_wait(a, node_has_results, NULL, ROUNDS * EACH));
    ck_assert_uint_eq(a->result_count, ROUNDS * EACH);
    for (uint64_t ref = 1; ref <= ROUNDS * EACH; ref++) {
        noted_result r = node_result(a, ref);
        ck_assert_msg(r.err == FW_OK, "%d: %s", r.err, r.why);
        ck_assert_uint_ne(r.at.offset, 0);
    }
    ck_assert(node_wait(a, node_is_up, NULL, 0));
    expect_each_once(a, "r:a", ROUNDS * EACH);
    /* Whatever arrived has arrived once, and in its order. More may come just now. */
    uint64_t last = 0;
    bool in_order = true;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->count; i++) {
        in_order = in_order && b->messages[i].at.offset > last;
        last = b->messages[i].at.offset;
    }
    pthread_mutex_unlock(&b->lock);
    ck_assert(in_order);
    node_free(a);
    node_free(b);
}
END_TEST

/* The answer is lost for certain: the server stands still while the link is given up, and
 * carries out afterwards what it had received. */
START_TEST(a_publish_whose_answer_never_came_is_carried_out_once)
{
    node *n = node_up(REDIS);
    fwi_terms terms = thousands;
    terms.ref = 1;
    /* Its answer is behind all that was asked before: the server has nothing to do. */
    node_keep(n, "r:a", "m 0", NULL, &terms);
    ck_assert_int_eq(node_result(n, 1).err, FW_OK);
    redis_server_pause(server);
    terms.ref = 2;
    node_keep_many(n, "r:a", "m", 1, 10, &terms);
    ck_assert(node_wait(n, node_is_away, "no answer to PING", 0));
    redis_server_resume(server);
    for (uint64_t ref = 1; ref <= 11; ref++) {
        noted_result r = node_result(n, ref);
        ck_assert_int_eq(r.err, FW_OK);
        ck_assert_uint_eq(r.at.offset, ref);
    }
    expect_each_once(n, "r:a", 11);
    ck_assert_uint_eq(node_figures(n).repeated, 10);
    node_free(n);
}
END_TEST

START_TEST(a_server_that_lost_its_memory_begins_a_new_epoch)
{
    node *n = node_up(REDIS);
    fwi_terms terms = thousands;
    terms.ref = 1;
    node_keep(n, "r:a", "m 0", NULL, &terms);
    uint64_t epoch = node_result(n, 1).at.epoch;
    redis_server_kill(server);
    ck_assert(node_wait(n, node_is_away, "", 0));
    terms.ref = 2;
    node_keep(n, "r:a", "m 1", NULL, &terms);
    redis_server_restart(server);
    noted_result r = node_result(n, 2);
    ck_assert_int_eq(r.err, FW_OK);
    ck_assert_uint_eq(r.at.offset, 1);
    ck_assert_uint_ne(r.at.epoch, epoch);
    node_free(n);
}
END_TEST

START_TEST(flushed_scripts_are_brought_again)
{
    node *n = node_up(REDIS);
    fwi_terms terms = thousands;
    char out[256];
    for (unsigned round = 0; round < 5; round++) {
        terms.ref = 1 + round * 20;
        node_keep_many(n, "r:a", "m", round * 20, 20, &terms);
        cli("SCRIPT", "FLUSH", "SYNC", out, sizeof out);
    }
    ck_assert(node_wait(n, node_has_results, NULL, 100));
    expect_each_once(n, "r:a", 100);
    ck_assert_uint_eq(node_figures(n).disconnects, 0);
    node_free(n);
}
END_TEST

START_TEST(a_stream_that_is_gone_does_not_turn_the_offsets_back)
{
    node *n = node_up(REDIS);
    fwi_terms terms = thousands;
    terms.ref = 1;
    node_keep_many(n, "r:a", "m", 0, 5, &terms);
    uint64_t epoch = node_result(n, 5).at.epoch;
    char out[256];
    ck_assert_int_eq(
        redis_server_cli(server, out, sizeof out, "DEL", "{fanwire:r:a}:s", NULL), 0);
    terms.ref = 6;
    node_keep(n, "r:a", "m 5", NULL, &terms);
    ck_assert_uint_eq(node_result(n, 6).at.offset, 6);
    ck_assert_uint_eq(node_result(n, 6).at.epoch, epoch);
    node_history(n, "r:a", &all);
    ck_assert_uint_eq(n->page.n, 1);
    node_free(n);
}
END_TEST

START_TEST(where_a_room_stands_being_gone_its_messages_go_too)
{
    node *n = node_up(REDIS);
    fwi_terms terms = thousands;
    terms.ref = 1;
    node_keep_many(n, "r:a", "m", 0, 5, &terms);
    uint64_t epoch = node_result(n, 5).at.epoch;
    char out[256];
    ck_assert_int_eq(
        redis_server_cli(server, out, sizeof out, "DEL", "{fanwire:r:a}:m", NULL), 0);
    node_history(n, "r:a", &all);
    ck_assert_uint_eq(n->page.n, 0);
    ck_assert_uint_ne(n->page.top.epoch, epoch);
    node_free(n);
}
END_TEST

/* One room's damage ends no link: of the node's other rooms nobody would hear. */
START_TEST(an_epoch_that_is_none_is_followed_by_a_new_one)
{
    node *n = node_up(REDIS);
    fwi_terms terms = thousands;
    terms.ref = 1;
    node_keep_many(n, "r:a", "m", 0, 5, &terms);
    uint64_t epoch = node_result(n, 5).at.epoch;
    char out[256];
#define DAMAGE()                                                                         \
    ck_assert_int_eq(redis_server_cli(server, out, sizeof out, "HSET",                   \
                                      "{fanwire:r:a}:m", "e", "x", NULL),                \
                     0)
    DAMAGE();
    terms.ref = 6;
    node_keep(n, "r:a", "m 5", NULL, &terms);
    ck_assert_int_eq(node_result(n, 6).err, FW_OK);
    ck_assert_uint_eq(node_result(n, 6).at.offset, 1);
    ck_assert_uint_ne(node_result(n, 6).at.epoch, epoch);
    DAMAGE();
    node_history(n, "r:a", &all);
    ck_assert_int_eq(n->page.err, FW_OK);
    ck_assert_uint_eq(n->page.n, 0);
    ck_assert_uint_eq(n->page.top.offset, 0);
    terms.ref = 7;
    node_keep(n, "r:a", "m 6", NULL, &terms);
    ck_assert_uint_eq(node_result(n, 7).at.offset, 1);
    ck_assert_uint_eq(node_figures(n).disconnects, 0);
#undef DAMAGE
    node_free(n);
}
END_TEST

START_TEST(keys_expire_and_those_of_a_room_are_of_one_slot)
{
    node *n = node_up(REDIS);
    fwi_terms terms = thousands;
    terms.ref = 1;
    node_keep(n, "r:{b}%", "m 0", "k", &terms);
    ck_assert_int_eq(node_result(n, 1).err, FW_OK);
    static const struct {
        const char *key;
        long ttl_ms;
    } keys[] = {{"{fanwire:r:%7Bb%7D%25}:s", 60000},
                {"{fanwire:r:%7Bb%7D%25}:m", 24 * 3600 * 1000},
                {"{fanwire:r:%7Bb%7D%25}:k:k", 300000}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(keys); i++) {
        char out[64];
        ck_assert_int_eq(
            redis_server_cli(server, out, sizeof out, "PTTL", keys[i].key, NULL), 0);
        ck_assert_int_gt(strtol(out, NULL, 10), keys[i].ttl_ms - 30000);
        ck_assert_int_le(strtol(out, NULL, 10), keys[i].ttl_ms);
    }
    node_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("history_redis");
    TCase *tc = case_of(s, "redis");
    tcase_add_test(tc, links_killed_before_the_answer_leave_each_message_once);
    tcase_add_test(tc, a_publish_whose_answer_never_came_is_carried_out_once);
    tcase_add_test(tc, a_server_that_lost_its_memory_begins_a_new_epoch);
    tcase_add_test(tc, flushed_scripts_are_brought_again);
    tcase_add_test(tc, a_stream_that_is_gone_does_not_turn_the_offsets_back);
    tcase_add_test(tc, where_a_room_stands_being_gone_its_messages_go_too);
    tcase_add_test(tc, an_epoch_that_is_none_is_followed_by_a_new_one);
    tcase_add_test(tc, keys_expire_and_those_of_a_room_are_of_one_slot);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
