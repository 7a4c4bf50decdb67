/*
 * Rooms with history on a Redis that the test plays by hand: answers that never come,
 * scripts that are forgotten, errors at the wrong moment.
 */
#include "redis_backplane_rig.h"

#include <inttypes.h>

#include "core/error.h"
#include "support/test_message.h"

#define EPOCH "\x01\x02\x03\x04\x05\x06\x07\x08"
/* The node's number, and behind it the serial. */
#define SERIAL(n) "$8\r\n\0\0\0\0\0\0\x0a\xbc\r\n$1\r\n" n "\r\n"

static const fwi_position at_one = {0x0102030405060708, 1};
static const fwi_terms terms = {10, 60000, 7};

static void on_published(void *user, uint64_t ref, const fwi_published *what)
{
    char line[300];
    (void)user;
    snprintf(line, sizeof line, "#%" PRIu64 "=%s@%" PRIu64 " ", ref,
             fw_err_name(what->err), what->at.offset);
    note(line);
}

static void on_history(void *user, uint64_t ref, const fwi_history_page *page)
{
    char line[300];
    (void)user;
    snprintf(line, sizeof line, "page%" PRIu64 "=%s:%zu@%" PRIu64 " ", ref,
             fw_err_name(page->err), page->n, page->top.offset);
    note(line);
}

static void (*when_up)(void);

static void on_state_full(void *user, bool up, const char *text)
{
    on_state(user, up, text);
    if (up && when_up != NULL) {
        when_up();
    }
}

static const fwi_backplane_sink full_sink = {.on_subscribed = on_subscribed,
                                             .on_message = on_message,
                                             .on_state = on_state_full,
                                             .on_published = on_published,
                                             .on_history = on_history};

static void begin_full(void)
{
    begin();
    bp->sink = &full_sink;
}

static void keep(const char *text)
{
    fw_message *m = text_message(text);
    ck_assert(bp->ops->publish(bp, "r:a", m, &terms));
    fw_message_unref(m);
}

static void ask(uint64_t ref)
{
    const fwi_history_query q = {.limit = 10, .history_ttl_ms = 60000};
    ck_assert(bp->ops->read_history(bp, "r:a", &q, ref));
}

#define WROTE(bytes) wrote(bytes, sizeof(bytes) - 1)

static unsigned wrote(const char *bytes, size_t len)
{
    const fwi_buf *b = fake_stream_written(command);
    unsigned n = 0;
    for (size_t i = 0; i + len <= b->len; i++) {
        n += memcmp(b->data + i, bytes, len) == 0;
    }
    return n;
}

static void answer_kept(const char *offset, bool repeated)
{
    char text[100];
    snprintf(text, sizeof text, "*3\r\n$8\r\n" EPOCH "\r\n:%s\r\n:%d\r\n", offset,
             repeated);
    fake_stream_feed_text(command, text);
    fake_loop_turn(loop);
}

static void answer(const char *text)
{
    fake_stream_feed_text(command, text);
    fake_loop_turn(loop);
}

static void kept_message_from(uint64_t node, uint64_t serial, fwi_position at,
                              const char *text)
{
    fwi_buf envelope = {0}, out = {0};
    fw_message *m = text_message(text);
    ck_assert(fwi_message_encode_at(m, node, serial, at, &envelope));
    fwi_buf_printf(&out, "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$%zu\r\n",
                   envelope.len);
    fwi_buf_append(&out, envelope.data, envelope.len);
    fwi_buf_puts(&out, "\r\n");
    fake_stream_feed(subscriber, out.data, out.len);
    fw_message_unref(m);
    fwi_buf_fini(&envelope);
    fwi_buf_fini(&out);
}

START_TEST(a_script_goes_whole_once_a_link_and_by_its_digest_then)
{
    up_in_room();
    keep("one");
    keep("two");
    fake_loop_turn(loop);
    ck_assert_uint_eq(WROTE("$4\r\nEVAL\r\n"), 1);
    ck_assert_uint_eq(WROTE("$7\r\nEVALSHA\r\n"), 1);
    ck_assert_uint_eq(WROTE("$15\r\n{fanwire:r:a}:m\r\n$15\r\n{fanwire:r:a}:s\r\n"), 2);
    ck_assert_uint_eq(WROTE("$11\r\nfanwire:r:a\r\n"), 2);
    lose();
    return_to_room();
    ck_assert_uint_eq(WROTE("$4\r\nEVAL\r\n"), 1);
    ck_assert_uint_eq(WROTE("$7\r\nEVALSHA\r\n"), 1);
}
END_TEST

