/*
 * Slots of keys, and maps of a Cluster as its nodes tell them: what they say, and what
 * they might.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/redis_map.h"

/* By CLUSTER KEYSLOT of a Redis. */
static const struct {
    const char *key;
    unsigned slot;
} keys[] = {
    {"", 0},
    {"123456789", 0x31c3},
    {"foo", 12182},
    {"bar", 5061},
    {"{foo}bar", 12182},
    {"x{foo}bar", 12182},
    {"{user1000}.following", 3443},
    {"foo{}{bar}", 8363},
    {"foo{{bar}}zap", 4015},
    {"foo{bar}{zap}", 5061},
    {"foo{bar", 15278},
};

START_TEST(a_key_has_the_slot_that_redis_gives_it)
{
    ck_assert_msg(fwi_redis_slot(keys[_i].key, strlen(keys[_i].key)) == keys[_i].slot,
                  "%s: %u", keys[_i].key,
                  fwi_redis_slot(keys[_i].key, strlen(keys[_i].key)));
}
END_TEST

START_TEST(a_room_and_its_keys_share_a_slot)
{
    const char *channel = "fanwire:r:lobby %7Bx%7D";
    const char *key = "{fanwire:r:lobby %7Bx%7D}:s";
    ck_assert_uint_eq(fwi_redis_slot(channel, strlen(channel)),
                      fwi_redis_slot(key, strlen(key)));
}
END_TEST

#define ID_A "07c37dfeb235213a872192d90877d0cd55635b91"
#define ID_B "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1"
#define TAIL " 0 1426238317741 2 connected"

static const fwi_redis_host asked = {"10.0.0.9", 7009};

static const char *read_map(const char *text, bool names, fwi_redis_map *map)
{
    return fwi_redis_map_read(text, strlen(text), &asked, names, map);
}

START_TEST(a_map_has_masters_with_their_slots)
{
    static fwi_redis_map map;
    const char *problem =
        read_map(ID_A " 127.0.0.1:7001@17001 myself,master -" TAIL " 0-5460 5462\n" ID_B
                      " ::1:7002@17002 master -" TAIL " 5461 5463-16383 [93-<-" ID_A "]\n"
                      "cc 127.0.0.1:7003@17003 slave " ID_A TAIL "\n"
                      "dd 127.0.0.1:7004@17004 master -" TAIL "\n"
                      "ee :0@0 master,fail,noaddr -" TAIL " 1\n",
                 false, &map);
    ck_assert_msg(problem == NULL, "%s", problem);
    ck_assert_uint_eq(map.n, 2);
    ck_assert_uint_eq(map.unserved, 0);
    ck_assert_str_eq(map.masters[0].id, ID_A);
    ck_assert_str_eq(map.masters[0].at.host, "127.0.0.1");
    ck_assert_int_eq(map.masters[0].at.port, 7001);
    ck_assert_uint_eq(map.masters[0].slots, 5462);
    ck_assert_str_eq(map.masters[1].at.host, "::1");
    ck_assert_uint_eq(map.owner[5460], 0);
    ck_assert_uint_eq(map.owner[5461], 1);
    ck_assert_uint_eq(map.owner[5462], 0);
    ck_assert_uint_eq(map.owner[16383], 1);
    fwi_redis_map_fini(&map);
}
END_TEST

START_TEST(what_nobody_serves_is_nobodys)
{
    static fwi_redis_map map;
    ck_assert_ptr_null(
        read_map(ID_A " 127.0.0.1:1@2 master -" TAIL " 7-8\r\n", false, &map));
    ck_assert_uint_eq(map.unserved, FWI_REDIS_SLOTS - 2);
    ck_assert_uint_eq(map.owner[6], FWI_REDIS_NO_MASTER);
    ck_assert_uint_eq(map.owner[8], 0);
    fwi_redis_map_fini(&map);
}
END_TEST

static const struct {
    const char *name, *address, *host;
    bool names;
} addresses[] = {
    {"an address", "1.2.3.4:5@6", "1.2.3.4", true},
    {"without a bus", "1.2.3.4:5", "1.2.3.4", false},
    {"a name, not wanted", "1.2.3.4:5@6,redis-1", "1.2.3.4", false},
    {"a name", "1.2.3.4:5@6,redis-1", "redis-1", true},
    {"no name", "1.2.3.4:5@6,", "1.2.3.4", true},
    {"a name and what later versions add", "1.2.3.4:5@6,redis-1,shard-id=x", "redis-1",
     true},
    {"only what later versions add", "1.2.3.4:5@6,shard-id=x", "1.2.3.4", true},
    {"it doesn't know itself", ":5@6", "10.0.0.9", false},
    {"it won't say", "?:5@6", "10.0.0.9", false},
};

START_TEST(a_master_is_where_it_says_or_where_it_was_asked)
{
    static fwi_redis_map map;
    char text[300];
    snprintf(text, sizeof text, ID_A " %s master -" TAIL " 0-16383\n",
             addresses[_i].address);
    ck_assert_msg(read_map(text, addresses[_i].names, &map) == NULL, "%s",
                  addresses[_i].name);
    ck_assert_msg(strcmp(map.masters[0].at.host, addresses[_i].host) == 0, "%s: %s",
                  addresses[_i].name, map.masters[0].at.host);
    ck_assert_int_eq(map.masters[0].at.port, 5);
    fwi_redis_map_fini(&map);
}
END_TEST

