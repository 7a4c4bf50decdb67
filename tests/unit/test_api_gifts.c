/*
 * What the API's subscribe gives with a room: data for the client, info for the others,
 * and an end.
 */
#include "api_rig.h"

/* A client of the Centrifuge protocol, of a user. */
static fwi_conn *enter_as(unsigned loop, const char *user)
{
    fwi_conn *c = core_connect_as(&rig, loop, "", FWI_CENTRIFUGE);
    core_conn_say(c, "{\"id\":1,\"connect\":{}}");
    ck_assert_ptr_nonnull(strstr(heard(c), "\"id\":1"));
    ck_assert_int_eq(fwi_hub_set_user(&rig.hub, c->id, user), FW_OK);
    core_rig_settle(&rig);
    return c;
}

START_TEST(what_is_given_with_a_room_is_told_shown_and_ends)
{
    char body[300];
    api_begin(2, "client.insecure", "on");
    fwi_conn *a = enter_as(1, "ann"), *b = enter_as(0, "bob");
    fwi_conn *raw = enter(0, "room=none&user=ann");
    unsigned long long soon = fwi_loop_wall_ms(rig.loop[0]) / 1000 + 5;
    snprintf(body, sizeof body,
             "{\"user\":\"ann\",\"channel\":\"seen:a\",\"info\":{\"n\":1},"
             "\"data\":[1,\n2],\"expire_at\":%llu}",
             soon);
    ck_api("subscribe", body, "{\"result\":{}}");
    ck_assert_str_eq(heard(a), "{\"push\":{\"channel\":\"seen:a\",\"subscribe\":"
                               "{\"data\":[1,2]}}}");
    snprintf(body, sizeof body,
             "{\"client\":\"%s\",\"channel\":\"seen:a\",\"b64info\":\"WzJd\","
             "\"b64data\":\"e30=\"}",
             id_of(b));
    ck_api("subscribe", body, "{\"result\":{}}");
    ck_assert_str_eq(heard(b), "{\"push\":{\"channel\":\"seen:a\",\"subscribe\":"
                               "{\"data\":{}}}}");
    const char *who = api("presence", "{\"channel\":\"seen:a\"}");
    ck_assert_msg(strstr(who, "\"chan_info\":{\"n\":1}") != NULL, "%s", who);
    ck_assert_msg(strstr(who, "\"chan_info\":[2]") != NULL, "%s", who);
    api("publish", "{\"channel\":\"seen:a\",\"data\":3}");
    ck_assert_str_eq(heard(raw), "3"); /* it is there, too, with nothing */
    ck_assert_ptr_nonnull(strstr(heard(a), "\"data\":3"));
    core_rig_advance(&rig, 6000);
    ck_assert_uint_eq(close_of(a), 3006); /* subscription expired */
    ck_assert_ptr_nonnull(strstr(heard(b), "\"data\":3"));
    ck_assert_uint_eq(close_of(b), 0);
    core_conn_free(a);
    core_conn_free(b);
    core_conn_free(raw);
    api_end();
}
END_TEST

START_TEST(what_is_given_with_a_room_one_is_in_changes_nothing)
{
    api_begin(1, "client.insecure", "on");
    fwi_conn *a = enter_as(0, "ann");
    ck_api("subscribe", "{\"user\":\"ann\",\"channel\":\"x\"}", "{\"result\":{}}");
    ck_assert_str_eq(heard(a), "{\"push\":{\"channel\":\"x\",\"subscribe\":{}}}");
    ck_api("subscribe", "{\"user\":\"ann\",\"channel\":\"x\",\"data\":1}",
           "{\"result\":{}}");
    ck_assert_str_eq(heard(a), "");
    core_conn_free(a);
    api_end();
}
END_TEST

START_TEST(more_info_or_data_than_may_be_is_106)
{
    static char body[8192];
    api_begin(1, "message.max_bytes", "2KiB");
    for (int i = 0; i < 2; i++) {
        int n =
            snprintf(body, sizeof body, "{\"user\":\"ann\",\"channel\":\"x\",\"%s\":\"",
                     i == 0 ? "info" : "data");
        memset(body + n, 'x', 3000);
        snprintf(body + n + 3000, sizeof body - 3000 - (size_t)n, "\"}");
        const char *said = api("subscribe", body);
        ck_assert_msg(strstr(said, i == 0 ? "\\\"info\\\"" : "\\\"data\\\"") != NULL &&
                          strstr(said, "\"code\":106") != NULL,
                      "%s", said);
    }
    api_end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("api_gifts");
    TCase *tc = tcase_create("subscribe");
    suite_add_tcase(s, tc);
    tcase_add_test(tc, what_is_given_with_a_room_is_told_shown_and_ends);
    tcase_add_test(tc, what_is_given_with_a_room_one_is_in_changes_nothing);
    tcase_add_test(tc, more_info_or_data_than_may_be_is_106);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
