/*
 * The HTTP API's methods that ask about rooms and nodes, and that order users about.
 */
#include "api_rig.h"

/* --- presence --- */

START_TEST(presence_names_members_with_user_node_and_info)
{
    char want[1024];
    api_begin((unsigned)_i, "api.timeout", "5s");
    fwi_conn *ann = enter(0, "room=seen:a&user=ann");
    fwi_conn *bob = enter((unsigned)_i - 1, "room=seen:a&user=b%22b");
    fwi_hub_set_info(&rig.hub, ann->id, "{\"age\" :5}", 10);
    fwi_hub_set_info(&rig.hub, bob->id, "blue", 4);
    core_rig_settle(&rig);
    snprintf(want, sizeof want,
             "{\"result\":{\"presence\":{"
             "\"%s\":{\"user\":\"ann\",\"client\":\"%s\",\"node\":\"node\","
             "\"conn_info\":{\"age\" :5}},"
             "\"%s\":{\"user\":\"b\\\"b\",\"client\":\"%s\",\"node\":\"node\","
             "\"conn_info\":\"blue\"}}}}",
             id_of(ann), id_of(ann), id_of(bob), id_of(bob));
    ck_api("presence", "{\"channel\":\"seen:a\"}", want);
    ck_api("presence", "{\"channel\":\"seen:b\"}", "{\"result\":{\"presence\":{}}}");
    core_conn_free(ann);
    core_conn_free(bob);
    api_end();
}
END_TEST

START_TEST(presence_stats_count_sessions_and_users)
{
    api_begin(2, "api.timeout", "5s");
    fwi_conn *c[4];
    c[0] = enter(0, "room=seen:a&user=ann");
    c[1] = enter(1, "room=seen:a&user=ann");
    c[2] = enter(0, "room=seen:a&user=bob");
    c[3] = enter(1, "room=seen:b&user=carl");
    ck_api("presence_stats", "{\"channel\":\"seen:a\"}",
           "{\"result\":{\"num_clients\":3,\"num_users\":2}}");
    for (size_t i = 0; i < 4; i++) {
        core_conn_free(c[i]);
    }
    api_end();
}
END_TEST

START_TEST(presence_of_more_than_a_page_is_whole)
{
    enum { MANY = 2500 };
    static fwi_conn *c[MANY];
    api_begin(1, "api.timeout", "5s");
    for (size_t i = 0; i < MANY; i++) {
        c[i] = core_connect(&rig, 0, i % 2 ? "room=seen:a&user=ann" : "room=seen:a");
    }
    core_rig_settle(&rig);
    ck_api("presence_stats", "{\"channel\":\"seen:a\"}",
           "{\"result\":{\"num_clients\":2500,\"num_users\":2}}");
    const char *all = api("presence", "{\"channel\":\"seen:a\"}");
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_ptr_nonnull(strstr(all, id_of(c[i])));
    }
    for (size_t i = 0; i < MANY; i++) {
        core_conn_free(c[i]);
    }
    api_end();
}
END_TEST

START_TEST(more_members_than_api_max_items_are_an_error)
{
    api_begin(1, "api.max_items", "1");
    fwi_conn *a = enter(0, "room=seen:a"), *b = enter(0, "room=seen:a");
    ck_assert_ptr_nonnull(
        strstr(api("presence", "{\"channel\":\"seen:a\"}"), "{\"error\":{\"code\":106,"));
    core_conn_free(a);
    core_conn_free(b);
    api_end();
}
END_TEST

static const struct {
    const char *method, *body;
} unavailable[] = {
    {"presence", "{\"channel\":\"a\"}"},
    {"presence_stats", "{\"channel\":\"a\"}"},
    {"history", "{\"channel\":\"a\"}"},
    {"history_remove", "{\"channel\":\"a\"}"},
    {"connections", "{\"user\":\"ann\"}"},
    {"subscribe", "{\"user\":\"ann\",\"channel\":\"a\","
                  "\"override\":{\"presence\":{\"value\":true}}}"},
    {"subscribe", "{\"user\":\"ann\",\"channel\":\"a\",\"session\":\"x\"}"},
    {"disconnect",
     "{\"user\":\"ann\",\"whitelist\":["
     "\"00000000000000070000000000000001\",\"00000000000000070000000000000002\"]}"},
    {"disconnect", "{\"user\":\"ann\",\"session\":\"x\"}"},
};

