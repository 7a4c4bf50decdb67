/*
 * The HTTP API: who is let in, what is malformed, how commands become answers, and what
 * is published.
 */
#include "api_rig.h"
#include "core/publish.h"
#include "wire/ws_codec.h"

/* --- who is let in --- */

static const struct {
    const char *name, *target, *lines, *body;
    int status;
    const char *says;
} requests[] = {
    {"without a key", "POST /api/publish", "", "{}", 401, "\"code\":101"},
    {"a wrong key", "POST /api/publish", "X-API-Key: secre\r\n", "{}", 401, "101"},
    {"a longer key", "POST /api/publish", "X-API-Key: secretx\r\n", "{}", 401, "101"},
    {"a key that repeats", "POST /api/publish", "X-API-Key: secretsecret\r\n", "{}", 401,
     "101"},
    {"an empty key", "POST /api/publish", "X-API-Key: \r\n", "{}", 401, "101"},
    {"another scheme", "POST /api/publish", "Authorization: Bearer secret\r\n", "{}", 401,
     "101"},
    {"a wrong key for what isn't there", "POST /api/x", "", NULL, 401, "101"},
    {"the first key", "POST /api/info", "X-API-Key: other\r\n", "{}", 200, "nodes"},
    {"the second key", "POST /api/info", GOOD_KEY, "{}", 200, "nodes"},
    {"by Authorization", "POST /api/info", "Authorization: apikey secret\r\n", "{}", 200,
     "nodes"},
    {"by Authorization in capitals", "POST /api/info", "Authorization: ApiKey secret\r\n",
     "{}", 200, "nodes"},
    {"an unknown method", "POST /api/rpc", GOOD_KEY, "{}", 404, "\"code\":104"},
    {"a method and more", "POST /api/publish/x", GOOD_KEY, "{}", 404, "104"},
    {"GET", "GET /api/info", GOOD_KEY, NULL, 405, "only POST"},
    {"another path", "POST /apis", GOOD_KEY, NULL, 404, "not found"},
    {"a body that isn't JSON", "POST /api/publish", GOOD_KEY, "{\"channel\":}", 400,
     "not JSON (byte 11)"},
    {"no body", "POST /api/info", GOOD_KEY, NULL, 400, "not JSON (byte 0)"},
    {"JSON and more", "POST /api/info", GOOD_KEY, "{} {}", 400, "byte 3"},
    {"no object", "POST /api/info", GOOD_KEY, " [1]", 400,
     "the request must be an object (byte 1)"},
    {"a field of another kind", "POST /api/publish", GOOD_KEY, "{\"channel\":5}", 400,
     "publish: \\\"channel\\\" must be a string (byte 11)"},
    {"another kind inside a batch", "POST /api/batch", GOOD_KEY,
     "{\"commands\":[{\"publish\":{\"channel\":\"a\",\"data\":1}},"
     "{\"history\":{\"channel\":\"a\",\"limit\":\"1\"}}]}",
     400, "history: \\\"limit\\\" must be a number"},
    {"a batch without commands", "POST /api/batch", GOOD_KEY, "{}", 400,
     "\\\"commands\\\" must be an array"},
    {"a command that is no object", "POST /api/batch", GOOD_KEY, "{\"commands\":[5]}",
     400, "a command must be an object (byte 13)"},
    {"parameters that are no object", "POST /api/batch", GOOD_KEY,
     "{\"commands\":[{\"info\":[]}]}", 400, "info: must be an object"},
    {"the older form without a command", "POST /api", GOOD_KEY, " ", 400,
     "there is no command"},
    {"the older form without a method", "POST /api", GOOD_KEY, "{}", 400,
     "\\\"method\\\" must be a string"},
};

START_TEST(each_request_has_its_status)
{
    api_begin(1, "api.timeout", "5s");
    api_send(&last, requests[_i].target, requests[_i].lines, requests[_i].body);
    core_rig_settle(&rig);
    ck_assert_msg(last.answers == 1 && last.status == requests[_i].status, "%s: %d %s",
                  requests[_i].name, last.status, last.body);
    ck_assert_msg(strstr(last.body, requests[_i].says) != NULL, "%s: %s",
                  requests[_i].name, last.body);
    api_end();
}
END_TEST

START_TEST(a_wrong_key_is_counted_and_asks_for_one)
{
    api_begin(1, "api.timeout", "5s");
    api_send(&last, "POST /api/publish", "", "{}");
    ck_assert_str_eq(last.extra, "WWW-Authenticate: apikey\r\n");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_API_UNAUTHORIZED), 1);
    api_end();
}
END_TEST

