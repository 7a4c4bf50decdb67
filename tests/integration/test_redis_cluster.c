/*
 * Nodes on a real Redis Cluster: slots that move, a master that is killed, and what is
 * said meanwhile. What every backplane does is in test_backplane_contract.c.
 */
#include "backplane_rig.h"

#include <poll.h>

#include "wire/name.h"

enum { NODES = 2, RETURN_MS = 30000 };

static redis_cluster cluster;
static node *nodes[NODES];
static fwi_redis_config config;

static const fwi_terms kept = {1000, 60000, 0};
static const fwi_history_query all = {.limit = 512, .history_ttl_ms = 60000};

/* Each has a Cluster to itself, or its own prefix in one that all share. */
static void begin(int replicas)
{
    static int tests;
    snprintf(prefix, sizeof prefix, "fanwire-%d", tests++);
    if (replicas == 0 && shards.nodes == 0) {
        redis_cluster_start(&shards, 3, 0);
    }
    if (replicas == 0) {
        cluster = shards;
    } else {
        redis_cluster_start(&cluster, 3, replicas);
    }
    config = config_for(cluster.url);
    config.prefix = prefix;
    for (int i = 0; i < NODES; i++) {
        nodes[i] = node_new(&config);
        node_start(nodes[i]);
        ck_assert_msg(node_wait(nodes[i], node_is_up, NULL, 0), "not up: %s",
                      nodes[i]->why);
    }
}

static void end(void)
{
    for (int i = 0; i < NODES; i++) {
        node_free(nodes[i]);
    }
    if (cluster.node[0] != shards.node[0]) {
        redis_cluster_stop(&cluster);
    }
}

static int slot_of(const char *channel)
{
    char key[80];
    snprintf(key, sizeof key, "%s:%s", prefix, channel);
    return redis_cluster_slot(&cluster, key);
}

/* "r:N" with a slot of that master. */
static void room_of(int master, char out[64])
{
    for (int n = 0;; n++) {
        snprintf(out, 64, "r:%d", n);
        if (redis_cluster_owner(&cluster, slot_of(out), 0) == master) {
            return;
        }
    }
}

static void both_enter(const char *channel)
{
    for (int i = 0; i < NODES; i++) {
        enter(nodes[i], channel);
    }
}

static void both_hear(const char *channel, const char *text)
{
    node_publish(nodes[0], channel, text);
    for (int i = 0; i < NODES; i++) {
        ck_assert_msg(node_wait(nodes[i], node_has_text, text, 1), "node %d: %s", i,
                      text);
    }
}

/* How many nodes are subscribed there. */
static int subscribers(int at, const char *channel)
{
    char key[80], out[256];
    snprintf(key, sizeof key, "%s:%s", prefix, channel);
    redis_server_cli(cluster.node[at], out, sizeof out, "PUBSUB", "SHARDNUMSUB", key,
                     NULL);
    const char *number = strchr(out, '\n');
    return number != NULL ? atoi(number) : 0;
}

static void await_subscribers(int at, const char *channel)
{
    for (int waited = 0; subscribers(at, channel) != NODES; waited += 20) {
        ck_assert_msg(waited < RETURN_MS, "not subscribed there: %s", nodes[0]->why);
        poll(NULL, 0, 20);
    }
}

START_TEST(rooms_are_spread_over_all_masters)
{
    begin(0);
    for (int master = 0; master < 3; master++) {
        char room[64], text[16];
        room_of(master, room);
        both_enter(room);
        snprintf(text, sizeof text, "hello %d", master);
        both_hear(room, text);
        ck_assert_int_eq(subscribers(master, room), NODES);
    }
    ck_assert_uint_eq(node_figures(nodes[0]).channels, 3);
    ck_assert_uint_eq(node_figures(nodes[0]).duplicates, 0);
    end();
}
END_TEST