START_TEST(what_an_option_would_have_to_allow_is_108)
{
    api_begin(1, "api.timeout", "5s");
    const char *body = api(unavailable[_i].method, unavailable[_i].body);
    ck_assert_msg(strstr(body, "{\"error\":{\"code\":108,") != NULL, "%s %s: %s",
                  unavailable[_i].method, unavailable[_i].body, body);
    api_end();
}
END_TEST

/* --- history --- */

/* "data,data,...|offset" of the answer to a history. */
static const char *history(const char *parameters)
{
    static char out[4096];
    char body[256];
    snprintf(body, sizeof body, "{\"channel\":\"kept:a\"%s}", parameters);
    const char *p = api("history", body);
    size_t n = 0;
    ck_assert_msg(strncmp(p, "{\"result\":{\"publications\":[", 27) == 0, "%s", p);
    for (const char *at = p; (at = strstr(at, "{\"data\":")) != NULL;) {
        at += 8;
        n +=
            (size_t)snprintf(out + n, sizeof out - n, "%.*s,", (int)strcspn(at, ","), at);
    }
    const char *top = strstr(p, "],\"offset\":");
    ck_assert_ptr_nonnull(top);
    snprintf(out + n, sizeof out - n, "|%d", atoi(top + 11));
    return out;
}

static const char *epoch(void)
{
    static char text[17];
    const char *p = strstr(api("history", "{\"channel\":\"kept:a\"}"), "\"epoch\":\"");
    ck_assert_ptr_nonnull(p);
    snprintf(text, sizeof text, "%.16s", p + 9);
    return text;
}

static void keep_messages(int n)
{
    char body[64];
    for (int i = 1; i <= n; i++) {
        snprintf(body, sizeof body, "{\"channel\":\"kept:a\",\"data\":%d}", i);
        api("publish", body);
    }
}

START_TEST(history_gives_what_is_asked_for)
{
    char since[128];
    api_begin(1, "api.timeout", "5s");
    keep_messages(5);
    const char *e = epoch();
    ck_assert_str_eq(history(""), "|5");
    ck_assert_str_eq(history(",\"limit\":0"), "|5");
    ck_assert_str_eq(history(",\"limit\":2"), "1,2,|5");
    ck_assert_str_eq(history(",\"limit\":-1"), "1,2,3,4,5,|5");
    ck_assert_str_eq(history(",\"limit\":9,\"reverse\":true"), "5,4,3,2,1,|5");
    snprintf(since, sizeof since,
             ",\"limit\":2,\"since\":{\"offset\":2,\"epoch\":\"%s\"}", e);
    ck_assert_str_eq(history(since), "3,4,|5");
    snprintf(since, sizeof since,
             ",\"limit\":9,\"reverse\":true,\"since\":{\"offset\":3,\"epoch\":\"%s\"}",
             e);
    ck_assert_str_eq(history(since), "2,1,|5");
    snprintf(since, sizeof since,
             ",\"limit\":9,\"since\":{\"offset\":5,\"epoch\":\"%s\"}", e);
    ck_assert_str_eq(history(since), "|5");
    api_end();
}
END_TEST

START_TEST(history_longer_than_a_page_is_read_to_its_end)
{
    char want[16];
    core_rig_init(&rig, 1, "api.key", "secret", "namespace.kept.history.size", "2000",
                  NULL);
    ck_assert(fwi_site_init(&site, &rig.hub, rig.options));
    keep_messages(1300);
    const char *all = api("history", "{\"channel\":\"kept:a\",\"limit\":-1}");
    for (int i = 1; i <= 1300; i += 100) {
        snprintf(want, sizeof want, "{\"data\":%d,", i);
        ck_assert_ptr_nonnull(strstr(all, want));
    }
    ck_assert_ptr_nonnull(
        strstr(all, "{\"data\":1300,\"offset\":1300}],\"offset\":1300"));
    api_end();
}
END_TEST

