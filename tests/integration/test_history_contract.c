/*
 * Rooms with history, asked of every backplane: positions, pages, keys, forgetting, and
 * what is told of a publish. What only Redis can do is in test_history_redis.c.
 */
#include "backplane_rig.h"

static const fwi_terms ten = {10, 60000, 0};
static const fwi_history_query all = {.limit = 512, .history_ttl_ms = 60000};

/* "text@offset ..." of the newest page. */
static void expect_page_of(node *n, const char *name, const char *want)
{
    char got[1024] = "";
    for (size_t i = 0; i < n->page.n; i++) {
        size_t len = strlen(got);
        snprintf(got + len, sizeof got - len, "%s@%llu ", n->page.messages[i].text,
                 (unsigned long long)n->page.messages[i].at.offset);
        ck_assert_uint_eq(n->page.messages[i].at.epoch, n->page.top.epoch);
    }
    ck_assert_int_eq(n->page.err, FW_OK);
    ck_assert_msg(strcmp(got, want) == 0, "%s: %s", name, got);
}

static void expect_page(node *n, const char *want)
{
    expect_page_of(n, "page", want);
}

static void keep_waiting(node *n, const char *channel, const char *text, uint64_t ref)
{
    fwi_terms terms = ten;
    terms.ref = ref;
    node_keep(n, channel, text, NULL, &terms);
    ck_assert_int_eq(node_result(n, ref).err, FW_OK);
}

START_TEST(positions_count_from_one_and_come_with_the_messages)
{
    node *n = node_up(_i);
    enter(n, "r:{b}%");
    node_keep_many(n, "r:{b}%", "m", 0, 100, &ten);
    ck_assert(node_wait(n, node_has_messages, "r:{b}%", 100));
    for (size_t i = 0; i < 100; i++) {
        ck_assert_uint_eq(n->messages[i].at.offset, i + 1);
        ck_assert_uint_eq(n->messages[i].at.epoch, n->messages[0].at.epoch);
    }
    ck_assert_uint_ne(n->messages[0].at.epoch, 0);
    node_publish(n, "r:{b}%", "plain");
    ck_assert(node_wait(n, node_has_text, "plain", 1));
    ck_assert_uint_eq(n->messages[100].at.epoch, 0);
    node_history(n, "r:{b}%", &all);
    ck_assert_uint_eq(n->page.n, 10);
    ck_assert_uint_eq(n->page.top.offset, 100);
    ck_assert_uint_eq(n->page.top.epoch, n->messages[0].at.epoch);
    ck_assert_uint_eq(node_figures(n).kept, 100);
    node_free(n);
}
END_TEST

START_TEST(a_publish_is_told_its_position_whoever_hears_it)
{
    node *n = node_up(_i);
    fwi_terms terms = ten;
    terms.ref = 50;
    node_keep_many(n, "r:a", "m", 0, 20, &terms);
    for (uint64_t ref = 50; ref < 70; ref++) {
        noted_result r = node_result(n, ref);
        ck_assert_int_eq(r.err, FW_OK);
        ck_assert_uint_eq(r.at.offset, ref - 49);
    }
    terms = (fwi_terms){.ref = 99};
    node_keep(n, "r:a", "plain", NULL, &terms);
    noted_result r = node_result(n, 99);
    ck_assert_int_eq(r.err, FW_OK);
    ck_assert_uint_eq(r.at.epoch, 0);
    ck_assert_uint_eq(n->result_count, 21);
    node_free(n);
}
END_TEST

START_TEST(a_room_without_messages_has_an_epoch_that_stays)
{
    node *n = node_up(_i);
    node_history(n, "r:a", &(fwi_history_query){.history_ttl_ms = 1000});
    expect_page(n, "");
    ck_assert_uint_eq(n->page.top.offset, 0);
    uint64_t epoch = n->page.top.epoch;
    ck_assert_uint_ne(epoch, 0);
    keep_waiting(n, "r:a", "one", 1);
    node_history(n, "r:a", &all);
    expect_page(n, "one@1 ");
    ck_assert_uint_eq(n->page.top.epoch, epoch);
    node_history(n, "r:b", &all);
    ck_assert_uint_ne(n->page.top.epoch, epoch);
    node_free(n);
}
END_TEST

