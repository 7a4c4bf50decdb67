/*
 * What is behind a descriptor, told from another thing that took its number.
 */
#include "base/fdmark.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

START_TEST(a_mark_fits_what_it_was_made_of_and_nothing_else)
{
    int a[2], b[2];
    ck_assert_int_eq(pipe(a), 0);
    ck_assert_int_eq(pipe(b), 0);
    fwi_fdmark mark = fwi_fdmark_of(a[0]);
    int twin = dup(a[0]);
    ck_assert(fwi_fdmark_fits(&mark, a[0]));
    ck_assert(fwi_fdmark_fits(&mark, twin));
    ck_assert(!fwi_fdmark_fits(&mark, b[0]));
    ck_assert_int_eq(dup2(b[0], a[0]), a[0]);
    ck_assert(!fwi_fdmark_fits(&mark, a[0]));
    close(a[0]);
    ck_assert(!fwi_fdmark_fits(&mark, a[0]));
    close(twin);
    close(a[1]);
    close(b[0]);
    close(b[1]);
}
END_TEST

START_TEST(a_mark_of_nothing_fits_nothing)
{
    fwi_fdmark mark = fwi_fdmark_of(-1);
    ck_assert(!fwi_fdmark_fits(&mark, -1));
    ck_assert(!fwi_fdmark_fits(&mark, STDERR_FILENO));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fdmark");
    TCase *tc = tcase_create("fdmark");
    tcase_add_test(tc, a_mark_fits_what_it_was_made_of_and_nothing_else);
    tcase_add_test(tc, a_mark_of_nothing_fits_nothing);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