START_TEST(history_shows_text_bytes_and_who_said_it)
{
    char want[256];
    api_begin(1, "raw.format", "json");
    fwi_conn *c = enter(0, "room=kept:a&user=ann");
    core_conn_say(c, "no JSON");
    core_rig_settle(&rig);
    api("publish", "{\"channel\":\"kept:a\",\"b64data\":\"AAE=\"}");
    snprintf(want, sizeof want,
             "[{\"data\":\"no JSON\",\"offset\":1,\"info\":{\"user\":\"ann\","
             "\"client\":\"%s\"}},{\"b64data\":\"AAE=\",\"offset\":2}]",
             id_of(c));
    ck_assert_ptr_nonnull(
        strstr(api("history", "{\"channel\":\"kept:a\",\"limit\":9}"), want));
    core_conn_free(c);
    api_end();
}
END_TEST

static const struct {
    const char *name, *parameters;
    int code;
} bad_reads[] = {
    {"an epoch that is over", "\"since\":{\"offset\":1,\"epoch\":\"0000000000000001\"}",
     112},
    {"an epoch that is none", "\"since\":{\"offset\":1,\"epoch\":\"xyz\"}", 107},
    {"an offset that is none", "\"since\":{\"offset\":-1,\"epoch\":\"01\"}", 107},
    {"no epoch", "\"since\":{\"offset\":1}", 107},
    {"reverse from before the first", "\"reverse\":true,\"since\":{\"epoch\":\"01\"}",
     107},
    {"a limit with a fraction", "\"limit\":1.5", 107},
};

START_TEST(a_history_that_can_t_be_read_says_why)
{
    char body[256], want[32];
    api_begin(1, "api.timeout", "5s");
    keep_messages(2);
    snprintf(body, sizeof body, "{\"channel\":\"kept:a\",%s,\"limit\":5}",
             bad_reads[_i].parameters);
    snprintf(want, sizeof want, "{\"error\":{\"code\":%d,", bad_reads[_i].code);
    const char *got = api("history", body);
    ck_assert_msg(strncmp(got, want, strlen(want)) == 0, "%s: %s", bad_reads[_i].name,
                  got);
    api_end();
}
END_TEST

START_TEST(history_remove_forgets_and_begins_anew)
{
    char before[17];
    api_begin(1, "api.timeout", "5s");
    keep_messages(2);
    strcpy(before, epoch());
    ck_api("history_remove", "{\"channel\":\"kept:a\"}", "{\"result\":{}}");
    ck_assert_str_eq(history(",\"limit\":-1"), "|0");
    ck_assert_str_ne(epoch(), before);
    api_end();
}
END_TEST

/* --- channels, info --- */

START_TEST(channels_are_those_with_members)
{
    api_begin((unsigned)_i, "api.timeout", "5s");
    fwi_conn *a = enter(0, "room=news:a&room=b&user=ann");
    fwi_conn *b = enter((unsigned)_i - 1, "room=news:a&room=news:c");
    ck_api("channels", "{\"pattern\":\"news:a\"}",
           "{\"result\":{\"channels\":{\"news:a\":{\"num_clients\":2}}}}");
    ck_api("channels", "{\"pattern\":\"b*\"}",
           "{\"result\":{\"channels\":{\"b\":{\"num_clients\":1}}}}");
    ck_api("channels", "{\"pattern\":\"n*s:?x*\"}", "{\"result\":{\"channels\":{}}}");
    const char *all = api("channels", "{}");
    ck_assert_ptr_nonnull(strstr(all, "\"news:c\":{\"num_clients\":1}"));
    ck_assert_ptr_nonnull(strstr(all, "\"b\":{"));
    ck_assert_ptr_null(strstr(all, "\"ann\""));
    core_conn_free(a);
    core_conn_free(b);
    api_end();
}
END_TEST