static const struct {
    const char *name;
    uint64_t since; /* UINT64_MAX: no position */
    uint32_t limit;
    bool reverse;
    const char *want;
} reads[] = {
    {"all that is kept", UINT64_MAX, 100, false,
     "m 2@3 m 3@4 m 4@5 m 5@6 m 6@7 m 7@8 m 8@9 m 9@10 m 10@11 m 11@12 "},
    {"the oldest", UINT64_MAX, 2, false, "m 2@3 m 3@4 "},
    {"the newest", UINT64_MAX, 2, true, "m 11@12 m 10@11 "},
    {"none, only the top", UINT64_MAX, 0, false, ""},
    {"since a place", 10, 100, false, "m 10@11 m 11@12 "},
    {"since a place, limited", 5, 2, false, "m 5@6 m 6@7 "},
    {"since one that was trimmed", 1, 2, false, "m 2@3 m 3@4 "},
    {"since the top", 12, 100, false, ""},
    {"since the future", 99, 100, false, ""},
    {"since far beyond", UINT64_MAX - 1, 100, false, ""},
    {"older than a place", 6, 2, true, "m 4@5 m 3@4 "},
    {"older than all", 3, 100, true, ""},
    {"older than the beginning", 0, 100, true, ""},
    {"older than the future", 99, 1, true, "m 11@12 "},
};

START_TEST(pages_are_since_a_place_limited_and_of_either_direction)
{
    node *n = node_up(_i);
    node_keep_many(n, "r:a", "m", 0, 12, &ten);
    node_history(n, "r:a", &all);
    fwi_position top = n->page.top;
    ck_assert_uint_eq(top.offset, 12);
    for (size_t i = 0; i < FWI_ARRAY_LEN(reads); i++) {
        fwi_history_query q = {.limit = reads[i].limit, .reverse = reads[i].reverse};
        if (reads[i].since != UINT64_MAX) {
            q.since = (fwi_position){top.epoch, reads[i].since};
        }
        node_history(n, "r:a", &q);
        expect_page_of(n, reads[i].name, reads[i].want);
        ck_assert_uint_eq(n->page.top.offset, 12);
    }
    fwi_history_query other = {.since = {top.epoch ^ 1, 0}, .limit = 100};
    node_history(n, "r:a", &other);
    expect_page(n, "");
    ck_assert_uint_eq(n->page.top.epoch, top.epoch);
    node_free(n);
}
END_TEST

START_TEST(a_long_history_comes_in_pages)
{
    const fwi_terms many = {2000, 60000, 0};
    node *n = node_up(_i);
    node_keep_many(n, "r:a", "m", 0, 1200, &many);
    fwi_history_query q = {.limit = 5000, .history_ttl_ms = 60000};
    uint64_t expected = 1;
    do {
        node_history(n, "r:a", &q);
        ck_assert_uint_gt(n->page.n, 0);
        ck_assert_uint_le(n->page.n, 512);
        for (size_t i = 0; i < n->page.n; i++) {
            ck_assert_uint_eq(n->page.messages[i].at.offset, expected++);
        }
        q.since = n->page.messages[n->page.n - 1].at;
    } while (q.since.offset < n->page.top.offset);
    ck_assert_uint_eq(expected, 1201);
    node_free(n);
}
END_TEST

START_TEST(messages_expire_together_and_offsets_go_on)
{
    const fwi_terms brief = {10, 100, 0};
    node *n = node_up(_i);
    node_keep_many(n, "r:a", "m", 0, 3, &brief);
    node_history(n, "r:a", &all);
    ck_assert_uint_eq(n->page.top.offset, 3);
    uint64_t epoch = n->page.top.epoch;
    for (int i = 0; i < 100000 && n->page.n > 0; i++) {
        node_history(n, "r:a", &all);
    }
    expect_page(n, "");
    ck_assert_uint_eq(n->page.top.offset, 3);
    keep_waiting(n, "r:a", "four", 1);
    node_history(n, "r:a", &all);
    expect_page(n, "four@4 ");
    ck_assert_uint_eq(n->page.top.epoch, epoch);
    node_free(n);
}
END_TEST

START_TEST(a_publish_repeated_under_its_key_happens_once)
{
    node *n = node_up(_i);
    fwi_terms terms = ten;
    enter(n, "r:a");
    for (terms.ref = 1; terms.ref <= 3; terms.ref++) {
        node_keep(n, "r:a", "once", "key {1}", &terms);
    }
    node_keep(n, "r:a", "other", "key {2}", &terms);
    node_keep(n, "r:b", "elsewhere", "key {1}", &(fwi_terms){10, 60000, 5});
    ck_assert_uint_eq(node_result(n, 4).at.offset, 2);
    ck_assert_uint_eq(node_result(n, 5).at.offset, 1);
    for (uint64_t ref = 1; ref <= 3; ref++) {
        ck_assert_uint_eq(node_result(n, ref).at.offset, 1);
        ck_assert_uint_eq(node_result(n, ref).at.epoch, node_result(n, 4).at.epoch);
    }
    ck_assert(node_wait(n, node_has_text, "other", 1));
    ck_assert_uint_eq(node_count(n, "r:a", "once"), 1);
    ck_assert_uint_eq(node_figures(n).repeated, 2);
    node_free(n);
}
END_TEST

