/*
 * The JSON of the Centrifuge protocol, alone: which bytes are which commands, what is no
 * command, and what is written.
 */
#include <check.h>
#include <string.h>

#include "wire/protocol_centrifuge.h"

/* --- commands --- */

/* "connect 1; pong; bad: not JSON" */
static void describe(const char *text, size_t len, char *out, size_t cap)
{
    static const char *const names[] = {
        "connect",  "ping",           "subscribe", "unsubscribe", "publish",
        "presence", "presence_stats", "history",   "rpc",         "send",
        "refresh",  "sub_refresh",    "pong",      "unknown"};
    char *copy = malloc(len + 1); /* so that a read beyond the end is seen */
    memcpy(copy, text, len);
    fwi_cf_batch batch = {copy, len};
    fwi_cf_command c;
    const char *why = "";
    out[0] = '\0';
    fwi_cf_result result;
    while ((result = fwi_cf_next(&batch, &c, &why)) == FWI_CF_COMMAND) {
        size_t n = strlen(out);
        snprintf(out + n, cap - n, "%s%s %u", n ? "; " : "", names[c.method],
                 (unsigned)c.id);
    }
    if (result == FWI_CF_BAD) {
        size_t n = strlen(out);
        snprintf(out + n, cap - n, "%sbad: %s", n ? "; " : "", why);
    }
    free(copy);
}

static const struct {
    const char *name, *in, *want;
} commands[] = {
    {"nothing", "", ""},
    {"blanks", " \n ", ""},
    {"connect", "{\"id\":1,\"connect\":{}}", "connect 1"},
    {"the method first", "{\"connect\":{\"name\":\"js\"},\"id\":1}", "connect 1"},
    {"a batch", "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}",
     "connect 1; subscribe 2"},
    {"a line end behind it", "{\"id\":1,\"ping\":{}}\n", "ping 1"},
    {"a pong", "{}", "pong 0"},
    {"a pong in a batch", "{}\n{\"id\":3,\"ping\":{}}", "pong 0; ping 3"},
    {"send without an id", "{\"send\":{\"data\":1}}", "send 0"},
    {"the largest id", "{\"id\":4294967295,\"ping\":{}}", "ping 4294967295"},
    {"of several the first by rank", "{\"id\":1,\"send\":{},\"publish\":{}}",
     "publish 1"},
    {"a method that is null", "{\"id\":1,\"ping\":null,\"rpc\":{}}", "rpc 1"},
    {"unknown fields", "{\"id\":1,\"publish\":{\"channel\":\"a\",\"x\":[{}]},\"y\":2}",
     "publish 1"},
    {"an unknown method", "{\"id\":1,\"dance\":{}}", "unknown 1"},
    {"null for a field", "{\"id\":1,\"publish\":{\"channel\":null}}", "publish 1"},
    {"a key with an escape", "{\"id\":1,\"\\u0070ing\":{}}", "ping 1"},
    {"all methods",
     "{\"id\":1,\"unsubscribe\":{}}{\"id\":2,\"presence\":{}}{\"id\":3,"
     "\"presence_stats\":{}}{\"id\":4,\"history\":{}}{\"id\":5,\"refresh\":{}}"
     "{\"id\":6,\"sub_refresh\":{}}",
     "unsubscribe 1; presence 2; presence_stats 3; history 4; refresh 5; sub_refresh 6"},
    {"no JSON", "hello", "bad: not JSON"},
    {"half a command", "{\"id\":1,\"ping\":{}", "bad: not JSON"},
    {"the second is bad", "{}\n{", "pong 0; bad: not JSON"},
    {"a list", "[]", "bad: a command that is no object"},
    {"a number", "7", "bad: a command that is no object"},
    {"no id", "{\"ping\":{}}", "bad: a command without an id"},
    {"an id of 0", "{\"id\":0,\"ping\":{}}", "bad: a command without an id"},
    {"an id that is null", "{\"id\":null,\"ping\":{}}", "bad: a command without an id"},
    {"an id that is text", "{\"id\":\"1\",\"ping\":{}}",
     "bad: an id that is no number of 32 bits"},
    {"an id below 0", "{\"id\":-1,\"ping\":{}}",
     "bad: an id that is no number of 32 bits"},
    {"an id beyond 32 bits", "{\"id\":4294967296,\"ping\":{}}",
     "bad: an id that is no number of 32 bits"},
    {"an id with a fraction", "{\"id\":1.5,\"ping\":{}}",
     "bad: an id that is no number of 32 bits"},
    {"a request that is a list", "{\"id\":1,\"ping\":[]}",
     "bad: a request that is no object"},
    {"a channel that is a number", "{\"id\":1,\"publish\":{\"channel\":1}}",
     "bad: a field of the wrong kind"},
    {"an offset that is text", "{\"id\":1,\"subscribe\":{\"offset\":\"1\"}}",
     "bad: a field of the wrong kind"},
    {"a flag that is a number", "{\"id\":1,\"subscribe\":{\"recover\":1}}",
     "bad: a field of the wrong kind"},
    {"subs that are a list", "{\"id\":1,\"connect\":{\"subs\":[]}}",
     "bad: a field of the wrong kind"},
    {"bytes that are no UTF-8", "{\"id\":1,\"rpc\":{\"method\":\"\xff\"}}",
     "bad: not JSON"},
};

