/*
 * A hub that is started where descriptors are short: it runs or says what is lacking, the
 * process goes on either way, and nothing is left behind. Each try is a process of its
 * own, as what libraries open once for ever is a part of it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/hub_fixture.h"

enum { FEW = 256, MOST = 48 };

static int open_now(void)
{
    int n = 0;
    for (int fd = 0; fd < FEW; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* Descriptors up to the limit, but for so many. */
static int take_all_but(int left, int *taken)
{
    int n = 0;
    while ((taken[n] = dup(STDERR_FILENO)) >= 0) {
        n++;
    }
    while (left-- > 0 && n > 0) {
        close(taken[--n]);
    }
    return n;
}

static bool says_what_is_lacking(int err)
{
    bool ok = (err == FW_ERR_SYSTEM || err == FW_ERR_LISTEN) &&
              strcasestr(fw_error_detail(), "too many open files") != NULL;
    if (!ok) {
        fprintf(stderr, "%s: %s\n", fw_err_name(err), fw_error_detail());
    }
    return ok;
}

/* In a process of its own, which check doesn't know: 0 it runs, 1 it says what is
 * lacking, 2 and up is wrong. */
static int try_to_start(int left)
{
    const struct rlimit few = {.rlim_cur = FEW, .rlim_max = FEW};
    int taken[FEW];
    fw_hub *hub = NULL;
    fw_options *o = fw_options_new();
    fw_options_set(o, "listen", "ws://127.0.0.1:0/ws");
    fw_options_set(o, "http.listen", "127.0.0.1:0");
    fw_options_set(o, "threads", "2");
    if (setrlimit(RLIMIT_NOFILE, &few) != 0 || fw_hub_new(&hub, o) != FW_OK) {
        return 2;
    }
    fw_options_free(o);
    int n = take_all_but(left, taken), before = open_now();
    int err = fw_hub_start(hub);
    if (err != FW_OK && !says_what_is_lacking(err)) {
        return 3;
    }
    if (err == FW_OK && fw_hub_stop(hub) != FW_OK) {
        return 4;
    }
    /* libuv keeps two for signals, for ever. */
    if (open_now() > before + 2) {
        fprintf(stderr, "%d open, and %d before\n", open_now(), before);
        return 5;
    }
    while (n > 0) {
        close(taken[--n]);
    }
    if (err != FW_OK && fw_hub_start(hub) != FW_OK) {
        return 6;
    }
    fw_hub_free(hub);
    return err == FW_OK ? 0 : 1;
}

START_TEST(a_start_that_lacks_descriptors_says_so_and_may_be_repeated)
{
    int outcomes[2] = {0, 0};
    for (int left = 0; left < MOST; left++) {
        fflush(NULL);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            _exit(try_to_start(left));
        }
        int status = 0;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= 1,
                      "with %d left: status %#x", left, (unsigned)status);
        outcomes[WEXITSTATUS(status)]++;
    }
    ck_assert_int_gt(outcomes[0], 0);
    ck_assert_int_gt(outcomes[1], 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hub_starved");
    test_add(s, a_start_that_lacks_descriptors_says_so_and_may_be_repeated, 0, 1);
    return test_main(s, false);
}