START_TEST(info_shows_the_node_and_its_load)
{
    api_begin(2, "api.timeout", "5s");
    fwi_conn *a = enter(0, "room=a&room=b"), *b = enter(1, "room=a");
    const char *info = api("info", "{}");
    ck_assert_ptr_nonnull(strstr(info, "{\"result\":{\"nodes\":[{\"uid\":"
                                       "\"0000000000000007\",\"name\":\"node\","
                                       "\"version\":\""));
    ck_assert_ptr_nonnull(strstr(info, "\"num_clients\":2,"));
    ck_assert_ptr_nonnull(strstr(info, "\"num_subs\":3,\"uptime\":"));
    ck_assert_ptr_nonnull(strstr(info, ",\"metrics\":{\"interval\":"));
    ck_assert_ptr_nonnull(strstr(info, "\"fanwire_deliveries_total\":"));
    core_conn_free(a);
    core_conn_free(b);
    api_end();
}
END_TEST

/* --- users --- */

START_TEST(a_user_is_put_into_a_room_and_taken_out)
{
    api_begin(2, "api.timeout", "5s");
    fwi_conn *a = enter(0, "user=ann"), *b = enter(1, "user=ann");
    fwi_conn *bob = enter(1, "user=bob");
    ck_api("subscribe", "{\"user\":\"ann\",\"channel\":\"x\"}", "{\"result\":{}}");
    api("publish", "{\"channel\":\"x\",\"data\":1}");
    ck_assert_str_eq(heard(a), "1");
    ck_assert_str_eq(heard(b), "1");
    ck_assert_str_eq(heard(bob), "");
    ck_api("unsubscribe", "{\"user\":\"ann\",\"channel\":\"x\"}", "{\"result\":{}}");
    api("publish", "{\"channel\":\"x\",\"data\":2}");
    ck_assert_str_eq(heard(a), "");
    ck_assert_str_eq(heard(b), "");
    core_conn_free(a);
    core_conn_free(b);
    core_conn_free(bob);
    api_end();
}
END_TEST

START_TEST(one_client_is_put_into_a_room_from_where_it_has_heard)
{
    char body[200];
    api_begin(1, "api.timeout", "5s");
    fwi_conn *a = enter(0, "user=ann"), *b = enter(0, "user=ann");
    keep_messages(3);
    snprintf(body, sizeof body,
             "{\"user\":\"ann\",\"client\":\"%s\",\"channel\":\"kept:a\","
             "\"recover_since\":{\"offset\":1,\"epoch\":\"%s\"}}",
             id_of(a), epoch());
    ck_api("subscribe", body, "{\"result\":{}}");
    ck_assert_str_eq(heard(a), "2");
    ck_assert_str_eq(heard(a), "3");
    snprintf(body, sizeof body, "{\"client\":\"%s\",\"channel\":\"kept:a\"}", id_of(a));
    ck_api("unsubscribe", body, "{\"result\":{}}");
    api("publish", "{\"channel\":\"kept:a\",\"data\":4}");
    ck_assert_str_eq(heard(a), "");
    ck_assert_str_eq(heard(b), "");
    core_conn_free(a);
    core_conn_free(b);
    api_end();
}
END_TEST