START_TEST(bytes_are_these_commands)
{
    char got[512];
    describe(commands[_i].in, strlen(commands[_i].in), got, sizeof got);
    ck_assert_msg(strcmp(got, commands[_i].want) == 0, "%s: %s", commands[_i].name, got);
}
END_TEST

START_TEST(a_command_that_breaks_off_anywhere_is_none)
{
    static const char whole[] =
        "{\"id\":12,\"subscribe\":{\"channel\":\"a\\u00e4\",\"recover\":true,\"epoch\":"
        "\"x\",\"offset\":5,\"data\":{\"a\":[1,null]}}}";
    for (size_t n = 1; n < sizeof whole - 1; n++) {
        char got[512];
        describe(whole, n, got, sizeof got);
        ck_assert_msg(strcmp(got, "bad: not JSON") == 0, "%zu: %s", n, got);
    }
}
END_TEST

START_TEST(lists_in_lists_without_an_end_are_refused)
{
    char text[4096], got[512];
    memset(text, '[', sizeof text);
    describe(text, sizeof text, got, sizeof got);
    ck_assert_str_eq(got, "bad: not JSON");
}
END_TEST

START_TEST(values_stay_as_they_were_written)
{
    static const char text[] =
        "{\"id\":5,\"publish\":{\"channel\":\"news\",\"data\":{ \"a\" : [1, 2e3] }}}";
    fwi_cf_batch batch = {text, strlen(text)};
    fwi_cf_command c;
    const char *why;
    char channel[16];
    ck_assert_int_eq(fwi_cf_next(&batch, &c, &why), FWI_CF_COMMAND);
    ck_assert_int_eq(fwi_cf_text(&c.channel, channel, sizeof channel), 4);
    ck_assert_str_eq(channel, "news");
    ck_assert_uint_eq(c.data.len, strlen("{ \"a\" : [1, 2e3] }"));
    ck_assert_mem_eq(c.data.at, "{ \"a\" : [1, 2e3] }", c.data.len);
}
END_TEST

START_TEST(all_fields_of_a_subscribe_are_read)
{
    static const char text[] =
        "{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"token\":\"t\",\"recover\":true,"
        "\"epoch\":\"00000000000000ff\",\"offset\":9007199254740991,\"data\":7,"
        "\"positioned\":true,\"recoverable\":true,\"join_leave\":true,\"delta\":"
        "\"fossil\","
        "\"tf\":{},\"flag\":3,\"type\":1}}";
    fwi_cf_batch batch = {text, strlen(text)};
    fwi_cf_command c;
    const char *why;
    ck_assert_int_eq(fwi_cf_next(&batch, &c, &why), FWI_CF_COMMAND);
    ck_assert(c.recover && c.positioned && c.recoverable && c.join_leave && !c.reverse);
    ck_assert_uint_eq(fwi_cf_epoch(&c.epoch), 255);
    ck_assert_uint_eq(c.offset, 9007199254740991ull);
    ck_assert_uint_eq(c.flag, 3);
    ck_assert_uint_eq(c.type, 1);
    ck_assert(fwi_json_is(&c.token, "t") && fwi_json_is(&c.delta, "fossil"));
    ck_assert_int_eq(c.filter.kind, FWI_JSON_OBJECT);
}
END_TEST

/* --- values --- */

static fwi_json string(const char *text)
{
    return (fwi_json){FWI_JSON_STRING, text, strlen(text)};
}

