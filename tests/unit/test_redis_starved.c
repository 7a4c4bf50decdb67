/*
 * The Redis backplane when memory is gone at a certain moment. That nothing ends by it
 * whatever the moment, tests/inject looks at; here it is that nothing goes on which would
 * be wrong from then on.
 */
#include "redis_backplane_rig.h"

/* --- memory that runs out: see CMakeLists.txt --- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool no_malloc, no_realloc;
static unsigned failed;

void *__wrap_malloc(size_t size)
{
    failed += no_malloc;
    return no_malloc ? NULL : __real_malloc(size);
}

/* What clang makes of a malloc whose memory is set to zeros. */
void *__wrap_calloc(size_t n, size_t size)
{
    failed += no_malloc;
    return no_malloc ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    failed += no_realloc;
    return no_realloc ? NULL : __real_realloc(p, size);
}

static void begin_starved(void)
{
    no_malloc = no_realloc = false;
    failed = 0;
    begin();
}

static void turn_without(bool *which)
{
    *which = true;
    fake_loop_turn(loop);
    *which = false;
    ck_assert_uint_gt(failed, 0);
}

static void on_members(void *user, uint64_t ref, const fwi_member_page *page)
{
    (void)user;
    (void)ref;
    note(page->err == 0 ? "page " : "none ");
}

static const fwi_backplane_sink asking_sink = {.on_subscribed = on_subscribed,
                                               .on_message = on_message,
                                               .on_state = on_state,
                                               .on_members = on_members};

/* What was asked for and what was sent differ by one then: the answer to the publish
 * would be taken for the page. */
START_TEST(behind_a_command_that_could_not_be_written_nothing_is)
{
    enum { LARGE = 300000 };
    char *text = calloc(1, LARGE + 1);
    bp->sink = &asking_sink;
    up_in_room();
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    fake_loop_turn(loop);
    fake_stream_feed_text(command, "$4\r\n0 0\n\r\n");
    expect_heard("page ");
    memset(text, 'x', LARGE);
    publish("r:nobody", text); /* the link gives the memory back that this takes */
    fake_loop_turn(loop);
    fake_stream_feed_text(command, ":0\r\n");
    forget_written();
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    turn_without(&no_realloc);
    ck_assert(fake_stream_is_closed(command));
    ck_assert_uint_eq(downs, 1);
    fake_loop_turn(loop);
    expect_heard("none ");
    free(text);
}
END_TEST

static const fwi_terms kept = {10, 60000, 0};

static void keep(const char *room, const char *text)
{
    fw_message *m = text_message(text);
    ck_assert(bp->ops->publish(bp, room, m, &kept));
    fw_message_unref(m);
}

/* Another one could overtake it, and Redis would take it for a repetition then. */
START_TEST(a_kept_publish_that_could_not_be_remembered_is_not_sent)
{
    up_in_room();
    keep("r:a", "1");
    turn_without(&no_malloc);
    ck_assert(fake_stream_is_closed(command));
    return_to_room();
    const fwi_buf *b = fake_stream_written(command);
    ck_assert_ptr_nonnull(memmem(b->data, b->len, "{fanwire:r:a}:m", 15));
}
END_TEST

START_TEST(nor_is_one_behind_another_that_could_not_be_put_aside)
{
    up_in_room();
    keep("r:a", "1");
    fake_loop_turn(loop);
    fake_stream_feed_text(command, "-NOREPLICAS not enough\r\n");
    fake_loop_turn(loop); /* until it is sent again all of its room wait behind it */
    forget_written();
    keep("r:a", "2");
    turn_without(&no_malloc);
    ck_assert(fake_stream_is_closed(command));
    ck_assert_uint_eq(fake_stream_written(command)->len, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_starved");
    TCase *tc = tcase_create("starved");
    tcase_add_checked_fixture(tc, begin_starved, end);
    tcase_add_test(tc, behind_a_command_that_could_not_be_written_nothing_is);
    tcase_add_test(tc, a_kept_publish_that_could_not_be_remembered_is_not_sent);
    tcase_add_test(tc, nor_is_one_behind_another_that_could_not_be_put_aside);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