START_TEST(a_user_is_disconnected_but_for_one_client)
{
    char body[200];
    api_begin(2, "api.timeout", "5s");
    fwi_conn *a = enter(0, "user=ann"), *b = enter(1, "user=ann");
    fwi_conn *stays = enter(0, "user=ann"), *bob = enter(1, "user=bob");
    snprintf(body, sizeof body,
             "{\"user\":\"ann\",\"whitelist\":[\"%s\"],"
             "\"disconnect\":{\"code\":4001,\"reason\":\"b\\u0079e\"}}",
             id_of(stays));
    ck_api("disconnect", body, "{\"result\":{}}");
    ck_assert_uint_eq(close_of(a), 4001);
    ck_assert_int_eq(strncmp(a->out.data + 4, "bye", 3), 0);
    ck_assert_uint_eq(close_of(b), 4001);
    ck_assert_uint_eq(close_of(stays), 0);
    ck_assert_uint_eq(close_of(bob), 0);
    core_conn_free(a);
    core_conn_free(b);
    core_conn_free(stays);
    core_conn_free(bob);
    api_end();
}
END_TEST

START_TEST(one_client_is_disconnected_and_told_not_to_come_back)
{
    char body[100];
    api_begin(1, "api.timeout", "5s");
    fwi_conn *a = enter(0, "user=ann"), *b = enter(0, "user=ann");
    snprintf(body, sizeof body, "{\"user\":\"ann\",\"client\":\"%s\"}", id_of(a));
    ck_api("disconnect", body, "{\"result\":{}}");
    ck_assert_uint_eq(close_of(a), 3503);
    ck_assert_uint_eq(close_of(b), 0);
    ck_api("disconnect", body, "{\"result\":{}}"); /* again: it has gone */
    core_conn_free(a);
    core_conn_free(b);
    api_end();
}
END_TEST

START_TEST(a_user_whose_connection_has_expired_is_closed_so)
{
    api_begin(1, "api.timeout", "5s");
    fwi_conn *a = enter(0, "user=ann");
    ck_api("refresh", "{\"user\":\"ann\"}", "{\"result\":{}}");
    ck_assert_uint_eq(close_of(a), 0);
    ck_api("refresh", "{\"user\":\"ann\",\"expired\":true}", "{\"result\":{}}");
    ck_assert_uint_eq(close_of(a), 3005);
    core_conn_free(a);
    api_end();
}
END_TEST

START_TEST(a_refresh_gives_all_sessions_of_a_user_other_info)
{
    api_begin(2, "api.timeout", "5s");
    fwi_conn *a = enter(1, "room=seen:a&user=ann"), *b = enter(0, "room=seen:a&user=bob");
    ck_api("refresh", "{\"user\":\"ann\",\"info\":{\"b\":\n2},\"expire_at\":1}",
           "{\"result\":{}}");
    const char *body = api("presence", "{\"channel\":\"seen:a\"}");
    ck_assert_msg(strstr(body, "\"conn_info\":{\"b\":2}") != NULL, "%s", body);
    ck_assert_ptr_eq(strstr(strstr(body, "conn_info") + 1, "conn_info"), NULL);
    ck_assert_uint_eq(close_of(a), 0); /* a raw connection has no end */
    core_conn_free(a);
    core_conn_free(b);
    api_end();
}
END_TEST

static const struct {
    const char *method, *body;
} bad_orders[] = {
    {"subscribe", "{\"channel\":\"a\"}"},
    {"subscribe", "{\"user\":\"ann\"}"},
    {"subscribe", "{\"user\":\"a\\nb\",\"channel\":\"a\"}"},
    {"subscribe", "{\"user\":\"ann\",\"channel\":\"a\",\"expire_at\":1}"},
    {"subscribe", "{\"user\":\"ann\",\"channel\":\"a\",\"expire_at\":1e99}"},
    {"subscribe", "{\"user\":\"ann\",\"channel\":\"a\",\"b64data\":\"?\"}"},
    {"subscribe", "{\"user\":\"ann\",\"channel\":\"a\",\"b64info\":\"eA==\"}"},
    {"unsubscribe", "{\"user\":\"ann\"}"},
    {"disconnect", "{}"},
    {"disconnect", "{\"user\":\"ann\",\"client\":\"xyz\"}"},
    {"disconnect", "{\"user\":\"ann\",\"disconnect\":{\"code\":99}}"},
    {"disconnect", "{\"user\":\"ann\",\"disconnect\":{\"reason\":\"x\"}}"},
    {"disconnect", "{\"user\":\"ann\",\"disconnect\":{\"code\":4000,\"reason\":5}}"},
    {"disconnect", "{\"user\":\"ann\",\"whitelist\":[5]}"},
    {"disconnect", "{\"user\":\"ann\",\"whitelist\":[\"5\"]}"},
    {"refresh", "{}"},
    {"refresh", "{\"user\":\"ann\",\"expire_at\":1.5}"},
    {"refresh", "{\"user\":\"ann\",\"expire_at\":-5}"},
};

