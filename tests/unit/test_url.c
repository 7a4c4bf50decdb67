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
    {"redis+sentinel://h:26379/mymaster", NULL, NULL},
    {"redis+cluster://h:7000", NULL, NULL},
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

START_TEST(unsupported_topologies_are_named)
{
    fwi_redis_url u;
    ck_assert_ptr_nonnull(
        strstr(fwi_redis_url_parse("redis+sentinel://h", &u), "Sentinel"));
    ck_assert_ptr_nonnull(
        strstr(fwi_redis_url_parse("redis+cluster://h", &u), "Cluster"));
    ck_assert_ptr_nonnull(strstr(fwi_redis_url_parse("redis://a,b", &u), "several"));
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
    tcase_add_test(tc, unsupported_topologies_are_named);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
