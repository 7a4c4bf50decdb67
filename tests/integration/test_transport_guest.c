/*
 * What libwebsockets leaves behind when a transport is taken down in a process that has
 * other descriptors, too. The close() and eventfd() that it calls are those of this file.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "transport_rig.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

static atomic_int last_eventfd; /* the event pipe, when a transport has been made */
static atomic_int in_vain;      /* closings of what wasn't open */
static atomic_int wanted;       /* the number that a fast thread takes; -1: none */
static atomic_int taken;

int eventfd(unsigned count, int flags)
{
    int fd = (int)syscall(SYS_eventfd2, count, flags);
    atomic_store(&last_eventfd, fd);
    return fd;
}

int close(int fd)
{
    int expected = fd;
    int result = (int)syscall(SYS_close, fd);
    if (result != 0) {
        atomic_fetch_add(&in_vain, 1);
    } else if (atomic_compare_exchange_strong(&wanted, &expected, -1)) {
        int file = (int)syscall(SYS_memfd_create, "another's", 0);
        atomic_store(&taken, fcntl(file, F_DUPFD_CLOEXEC, fd));
        syscall(SYS_close, file);
    }
    return result;
}

static void make_transport(void)
{
    rig_prepare();
    ck_assert_int_eq(fwi_transport_new(&R.transport, R.loop, &R.shard, &R.config), FW_OK);
}

static void free_all(void)
{
    fwi_transport_free(R.transport);
    fwi_loop_uv_free(R.loop);
    fwi_networks_free((fwi_networks *)(uintptr_t)R.config.trusted);
}

START_TEST(no_number_is_closed_twice)
{
    make_transport(); /* what libraries open once for ever is there now */
    free_all();
    int before = open_descriptors();
    atomic_store(&in_vain, 0);
    make_transport();
    free_all();
    rig_prepare();
    rig_start();
    client c = client_shaken();
    client_close(&c);
    WAIT_FOR(gone, 1);
    rig_stop();
    ck_assert_int_eq(atomic_load(&in_vain), 0);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_number_that_another_thread_took_meanwhile_stays_its)
{
    make_transport();
    free_all();
    int before = open_descriptors();
#if defined(__SANITIZE_ADDRESS__)
    __lsan_disable(); /* such a context stays in memory */
#endif
    make_transport();
#if defined(__SANITIZE_ADDRESS__)
    __lsan_enable();
#endif
    int pipe = atomic_load(&last_eventfd);
    atomic_store(&wanted, pipe);
    free_all();
    int its = atomic_load(&taken);
    ck_assert_int_eq(atomic_load(&wanted), -1);
    ck_assert_int_eq(its, pipe);
    struct stat st;
    ck_assert_int_eq(fstat(its, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    close(its);
    /* /dev/urandom is of the context, and stays with it. */
    ck_assert_int_le(open_descriptors(), before + 1);
}
END_TEST

int main(void)
{
    atomic_store(&wanted, -1);
    Suite *s = suite_create("transport_guest");
    TCase *tc = tcase_create("guest");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, no_number_is_closed_twice);
    tcase_add_test(tc, a_number_that_another_thread_took_meanwhile_stays_its);
    suite_add_tcase(s, tc);
    return rig_main(s);
}