START_TEST(a_text_fits_or_is_refused)
{
    char out[5];
    const struct {
        const char *in;
        long want;
        const char *text;
    } texts[] = {{"\"\"", 0, ""},
                 {"\"abcd\"", 4, "abcd"},
                 {"\"abcde\"", -1, NULL},
                 {"\"\\u00e4\"", 2, "ä"},
                 {"\"a\\u0000\"", -1, NULL},
                 {"\"\\n\\\"\"", 2, "\n\""},
                 {"\"\\u0061bcde\"", -1, NULL}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(texts); i++) {
        fwi_json value = string(texts[i].in);
        ck_assert_int_eq(fwi_cf_text(&value, out, sizeof out), texts[i].want);
        ck_assert(texts[i].text == NULL || strcmp(out, texts[i].text) == 0);
    }
    fwi_json none = {.kind = FWI_JSON_NONE};
    ck_assert_int_eq(fwi_cf_text(&none, out, sizeof out), -1);
}
END_TEST

START_TEST(an_epoch_of_another_server_is_no_epoch_of_ours)
{
    const struct {
        const char *in;
        uint64_t want;
    } epochs[] = {{"\"\"", 0},
                  {"\"000000000000000a\"", 10},
                  {"\"ffffffffffffffff\"", UINT64_MAX},
                  {"\"Qx3d\"", UINT64_MAX},
                  {"\"000000000000000A\"", UINT64_MAX},
                  {"\"0000000000000000\"", UINT64_MAX},
                  {"\"0000000000000000a\"", UINT64_MAX}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(epochs); i++) {
        fwi_json value = string(epochs[i].in);
        ck_assert_msg(fwi_cf_epoch(&value) == epochs[i].want, "%s", epochs[i].in);
    }
}
END_TEST

/* --- writing --- */

static void written(fwi_buf *b, bool ok, const char *want)
{
    ck_assert(ok);
    ck_assert_str_eq(fwi_buf_text(b), want);
    fwi_json value;
    ck_assert_msg(fwi_json_read(b->data, b->len, &value, NULL), "%s", b->data);
    ck_assert_ptr_null(memchr(b->data, '\n', b->len));
    fwi_buf_fini(b);
    fwi_buf_init(b);
}

static fwi_cf_data data_of(const char *text, bool is_text)
{
    return (fwi_cf_data){fwi_cf_kind_of(text, strlen(text), is_text), text, strlen(text)};
}

START_TEST(data_is_a_value_or_becomes_a_string)
{
    const struct {
        const char *in;
        bool text;
        const char *want;
    } cases[] = {
        {"{\"a\":1}", true, "{\"a\":1}"},
        {"{\n \"a\":\r\n1}", true, "{ \"a\":1}"},
        {"\"x\"", true, "\"x\""},
        {"12", true, "12"},
        {"hello", true, "\"hello\""},
        {"{}{}", true, "\"{}{}\""},
        {"", true, "\"\""},
        {"a\nb", true, "\"a\\nb\""},
        {"{}", false, "\"e30=\""},
        {"\xff\xfe", false, "\"//4=\""},
    };
    fwi_buf b;
    fwi_buf_init(&b);
    for (size_t i = 0; i < FWI_ARRAY_LEN(cases); i++) {
        fwi_cf_data data = data_of(cases[i].in, cases[i].text);
        written(&b, fwi_cf_put_data(&b, &data), cases[i].want);
    }
}
END_TEST

START_TEST(zero_values_are_left_out)
{
    fwi_buf b;
    fwi_buf_init(&b);
    fwi_cf_publication p = {.data = data_of("1", true)};
    written(&b, fwi_cf_put_publication(&b, &p), "{\"data\":1}");
    p.offset = 7;
    p.from = (fwi_cf_info){.user = "ann",
                           .client = "c1",
                           .info = data_of("{}", true),
                           .room_info = data_of("[1]", true)};
    written(&b, fwi_cf_put_publication(&b, &p),
            "{\"data\":1,\"info\":{\"user\":\"ann\",\"client\":\"c1\",\"conn_info\":{},"
            "\"chan_info\":[1]},\"offset\":7}");
    fwi_cf_subscribed s = {.was_recovering = true};
    written(&b, fwi_cf_put_subscribed(&b, &s), "{\"was_recovering\":true}");
    s = (fwi_cf_subscribed){0};
    written(&b, fwi_cf_put_subscribed(&b, &s), "{}");
    fwi_buf pubs;
    fwi_buf_init(&pubs);
    ck_assert(fwi_buf_puts(&pubs, "{\"data\":1,\"offset\":8}"));
    s = (fwi_cf_subscribed){.positioned = true,
                            .recoverable = true,
                            .recovered = true,
                            .was_recovering = true,
                            .epoch = 255,
                            .offset = 7,
                            .ttl_s = 60,
                            .data = data_of("[]", true),
                            .publications = &pubs};
    written(&b, fwi_cf_put_subscribed(&b, &s),
            "{\"expires\":true,\"ttl\":60,\"recoverable\":true,\"positioned\":true,"
            "\"epoch\":\"00000000000000ff\",\"offset\":7,\"publications\":[{\"data\":1,"
            "\"offset\":8}],\"recovered\":true,\"was_recovering\":true,\"data\":[]}");
    fwi_buf_fini(&pubs);
}
END_TEST

