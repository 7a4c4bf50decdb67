/*
 * Options of rooms by namespace: how they are named, set, copied and found for a room.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <fanwire/error.h>

#include "core/options_namespaces.h"
#include "support/core_rig.h"
#include "options_rig.h"

#define LONG_NAME "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz_0123456789"
#define SIZE      "namespace.news.history.size"

static void set(fw_options *o, const char *name, const char *value)
{
    ck_assert_msg(fw_options_set(o, name, value) == FW_OK, "%s", fw_error_detail());
}

START_TEST(rows_of_rooms_are_the_last_of_the_table_and_all_begin_with_room)
{
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        const char *name = fw_options_name(i);
        ck_assert_msg((strncmp(name, "room.", 5) == 0) == (i >= FWI_ROOM_OPTIONS_FIRST),
                      "%s", name);
    }
}
END_TEST

START_TEST(every_option_of_rooms_is_one_of_each_namespace)
{
    static const char *const fields[] = {"type",  "default", "allowed",
                                         "since", "help",    "group"};
    fw_options *o = fresh();
    for (size_t i = FWI_ROOM_OPTIONS_FIRST; i < FWI_OPT_COUNT; i++) {
        const char *row = fw_options_name(i);
        char name[128];
        snprintf(name, sizeof name, "namespace.a-B_9.%s", row + strlen("room."));
        for (size_t j = 0; j < FWI_ARRAY_LEN(fields); j++) {
            ck_assert_str_eq(fw_options_describe(name, fields[j]),
                             fw_options_describe(row, fields[j]));
        }
        ck_assert_str_eq(fw_options_get(o, name), fw_options_describe(row, "default"));
        ck_assert_uint_eq(fwi_options_namespaces(o), i > FWI_ROOM_OPTIONS_FIRST);
        set(o, name, fw_options_get(o, row));
    }
    ck_assert_str_eq(fwi_options_namespace(o, 0), "a-B_9");
    fw_options_free(o);
}
END_TEST

START_TEST(what_is_not_set_for_a_namespace_is_the_table_s_default)
{
    fw_options *o = fresh();
    set(o, "room.history.size", "7");
    set(o, "room.history.ttl", "9s");
    set(o, SIZE, "100");
    ck_assert_str_eq(fw_options_get(o, SIZE), "100");
    ck_assert_str_eq(fw_options_shown(o, SIZE), "100");
    ck_assert_str_eq(fw_options_shown(o, "namespace.news.history.ttl"), "300s");
    ck_assert_str_eq(fw_options_get(o, "namespace.other.history.size"), "7");
    ck_assert_str_eq(fw_options_shown(o, "namespace.other.history.ttl"), "9s");
    ck_assert_uint_eq(fwi_options_namespaces(o), 1);
    ck_assert_int_eq(fwi_options_namespace_int(o, 0, FWI_OPT_ROOM_HISTORY_SIZE), 100);
    ck_assert_int_eq(fwi_options_namespace_int(o, 0, FWI_OPT_ROOM_HISTORY_TTL), 300000);
    fw_options_free(o);
}
END_TEST

static const struct {
    const char *name, *value, *says;
} wrong[] = {
    {"namespace.news.histroy.size", "1",
     "namespace.news.histroy.size: no such option: did you mean "
     "namespace.news.history.size?"},
    {"namespace.news.history_size", "1", "did you mean namespace.news.history.size?"},
    {"namespace_my_news_histroy_size", "1",
     "did you mean namespace.my_news.history.size?"},
    {"namespace-news-presense", "on", "did you mean namespace.news.presence?"},
    {"namespace.news.zzzzzzzz", "1",
     "namespace.news.zzzzzzzz: no such option: it is namespace.NAME and one of "
     "history.size, history.ttl, presence, join_leave"},
    {"namespace.news", "1", "namespace.news: no such option: it is namespace.NAME and"},
    {"namespace.", "1", "namespace.: no such option: it is namespace.NAME and"},
    {"namespace", "1", "namespace: no such option"},
    {"namespace.presence", "on", "no such option: it is namespace.NAME and one of"},
    {"namespace.a.b.presence", "on",
     "namespace.a.b.presence: the name of a namespace is 1 to 64 letters, digits, _ or "
     "-"},
    {"namespace.a:b.presence", "on", "the name of a namespace is 1 to 64"},
    {"namespace.a b.presence", "on", "the name of a namespace is 1 to 64"},
    {"namespace.n\xc3\xa9.presence", "on", "the name of a namespace is 1 to 64"},
    {"namespace." LONG_NAME "x.presence", "on", "the name of a namespace is 1 to 64"},
    {SIZE, "many", SIZE ": many: a whole number from 0 to 1000000"},
    {SIZE, "1000001", SIZE ": 1000001: a whole number from 0 to 1000000"},
    {"namespace.news.history.ttl", "30", "a duration needs its unit"},
    {"namespace.news.presence", "perhaps", "namespace.news.presence: perhaps: on or off"},
};

START_TEST(what_is_wrong_is_told_and_makes_no_namespace)
{
    fw_options *o = fresh();
    ck_assert_msg(fw_options_set(o, wrong[_i].name, wrong[_i].value) == FW_ERR_OPTION,
                  "%s", wrong[_i].name);
    ck_assert_msg(strstr(fw_error_detail(), wrong[_i].says) != NULL, "%s",
                  fw_error_detail());
    ck_assert_uint_eq(fwi_options_namespaces(o), 0);
    fw_options_free(o);
}
END_TEST

START_TEST(a_name_may_have_64_bytes)
{
    fw_options *o = fresh();
    set(o, "namespace." LONG_NAME ".presence", "on");
    ck_assert_uint_eq(strlen(fwi_options_namespace(o, 0)), FWI_NAMESPACE_MAX_BYTES);
    fw_options_free(o);
}
END_TEST

START_TEST(a_copy_has_the_namespaces_and_stands_alone)
{
    fw_options *o = fresh();
    set(o, SIZE, "1");
    set(o, "namespace.chat.presence", "on");
    fw_options *copy = fwi_options_copy(o);
    ck_assert_ptr_nonnull(copy);
    set(o, SIZE, "2");
    set(o, "namespace.third.presence", "on");
    fw_options_free(o);
    ck_assert_uint_eq(fwi_options_namespaces(copy), 2);
    ck_assert_str_eq(fw_options_get(copy, SIZE), "1");
    ck_assert_str_eq(fw_options_get(copy, "namespace.chat.presence"), "on");
    fw_options_free(copy);
}
END_TEST

static const struct {
    const char *room;
    unsigned size;
} rooms[] = {
    {"r:lobby", 1},
    {"r:news:sport", 2},
    {"r:news:a:b", 2},
    {"r:news:", 2},
    {"r:news", 1},
    {"r:News:a", 1},
    {"r:new:a", 1},
    {"r:newsy:a", 1},
    {"r::news:", 1},
    {"r:off:a", 0},
    {"r:unknown:a", 1},
    {"r:" LONG_NAME ":a", 3},
    {"r:" LONG_NAME "x:a", 1},
    {"u:news:a", 0},
    {"n:news:a", 0},
    {"all", 0},
};

START_TEST(a_room_has_the_options_of_what_stands_before_its_first_colon)
{
    core_rig rig;
    core_rig_init(&rig, 1, "room.history.size", "1", SIZE, "2",
                  "namespace." LONG_NAME ".history.size", "3", "namespace.off.presence",
                  "on", NULL);
    for (size_t i = 0; i < FWI_ARRAY_LEN(rooms); i++) {
        const fwi_room_options *its = fwi_room_options_of(&rig.hub, rooms[i].room);
        ck_assert_msg(its->history_size == rooms[i].size, "%s", rooms[i].room);
    }
    ck_assert(fwi_room_options_of(&rig.hub, "r:off:a")->presence);
    ck_assert(!fwi_room_options_of(&rig.hub, "r:news:a")->presence);
    ck_assert_uint_eq(fwi_room_options_of(&rig.hub, "r:news:a")->history_ttl_ms, 300000);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(without_namespaces_every_room_has_the_options_of_rooms)
{
    core_rig rig;
    core_rig_init(&rig, 1, "room.presence", "on", "room.join_leave", "on", NULL);
    ck_assert(fwi_room_options_of(&rig.hub, "r:news:a")->presence);
    ck_assert(fwi_room_options_of(&rig.hub, "r:a")->join_leave);
    ck_assert(!fwi_room_options_of(&rig.hub, "all")->presence);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(many_namespaces_are_told_apart)
{
    fw_options *o = fresh();
    fwi_hub hub;
    for (unsigned i = 0; i < 500; i++) {
        char name[64], value[16];
        snprintf(name, sizeof name, "namespace.n%u.history.size", i);
        snprintf(value, sizeof value, "%u", i + 1);
        set(o, name, value);
    }
    ck_assert(fwi_hub_init(&hub, NULL, 7, "node", o));
    fw_options_free(o);
    for (unsigned i = 0; i < 500; i++) {
        char channel[64];
        snprintf(channel, sizeof channel, "r:n%u:room", i);
        ck_assert_uint_eq(fwi_room_options_of(&hub, channel)->history_size, i + 1);
    }
    fwi_hub_fini(&hub);
}
END_TEST

typedef struct differences {
    char text[256];
} differences;

static void note(void *user, const char *name, bool live)
{
    differences *d = user;
    size_t n = strlen(d->text);
    snprintf(d->text + n, sizeof d->text - n, "%s%s ", name, live ? "!" : "");
}

START_TEST(what_differs_is_named_and_whether_it_may_change)
{
    fw_options *a = fresh(), *b = fresh();
    differences d = {""};
    fw_options_set(b, "namespace.news.presence", "off");
    fwi_options_compare(a, b, note, &d);
    ck_assert_str_eq(d.text, "");
    fw_options_set(a, "threads", "2");
    fw_options_set(b, "limit.sessions", "7");
    fw_options_set(a, "namespace.chat.presence", "on");
    fw_options_set(b, "namespace.news.history.size", "3");
    fwi_options_compare(a, b, note, &d);
    ck_assert_str_eq(d.text, "threads limit.sessions! namespace.chat.presence "
                             "namespace.news.history.size ");
    ck_assert_str_eq(fw_options_describe("limit.sessions", "reload"), "on");
    ck_assert_str_eq(fw_options_describe("threads", "reload"), "off");
    fw_options_free(a);
    fw_options_free(b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("options_namespaces");
    TCase *tc = tcase_create("options_namespaces");
    tcase_add_test(tc, rows_of_rooms_are_the_last_of_the_table_and_all_begin_with_room);
    tcase_add_test(tc, every_option_of_rooms_is_one_of_each_namespace);
    tcase_add_test(tc, what_is_not_set_for_a_namespace_is_the_table_s_default);
    tcase_add_loop_test(tc, what_is_wrong_is_told_and_makes_no_namespace, 0,
                        FWI_ARRAY_LEN(wrong));
    tcase_add_test(tc, a_name_may_have_64_bytes);
    tcase_add_test(tc, a_copy_has_the_namespaces_and_stands_alone);
    tcase_add_test(tc, a_room_has_the_options_of_what_stands_before_its_first_colon);
    tcase_add_test(tc, without_namespaces_every_room_has_the_options_of_rooms);
    tcase_add_test(tc, many_namespaces_are_told_apart);
    tcase_add_test(tc, what_differs_is_named_and_whether_it_may_change);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
