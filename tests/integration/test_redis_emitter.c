/*
 * The emitter, which publishes without a node, on real servers and on what answers like
 * none.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
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

static int emit_once(const fwi_redis_config *c)
{
    fwi_redis_emitter *e = fwi_redis_emitter_new(c);
    fw_message *m = fwi_message_new(FWI_MSG_DATA, "job", 3, FW_TEXT);
    int got = fwi_redis_emitter_publish(e, "r:a", m, 60000);
    fwi_redis_emitter_free(e);
    fw_message_unref(m);
    return got;
}

START_TEST(an_emitter_shows_its_certificate_and_says_which_file_is_of_no_use)
{
    static const char *const args[] = {"--tls-auth-clients", "yes", NULL};
    redis_server_options o = {.tls = true, .args = args};
    redis_server *r = redis_server_start(&o);
    const char *cert = redis_server_ca(r), *key = redis_server_key(r);
    const struct {
        const char *ca, *cert, *key;
        int want;
        const char *detail;
    } cases[] = {
        {cert, cert, key, 0, ""},
        {cert, NULL, NULL, FW_ERR_BACKPLANE, ""}, /* "certificate required", or a reset */
        {cert, cert, NULL, FW_ERR_BACKPLANE, cert}, /* there is no key in it */
        {cert, "/nowhere/c.pem", key, FW_ERR_BACKPLANE, "/nowhere/c.pem: No such file"},
        {cert, cert, "/nowhere/k.pem", FW_ERR_BACKPLANE, "/nowhere/k.pem: No such file"},
        {"/nowhere/a.pem", cert, key, FW_ERR_BACKPLANE, "/nowhere/a.pem: No such file"},
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(cases); i++) {
        char url[128];
        snprintf(url, sizeof url, "rediss://localhost:%d", redis_server_tls_port(r));
        fwi_redis_config c = config_for(url);
        c.tls_ca = cases[i].ca;
        c.tls_cert = cases[i].cert;
        c.tls_key = cases[i].key;
        int got = emit_once(&c);
        ck_assert_msg(got == cases[i].want, "case %zu: %d %s", i, got, fw_error_detail());
        ck_assert_msg(got == 0 || strstr(fw_error_detail(), cases[i].detail) != NULL,
                      "case %zu: %s", i, fw_error_detail());
    }
    redis_server_stop(r);
}
END_TEST

/* The number of the next descriptor that is opened. */
static int next_descriptor(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

/* By a time-out of Redis, say: it is nothing that a publish must fail for. */
START_TEST(a_connection_that_was_closed_meanwhile_is_made_anew)
{
    redis_server_options o = {.tcp = true, .tls = true};
    redis_server *r = redis_server_start(&o);
    const int ports[] = {redis_server_port(r), redis_server_tls_port(r)};
    fw_message *m = fwi_message_new(FWI_MSG_DATA, "job", 3, FW_TEXT);
    char url[128], out[64];
    snprintf(url, sizeof url, "redis%s://localhost:%d", _i > 0 ? "s" : "", ports[_i]);
    fwi_redis_config c = config_for(url);
    c.tls_ca = redis_server_ca(r);
    fwi_redis_emitter *e = fwi_redis_emitter_new(&c);
    struct pollfd closed = {.fd = next_descriptor(), .events = POLLRDHUP};
    ck_assert_int_eq(fwi_redis_emitter_publish(e, "r:a", m, 60000), 0);
    redis_server_cli(r, out, sizeof out, "CLIENT", "KILL", "TYPE", "normal", NULL);
    ck_assert_str_eq(out, "1");
    ck_assert_int_eq(poll(&closed, 1, 60000), 1);
    ck_assert_int_eq(closed.revents & POLLNVAL, 0);
    int got = fwi_redis_emitter_publish(e, "r:a", m, 60000);
    ck_assert_msg(got == 0, "%d %s", got, fw_error_detail());
    fwi_redis_emitter_free(e);
    fw_message_unref(m);
    redis_server_stop(r);
}
END_TEST

/* A server that takes one connection, says this, and waits for it to go. Returns who is
 * to be waited for. */
static pid_t say_at(const char *text, int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&a, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    pid_t child = fork();
    if (child == 0) {
        char bytes[256];
        alarm(120); /* the test may end before it */
        int fd = accept(listener, NULL, NULL);
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
        while (recv(fd, bytes, sizeof bytes, 0) > 0) {
            /* it isn't looked at */
        }
        _exit(0);
    }
    close(listener);
    return child;
}

START_TEST(what_no_redis_answers_to_a_publish_is_an_error_that_says_so)
{
    static const char *const answers[] = {":-5\r\n", "+OK\r\n", "*1\r\n:1\r\n",
                                          "$-1\r\n"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(answers); i++) {
        char url[64];
        int port;
        pid_t child = say_at(answers[i], &port);
        snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
        fwi_redis_config c = config_for(url);
        ck_assert_int_eq(emit_once(&c), FW_ERR_BACKPLANE);
        ck_assert_ptr_nonnull(strstr(fw_error_detail(), "not a number"));
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_emitter");
    TCase *tc = case_of(s, "emitter");
    tcase_add_test(tc, an_emitter_reaches_the_nodes_also_after_a_restart);
    tcase_add_test(tc, an_emitter_is_heard_from_both_sides_of_a_fork);
    tcase_add_test(tc, an_emitter_speaks_tls_and_reports_refusals);
    tcase_add_test(tc, an_emitter_shows_its_certificate_and_says_which_file_is_of_no_use);
    tcase_add_loop_test(tc, a_connection_that_was_closed_meanwhile_is_made_anew, 0, 2);
    tcase_add_test(tc, what_no_redis_answers_to_a_publish_is_an_error_that_says_so);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