START_TEST(it_is_delivered_when_it_comes_with_its_position_and_not_before)
{
    up_in_room();
    keep("one");
    fake_loop_turn(loop);
    answer_kept("1", false);
    expect_heard("#7=FW_OK@1 ");
    kept_message_from(NODE, 1, at_one, "one");
    expect_heard("r:a=one ");
    ck_assert_uint_eq(figures().kept, 1);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(without_an_answer_it_is_sent_again_as_the_same_and_never_delivered_here)
{
    up_in_room();
    keep("one");
    publish("r:a", "plain");
    fake_loop_turn(loop);
    ck_assert_uint_eq(WROTE(SERIAL("1")), 1);
    lose();
    expect_heard("r:a=plain ");
    return_to_room();
    ck_assert_uint_eq(WROTE(SERIAL("1")), 1);
    answer_health();
    answer_kept("1", true);
    expect_heard("#7=FW_OK@1 ");
    ck_assert_uint_eq(figures().repeated, 1);
    ck_assert_uint_eq(figures().kept, 0);
}
END_TEST

START_TEST(a_place_that_is_not_known_any_more_is_none)
{
    up_in_room();
    keep("one");
    fake_loop_turn(loop);
    answer("*3\r\n$0\r\n\r\n:0\r\n:1\r\n");
    expect_heard("#7=FW_OK@0 ");
}
END_TEST

#define BEHIND(n) "$1\r\n" n "\r\n$7\r\nPUBLISH\r\n"

/* What is sent behind it says so, and is refused with it. */
START_TEST(a_forgotten_script_is_sent_whole_again_and_what_was_behind_it)
{
    up_in_room();
    keep("one");
    keep("two");
    fake_loop_turn(loop);
    ck_assert_uint_eq(WROTE(BEHIND("0")), 1);
    ck_assert_uint_eq(WROTE(BEHIND("1")), 1);
    forget_written();
    answer("-NOSCRIPT No matching script.\r\n");
    ck_assert_uint_eq(WROTE("EVAL"), 0); /* the other one is on its way still */
    keep("three");
    fake_loop_turn(loop);
    answer("-OUTOFTURN not yet\r\n");
    answer("-OUTOFTURN not yet\r\n");
    ck_assert_uint_eq(WROTE("$4\r\nEVAL\r\n"), 1);
    ck_assert_uint_eq(WROTE(SERIAL("1")), 1);
    ck_assert_uint_eq(WROTE(SERIAL("2")), 1);
    answer_kept("1", false);
    answer_kept("2", false);
    answer_kept("3", false);
    expect_heard("#7=FW_OK@1 #7=FW_OK@2 #7=FW_OK@3 ");
}
END_TEST

START_TEST(a_room_of_which_one_is_refused_holds_up_no_other_room)
{
    up_in_room();
    keep("one");
    fake_loop_turn(loop);
    answer("-NOSCRIPT No matching script.\r\n");
    fw_message *m = text_message("elsewhere");
    ck_assert(bp->ops->publish(bp, "r:b", m, &terms));
    fw_message_unref(m);
    fake_loop_turn(loop);
    ck_assert_uint_eq(WROTE("{fanwire:r:b}:m"), 1);
    answer_kept("1", false);
    answer_kept("1", false);
    expect_heard("#7=FW_OK@1 #7=FW_OK@1 ");
}
END_TEST

START_TEST(a_server_that_cannot_now_gets_it_later_in_the_same_order)
{
    up_in_room();
    keep("one");
    keep("two");
    fake_loop_turn(loop);
    answer("-READONLY You can't write against a read only replica.\r\n"
           "-READONLY You can't write against a read only replica.\r\n");
    ck_assert(!figures().up);
    ck_assert_ptr_nonnull(strstr(why, "PUBLISH: READONLY You can't write"));
    expect_heard("");
    keep("three");
    return_to_room();
    const fwi_buf *b = fake_stream_written(command);
    const char *one = memmem(b->data, b->len, SERIAL("1"), sizeof SERIAL("1") - 1);
    const char *two = memmem(b->data, b->len, SERIAL("2"), sizeof SERIAL("2") - 1);
    const char *three = memmem(b->data, b->len, SERIAL("3"), sizeof SERIAL("3") - 1);
    ck_assert(one != NULL && one < two && two < three);
    ck_assert_ptr_nonnull(memmem(b->data, (size_t)(one - b->data), "one", 3));
    ck_assert_uint_eq(WROTE(BEHIND("0")), 1);
    ck_assert_uint_eq(WROTE(BEHIND("1")), 1);
    ck_assert_uint_eq(WROTE(BEHIND("2")), 1);
}
END_TEST

/* Its words inside a script, before 7.0. */
START_TEST(a_replica_of_an_old_version_is_left_as_well)
{
    up_in_room();
    keep("one");
    fake_loop_turn(loop);
    answer("-ERR Error running script (call to f_1f): @user_script:36: @user_script: 36: "
           "-READONLY You can't write against a read only replica. \r\n");
    ck_assert(!figures().up);
    expect_heard("");
    return_to_room();
    answer_health();
    keep("two");
    fake_loop_turn(loop);
    answer_kept("1", false);
    answer("-ERR Error running script (call to f_1f): @user_script:36: @user_script: 36: "
           "-OOM command not allowed when used memory > 'maxmemory'. \r\n");
    ck_assert(figures().up);
    expect_heard("#7=FW_OK@1 #7=FW_ERR_BACKPLANE@0 ");
}
END_TEST

/* min-replicas-to-write: it passes, and publishes of plain rooms aren't concerned. */
START_TEST(what_waits_for_replicas_is_sent_again_and_the_links_stay)
{
    up_in_room();
    keep("one");
    keep("two");
    fake_loop_turn(loop);
    answer("-NOREPLICAS Not enough good replicas to write.\r\n"
           "-OUTOFTURN not yet\r\n");
    ck_assert(figures().up);
    forget_written();
    fake_loop_turn(loop);
    ck_assert_uint_eq(WROTE("EVAL"), 0);
    fake_loop_advance(loop, 100);
    fake_loop_turn(loop);
    ck_assert_uint_eq(WROTE(SERIAL("1")), 1);
    answer_kept("1", false);
    ck_assert_uint_eq(WROTE(SERIAL("2")), 1);
    answer_kept("2", false);
    expect_heard("#7=FW_OK@1 #7=FW_OK@2 ");
}
END_TEST

/* Or all that waits would be sent and refused ten times a second. */
START_TEST(while_redis_lacks_replicas_one_tries_for_all)
{
    static const char no[] = "-NOREPLICAS Not enough good replicas to write.\r\n";
    up_in_room();
    keep("one");
    keep("two");
    fake_loop_turn(loop);
    answer(no);
    answer("-OUTOFTURN not yet\r\n");
    for (int i = 0; i < 3; i++) {
        forget_written();
        keep("more");
        fake_loop_turn(loop);
        ck_assert_uint_eq(WROTE("EVAL"), 0);
        fake_loop_advance(loop, 100);
        fake_loop_turn(loop);
        ck_assert_uint_eq(WROTE("EVAL"), 1);
        ck_assert_uint_eq(WROTE(SERIAL("1")), 1);
        fake_loop_turn(loop);
        ck_assert_uint_eq(WROTE("EVAL"), 1);
        answer(i < 2 ? no : "*3\r\n$8\r\n" EPOCH "\r\n:1\r\n:0\r\n");
    }
    expect_heard("#7=FW_OK@1 ");
    ck_assert_uint_eq(WROTE("EVAL"), 5);
    ck_assert_uint_eq(WROTE(BEHIND("2")), 1);
    ck_assert_uint_eq(WROTE(BEHIND("3")), 1);
    ck_assert_uint_eq(WROTE(BEHIND("4")), 1);
    lose(); /* and what was stuck there isn't at another server */
    return_to_room();
    ck_assert_uint_eq(WROTE("EVAL"), 4);
}
END_TEST

START_TEST(an_error_about_the_message_is_told_and_it_is_dropped)
{
    up_in_room();
    keep("one");
    fake_loop_turn(loop);
    answer("-OOM command not allowed\r\n");
    expect_heard("#7=FW_ERR_BACKPLANE@0 ");
    ck_assert(figures().up);
    ck_assert_uint_eq(figures().queue_dropped, 1);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(an_answer_of_another_kind_ends_the_links)
{
    up_in_room();
    keep("one");
    fake_loop_turn(loop);
    answer("*3\r\n$3\r\nabc\r\n:1\r\n:0\r\n");
    ck_assert(!figures().up);
    expect_heard("");
}
END_TEST

START_TEST(too_late_is_told_and_it_is_not_sent)
{
    ck_assert(bp->ops->subscribe(bp, "r:a"));
    keep("late");
    fake_loop_turn(loop);
    fake_loop_advance(loop, 29000);
    expect_heard("+r:a ");
    fake_loop_advance(loop, 2000);
    expect_heard("#7=FW_ERR_TIMEOUT@0 ");
    ck_assert_uint_eq(figures().queue_dropped, 1);
    return_to_room();
    ck_assert_uint_eq(WROTE("EVAL"), 0);
}
END_TEST

START_TEST(a_full_queue_is_told_at_the_flush)
{
    static char text[600000];
    memset(text, 'x', sizeof text - 1);
    keep(text);
    keep(text);
    expect_heard("");
    fake_loop_turn(loop);
    expect_heard("#7=FW_ERR_BUSY@0 ");
    ck_assert_uint_eq(figures().queue_dropped, 1);
}
END_TEST

START_TEST(a_full_queue_of_kept_messages_is_no_reason_to_give_the_link_up)
{
    static char text[900000];
    memset(text, 'x', sizeof text - 1);
    up_in_room();
    for (int i = 0; i < 8; i++) {
        keep(text);
    }
    fake_loop_turn(loop);
    expect_heard("#7=FW_ERR_BUSY@0 #7=FW_ERR_BUSY@0 #7=FW_ERR_BUSY@0 #7=FW_ERR_BUSY@0 ");
    ck_assert(figures().up);
}
END_TEST

START_TEST(a_plain_publish_with_a_ref_is_told_when_redis_has_answered)
{
    up_in_room();
    fw_message *m = text_message("plain");
    ck_assert(bp->ops->publish(bp, "r:a", m, &(fwi_terms){.ref = 3}));
    ck_assert(bp->ops->publish(bp, "r:a", m, &(fwi_terms){.ref = 4}));
    fw_message_unref(m);
    fake_loop_turn(loop);
    answer(":1\r\n-NOPERM not there\r\n");
    expect_heard("#3=FW_OK@0 #4=FW_ERR_BACKPLANE@0 ");
}
END_TEST

START_TEST(a_kept_message_is_not_dropped_for_its_serial)
{
    up_in_room();
    message_from(77, 5, "fanwire:r:a", "plain");
    kept_message_from(77, 3, at_one, "kept");
    message_from(77, 4, "fanwire:r:a", "repeated");
    kept_message_from(77, 9, at_one, "more");
    message_from(77, 6, "fanwire:r:a", "new");
    expect_heard("r:a=plain r:a=kept r:a=more r:a=new ");
    ck_assert_uint_eq(figures().duplicates, 1);
}
END_TEST

START_TEST(pages_cannot_be_had_while_away)
{
    fake_loop_turn(loop);
    ask(1);
    expect_heard("");
    fake_loop_turn(loop);
    expect_heard("page1=FW_ERR_BACKPLANE:0@0 ");
    ck_assert(bp->ops->forget_history(bp, "r:a", 2));
    fake_loop_turn(loop);
    expect_heard("#2=FW_ERR_BACKPLANE@0 ");
}
END_TEST

/* Who waits to be let in where a room stands may have spoken while Redis was away. */
static void ask_twice(void)
{
    const fwi_history_query q = {.ahead = true, .history_ttl_ms = 60000};
    ask(1);
    ck_assert(bp->ops->read_history(bp, "r:a", &q, 2));
}

START_TEST(a_page_may_be_asked_for_ahead_of_what_waits)
{
    keep("said while away");
    when_up = ask_twice;
    come_up();
    when_up = NULL;
    /* The probe's answer and PING's come first. */
    static const char pages[] = ":1\r\n+PONG\r\n"
                                "$16\r\n" EPOCH "\0\0\0\0\0\0\0\0\r\n"
                                "*3\r\n$8\r\n" EPOCH "\r\n:1\r\n:0\r\n"
                                "$16\r\n" EPOCH "\0\0\0\0\0\0\0\1\r\n";
    fake_stream_feed(command, pages, sizeof pages - 1);
    fake_loop_turn(loop);
    expect_heard("page2=FW_OK:0@0 #7=FW_OK@1 page1=FW_OK:0@1 ");
}
END_TEST

START_TEST(a_lost_link_answers_all_pages_that_are_outstanding)
{
    up_in_room();
    ask(1);
    ask(2);
    fake_loop_turn(loop);
    ck_assert_uint_eq(WROTE("EVAL"), 2);
    ask(3); /* not sent yet */
    lose();
    fake_loop_turn(loop);
    expect_heard("page1=FW_ERR_BACKPLANE:0@0 page2=FW_ERR_BACKPLANE:0@0 "
                 "page3=FW_ERR_BACKPLANE:0@0 ");
    return_to_room();
    ck_assert_uint_eq(WROTE("EVAL"), 0);
}
END_TEST

START_TEST(a_page_is_asked_again_when_the_script_was_forgotten)
{
    up_in_room();
    ask(1);
    fake_loop_turn(loop);
    forget_written();
    answer("-NOSCRIPT No matching script.\r\n");
    ck_assert_uint_eq(WROTE("$4\r\nEVAL\r\n"), 1);
    static const char page[] = "$16\r\n" EPOCH "\0\0\0\0\0\0\0\x05\r\n";
    fake_stream_feed(command, page, sizeof page - 1);
    expect_heard("page1=FW_OK:0@5 ");
    ck_assert_uint_eq(figures().history_reads, 1);
}
END_TEST

static const struct {
    const char *name, *text;
    size_t len;
    const char *heard;
} pages[] = {
#define PAGE(n, s)                                                                       \
    "$" n "\r\n" EPOCH "\0\0\0\0\0\0\0\x05" s "\r\n",                                    \
        sizeof("$" n "\r\n" EPOCH "\0\0\0\0\0\0\0\x05" s "\r\n") - 1
    {"an error", "-NOPERM no\r\n", 12, "page1=FW_ERR_BACKPLANE:0@0 "},
    {"a number", ":1\r\n", 4, "page1=FW_ERR_BACKPLANE:0@0 "},
    {"too short", "$3\r\nabc\r\n", 9, "page1=FW_ERR_BACKPLANE:0@0 "},
    {"half a length", PAGE("18", "\0\0"), "page1=FW_OK:0@5 "},
    {"longer than the page", PAGE("22", "\0\0\0\xffxx"), "page1=FW_OK:0@5 "},
    {"no envelope", PAGE("22", "\0\0\0\x02hi"), "page1=FW_OK:0@5 "},
};

START_TEST(a_strange_page_is_an_error_or_has_less)
{
    up_in_room();
    ask(1);
    fake_loop_turn(loop);
    fake_stream_feed(command, pages[_i].text, pages[_i].len);
    ck_assert_msg(strcmp(heard, pages[_i].heard) == 0, "%s: %s", pages[_i].name, heard);
}
END_TEST

static void put_entry(fwi_buf *out, fwi_msg_kind kind, fwi_position at)
{
    fwi_buf envelope = {0};
    fw_message *m = test_message(kind, "text", 4, FW_TEXT);
    ck_assert(fwi_message_encode_at(m, 77, 1, at, &envelope));
    const char length[4] = {0, 0, 0, (char)envelope.len};
    ck_assert_uint_lt(envelope.len, 256);
    ck_assert(fwi_buf_append(out, length, 4) &&
              fwi_buf_append(out, envelope.data, envelope.len));
    fwi_buf_fini(&envelope);
    fw_message_unref(m);
}

/* News about a member that has no name would be the end of whoever shows it. */
START_TEST(what_is_no_message_of_this_history_is_left_out_of_a_page)
{
    const fwi_position other = {at_one.epoch + 1, 2}, beyond = {at_one.epoch, 6};
    fwi_buf page = {0}, out = {0};
    up_in_room();
    ask(1);
    fake_loop_turn(loop);
    ck_assert(fwi_buf_append(&page, EPOCH "\0\0\0\0\0\0\0\x05", 16));
    put_entry(&page, FWI_MSG_LEFT, at_one);
    put_entry(&page, FWI_MSG_DATA, other);
    put_entry(&page, FWI_MSG_DATA, beyond);
    put_entry(&page, FWI_MSG_DATA, at_one);
    fwi_buf_printf(&out, "$%zu\r\n", page.len);
    fwi_buf_append(&out, page.data, page.len);
    fwi_buf_puts(&out, "\r\n");
    fake_stream_feed(command, out.data, out.len);
    expect_heard("page1=FW_OK:1@5 ");
    ck_assert_uint_eq(figures().malformed, 3);
    fwi_buf_fini(&page);
    fwi_buf_fini(&out);
}
END_TEST

START_TEST(whoever_waits_is_told_when_it_is_stopped)
{
    up_in_room();
    keep("sent");
    ask(1);
    fake_loop_turn(loop);
    keep("unsent");
    ask(2);
    bp->ops->stop(bp);
    expect_heard("#7=FW_ERR_CLOSED@0 #7=FW_ERR_CLOSED@0 page1=FW_ERR_CLOSED:0@0 "
                 "page2=FW_ERR_CLOSED:0@0 ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_history");
    TCase *tc = tcase_create("history");
    tcase_add_checked_fixture(tc, begin_full, end);
    tcase_add_test(tc, a_script_goes_whole_once_a_link_and_by_its_digest_then);
    tcase_add_test(tc, it_is_delivered_when_it_comes_with_its_position_and_not_before);
    tcase_add_test(
        tc, without_an_answer_it_is_sent_again_as_the_same_and_never_delivered_here);
    tcase_add_test(tc, a_place_that_is_not_known_any_more_is_none);
    tcase_add_test(tc, a_forgotten_script_is_sent_whole_again_and_what_was_behind_it);
    tcase_add_test(tc, a_room_of_which_one_is_refused_holds_up_no_other_room);
    tcase_add_test(tc, a_server_that_cannot_now_gets_it_later_in_the_same_order);
    tcase_add_test(tc, a_replica_of_an_old_version_is_left_as_well);
    tcase_add_test(tc, what_waits_for_replicas_is_sent_again_and_the_links_stay);
    tcase_add_test(tc, while_redis_lacks_replicas_one_tries_for_all);
    tcase_add_test(tc, an_error_about_the_message_is_told_and_it_is_dropped);
    tcase_add_test(tc, an_answer_of_another_kind_ends_the_links);
    tcase_add_test(tc, too_late_is_told_and_it_is_not_sent);
    tcase_add_test(tc, a_full_queue_is_told_at_the_flush);
    tcase_add_test(tc, a_full_queue_of_kept_messages_is_no_reason_to_give_the_link_up);
    tcase_add_test(tc, a_plain_publish_with_a_ref_is_told_when_redis_has_answered);
    tcase_add_test(tc, a_kept_message_is_not_dropped_for_its_serial);
    tcase_add_test(tc, pages_cannot_be_had_while_away);
    tcase_add_test(tc, a_page_may_be_asked_for_ahead_of_what_waits);
    tcase_add_test(tc, a_lost_link_answers_all_pages_that_are_outstanding);
    tcase_add_test(tc, a_page_is_asked_again_when_the_script_was_forgotten);
    tcase_add_loop_test(tc, a_strange_page_is_an_error_or_has_less, 0,
                        (int)FWI_ARRAY_LEN(pages));
    tcase_add_test(tc, what_is_no_message_of_this_history_is_left_out_of_a_page);
    tcase_add_test(tc, whoever_waits_is_told_when_it_is_stopped);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
