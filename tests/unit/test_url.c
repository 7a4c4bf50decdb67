/*
 * The URLs of options: what is taken, what comes out of it, what is refused.
 */
#include <check.h>
#include <string.h>

#include "wire/url.h"

static const struct {
    const char *in, *text; /* as written back, with the port given; NULL: refused */
} listens[] = {
    {"ws://127.0.0.1:9090/ws", "ws://127.0.0.1:9090/ws"},
    {"wss://example.org:443/a/b", "wss://example.org:443/a/b"},
    {"ws://localhost:0", "ws://localhost:0/"},
    {"ws://[::1]:8080/ws", "ws://[::1]:8080/ws"},
    {"ws://[::]:8080", "ws://[::]:8080/"},
    {"unix:/run/f.sock:/ws", "unix:/run/f.sock:/ws"},
    {"unix:/run/f.sock", "unix:/run/f.sock:/"},
    {"ws://127.0.0.1/ws", NULL},
    {"ws://127.0.0.1:/ws", NULL},
    {"ws://127.0.0.1:65536/ws", NULL},
    {"ws://127.0.0.1:-1/ws", NULL},
    {"ws://127.0.0.1:9090x/ws", NULL},
    {"ws://127.0.0.1:90 90/ws", NULL},
    {"ws://:9090/ws", NULL},
    {"ws://::1:9090/ws", NULL},
    {"ws://[::1]/ws", NULL},
    {"ws://[::1]x9090/ws", NULL},
    {"ws://[::1:9090/ws", NULL},
    {"ws://[nonsense]:1/ws", NULL},
    {"ws://u@h:1/ws", NULL},
    {"ws://h h:1/ws", NULL},
    {"ws://h:1/ws?x", NULL},
    {"ws://h:1/ws#x", NULL},
    {"ws://h:1?x", NULL},
    {"ws://h:1/w s", NULL},
    {"http://h:1/ws", NULL},
    {"h:1", NULL},
    {"", NULL},
    {"ws://", NULL},
    {"unix:run/f.sock:/ws", NULL},
    {"unix:", NULL},
    {"unix:/", NULL},
};

START_TEST(listen_urls_are_read)
{
    fwi_listen_url u;
    const char *problem = fwi_listen_url_parse(listens[_i].in, &u);
    ck_assert_msg((problem == NULL) == (listens[_i].text != NULL), "%s: %s",
                  listens[_i].in, problem);
    if (problem == NULL) {
        char text[1024];
        fwi_listen_url_text(&u, u.port, text, sizeof text);
        ck_assert_str_eq(text, listens[_i].text);
    }
}
END_TEST

START_TEST(fields_of_a_listen_url)
{
    fwi_listen_url u;
    ck_assert_ptr_null(fwi_listen_url_parse("wss://[::1]:7/x", &u));
    ck_assert(u.tls && !u.is_unix && u.port == 7);
    ck_assert_str_eq(u.host, "::1");
    ck_assert_str_eq(u.path, "/x");
    ck_assert_ptr_null(fwi_listen_url_parse("unix:/a.sock:/ws", &u));
    ck_assert(!u.tls && u.is_unix);
    ck_assert_str_eq(u.file, "/a.sock");
    ck_assert_str_eq(u.path, "/ws");
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
    char in[2000];
    fwi_listen_url u;
    for (int over = 0; over < 2; over++) {
        snprintf(in, sizeof in, "unix:/%0*d:/ws", 106 + over, 0);
        ck_assert((fwi_listen_url_parse(in, &u) == NULL) == !over);
        snprintf(in, sizeof in, "ws://h:1/%0*d", 510 + over, 0);
        ck_assert((fwi_listen_url_parse(in, &u) == NULL) == !over);
        snprintf(in, sizeof in, "ws://%0*d:1/", 255 + over, 0);
        ck_assert((fwi_listen_url_parse(in, &u) == NULL) == !over);
        fwi_redis_url r;
        snprintf(in, sizeof in, "redis://:%0*d@h", 511 + over, 0);
        ck_assert((fwi_redis_url_parse(in, &r) == NULL) == !over);
    }
}
END_TEST