START_TEST(an_order_that_names_nobody_is_107)
{
    api_begin(1, "api.timeout", "5s");
    fwi_conn *a = enter(0, "user=ann");
    const char *body = api(bad_orders[_i].method, bad_orders[_i].body);
    ck_assert_msg(strstr(body, "{\"error\":{\"code\":107,") != NULL, "%s %s: %s",
                  bad_orders[_i].method, bad_orders[_i].body, body);
    ck_assert_uint_eq(close_of(a), 0);
    core_conn_free(a);
    api_end();
}
END_TEST

START_TEST(connections_of_a_user_are_all_its_sessions)
{
    char want[400];
    api_begin(2, "user.presence", "on");
    fwi_conn *a = enter(0, "user=ann"), *b = enter(1, "user=ann"),
             *bob = enter(1, "user=bob");
    snprintf(want, sizeof want,
             "{\"result\":{\"connections\":{"
             "\"%s\":{\"user\":\"ann\",\"client\":\"%s\",\"node\":\"node\"},"
             "\"%s\":{\"user\":\"ann\",\"client\":\"%s\",\"node\":\"node\"}}}}",
             id_of(a), id_of(a), id_of(b), id_of(b));
    ck_api("connections", "{\"user\":\"ann\"}", want);
    ck_api("connections", "{\"user\":\"carl\"}", "{\"result\":{\"connections\":{}}}");
    core_conn_free(a);
    core_conn_free(b);
    core_conn_free(bob);
    api_end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("api methods");
    TCase *tc = tcase_create("api methods");
    suite_add_tcase(s, tc);
    tcase_add_loop_test(tc, presence_names_members_with_user_node_and_info, 1, 3);
    tcase_add_test(tc, presence_stats_count_sessions_and_users);
    tcase_add_test(tc, presence_of_more_than_a_page_is_whole);
    tcase_add_test(tc, more_members_than_api_max_items_are_an_error);
    tcase_add_loop_test(tc, what_an_option_would_have_to_allow_is_108, 0,
                        FWI_ARRAY_LEN(unavailable));
    tcase_add_test(tc, history_gives_what_is_asked_for);
    tcase_add_test(tc, history_longer_than_a_page_is_read_to_its_end);
    tcase_add_test(tc, history_shows_text_bytes_and_who_said_it);
    tcase_add_loop_test(tc, a_history_that_can_t_be_read_says_why, 0,
                        FWI_ARRAY_LEN(bad_reads));
    tcase_add_test(tc, history_remove_forgets_and_begins_anew);
    tcase_add_loop_test(tc, channels_are_those_with_members, 1, 3);
    tcase_add_test(tc, info_shows_the_node_and_its_load);
    tcase_add_test(tc, a_user_is_put_into_a_room_and_taken_out);
    tcase_add_test(tc, one_client_is_put_into_a_room_from_where_it_has_heard);
    tcase_add_test(tc, a_user_is_disconnected_but_for_one_client);
    tcase_add_test(tc, one_client_is_disconnected_and_told_not_to_come_back);
    tcase_add_test(tc, a_user_whose_connection_has_expired_is_closed_so);
    tcase_add_test(tc, a_refresh_gives_all_sessions_of_a_user_other_info);
    tcase_add_loop_test(tc, an_order_that_names_nobody_is_107, 0,
                        FWI_ARRAY_LEN(bad_orders));
    tcase_add_test(tc, connections_of_a_user_are_all_its_sessions);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
