/*
 * The emitter, which publishes without a node, on real servers.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "backplane_rig.h"

START_TEST(an_emitter_reaches_the_nodes_also_after_a_restart)
{
    node *n = node_up(REDIS);
    enter(n, "r:a");
    fwi_redis_config c = config_for(redis_server_url(server));
    c.node = 77;
    fwi_redis_emitter *e = fwi_redis_emitter_new(&c);
    fw_message *m = fwi_message_new(FWI_MSG_DATA, "job", 3, FW_TEXT);
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 2000), 1);
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:nobody", m, 2000), 0);
    ck_assert(node_wait(n, node_has_text, "job", 1));
    redis_server_kill(server);
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 2000), FW_ERR_BACKPLANE);
    redis_server_restart(server);
    ck_assert(node_wait(n, node_is_up, NULL, 0));
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 2000), 1);
    ck_assert(node_wait(n, node_has_text, "job", 2));
    redis_server_pause(server);
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 200), FW_ERR_TIMEOUT);
    redis_server_resume(server);
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 2000), 1);
    fwi_redis_emitter_free(e);
    fw_message_unref(m);
    node_free(n);
}
END_TEST

/* Servers that fork their workers make it before: both go on with what looks like one. */
START_TEST(an_emitter_is_heard_from_both_sides_of_a_fork)
{
    node *n = node_up(REDIS);
    enter(n, "r:a");
    fwi_redis_config c = config_for(redis_server_url(server));
    c.node = 78;
    fwi_redis_emitter *e = fwi_redis_emitter_new(&c);
    fw_message *m = fwi_message_new(FWI_MSG_DATA, "job", 3, FW_TEXT);
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 2000), 1);
    pid_t child = fork();
    if (child == 0) {
        _exit(fwi_redis_emitter_publish(e, "r:a", m, 2000) == 1 ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 2000), 1);
    ck_assert(node_wait(n, node_has_text, "job", 3));
    fwi_redis_emitter_free(e);
    fw_message_unref(m);
    node_free(n);
}
END_TEST

START_TEST(an_emitter_speaks_tls_and_reports_refusals)
{
    static const char *const args[] = {"--requirepass", "secret", NULL};
    redis_server_options o = {.tls = true, .args = args};
    redis_server *r = redis_server_start(&o);
    fw_message *m = fwi_message_new(FWI_MSG_DATA, "job", 3, FW_TEXT);
    static const struct {
        const char *who;
        bool ca;
        int want;
        const char *detail;
    } cases[] = {
        {":secret@", true, 0, ""},
        {":secret@", false, FW_ERR_BACKPLANE, "certificate"},
        {":wrong@", true, FW_ERR_BACKPLANE, "WRONGPASS"},
        {"", true, FW_ERR_BACKPLANE, "NOAUTH"},
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(cases); i++) {
        char url[128];
        snprintf(url, sizeof url, "rediss://%slocalhost:%d", cases[i].who,
                 redis_server_tls_port(r));
        fwi_redis_config c = config_for(url);
        c.tls_ca = cases[i].ca ? redis_server_ca(r) : NULL;
        fwi_redis_emitter *e = fwi_redis_emitter_new(&c);
        int got = fwi_redis_emitter_publish(e, "r:a", m, 5000);
        ck_assert_msg(got == cases[i].want, "case %zu: %d %s", i, got, fw_error_detail());
        ck_assert_msg(got == 0 || strstr(fw_error_detail(), cases[i].detail) != NULL,
                      "case %zu: %s", i, fw_error_detail());
        fwi_redis_emitter_free(e);
    }
    fw_message_unref(m);
    redis_server_stop(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_emitter");
    TCase *tc = case_of(s, "emitter");
    tcase_add_test(tc, an_emitter_reaches_the_nodes_also_after_a_restart);
    tcase_add_test(tc, an_emitter_is_heard_from_both_sides_of_a_fork);
    tcase_add_test(tc, an_emitter_speaks_tls_and_reports_refusals);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
