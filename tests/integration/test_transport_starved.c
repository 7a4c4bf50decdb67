/*
 * A transport where descriptors are short: it says so, or it serves, and whatever
 * libwebsockets could or couldn't have, it is taken down again. The eventfd() that
 * libwebsockets and libuv call is the one of this file.
 */
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "transport_rig.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

static atomic_bool refuses;

int eventfd(unsigned count, int flags)
{
    if (atomic_load(&refuses)) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_eventfd2, count, flags);
}

/* Such a context stays in memory, which isn't a leak that anybody could mend. */
static void without_a_pipe(void (*make)(void))
{
    atomic_store(&refuses, true);
#if defined(__SANITIZE_ADDRESS__)
    __lsan_disable();
    make();
    __lsan_enable();
#else
    make();
#endif
    atomic_store(&refuses, false);
}

START_TEST(a_context_without_its_event_pipe_serves_and_is_taken_down)
{
    rig_prepare();
    without_a_pipe(rig_start);
    client c = client_shaken();
    expect_echoes(&c);
    client_close(&c);
    WAIT_FOR(gone, 1);
    rig_stop();
}
END_TEST

static void make_transport(void)
{
    ck_assert_int_eq(fwi_transport_new(&R.transport, R.loop, &R.shard, &R.config), FW_OK);
}

START_TEST(a_context_without_its_event_pipe_need_not_have_run)
{
    /* Others come and go meanwhile, and with the last the code for libuv is unloaded. */
    rig_prepare();
    make_transport();
    fwi_transport *whole = R.transport;
    fwi_loop *loop = R.loop;
    R.loop = fwi_loop_uv_new(&rig_loop_events, &R);
    without_a_pipe(make_transport);
    fwi_transport_free(whole);
    fwi_loop_uv_free(loop);
    fwi_transport_free(R.transport);
    fwi_loop_uv_free(R.loop);
    fwi_networks_free((fwi_networks *)(uintptr_t)R.config.trusted);
}
END_TEST

START_TEST(a_loop_that_could_not_be_made_leaves_nothing_open)
{
    fwi_loop_uv_free(fwi_loop_uv_new(&rig_loop_events, &R)); /* libuv's two, for ever */
    int before = open_descriptors();
    atomic_store(&refuses, true);
    ck_assert_ptr_null(fwi_loop_uv_new(&rig_loop_events, &R));
    int why = errno;
    atomic_store(&refuses, false);
    ck_assert_int_eq(why, EMFILE);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

enum { FEW = 512 };

START_TEST(want_of_descriptors_is_an_error_that_says_so)
{
    rig_prepare();
    make_transport(); /* what libraries open once for ever is there now */
    fwi_transport_free(R.transport);
    struct rlimit before, few;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = FEW;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    int taken[FEW], n = 0, made = 0;
    while ((taken[n] = dup(STDERR_FILENO)) >= 0) {
        n++;
    }
    for (int left = 0; left < 8; left++) {
        fwi_transport *t = NULL;
        int err = fwi_transport_new(&t, R.loop, &R.shard, &R.config);
        if (left < 2) {
            ck_assert_int_eq(err, FW_ERR_SYSTEM);
            ck_assert_ptr_nonnull(strstr(fw_error_detail(), strerror(EMFILE)));
        }
        made += err == FW_OK;
        fwi_transport_free(t);
        close(taken[--n]);
    }
    while (n > 0) {
        close(taken[--n]);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_gt(made, 0);
    fwi_loop_uv_free(R.loop);
    fwi_networks_free((fwi_networks *)(uintptr_t)R.config.trusted);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("transport_starved");
    TCase *tc = tcase_create("starved");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_context_without_its_event_pipe_serves_and_is_taken_down);
    tcase_add_test(tc, a_context_without_its_event_pipe_need_not_have_run);
    tcase_add_test(tc, a_loop_that_could_not_be_made_leaves_nothing_open);
    tcase_add_test(tc, want_of_descriptors_is_an_error_that_says_so);
    suite_add_tcase(s, tc);
    return rig_main(s);
}