START_TEST(without_a_key_of_its_own_there_is_no_api)
{
    core_rig_init(&rig, 1, NULL);
    ck_assert(fwi_site_init(&site, &rig.hub, rig.options));
    api_send(&last, "POST /api/info", "X-API-Key: \r\n", "{}");
    ck_assert_int_eq(last.status, 404);
    api_end();
}
END_TEST

START_TEST(a_draining_node_answers_503)
{
    api_begin(1, "api.timeout", "5s");
    atomic_store(&rig.hub.draining, true);
    api_send(&last, "POST /api/info", GOOD_KEY, "{}");
    ck_assert_int_eq(last.status, 503);
    ck_assert_ptr_nonnull(strstr(last.body, "draining"));
    api_end();
}
END_TEST

/* --- publish --- */

START_TEST(what_is_published_is_the_data_as_it_was_written)
{
    static const struct {
        const char *data, *heard;
    } cases[] = {
        {"{\"a\" : 1e3, \"b\":[ ]}", "{\"a\" : 1e3, \"b\":[ ]}"},
        {"\"hi\"", "\"hi\""},
        {"12.50", "12.50"},
        {"null", "null"},
        {"{\"a\":\r\n1,\n\"b\":\"\\n\"}", "{\"a\":1,\"b\":\"\\n\"}"},
    };
    char body[200];
    api_begin((unsigned)_i, "api.timeout", "5s");
    fwi_conn *c = core_connect(&rig, (unsigned)_i - 1, "room=a");
    core_rig_settle(&rig);
    for (size_t i = 0; i < FWI_ARRAY_LEN(cases); i++) {
        snprintf(body, sizeof body, "{\"channel\":\"a\",\"data\":%s}", cases[i].data);
        ck_api("publish", body, "{\"result\":{}}");
        ck_assert_str_eq(heard(c), cases[i].heard);
    }
    core_conn_free(c);
    api_end();
}
END_TEST

START_TEST(b64data_is_published_as_bytes)
{
    char got[16];
    api_begin(1, "api.timeout", "5s");
    fwi_conn *c = core_connect(&rig, 0, "room=a");
    core_rig_settle(&rig);
    ck_api("publish", "{\"channel\":\"a\",\"b64data\":\"AWI\\/\"}", "{\"result\":{}}");
    ck_assert_int_eq(core_conn_next(c, got, sizeof got), FWI_WS_BINARY);
    ck_assert_str_eq(got, "\001b?");
    ck_assert_ptr_nonnull(
        strstr(api("publish", "{\"channel\":\"a\",\"b64data\":\"A\"}"), "not base64"));
    core_conn_free(c);
    api_end();
}
END_TEST

static const struct {
    const char *name, *body, *says;
    int code;
} refusals[] = {
    {"no channel", "{\"data\":1}", "\\\"channel\\\" is missing", 107},
    {"an empty channel", "{\"channel\":\"\",\"data\":1}", "\\\"channel\\\" is missing",
     107},
    {"a channel with a control character", "{\"channel\":\"a\\u0007\",\"data\":1}",
     "control", 107},
    {"a channel with a NUL", "{\"channel\":\"a\\u0000b\",\"data\":1}", "NUL", 107},
    {"no data", "{\"channel\":\"a\"}", "\\\"data\\\" is missing", 107},
    {"tags", "{\"channel\":\"a\",\"data\":1,\"tags\":{\"x\":\"y\"}}",
     "\\\"tags\\\" is not supported", 108},
    {"a version", "{\"channel\":\"a\",\"data\":1,\"version\":5}",
     "\\\"version\\\" is not supported", 108},
    {"too large", "{\"channel\":\"a\",\"data\":\"0123456789012345678901234567890\"}",
     "message.max_bytes", 106},
    {"a long key",
     "{\"channel\":\"kept:a\",\"data\":1,\"idempotency_key\":\""
     "01234567890123456789012345678901234567890123456789012345678901234\"}",
     "idempotency_key", 107},
};

