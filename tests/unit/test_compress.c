/*
 * Which sessions get a message compressed, and that it is compressed once: on hubs
 * without sockets.
 */
#include <check.h>
#include <pthread.h>
#include <string.h>

#include "core/compress.h"
#include "support/core_rig.h"
#include "wire/ws_codec.h"
#include "support/test_message.h"

static core_rig rig;
static char text[3000];

static void set_up(void)
{
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        text[i] = "some words that come again, and others "[i % 39];
    }
    text[sizeof text - 1] = '\0';
}

static fwi_conn *member(unsigned loop, unsigned window_bits)
{
    fwi_conn *c = core_connect(&rig, loop, "room=a");
    fwi_session_set_deflates(c->s, window_bits);
    return c;
}

/* The text of n bytes to the room. */
static void publish(size_t n)
{
    fw_message *m = test_message(FWI_MSG_DATA, text, n, FW_TEXT);
    ck_assert_int_eq(fwi_hub_publish(&rig.hub, "r:a", m), FW_OK);
    fw_message_unref(m);
    core_rig_settle(&rig);
}

/* The next thing written is this text; was it compressed? */
static bool got_compressed(fwi_conn *c, const char *want, size_t want_len)
{
    ck_assert_uint_ge(c->out.len, 2);
    bool compressed = c->out.data[0] & FWI_WS_RSV1;
    fwi_ws_view v;
    size_t n = fwi_ws_view_own((uint8_t *)c->out.data, &v);
    ck_assert_uint_eq(v.opcode, FWI_WS_TEXT);
    const uint8_t *data = v.data;
    size_t len = v.len;
    fwi_inflater *inflater = fwi_inflater_new();
    if (compressed) {
        ck_assert_uint_lt(len, want_len);
        ck_assert_int_eq(fwi_inflate(inflater, v.data, v.len, 1 << 20, &data, &len),
                         FWI_INFLATE_OK);
    }
    ck_assert_uint_eq(len, want_len);
    ck_assert_int_eq(memcmp(data, want, len), 0);
    fwi_inflater_free(inflater);
    fwi_buf_consume(&c->out, n);
    return compressed;
}

START_TEST(a_message_is_compressed_once_for_all_who_agreed_on_it)
{
    core_rig_init(&rig, 3, "raw.mode", "rooms", "compression", "on", NULL);
    fwi_conn *c[12];
    for (unsigned i = 0; i < 12; i++) {
        c[i] = member(i % 3, i % 2 ? 15 : 0);
    }
    core_rig_settle(&rig);
    publish(1000);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DEFLATED), 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DEFLATED_BEFORE), 1000);
    uint64_t after = core_rig_stat(&rig, FWI_STAT_DEFLATED_AFTER);
    ck_assert(after > 0 && after < 200);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DELIVERIES), 12);
    for (unsigned i = 0; i < 12; i++) {
        ck_assert_int_eq(got_compressed(c[i], text, 1000), i % 2);
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(nothing_is_compressed_where_nobody_gets_it_so)
{
    core_rig_init(&rig, 2, "raw.mode", "rooms", "compression", "on", NULL);
    fwi_conn *here = member(0, 0);
    fwi_conn *elsewhere = core_connect(&rig, 1, "room=b");
    fwi_session_set_deflates(elsewhere->s, 15);
    core_rig_settle(&rig);
    publish(1000);
    ck_assert(!got_compressed(here, text, 1000));
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DEFLATED), 0);
    ck_assert_ptr_null(rig.shard[0].deflater);
    core_conn_free(here);
    core_conn_free(elsewhere);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_message_below_min_bytes_is_sent_as_it_is)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "compression", "on",
                  "compression.min_bytes", "300", NULL);
    fwi_conn *c = member(0, 15);
    core_rig_settle(&rig);
    publish(299);
    ck_assert(!got_compressed(c, text, 299));
    publish(0);
    ck_assert(!got_compressed(c, text, 0));
    publish(300);
    ck_assert(got_compressed(c, text, 300));
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_gets_no_smaller_is_sent_as_it_is_and_tried_once)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "compression", "on",
                  "compression.min_bytes", "1", NULL);
    fwi_conn *c[3] = {member(0, 15), member(0, 15), member(0, 15)};
    core_rig_settle(&rig);
    for (size_t n = 1; n <= 5; n++) {
        publish(n);
    }
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_NOT_DEFLATED), 5);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DEFLATED), 0);
    for (unsigned i = 0; i < 3; i++) {
        for (size_t n = 1; n <= 5; n++) {
            ck_assert(!got_compressed(c[i], text, n));
        }
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

/* The distance of a reference back is never longer than the message. */
START_TEST(a_peer_with_a_small_window_gets_long_messages_plain)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "compression", "on", NULL);
    fwi_conn *small = member(0, 9), *large = member(0, 15);
    core_rig_settle(&rig);
    publish(512);
    ck_assert(got_compressed(small, text, 512));
    ck_assert(got_compressed(large, text, 512));
    publish(513);
    ck_assert(!got_compressed(small, text, 513));
    ck_assert(got_compressed(large, text, 513));
    core_conn_free(small);
    core_conn_free(large);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_is_sent_to_a_user_or_a_session_is_compressed_too)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "compression", "on", NULL);
    fwi_conn *c = core_connect(&rig, 0, "user=ann");
    fwi_session_set_deflates(c->s, 15);
    core_rig_settle(&rig);
    fw_message *m = test_message(FWI_MSG_DATA, text, 700, FW_TEXT);
    fwi_hub_publish(&rig.hub, "u:ann", m);
    fwi_hub_publish(&rig.hub, "all", m);
    fwi_hub_send(&rig.hub, c->id, m);
    fw_message_unref(m);
    core_rig_settle(&rig);
    for (int i = 0; i < 3; i++) {
        ck_assert(got_compressed(c, text, 700));
    }
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DEFLATED), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(pongs_and_close_frames_are_never_compressed)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "compression", "on",
                  "compression.min_bytes", "1", NULL);
    fwi_conn *c = member(0, 15);
    core_rig_settle(&rig);
    fwi_session_on_ping(c->s, text, 125);
    core_rig_settle(&rig);
    ck_assert_uint_eq((uint8_t)c->out.data[0], 0x80 | FWI_WS_PONG);
    c->out.len = 0;
    fwi_hub_close(&rig.hub, c->id, 1000, "a reason, a reason, a reason, a reason");
    core_rig_settle(&rig);
    ck_assert_uint_eq((uint8_t)c->out.data[0], 0x80 | FWI_WS_CLOSE);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(wrapped_messages_of_a_room_are_compressed_once_a_loop)
{
    core_rig_init(&rig, 2, "raw.mode", "rooms", "raw.format", "json", "compression", "on",
                  NULL);
    fwi_conn *c[6];
    for (unsigned i = 0; i < 6; i++) {
        c[i] = member(i % 2, 15);
    }
    core_rig_settle(&rig);
    for (unsigned i = 0; i < 6; i++) {
        c[i]->out.len = 0; /* that it has joined */
    }
    publish(1000);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DEFLATED), 2);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_uint_eq((uint8_t)c[i]->out.data[0], 0xc1);
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

