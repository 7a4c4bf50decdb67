/*
 * How often memory is asked for when messages pass by Redis, counted: the replies, the
 * commands and the entries of own publishes use theirs again.
 *
 * The allocator's functions are counted by standing before the C library's, which the
 * sanitizers do, too: with them there is nothing to count.
 */
#include "redis_backplane_rig.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTED 1
#else
#define COUNTED 0
#endif

static bool counting;
static unsigned long allocations;

#if COUNTED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    allocations += counting;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    allocations += counting;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    allocations += counting;
    return __libc_realloc(p, size);
}
#endif

enum { IN_FLIGHT = 64, ROUNDS = 50, MESSAGES = IN_FLIGHT * ROUNDS };

static unsigned long came;
static fwi_buf messages, answers; /* what Redis says in a round */

static void on_counted_message(void *user, const char *channel, fw_message *m)
{
    (void)user;
    (void)channel;
    (void)m;
    came++;
}

static void up_and_counting(void)
{
    static const fwi_backplane_sink counting_sink = {.on_subscribed = on_subscribed,
                                                     .on_message = on_counted_message,
                                                     .on_state = on_state};
    end();
    begin();
    bp->sink = &counting_sink;
    up_in_room();
    fwi_buf_init(&messages);
    fwi_buf_init(&answers);
    came = allocations = 0;
}

static void say_messages(uint64_t node, uint64_t first, const fw_message *m)
{
    fwi_buf envelope;
    fwi_buf_init(&envelope);
    messages.len = answers.len = 0;
    for (uint64_t i = 0; i < IN_FLIGHT; i++) {
        envelope.len = 0;
        ck_assert(fwi_message_encode(m, node, first + i, &envelope));
        fwi_buf_printf(&messages, "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$%zu\r\n",
                       envelope.len);
        fwi_buf_append(&messages, envelope.data, envelope.len);
        fwi_buf_puts(&messages, "\r\n");
        fwi_buf_puts(&answers, ":2\r\n");
    }
    fwi_buf_fini(&envelope);
}

static void done(fw_message *m)
{
    fw_message_unref(m);
    fwi_buf_fini(&messages);
    fwi_buf_fini(&answers);
}

/* The fake streams allocate a little of their own. */
static void expect_allocations(unsigned long each)
{
    ck_assert_uint_eq(came, MESSAGES);
    ck_assert_msg(!COUNTED || allocations >= each * MESSAGES, "%lu", allocations);
    ck_assert_msg(allocations <= each * MESSAGES + MESSAGES / 10, "%lu", allocations);
}

START_TEST(an_own_message_costs_no_allocation_there_and_back)
{
    up_and_counting();
    fw_message *m = text_message("hello");
    for (uint64_t round = 0; round < ROUNDS; round++) {
        say_messages(NODE, 1 + round * IN_FLIGHT, m);
        counting = round > 0; /* in the first one buffers grow */
        unsigned taken = 0;   /* ck_assert allocates */
        for (int i = 0; i < IN_FLIGHT; i++) {
            taken += bp->ops->publish(bp, "r:a", m, NULL);
        }
        bp->ops->flush(bp);
        fake_stream_feed(command, answers.data, answers.len);
        fake_stream_feed(subscriber, messages.data, messages.len);
        counting = false;
        ck_assert_uint_eq(taken, IN_FLIGHT);
        forget_written();
    }
    expect_allocations(0);
    ck_assert_uint_eq(figures().duplicates, 0);
    ck_assert_uint_eq(figures().queue_bytes, 0);
    done(m);
}
END_TEST

START_TEST(another_nodes_message_costs_itself_and_its_frame)
{
    up_and_counting();
    fw_message *m = text_message("hello");
    for (uint64_t round = 0; round < ROUNDS; round++) {
        say_messages(77, 1 + round * IN_FLIGHT, m);
        counting = true;
        fake_stream_feed(subscriber, messages.data, messages.len);
        counting = false;
    }
    expect_allocations(2);
    done(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_allocations");
    TCase *tc = tcase_create("allocations");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, an_own_message_costs_no_allocation_there_and_back);
    tcase_add_test(tc, another_nodes_message_costs_itself_and_its_frame);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