START_TEST(a_forgotten_history_begins_anew)
{
    node *n = node_up(_i);
    keep_waiting(n, "r:a", "one", 1);
    keep_waiting(n, "r:a", "two", 2);
    node_forget_history(n, "r:a", 3);
    noted_result r = node_result(n, 3);
    ck_assert_int_eq(r.err, FW_OK);
    ck_assert_uint_eq(r.at.offset, 0);
    ck_assert_uint_ne(r.at.epoch, node_result(n, 1).at.epoch);
    node_history(n, "r:a", &all);
    expect_page(n, "");
    ck_assert_uint_eq(n->page.top.epoch, r.at.epoch);
    keep_waiting(n, "r:a", "three", 4);
    node_history(n, "r:a", &all);
    expect_page(n, "three@1 ");
    node_free(n);
}
END_TEST

START_TEST(kept_and_plain_messages_of_a_channel_come_in_the_order_of_the_calls)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    for (unsigned k = 0; k < 200; k += 2) {
        node_keep_many(n, "r:a", "m", k, 1, &ten);
        node_publish_many(n, "r:a", "m", k + 1, 1);
    }
    ck_assert(node_wait(n, node_has_messages, "r:a", 200));
    size_t count;
    ck_assert(node_is_in_order(n, "r:a", "m", &count));
    ck_assert_uint_eq(count, 200);
    node_free(n);
}
END_TEST

static void keep_read_keep(node *n, void *unused)
{
    static const char *const texts[] = {"before", "behind"};
    (void)unused;
    for (size_t i = 0; i < FWI_ARRAY_LEN(texts); i++) {
        fw_message *m =
            fwi_message_new(FWI_MSG_DATA, texts[i], strlen(texts[i]), FW_TEXT);
        ck_assert(n->bp->ops->publish(n->bp, "r:a", m, &ten));
        fw_message_unref(m);
        if (i == 0) {
            ck_assert(n->bp->ops->read_history(n->bp, "r:a", &all, 1));
        }
    }
}

static bool has_page(const node *n, const void *unused, size_t pages)
{
    (void)unused;
    return n->page.count >= pages;
}

/* Who reads where it stands and then speaks hears himself. */
START_TEST(a_read_of_the_same_turn_sees_what_was_published_before_it_and_no_more)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    node_order(n, keep_read_keep, NULL);
    ck_assert(node_wait(n, has_page, NULL, 1));
    expect_page(n, "before@1 ");
    ck_assert_uint_eq(n->page.top.offset, 1);
    ck_assert(node_wait(n, node_has_messages, "r:a", 2));
    node_free(n);
}
END_TEST

START_TEST(binary_and_large_messages_are_kept_whole)
{
    static char text[300 * 1024];
    memset(text, 'x', sizeof text - 1);
    node *n = node_up(_i);
    for (uint64_t ref = 1; ref <= 8; ref++) {
        keep_waiting(n, "r:a", text, ref);
    }
    fwi_history_query q = {.limit = 100};
    size_t got = 0;
    do {
        node_history(n, "r:a", &q);
        ck_assert_uint_gt(n->page.n, 0);
        got += n->page.n;
        q.since = n->page.messages[n->page.n - 1].at;
    } while (q.since.offset < n->page.top.offset);
    ck_assert_uint_eq(got, 8);
    node_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("history_contract");
    TCase *tc = case_of(s, "every backplane");
    tcase_add_loop_test(tc, positions_count_from_one_and_come_with_the_messages, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, a_publish_is_told_its_position_whoever_hears_it, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, a_room_without_messages_has_an_epoch_that_stays, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, pages_are_since_a_place_limited_and_of_either_direction, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, a_long_history_comes_in_pages, 0, BACKPLANES);
    tcase_add_loop_test(tc, messages_expire_together_and_offsets_go_on, 0, BACKPLANES);
    tcase_add_loop_test(tc, a_publish_repeated_under_its_key_happens_once, 0, BACKPLANES);
    tcase_add_loop_test(tc, a_forgotten_history_begins_anew, 0, BACKPLANES);
    tcase_add_loop_test(
        tc, kept_and_plain_messages_of_a_channel_come_in_the_order_of_the_calls, 0,
        BACKPLANES);
    tcase_add_loop_test(
        tc, a_read_of_the_same_turn_sees_what_was_published_before_it_and_no_more, 0,
        BACKPLANES);
    tcase_add_loop_test(tc, binary_and_large_messages_are_kept_whole, 0, BACKPLANES);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