START_TEST(a_slot_that_moves_takes_its_room_along_and_nobody_is_away)
{
    begin(0);
    char room[64], other[64];
    size_t heard[NODES];
    room_of(0, room);
    room_of(1, other);
    both_enter(room);
    both_enter(other);
    both_hear(room, "before");
    node_keep_many(nodes[0], other, "o", 0, 50, &kept);
    redis_cluster_move(&cluster, slot_of(room), 0, 1);
    node_keep_many(nodes[0], other, "o", 50, 50, &kept);
    await_subscribers(1, room);
    both_hear(room, "after");
    for (int i = 0; i < NODES; i++) {
        ck_assert(node_wait(nodes[i], node_has_text, "o 99", 1));
        ck_assert(node_is_in_order(nodes[i], other, "o", &heard[i]));
        ck_assert_uint_eq(heard[i], 100);
        ck_assert_uint_eq(nodes[i]->downs, 0);
        ck_assert(node_ask(nodes[i], node_has_reports, room, 1));
    }
    end();
}
END_TEST

START_TEST(what_is_kept_while_its_slot_moves_is_there_once_and_in_order)
{
    enum { EACH = 100, ROUNDS = 6 };
    begin(0);
    char room[64];
    room_of(0, room);
    both_enter(room);
    int slot = slot_of(room);
    for (int round = 0; round < ROUNDS; round++) {
        node_keep_many(nodes[0], room, "m", (unsigned)(round * EACH), EACH, &kept);
        redis_cluster_move(&cluster, slot, round % 3, (round + 1) % 3);
    }
    fwi_terms asked = kept;
    asked.ref = 77;
    node_keep(nodes[0], room, "last", NULL, &asked);
    ck_assert_int_eq(node_result(nodes[0], 77).err, FW_OK);
    await_subscribers(ROUNDS % 3, room); /* now both know where it is */
    size_t n = 0;
    uint64_t since = 0;
    do {
        const fwi_history_query q = {.since = {nodes[1]->page.top.epoch, since},
                                     .limit = 512,
                                     .history_ttl_ms = 60000};
        node_history(nodes[1], room, since == 0 ? &all : &q);
        ck_assert_int_eq(nodes[1]->page.err, FW_OK);
        for (size_t i = 0; i < nodes[1]->page.n; i++) {
            char want[32];
            snprintf(want, sizeof want, "m %zu", n++);
            ck_assert_str_eq(nodes[1]->page.messages[i].text,
                             n <= EACH * ROUNDS ? want : "last");
            since = nodes[1]->page.messages[i].at.offset;
        }
    } while (since < nodes[1]->page.top.offset);
    ck_assert_uint_eq(n, EACH * ROUNDS + 1);
    end();
}
END_TEST

START_TEST(half_a_move_holds_up_its_room_and_no_other)
{
    begin(0);
    char room[64], other[64];
    room_of(0, room);
    for (int n = 1000;; n++) { /* of the same master, but of another slot */
        snprintf(other, sizeof other, "r:%d", n);
        if (redis_cluster_owner(&cluster, slot_of(other), 0) == 0 &&
            slot_of(other) != slot_of(room)) {
            break;
        }
    }
    redis_cluster_begin_move(&cluster, slot_of(room), 0, 1);
    fwi_terms asked = kept;
    asked.ref = 1;
    node_keep(nodes[0], room, "waits", NULL, &asked); /* its keys are nowhere yet */
    asked.ref = 2;
    node_keep(nodes[0], other, "goes", NULL, &asked);
    ck_assert_int_eq(node_result(nodes[0], 2).err, FW_OK);
    ck_assert(!node_ask(nodes[0], node_has_results, NULL, 2));
    redis_cluster_move(&cluster, slot_of(room), 0, 1);
    ck_assert_int_eq(node_result(nodes[0], 1).err, FW_OK);
    end();
}
END_TEST

