/*
 * What a slow reader loses, policy by policy, without any socket: frames go in, and what
 * would be written comes out.
 */
#include "core/outbox.h"

#include <check.h>
#include <string.h>

#include "core/options.h"
#include "wire/ws_codec.h"
#include "support/test_made.h"

static fwi_outpool pool;
static fwi_outbox ob;

/* Pushes a text; the outbox has the only reference. */
static fwi_outbox_result push(const char *text, uint64_t tag, int policy, size_t max,
                              unsigned *dropped)
{
    fwi_frame *f = test_frame(FWI_WS_TEXT, text, strlen(text));
    fwi_outbox_result r = fwi_outbox_push(&ob, &pool, f, tag, policy, max, dropped);
    fwi_frame_unref(f);
    return r;
}

/* All that waits, as "a,b,c". */
static const char *drain(void)
{
    static char out[4096];
    uint8_t scratch[1];
    out[0] = '\0';
    while (!fwi_outbox_is_empty(&ob)) {
        const uint8_t *data;
        unsigned nodes, frames;
        size_t n =
            fwi_outbox_gather(&ob, scratch, sizeof scratch, &data, &nodes, &frames);
        ck_assert_uint_eq(nodes, 1);
        ck_assert_uint_ge(n, 2);
        if (out[0]) {
            strcat(out, ",");
        }
        strncat(out, (const char *)data + 2, n - 2);
        fwi_outbox_consume(&ob, &pool, nodes);
    }
    ck_assert_uint_eq(ob.bytes, 0);
    ck_assert_uint_eq(ob.frames, 0);
    return out;
}

/* Frames of one letter are 3 bytes: four of them fit into 12. */
enum { FOUR = 12 };

static const struct {
    const char *name;
    int policy;
    const char *texts; /* one letter a message; its room is the case: a and A differ */
    const char *left;
    unsigned dropped;
} policies[] = {
    {"drop_oldest keeps the end", FWI_POLICY_DROP_OLDEST, "abcdef", "c,d,e,f", 2},
    {"drop_newest keeps the beginning", FWI_POLICY_DROP_NEWEST, "abcdef", "a,b,c,d", 2},
    {"latest keeps the newest of a room", FWI_POLICY_LATEST, "abcde", "e", 4},
    {"latest keeps one of each room", FWI_POLICY_LATEST, "aAbBc", "B,c", 3},
    {"latest drops nothing that fits", FWI_POLICY_LATEST, "abcd", "a,b,c,d", 0},
};

START_TEST(over_its_limit_the_policy_decides_what_stays)
{
    unsigned dropped, sum = 0, sent = 0;
    for (const char *t = policies[_i].texts; *t; t++, sent++) {
        char text[2] = {*t, 0};
        push(text, *t >= 'a' ? 1 : 2, policies[_i].policy, FOUR, &dropped);
        sum += dropped;
    }
    unsigned waiting = ob.frames;
    ck_assert_str_eq(drain(), policies[_i].left);
    ck_assert_msg(sum == policies[_i].dropped, "%s: %u", policies[_i].name, sum);
    ck_assert_uint_eq(waiting + sum, sent);
}
END_TEST

START_TEST(policy_close_takes_no_more_and_says_so)
{
    unsigned dropped;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(push("x", 1, FWI_POLICY_CLOSE, FOUR, &dropped),
                         FWI_OUTBOX_TAKEN);
    }
    ck_assert_int_eq(push("y", 1, FWI_POLICY_CLOSE, FOUR, &dropped), FWI_OUTBOX_FULL);
    ck_assert_str_eq(drain(), "x,x,x,x");
}
END_TEST

START_TEST(messages_without_a_room_are_never_replaced_by_latest)
{
    unsigned dropped;
    push("1", 0, FWI_POLICY_LATEST, FOUR, &dropped);
    push("a", 1, FWI_POLICY_LATEST, FOUR, &dropped);
    push("2", 0, FWI_POLICY_LATEST, FOUR, &dropped);
    push("b", 1, FWI_POLICY_LATEST, FOUR, &dropped);
    push("c", 1, FWI_POLICY_LATEST, FOUR, &dropped);
    ck_assert_str_eq(drain(), "1,2,c");
}
END_TEST

START_TEST(a_frame_larger_than_the_limit_is_taken_when_nothing_waits)
{
    unsigned dropped;
    ck_assert_int_eq(push("larger than the limit", 1, FWI_POLICY_CLOSE, 4, &dropped),
                     FWI_OUTBOX_TAKEN);
    ck_assert_str_eq(drain(), "larger than the limit");
}
END_TEST

START_TEST(control_frames_go_ahead_of_messages_and_a_close_behind)
{
    unsigned dropped;
    push("a", 1, FWI_POLICY_CLOSE, 100, &dropped);
    ck_assert(fwi_outbox_push_last(&ob, &pool, test_frame(FWI_WS_CLOSE, "Z", 1)));
    ck_assert(fwi_outbox_push_control(&ob, &pool, test_frame(FWI_WS_PING, "P", 1), 1000));
    ck_assert(fwi_outbox_push_control(&ob, &pool, test_frame(FWI_WS_PONG, "Q", 1), 1000));
    ck_assert_str_eq(drain(), "P,Q,a,Z");
}
END_TEST

