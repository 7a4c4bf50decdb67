/*
 * Which process a mark belongs to, with and without the kernel's help.
 */
#include "base/forkmark.h"

#include <check.h>
#include <sys/wait.h>

/* What the child of a fork thinks of it. */
static bool child_thinks_ours(const fwi_forkmark *mark)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        _exit(fwi_forkmark_is_ours(mark) ? 1 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

START_TEST(a_mark_belongs_to_who_made_it_and_not_to_his_child)
{
    fwi_forkmark mark;
    fwi_forkmark_init(&mark);
    if (_i == 1) {
        fwi_forkmark_fini(&mark); /* as on a kernel without the page */
        ck_assert(mark.ours == NULL);
    } else {
        ck_assert(mark.ours != NULL);
    }
    ck_assert(fwi_forkmark_is_ours(&mark));
    ck_assert(!child_thinks_ours(&mark));
    ck_assert(fwi_forkmark_is_ours(&mark));
    fwi_forkmark_fini(&mark);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forkmark");
    TCase *tc = tcase_create("forkmark");
    tcase_add_loop_test(tc, a_mark_belongs_to_who_made_it_and_not_to_his_child, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
