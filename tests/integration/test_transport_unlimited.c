/*
 * A transport where files are all but unlimited, as in some containers. The kernel here
 * may not allow that, so the limit is pretended: what libwebsockets and the transport
 * call for it is in this file, by its name or by the linker.
 */
#include <dlfcn.h>
#include <sys/resource.h>

#include "transport_rig.h"

enum { UNLIMITED = 1 << 30, FIRST = 2600, MOST = 4096 };

static struct rlimit pretended = {.rlim_cur = UNLIMITED, .rlim_max = UNLIMITED};

int __wrap_getrlimit(__rlimit_resource_t what, struct rlimit *limit);
int __wrap_setrlimit(__rlimit_resource_t what, const struct rlimit *limit);

int __wrap_getrlimit(__rlimit_resource_t what, struct rlimit *limit)
{
    ck_assert_int_eq(what, RLIMIT_NOFILE);
    *limit = pretended;
    return 0;
}

int __wrap_setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
    ck_assert_int_eq(what, RLIMIT_NOFILE);
    pretended = *limit;
    return 0;
}

long sysconf(int name)
{
    if (name == _SC_OPEN_MAX) {
        return (long)pretended.rlim_cur;
    }
    long (*real)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

START_TEST(sessions_with_high_numbers_are_served_and_the_limit_stays)
{
    struct rlimit enough;
    ck_assert_int_eq(prlimit(0, RLIMIT_NOFILE, NULL, &enough), 0);
    enough.rlim_cur = MOST;
    ck_assert_int_eq(prlimit(0, RLIMIT_NOFILE, &enough, NULL), 0);
    int taken[MOST], n = 0;
    do {
        taken[n] = dup(STDERR_FILENO);
        ck_assert_int_ge(taken[n], 0);
    } while (taken[n++] < FIRST);
    rig_prepare();
    rig_start();
    ck_assert_uint_eq(pretended.rlim_cur, UNLIMITED);
    client c = client_shaken();
    expect_echoes(&c);
    client_close(&c);
    WAIT_FOR(gone, 1);
    rig_stop();
    while (n > 0) {
        close(taken[--n]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("transport_unlimited");
    TCase *tc = tcase_create("unlimited");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, sessions_with_high_numbers_are_served_and_the_limit_stays);
    suite_add_tcase(s, tc);
    return rig_main(s);
}