START_TEST(addresses_keep_path_and_tls)
{
    fwi_listen_url u = {.tls = true, .path = "/keep"};
    ck_assert_ptr_null(fwi_address_parse("127.0.0.1:9190", &u));
    ck_assert(u.tls && u.port == 9190);
    ck_assert_str_eq(u.host, "127.0.0.1");
    ck_assert_str_eq(u.path, "/keep");
    ck_assert_ptr_null(fwi_address_parse("[::1]:0", &u));
    ck_assert_str_eq(u.host, "::1");
    static const char *const bad[] = {"9190",  ":9190", "h",     "h:",        "h:x",
                                      "h:1/x", "",      "::1:2", "http://h:1"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(bad); i++) {
        ck_assert_msg(fwi_address_parse(bad[i], &u) != NULL, "%s", bad[i]);
    }
}
END_TEST

static const struct {
    const char *in, *text, *password; /* text NULL: refused */
} redis[] = {
    {"redis://localhost", "redis://localhost:6379/0", ""},
    {"redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3", ""},
    {"rediss://h/", "rediss://h:6379/0", ""},
    {"redis://[::1]:1/2", "redis://[::1]:1/2", ""},
    {"redis://:secret@h", "redis://h:6379/0", "secret"},
    {"redis://ann:secret@h", "redis://ann@h:6379/0", "secret"},
    {"redis://ann@h", "redis://ann@h:6379/0", ""},
    {"redis://a%40b:p%2F%3a%25@h", "redis://a%40b@h:6379/0", "p/:%"},
    {"redis://a:p@ss@h", "redis://a@h:6379/0", "p@ss"},
    {"redis://a:b:c@h", "redis://a@h:6379/0", "b:c"},
    {"redis+unix:///run/r.sock", "redis+unix:///run/r.sock?db=0", ""},
    {"redis+unix:///run/r.sock?db=5", "redis+unix:///run/r.sock?db=5", ""},
    {"redis+unix://u:p@/run/r.sock", "redis+unix://u@/run/r.sock?db=0", "p"},
    {"redis://", NULL, NULL},
    {"redis://h:0", NULL, NULL},
    {"redis://h:99999", NULL, NULL},
    {"redis://h/x", NULL, NULL},
    {"redis://h/-1", NULL, NULL},
    {"redis://h/1/2", NULL, NULL},
    {"redis://h?db=1", NULL, NULL},
    {"redis://a,b", NULL, NULL},
    {"redis://h1:1,h2:2", NULL, NULL},
    {"redis://u:%zz@h", NULL, NULL},
    {"redis://u:%4@h", NULL, NULL},
    {"redis://u:%00@h", NULL, NULL},
    {"redis+sentinel://h/m", "redis+sentinel://h:26379/m?db=0", ""},
    {"redis+sentinel://a:1,b,[::1]:3/my-master.1_x",
     "redis+sentinel://a:1,b:26379,[::1]:3/my-master.1_x?db=0", ""},
    {"rediss+sentinel://me:p@ss@a:1,b:2/m?db=3", "rediss+sentinel://me@a:1,b:2/m?db=3",
     "p@ss"},
    {"redis+sentinel://:pw@h/m?sentinel_password=x&db=1",
     "redis+sentinel://h:26379/m?db=1", "pw"},
    {"redis+sentinel://", NULL, NULL},
    {"redis+sentinel:///m", NULL, NULL},
    {"redis+sentinel://h", NULL, NULL},
    {"redis+sentinel://h/", NULL, NULL},
    {"redis+sentinel://h/?db=1", NULL, NULL},
    {"redis+sentinel://h/m/1", NULL, NULL},
    {"redis+sentinel://h/m m", NULL, NULL},
    {"redis+sentinel://h/m#x", NULL, NULL},
    {"redis+sentinel://a,,b/m", NULL, NULL},
    {"redis+sentinel://a,/m", NULL, NULL},
    {"redis+sentinel://a:0/m", NULL, NULL},
    {"redis+sentinel://a:x/m", NULL, NULL},
    {"redis+sentinel://a/m?", NULL, NULL},
    {"redis+sentinel://a/m?db=x", NULL, NULL},
    {"redis+sentinel://a/m?db=1&", NULL, NULL},
    {"redis+sentinel://a/m?password=x", NULL, NULL},
    {"redis+sentinel://a/m?sentinel_password=%zz", NULL, NULL},
    {"redis+sentinel://a/m?sentinel_password=a,b", NULL, NULL},
    {"redis+cluster://h:7000", "redis+cluster://h:7000", ""},
    {"rediss+cluster://:pw@a,b:7001/", "rediss+cluster://a:6379,b:7001", "pw"},
    {"redis+cluster://ann:pw@[::1]:1/0", "redis+cluster://ann@[::1]:1", "pw"},
    {"redis+cluster://h/1", NULL, NULL},
    {"redis+cluster://h?db=1", NULL, NULL},
    {"redis+cluster://a,,b", NULL, NULL},
    {"redis+cluster://h:0", NULL, NULL},
    {"redis+cluster://", NULL, NULL},
    {"redis+unix://run/r.sock", NULL, NULL},
    {"redis+unix:///run/r.sock?x=1", NULL, NULL},
    {"redis+unix:///run/r.sock?db=", NULL, NULL},
    {"http://h", NULL, NULL},
    {"localhost:6379", NULL, NULL},
    {"", NULL, NULL},
};