START_TEST(what_publish_refuses_is_200_with_an_error)
{
    char want[32];
    api_begin(1, "message.max_bytes", "32");
    const char *body = api("publish", refusals[_i].body);
    ck_assert_int_eq(last.status, 200);
    snprintf(want, sizeof want, "{\"error\":{\"code\":%d,", refusals[_i].code);
    ck_assert_msg(strncmp(body, want, strlen(want)) == 0, "%s: %s", refusals[_i].name,
                  body);
    ck_assert_msg(strstr(body, refusals[_i].says) != NULL, "%s: %s", refusals[_i].name,
                  body);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_API_ERRORS), 1);
    api_end();
}
END_TEST

START_TEST(fields_that_say_nothing_are_as_if_they_were_absent)
{
    api_begin(1, "api.timeout", "5s");
    ck_api(
        "publish",
        "{\"channel\":\"a\",\"data\":1,\"tags\":{},\"version\":0,\"delta\":true,"
        "\"version_epoch\":\"\",\"b64data\":\"\",\"idempotency_key\":null,\"new\":[1]}",
        "{\"result\":{}}");
    api_end();
}
END_TEST

/* Of {"result":{"offset":N,"epoch":"E"}}. */
static uint64_t offset_of(const char *answer)
{
    unsigned long long offset = 0;
    char epoch[17] = "";
    ck_assert_msg(sscanf(answer,
                         "{\"result\":{\"offset\":%llu,\"epoch\":\"%16[0-9a-f]\"}}",
                         &offset, epoch) == 2 &&
                      strlen(epoch) == 16,
                  "%s", answer);
    return offset;
}

START_TEST(in_a_room_with_history_a_publish_has_its_position)
{
    api_begin(1, "api.timeout", "5s");
    for (uint64_t i = 1; i <= 3; i++) {
        ck_assert_uint_eq(
            offset_of(api("publish", "{\"channel\":\"kept:a\",\"data\":1}")), i);
    }
    api_end();
}
END_TEST

START_TEST(the_same_key_is_published_once)
{
    static const char twice[] =
        "{\"channel\":\"kept:a\",\"data\":1,\"idempotency_key\":\"k\"}";
    api_begin(1, "api.timeout", "5s");
    fwi_conn *c = core_connect(&rig, 0, "room=kept:a");
    core_rig_settle(&rig);
    ck_assert_uint_eq(offset_of(api("publish", twice)), 1);
    ck_assert_uint_eq(offset_of(api("publish", twice)), 1);
    ck_assert_str_eq(heard(c), "1");
    ck_assert_str_eq(heard(c), "");
    core_conn_free(c);
    api_end();
}
END_TEST

START_TEST(skip_history_is_heard_and_not_kept)
{
    api_begin(1, "api.timeout", "5s");
    fwi_conn *c = core_connect(&rig, 0, "room=kept:a");
    core_rig_settle(&rig);
    ck_assert_uint_eq(offset_of(api("publish", "{\"channel\":\"kept:a\",\"data\":1}")),
                      1);
    ck_api("publish", "{\"channel\":\"kept:a\",\"data\":2,\"skip_history\":true}",
           "{\"result\":{}}");
    ck_assert_uint_eq(offset_of(api("publish", "{\"channel\":\"kept:a\",\"data\":3}")),
                      2);
    ck_assert_str_eq(heard(c), "1");
    ck_assert_str_eq(heard(c), "2");
    ck_assert_str_eq(heard(c), "3");
    core_conn_free(c);
    api_end();
}
END_TEST

/* --- many in one --- */

START_TEST(a_broadcast_answers_for_each_channel_in_order)
{
    api_begin(1, "api.timeout", "5s");
    fwi_conn *a = core_connect(&rig, 0, "room=a");
    fwi_conn *b = core_connect(&rig, 0, "room=b");
    core_rig_settle(&rig);
    const char *body =
        api("broadcast", "{\"channels\":[\"a\",5,\"b\",\"\"],\"data\":{\"x\":1}}");
    ck_assert_str_eq(
        body, "{\"result\":{\"responses\":[{\"result\":{}},"
              "{\"error\":{\"code\":107,\"message\":\"not a string\"}},"
              "{\"result\":{}},"
              "{\"error\":{\"code\":107,\"message\":\"a name must not be empty\"}}]}}");
    ck_assert_str_eq(heard(a), "{\"x\":1}");
    ck_assert_str_eq(heard(b), "{\"x\":1}");
    ck_assert_ptr_nonnull(
        strstr(api("broadcast", "{\"channels\":[],\"data\":1}"), "missing or empty"));
    core_conn_free(a);
    core_conn_free(b);
    api_end();
}
END_TEST