START_TEST(a_flood_of_pings_keeps_only_the_newest_pongs)
{
    for (int i = 0; i < 10000; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", i);
        fwi_outbox_push_control(&ob, &pool, test_frame(FWI_WS_PONG, text, (size_t)n),
                                1600);
        ck_assert_uint_le(ob.bytes, 112);
    }
    const char *left = drain();
    ck_assert_str_eq(left + strlen(left) - 4, "9999");
}
END_TEST

/* Walked through once a ping, so many would take minutes. */
START_TEST(a_ping_costs_the_same_however_many_pongs_wait)
{
    enum { PINGS = 400000 };
    fwi_frame *pong = test_frame(FWI_WS_PONG, "", 0);
    for (int i = 0; i < PINGS; i++) {
        ck_assert(fwi_outbox_push_control(&ob, &pool, fwi_frame_ref(pong), 1 << 30));
    }
    ck_assert_uint_eq(ob.bytes, PINGS * pong->len);
    fwi_outbox_consume(&ob, &pool, PINGS);
    ck_assert(fwi_outbox_is_empty(&ob));
    ck_assert(fwi_outbox_push_control(&ob, &pool, pong, 1000));
    ck_assert_str_eq(drain(), "");
}
END_TEST

START_TEST(small_frames_are_put_together_in_order_up_to_the_scratch)
{
    uint8_t scratch[10];
    const uint8_t *data;
    unsigned dropped, nodes, frames;
    for (const char *t = "abcd"; *t; t++) {
        char text[2] = {*t, 0};
        push(text, 1, FWI_POLICY_CLOSE, 100, &dropped);
    }
    size_t n = fwi_outbox_gather(&ob, scratch, sizeof scratch, &data, &nodes, &frames);
    ck_assert_uint_eq(n, 9);
    ck_assert_uint_eq(frames, 3);
    ck_assert_mem_eq(data,
                     "\x81\x01"
                     "a\x81\x01"
                     "b\x81\x01"
                     "c",
                     9);
    fwi_outbox_consume(&ob, &pool, nodes);
    ck_assert_str_eq(drain(), "d");
}
END_TEST

START_TEST(clearing_counts_messages_and_not_close_frames)
{
    unsigned dropped;
    push("a", 1, FWI_POLICY_CLOSE, 100, &dropped);
    push("b", 1, FWI_POLICY_CLOSE, 100, &dropped);
    fwi_outbox_push_last(&ob, &pool, test_frame(FWI_WS_CLOSE, "Z", 1));
    ck_assert_uint_eq(fwi_outbox_clear(&ob, &pool), 2);
    ck_assert(fwi_outbox_is_empty(&ob));
    ck_assert_uint_eq(ob.bytes, 0);
}
END_TEST

/* What all outboxes of a loop hold is shown as figures: it must come to nothing again. */
START_TEST(what_comes_first_is_counted_with_what_waits)
{
    unsigned dropped;
    for (int others = 0; others < 2; others++) {
        if (others) {
            push("b", 1, FWI_POLICY_CLOSE, 100, &dropped);
        }
        fwi_outbox_push_first(&ob, &pool, test_frame(FWI_WS_TEXT, "a", 1));
        ck_assert_uint_eq(pool.bytes, ob.bytes);
        ck_assert_uint_eq(pool.waiting, 1);
        ck_assert_str_eq(drain(), others ? "a,b" : "a");
        ck_assert_uint_eq(pool.bytes, 0);
        ck_assert_uint_eq(pool.waiting, 0);
    }
}
END_TEST

static void set_up(void)
{
    fwi_outbox_init(&ob);
}

static void tear_down(void)
{
    fwi_outbox_clear(&ob, &pool);
    fwi_outpool_fini(&pool);
}

int main(void)
{
    Suite *suite = suite_create("outbox");
    TCase *tc = tcase_create("outbox");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, over_its_limit_the_policy_decides_what_stays, 0,
                        FWI_ARRAY_LEN(policies));
    tcase_add_test(tc, policy_close_takes_no_more_and_says_so);
    tcase_add_test(tc, messages_without_a_room_are_never_replaced_by_latest);
    tcase_add_test(tc, a_frame_larger_than_the_limit_is_taken_when_nothing_waits);
    tcase_add_test(tc, control_frames_go_ahead_of_messages_and_a_close_behind);
    tcase_add_test(tc, a_flood_of_pings_keeps_only_the_newest_pongs);
    tcase_add_test(tc, a_ping_costs_the_same_however_many_pongs_wait);
    tcase_add_test(tc, small_frames_are_put_together_in_order_up_to_the_scratch);
    tcase_add_test(tc, clearing_counts_messages_and_not_close_frames);
    tcase_add_test(tc, what_comes_first_is_counted_with_what_waits);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