START_TEST(a_killed_master_is_followed_by_its_replica)
{
    enum { EACH = 50 };
    begin(1);
    char room[64], other[64];
    fwi_terms asked = kept;
    asked.ref = 5;
    room_of(0, room);
    room_of(1, other);
    both_enter(room);
    both_enter(other);
    both_hear(room, "before");
    node_enter(nodes[0], room, 1, 3, false);
    redis_server_kill(cluster.node[0]);
    for (int i = 0; i < NODES; i++) {
        ck_assert(node_wait(nodes[i], node_is_away, "", 0));
    }
    /* The room is served by nobody now; who is here hears it all the same. */
    node_publish(nodes[0], room, "meanwhile");
    ck_assert(node_wait(nodes[0], node_has_text, "meanwhile", 1));
    node_keep(nodes[0], room, "meanwhile kept", NULL, &asked);
    node_keep_many(nodes[0], other, "o", 0, EACH, &kept);
    redis_cluster_await_master(&cluster, 3);
    for (int i = 0; i < NODES; i++) {
        ck_assert_msg(node_wait(nodes[i], node_is_up, NULL, 0), "%s", nodes[i]->why);
    }
    both_hear(room, "after");
    /* It was sent to the replica; who wasn't back yet hasn't heard it. */
    ck_assert_int_eq(node_result(nodes[0], asked.ref).err, FW_OK);
    ck_assert_uint_eq(node_figures(nodes[0]).queue_dropped, 0);
    ck_assert_uint_eq(node_count(nodes[0], NULL, "meanwhile"), 1);
    ck_assert_uint_le(node_count(nodes[1], NULL, "meanwhile"), 1);
    size_t heard;
    for (int i = 0; i < NODES; i++) {
        char last[16];
        snprintf(last, sizeof last, "o %d", EACH - 1);
        ck_assert(node_wait(nodes[i], node_has_text, last, 1));
        ck_assert(node_is_in_order(nodes[i], other, "o", &heard));
        ck_assert_uint_eq(heard, EACH);
    }
    do {
        node_read(nodes[1], room, 0, 100);
    } while (nodes[1]->page_err != FW_OK || nodes[1]->total != 3);
    end();
}
END_TEST

static int emit(fwi_redis_emitter *e, const char *channel, const char *text, int ms)
{
    fw_message *m = fwi_message_new(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    int n = fwi_redis_emitter_publish(e, channel, m, ms);
    fw_message_unref(m);
    return n;
}

START_TEST(an_emitter_finds_the_server_of_each_room_wherever_it_moves)
{
    begin(0);
    fwi_redis_emitter *e = fwi_redis_emitter_new(&config);
    for (int master = 0; master < 3; master++) {
        char room[64];
        room_of(master, room);
        both_enter(room);
        ck_assert_int_eq(emit(e, room, room, 5000), NODES);
        ck_assert(node_wait(nodes[1], node_has_text, room, 1));
    }
    char room[64];
    room_of(0, room);
    redis_cluster_move(&cluster, slot_of(room), 0, 2);
    await_subscribers(2, room);
    ck_assert_int_eq(emit(e, room, "moved", 5000), NODES);
    ck_assert(node_wait(nodes[0], node_has_text, "moved", 1));
    fwi_redis_emitter_free(e);
    end();
}
END_TEST

START_TEST(one_server_that_is_no_cluster_is_told_apart)
{
    char url[64];
    server = redis_server_start(&(redis_server_options){.tcp = true});
    snprintf(url, sizeof url, "redis+cluster://127.0.0.1:%d", redis_server_port(server));
    config = config_for(url);
    node *n = node_new(&config);
    node_start(n);
    ck_assert(node_wait(n, node_is_away, "cluster support disabled", 0));
    fwi_redis_emitter *e = fwi_redis_emitter_new(&config);
    ck_assert_int_eq(emit(e, "r:a", "x", 2000), FW_ERR_BACKPLANE);
    ck_assert_ptr_nonnull(strstr(fw_error_detail(), "cluster support disabled"));
    fwi_redis_emitter_free(e);
    node_free(n);
    redis_server_stop(server);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_cluster");
    TCase *tc = tcase_create("a Cluster");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, rooms_are_spread_over_all_masters);
    tcase_add_test(tc, a_slot_that_moves_takes_its_room_along_and_nobody_is_away);
    tcase_add_test(tc, what_is_kept_while_its_slot_moves_is_there_once_and_in_order);
    tcase_add_test(tc, half_a_move_holds_up_its_room_and_no_other);
    tcase_add_test(tc, a_killed_master_is_followed_by_its_replica);
    tcase_add_test(tc, an_emitter_finds_the_server_of_each_room_wherever_it_moves);
    tcase_add_test(tc, one_server_that_is_no_cluster_is_told_apart);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