START_TEST(a_batch_answers_each_command_in_order)
{
    api_begin(1, "api.timeout", "5s");
    ck_api(
        "batch",
        "{\"parallel\":true,\"commands\":[{\"publish\":{\"channel\":\"a\",\"data\":1}},"
        "{\"unknown\":{}},{\"history_remove\":{\"channel\":\"a\"}},"
        "{\"broadcast\":{\"channels\":[\"a\"],\"data\":2}}]}",
        "{\"replies\":[{\"publish\":{}},"
        "{\"error\":{\"code\":104,\"message\":\"there is no such method\"}},"
        "{\"error\":{\"code\":108,\"message\":\"the room has no history\"}},"
        "{\"broadcast\":{\"responses\":[{\"result\":{}}]}}]}");
    ck_api("batch", "{\"commands\":[]}", "{\"replies\":[]}");
    api_end();
}
END_TEST

START_TEST(of_a_malformed_batch_nothing_is_done)
{
    api_begin(1, "api.timeout", "5s");
    fwi_conn *c = core_connect(&rig, 0, "room=a");
    core_rig_settle(&rig);
    api("batch", "{\"commands\":[{\"publish\":{\"channel\":\"a\",\"data\":1}},"
                 "{\"publish\":{\"channel\":5}}]}");
    ck_assert_int_eq(last.status, 400);
    ck_assert_str_eq(heard(c), "");
    core_conn_free(c);
    api_end();
}
END_TEST

START_TEST(the_older_form_has_a_command_a_line)
{
    api_begin(1, "api.timeout", "5s");
    ck_api("",
           "{\"method\":\"publish\",\"params\":{\"channel\":\"a\",\"data\":1}}\n"
           "{\"id\":7,\"method\":\"rpc\"}\n"
           "{\"id\":8,\"method\":\"publish\",\"params\":{\"channel\":\"a\",\"data\":1}}",
           "{\"result\":{}}\n"
           "{\"id\":7,\"error\":{\"code\":104,\"message\":\"there is no such method\"}}\n"
           "{\"id\":8,\"result\":{}}");
    api_end();
}
END_TEST

START_TEST(more_items_than_api_max_items_are_refused)
{
    api_begin(1, "api.max_items", "3");
    ck_api(
        "broadcast", "{\"channels\":[\"a\",\"b\",\"c\"],\"data\":1}",
        "{\"result\":{\"responses\":[{\"result\":{}},{\"result\":{}},{\"result\":{}}]}}");
    ck_assert_ptr_nonnull(
        strstr(api("broadcast", "{\"channels\":[\"a\",\"b\",\"c\",\"d\"],\"data\":1}"),
               "api.max_items"));
    ck_assert_ptr_nonnull(
        strstr(api("batch", "{\"commands\":[{\"info\":{}},{\"broadcast\":"
                            "{\"channels\":[\"a\",\"b\",\"c\"]}}]}"),
               "\"code\":106"));
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_API_ITEMS), 2);
    api_end();
}
END_TEST

/* What would be malformed stands behind the bound, so nobody has come to it. */
static const struct {
    const char *path, *body;
} too_long[] = {
    {"batch", "{\"commands\":[{\"info\":{}},{\"info\":{}},{\"info\":{}},7]}"},
    {"", "{\"method\":\"info\"}{\"method\":\"info\"}{\"method\":\"info\"}{\"method\":7}"},
};

START_TEST(commands_behind_api_max_items_are_not_read)
{
    api_begin(1, "api.max_items", "2");
    ck_assert_ptr_nonnull(
        strstr(api(too_long[_i].path, too_long[_i].body), "\"code\":106"));
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_API_ITEMS), 1);
    api_end();
}
END_TEST

/* --- waiting --- */

static fwi_backplane_ops stuck_ops;
static uint64_t stuck_ref;

static bool stuck_publish(fwi_backplane *bp, const char *channel, fw_message *m,
                          const fwi_terms *terms)
{
    (void)bp;
    (void)channel;
    (void)m;
    stuck_ref = terms ? terms->ref : 0;
    return true;
}

/* A backplane that takes publishes and says nothing. */
static void get_stuck(void)
{
    stuck_ops = *rig.hub.bp->ops;
    stuck_ops.publish = stuck_publish;
    rig.hub.bp->ops = &stuck_ops;
}