/* What waits in an outbox is counted as it will be written. */
START_TEST(a_slow_reader_s_outbox_holds_more_of_compressed_messages)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "compression", "on", "outbox.max_bytes",
                  "4KiB", NULL);
    fwi_conn *plain = member(0, 0), *small = member(0, 15);
    core_rig_settle(&rig);
    plain->blocked = small->blocked = true;
    for (int i = 0; i < 10; i++) {
        publish(2000);
    }
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_OVERFLOW_CLOSE), 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_SESSIONS), 1);
    core_conn_unblock(small);
    core_rig_settle(&rig);
    for (int i = 0; i < 10; i++) {
        ck_assert(got_compressed(small, text, 2000));
    }
    core_conn_free(plain);
    core_conn_free(small);
    core_rig_fini(&rig);
}
END_TEST

/* --- two loops at once --- */

enum { FRAMES = 300 };

typedef struct racer {
    fwi_shard *shard;
    fwi_frame **frames;
    fwi_frame *got[FRAMES];
    pthread_barrier_t *start;
} racer;

static void *race(void *user)
{
    racer *r = user;
    for (size_t i = 0; i < FRAMES; i++) {
        pthread_barrier_wait(r->start);
        r->got[i] = fwi_frame_for_deflate(r->shard, r->frames[i], 15);
    }
    return NULL;
}

START_TEST(loops_that_compress_at_the_same_time_end_up_with_one_frame)
{
    core_rig_init(&rig, 2, "compression", "on", NULL);
    fwi_frame *frames[FRAMES];
    for (size_t i = 0; i < FRAMES; i++) {
        frames[i] = fwi_frame_new_ws(FWI_WS_TEXT, text, i % 3 ? 500 + i : 1);
    }
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    static racer racers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        racers[i] = (racer){&rig.shard[i], frames, {0}, &start};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    pthread_barrier_destroy(&start);
    for (size_t i = 0; i < FRAMES; i++) {
        ck_assert_ptr_eq(racers[0].got[i], racers[1].got[i]);
        ck_assert_int_eq(racers[0].got[i] != frames[i], i % 3 != 0);
        fwi_frame_unref(frames[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compress");
    TCase *tc = tcase_create("compress");
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, a_message_is_compressed_once_for_all_who_agreed_on_it);
    tcase_add_test(tc, nothing_is_compressed_where_nobody_gets_it_so);
    tcase_add_test(tc, a_message_below_min_bytes_is_sent_as_it_is);
    tcase_add_test(tc, what_gets_no_smaller_is_sent_as_it_is_and_tried_once);
    tcase_add_test(tc, a_peer_with_a_small_window_gets_long_messages_plain);
    tcase_add_test(tc, what_is_sent_to_a_user_or_a_session_is_compressed_too);
    tcase_add_test(tc, pongs_and_close_frames_are_never_compressed);
    tcase_add_test(tc, wrapped_messages_of_a_room_are_compressed_once_a_loop);
    tcase_add_test(tc, a_slow_reader_s_outbox_holds_more_of_compressed_messages);
    tcase_add_test(tc, loops_that_compress_at_the_same_time_end_up_with_one_frame);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
