/*
 * The facts of a handshake: what was put in is what is told, whatever way it is kept.
 */
#include <check.h>
#include <string.h>

#include "core/facts.h"

static const char *const headers[] = {
    "host",       "example.org:81",
    "x-tenant",   "blue",
    "origin",     "http://example.org",
    "connection", "",
    "!odd",       "1",
};

static fwi_facts *make(const char *address, const char *peer, const char *protocol)
{
    const fwi_facts_source from = {
        .secure = true,
        .path = "/ws",
        .query = "room=a&room=b",
        .address = address,
        .peer = peer,
        .protocol = protocol,
        .headers = headers,
        .n_headers = FWI_ARRAY_LEN(headers) / 2,
    };
    fwi_facts *f = fwi_facts_new(&from);
    ck_assert_ptr_nonnull(f);
    return f;
}

static const struct {
    const char *address, *peer, *protocol;
} ways[] = {
    {"192.0.2.1", "192.0.2.1", NULL},
    {"192.0.2.1", "::1", NULL},
    {"192.0.2.1", "192.0.2.1", "chat"},
    {"192.0.2.1", "", "chat"},
};

START_TEST(what_was_put_in_is_told)
{
    fwi_facts *f = make(ways[_i].address, ways[_i].peer, ways[_i].protocol);
    ck_assert(f->secure);
    ck_assert_str_eq(fwi_facts_path(f), "/ws");
    ck_assert_str_eq(fwi_facts_query(f), "room=a&room=b");
    ck_assert_str_eq(fwi_facts_address(f), ways[_i].address);
    ck_assert_str_eq(fwi_facts_peer(f), ways[_i].peer);
    if (ways[_i].protocol == NULL) {
        ck_assert_ptr_null(fwi_facts_protocol(f));
    } else {
        ck_assert_str_eq(fwi_facts_protocol(f), ways[_i].protocol);
    }
    for (size_t i = 0; i < FWI_ARRAY_LEN(headers); i += 2) {
        ck_assert_str_eq(fwi_facts_header(f, headers[i]), headers[i + 1]);
    }
    fwi_facts_unref(f);
}
END_TEST

START_TEST(a_header_is_found_in_any_case)
{
    fwi_facts *f = make("192.0.2.1", "", NULL);
    ck_assert_str_eq(fwi_facts_header(f, "Host"), "example.org:81");
    ck_assert_str_eq(fwi_facts_header(f, "X-Tenant"), "blue");
    fwi_facts_unref(f);
}
END_TEST

START_TEST(what_was_not_sent_is_absent)
{
    static const char *const absent[] = {"cookie", "x-other", "", "ost", "blue"};
    fwi_facts *f = make("192.0.2.1", "", NULL);
    for (size_t i = 0; i < FWI_ARRAY_LEN(absent); i++) {
        ck_assert_ptr_null(fwi_facts_header(f, absent[i]));
    }
    fwi_facts_unref(f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("facts");
    TCase *tc = tcase_create("facts");
    tcase_add_loop_test(tc, what_was_put_in_is_told, 0, FWI_ARRAY_LEN(ways));
    tcase_add_test(tc, a_header_is_found_in_any_case);
    tcase_add_test(tc, what_was_not_sent_is_absent);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