START_TEST(the_reply_to_connect_has_what_was_agreed_on)
{
    fwi_buf b, subs;
    fwi_buf_init(&b);
    fwi_buf_init(&subs);
    fwi_cf_connected c = {.client = "c1", .version = "v", .method = "connect"};
    written(&b, fwi_cf_put_connected(&b, 1, &c),
            "{\"id\":1,\"connect\":{\"client\":\"c1\",\"version\":\"v\"}}");
    ck_assert(fwi_buf_puts(&subs, "\"a\":{}"));
    c.ttl_s = 9;
    c.ping_s = 25;
    c.subs = &subs;
    written(&b, fwi_cf_put_connected(&b, 1, &c),
            "{\"id\":1,\"connect\":{\"client\":\"c1\",\"version\":\"v\",\"expires\":true,"
            "\"ttl\":9,\"subs\":{\"a\":{}},\"ping\":25,\"pong\":true}}");
    fwi_buf_fini(&subs);
}
END_TEST

START_TEST(errors_are_temporary_where_the_protocol_says_so)
{
    fwi_buf b;
    fwi_buf_init(&b);
    written(&b, fwi_cf_put_error(&b, 3, FWI_CF_ERR_DENIED, NULL),
            "{\"id\":3,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    written(&b, fwi_cf_put_error(&b, 3, FWI_CF_ERR_INTERNAL, NULL),
            "{\"id\":3,\"error\":{\"code\":100,\"message\":\"internal server error\","
            "\"temporary\":true}}");
    written(&b, fwi_cf_put_error(&b, 3, 1234, "not\ntoday"),
            "{\"id\":3,\"error\":{\"code\":1234,\"message\":\"not\\ntoday\"}}");
}
END_TEST

START_TEST(replies_and_pushes_are_put_together)
{
    fwi_buf b;
    fwi_buf_init(&b);
    written(&b, fwi_cf_begin_reply(&b, 4, FWI_CF_PRESENCE_STATS) && fwi_cf_end_reply(&b),
            "{\"id\":4,\"presence_stats\":{}}");
    written(&b,
            fwi_cf_begin_push(&b, "a\"b", "pub") && fwi_buf_puts(&b, "{}") &&
                fwi_cf_end_push(&b),
            "{\"push\":{\"channel\":\"a\\\"b\",\"pub\":{}}}");
    written(&b,
            fwi_cf_begin_push(&b, NULL, "message") && fwi_buf_puts(&b, "{}") &&
                fwi_cf_end_push(&b),
            "{\"push\":{\"message\":{}}}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("protocol_centrifuge");
    TCase *tc = tcase_create("commands");
    tcase_add_loop_test(tc, bytes_are_these_commands, 0, FWI_ARRAY_LEN(commands));
    tcase_add_test(tc, a_command_that_breaks_off_anywhere_is_none);
    tcase_add_test(tc, lists_in_lists_without_an_end_are_refused);
    tcase_add_test(tc, values_stay_as_they_were_written);
    tcase_add_test(tc, all_fields_of_a_subscribe_are_read);
    tcase_add_test(tc, a_text_fits_or_is_refused);
    tcase_add_test(tc, an_epoch_of_another_server_is_no_epoch_of_ours);
    suite_add_tcase(suite, tc);
    tc = tcase_create("writing");
    tcase_add_test(tc, data_is_a_value_or_becomes_a_string);
    tcase_add_test(tc, zero_values_are_left_out);
    tcase_add_test(tc, the_reply_to_connect_has_what_was_agreed_on);
    tcase_add_test(tc, errors_are_temporary_where_the_protocol_says_so);
    tcase_add_test(tc, replies_and_pushes_are_put_together);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