static const struct {
    const char *name, *text;
} damaged[] = {
    {"nothing", ""},
    {"no line's end", ID_A},
    {"too short", ID_A " 127.0.0.1:1@2 master - 0 0 0\n"},
    {"no port", ID_A " 127.0.0.1 master -" TAIL " 1\n"},
    {"port zero", ID_A " 127.0.0.1:0@1 master -" TAIL " 1\n"},
    {"port too great", ID_A " 127.0.0.1:65536@1 master -" TAIL " 1\n"},
    {"a strange host", ID_A " a\tb:1@2 master -" TAIL " 1\n"},
    {"slot too great", ID_A " 127.0.0.1:1@2 master -" TAIL " 16384\n"},
    {"range too great", ID_A " 127.0.0.1:1@2 master -" TAIL " 0-16384\n"},
    {"backwards", ID_A " 127.0.0.1:1@2 master -" TAIL " 9-8\n"},
    {"no number", ID_A " 127.0.0.1:1@2 master -" TAIL " x\n"},
    {"half a range", ID_A " 127.0.0.1:1@2 master -" TAIL " 1-\n"},
    {"a slot twice", ID_A " 127.0.0.1:1@2 master -" TAIL " 1\n" ID_B
                          " 127.0.0.1:2@3 master -" TAIL " 0-2\n"},
    {"an id twice", ID_A " 127.0.0.1:1@2 master -" TAIL " 1\n" ID_A
                         " 127.0.0.1:2@3 master -" TAIL " 2\n"},
    {"a strange id", "a\tb 127.0.0.1:1@2 master -" TAIL " 1\n"},
    {"an endless id", ID_A ID_B " 127.0.0.1:1@2 master -" TAIL " 1\n"},
    {"no master", ID_A " 127.0.0.1:1@2 slave " ID_B TAIL "\n"},
};

START_TEST(a_damaged_map_is_none)
{
    static fwi_redis_map map;
    ck_assert_msg(read_map(damaged[_i].text, false, &map) != NULL, "%s",
                  damaged[_i].name);
    ck_assert_ptr_null(map.masters);
}
END_TEST

START_TEST(masters_are_asked_too_as_far_as_there_is_room)
{
    static fwi_redis_map map;
    fwi_redis_url url;
    ck_assert_ptr_null(read_map(ID_A " 127.0.0.1:1@2 master -" TAIL " 1\n" ID_B
                                     " 127.0.0.1:2@3 master -" TAIL " 2\n",
                                false, &map));
    ck_assert_ptr_null(fwi_redis_url_parse("redis+cluster://127.0.0.1:2", &url));
    fwi_redis_map_add_hosts(&map, &url, 1);
    fwi_redis_map_add_hosts(&map, &url, 1);
    ck_assert_uint_eq(url.n_hosts, 2);
    ck_assert_int_eq(url.hosts[1].port, 1);
    fwi_redis_map_add_hosts(&map, &url, FWI_REDIS_HOSTS_MAX);
    ck_assert_uint_eq(url.n_hosts, FWI_REDIS_HOSTS_MAX);
    fwi_redis_map_fini(&map);
}
END_TEST

START_TEST(a_master_that_has_gone_is_asked_no_more)
{
    static fwi_redis_map map;
    fwi_redis_url url;
    ck_assert_ptr_null(fwi_redis_url_parse("redis+cluster://seed", &url));
    for (int port = 1; port <= 2 * FWI_REDIS_HOSTS_MAX; port++) {
        char line[120];
        snprintf(line, sizeof line, ID_A " 127.0.0.1:%d@9 master -" TAIL " 1\n", port);
        ck_assert_ptr_null(read_map(line, false, &map));
        fwi_redis_map_add_hosts(&map, &url, 1);
        fwi_redis_map_fini(&map);
        ck_assert_uint_eq(url.n_hosts, 2);
        ck_assert_str_eq(url.hosts[0].host, "seed");
        ck_assert_int_eq(url.hosts[1].port, port);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_slot");
    TCase *tc = tcase_create("slots and maps");
    tcase_add_loop_test(tc, a_key_has_the_slot_that_redis_gives_it, 0,
                        (int)FWI_ARRAY_LEN(keys));
    tcase_add_test(tc, a_room_and_its_keys_share_a_slot);
    tcase_add_test(tc, a_map_has_masters_with_their_slots);
    tcase_add_test(tc, what_nobody_serves_is_nobodys);
    tcase_add_loop_test(tc, a_master_is_where_it_says_or_where_it_was_asked, 0,
                        (int)FWI_ARRAY_LEN(addresses));
    tcase_add_loop_test(tc, a_damaged_map_is_none, 0, (int)FWI_ARRAY_LEN(damaged));
    tcase_add_test(tc, masters_are_asked_too_as_far_as_there_is_room);
    tcase_add_test(tc, a_master_that_has_gone_is_asked_no_more);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