START_TEST(who_waits_too_long_is_told_so)
{
    api_begin(1, "api.timeout", "2s");
    get_stuck();
    api_send(
        &last, "POST /api/batch", GOOD_KEY,
        "{\"commands\":[{\"publish\":{\"channel\":\"a\",\"data\":1}},{\"info\":{}}]}");
    core_rig_advance(&rig, 1900);
    ck_assert_uint_eq(last.answers, 0);
    core_rig_advance(&rig, 200);
    ck_assert_uint_eq(last.answers, 1);
    ck_assert_ptr_nonnull(strstr(last.body, "\"code\":100"));
    ck_assert_ptr_nonnull(strstr(last.body, "api.timeout"));
    ck_assert_ptr_nonnull(strstr(last.body, "{\"info\":{\"nodes\""));
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_API_TIME), 1);
    /* The answer that comes after all finds nobody. */
    fwi_publish_on_published(&rig.hub, stuck_ref, &(fwi_published){.why = ""});
    ck_assert(fwi_list_is_empty(&site.jobs));
    api_end();
}
END_TEST

START_TEST(who_leaves_before_the_answer_harms_nothing)
{
    api_begin(1, "api.timeout", "2s");
    get_stuck();
    api_send(&last, "POST /api/publish", GOOD_KEY, "{\"channel\":\"a\",\"data\":1}");
    fwi_site_service.on_gone(&site, &last.call);
    fwi_http_request_free(last.request);
    last.request = NULL;
    if (_i == 0) {
        core_rig_advance(&rig, 3000);
    }
    fwi_publish_on_published(&rig.hub, stuck_ref, &(fwi_published){.why = ""});
    ck_assert(fwi_list_is_empty(&site.jobs));
    ck_assert_uint_eq(last.answers, 0);
    api_end();
}
END_TEST

START_TEST(a_hub_may_end_while_somebody_waits)
{
    api_begin(1, "api.timeout", "2s");
    get_stuck();
    api_send(&last, "POST /api/publish", GOOD_KEY, "{\"channel\":\"a\",\"data\":1}");
    fwi_site_service.on_gone(&site, &last.call);
    api_end();
}
END_TEST

START_TEST(what_the_backplane_refuses_is_an_error)
{
    api_begin(1, "api.timeout", "2s");
    get_stuck();
    api_send(&last, "POST /api/publish", GOOD_KEY, "{\"channel\":\"a\",\"data\":1}");
    fwi_publish_on_published(&rig.hub, stuck_ref,
                             &(fwi_published){.err = FW_ERR_BUSY, .why = "too much"});
    ck_assert_str_eq(last.body, "{\"error\":{\"code\":111,\"message\":\"too much\"}}");
    api_end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api");
    TCase *tc = tcase_create("api");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, each_request_has_its_status, 0, FWI_ARRAY_LEN(requests));
    tcase_add_test(tc, a_wrong_key_is_counted_and_asks_for_one);
    tcase_add_test(tc, without_a_key_of_its_own_there_is_no_api);
    tcase_add_test(tc, a_draining_node_answers_503);
    tcase_add_loop_test(tc, what_is_published_is_the_data_as_it_was_written, 1, 3);
    tcase_add_test(tc, b64data_is_published_as_bytes);
    tcase_add_loop_test(tc, what_publish_refuses_is_200_with_an_error, 0,
                        FWI_ARRAY_LEN(refusals));
    tcase_add_test(tc, fields_that_say_nothing_are_as_if_they_were_absent);
    tcase_add_test(tc, in_a_room_with_history_a_publish_has_its_position);
    tcase_add_test(tc, the_same_key_is_published_once);
    tcase_add_test(tc, skip_history_is_heard_and_not_kept);
    tcase_add_test(tc, a_broadcast_answers_for_each_channel_in_order);
    tcase_add_test(tc, a_batch_answers_each_command_in_order);
    tcase_add_test(tc, of_a_malformed_batch_nothing_is_done);
    tcase_add_test(tc, the_older_form_has_a_command_a_line);
    tcase_add_test(tc, more_items_than_api_max_items_are_refused);
    tcase_add_loop_test(tc, commands_behind_api_max_items_are_not_read, 0,
                        FWI_ARRAY_LEN(too_long));
    tcase_add_test(tc, who_waits_too_long_is_told_so);
    tcase_add_loop_test(tc, who_leaves_before_the_answer_harms_nothing, 0, 2);
    tcase_add_test(tc, a_hub_may_end_while_somebody_waits);
    tcase_add_test(tc, what_the_backplane_refuses_is_an_error);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