START_TEST(redis_urls_are_read)
{
    fwi_redis_url u;
    const char *problem = fwi_redis_url_parse(redis[_i].in, &u);
    ck_assert_msg((problem == NULL) == (redis[_i].text != NULL), "%s: %s", redis[_i].in,
                  problem);
    if (problem == NULL) {
        char text[1024];
        fwi_redis_url_text(&u, text, sizeof text);
        ck_assert_str_eq(text, redis[_i].text);
        ck_assert_str_eq(u.password, redis[_i].password);
    }
}
END_TEST

START_TEST(fields_of_a_url_with_sentinels)
{
    fwi_redis_url u;
    const char *problem =
        fwi_redis_url_parse("rediss+sentinel://ann:p%2Fw@a:1,[::1]:2,c/m.1"
                            "?db=3&sentinel_user=s%40&sentinel_password=q%2C%26",
                            &u);
    ck_assert_msg(problem == NULL, "%s", problem);
    ck_assert(u.kind == FWI_REDIS_SENTINEL && u.tls && !u.is_unix);
    ck_assert_uint_eq(u.n_hosts, 3);
    ck_assert_str_eq(u.hosts[0].host, "a");
    ck_assert_int_eq(u.hosts[0].port, 1);
    ck_assert_str_eq(u.hosts[1].host, "::1");
    ck_assert_int_eq(u.hosts[2].port, 26379);
    ck_assert_str_eq(u.master, "m.1");
    ck_assert_str_eq(u.user, "ann");
    ck_assert_str_eq(u.password, "p/w");
    ck_assert_str_eq(u.sentinel_user, "s@");
    ck_assert_str_eq(u.sentinel_password, "q,&");
    ck_assert_int_eq(u.database, 3);
    ck_assert_str_eq(u.host, "");
}
END_TEST

START_TEST(at_most_sixteen_sentinels)
{
    char in[400] = "redis+sentinel://h";
    fwi_redis_url u;
    for (int i = 1; i < FWI_REDIS_HOSTS_MAX; i++) {
        strcat(in, ",h");
    }
    size_t len = strlen(in);
    strcpy(in + len, "/m");
    ck_assert_ptr_null(fwi_redis_url_parse(in, &u));
    strcpy(in + len, ",h/m");
    ck_assert_ptr_nonnull(strstr(fwi_redis_url_parse(in, &u), "16"));
}
END_TEST

static const struct {
    const char *in, *says;
} explained[] = {
    {"redis+cluster://h/2", "one database"},
    {"redis://a,b", "several"},
    {"redis://a,redis://b", "several"},
    {"redis+sentinel://a,b/m,redis+sentinel://c/m", "several"},
    {"redis+sentinel://a,redis://b/m", "port"},
    {"redis+sentinel://a,b", "name of the master"},
    {"redis+sentinel://a/m?sentinel_pasword=x", "sentinel_password"},
    {"http://a", "redis+sentinel://"},
};

START_TEST(what_is_wrong_with_a_redis_url_is_said)
{
    fwi_redis_url u;
    const char *problem = fwi_redis_url_parse(explained[_i].in, &u);
    ck_assert_msg(problem != NULL && strstr(problem, explained[_i].says) != NULL,
                  "%s: %s", explained[_i].in, problem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("url");
    TCase *tc = tcase_create("url");
    tcase_add_loop_test(tc, listen_urls_are_read, 0, FWI_ARRAY_LEN(listens));
    tcase_add_test(tc, fields_of_a_listen_url);
    tcase_add_test(tc, what_is_too_long_is_refused);
    tcase_add_test(tc, addresses_keep_path_and_tls);
    tcase_add_loop_test(tc, redis_urls_are_read, 0, FWI_ARRAY_LEN(redis));
    tcase_add_test(tc, fields_of_a_url_with_sentinels);
    tcase_add_test(tc, at_most_sixteen_sentinels);
    tcase_add_loop_test(tc, what_is_wrong_with_a_redis_url_is_said, 0,
                        FWI_ARRAY_LEN(explained));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
