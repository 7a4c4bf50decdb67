/*
 * Commands as bytes: what hiredis' own formatter makes of the same words.
 */
#include <check.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/redis_command.h"

static const struct {
    const char *name;
    int argc;
    const char *argv[3];
    size_t lens[3];
} commands[] = {
    {"one word", 1, {"PING"}, {4}},
    {"three", 3, {"PUBLISH", "fanwire:r:lobby", "hello"}, {7, 15, 5}},
    {"empty", 3, {"PUBLISH", "", ""}, {7, 0, 0}},
    {"bytes", 2, {"AUTH", "\0\r\n\xff$3\r\n"}, {4, 8}},
    {"ten bytes", 2, {"AUTH", "0123456789"}, {4, 10}},
    {"99 and 100", 2, {NULL, NULL}, {99, 100}},
    {"9,999 and 10,000", 3, {NULL, "x", NULL}, {9999, 1, 10000}},
    {"a megabyte", 2, {"PUBLISH", NULL}, {7, 1048576}},
};

START_TEST(a_command_is_what_hiredis_makes_of_it)
{
    const char *argv[3];
    char *many = calloc(1, 1048577);
    ck_assert_ptr_nonnull(many);
    memset(many, 'y', 1048576);
    for (int i = 0; i < commands[_i].argc; i++) {
        argv[i] = commands[_i].argv[i] != NULL ? commands[_i].argv[i] : many;
    }
    char *want = NULL;
    long long n =
        redisFormatCommandArgv(&want, commands[_i].argc, argv, commands[_i].lens);
    ck_assert_int_gt(n, 0);

    fwi_buf out;
    fwi_buf_init(&out);
    ck_assert(fwi_buf_puts(&out, "before"));
    ck_assert(fwi_redis_command(&out, commands[_i].argc, argv, commands[_i].lens));
    ck_assert_msg(out.len == 6 + (size_t)n, "%s: %zu", commands[_i].name, out.len);
    ck_assert_mem_eq(out.data, "before", 6);
    ck_assert_msg(memcmp(out.data + 6, want, (size_t)n) == 0, "%s", commands[_i].name);
    fwi_buf_fini(&out);
    redisFreeCommand(want);
    free(many);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_command");
    TCase *tc = tcase_create("command");
    tcase_add_loop_test(tc, a_command_is_what_hiredis_makes_of_it, 0,
                        (int)FWI_ARRAY_LEN(commands));
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
