/*
 * Tokens of clients that speak the Centrifuge protocol: what they let in, what they give,
 * and what happens when they end. What a token must be is in test_token.c.
 */
#include "unit/centrifuge_rig.h"

#include "core/decision.h"
#include "core/gift.h"
#include "unit/token_rig.h"

/* Rooms without a colon are open, by the options; others are by tokens alone. */
static void open_guarded(void)
{
    core_rig_init(&rig, 1, "room.allow.subscribe", "on", "namespace.x.history.size", "5",
                  "limit.rooms_per_session", "3", NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(fwi_keys_add_secret, secret));
}

static int64_t now_s(void)
{
    return (int64_t)(fwi_loop_wall_ms(rig.loop[0]) / 1000);
}

/* Says a command with a token: %s stands for it. */
static void say_with(fwi_conn *c, const char *command, const char *claims)
{
    fwi_buf signed_token;
    char text[HEARD_MAX];
    sign(&signed_token, claims);
    const char *at = strstr(command, "TOKEN");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - command), command,
             signed_token.data, at + strlen("TOKEN"));
    fwi_buf_fini(&signed_token);
    say(c, "%s", text);
}

static fwi_conn *enter_with(const char *claims)
{
    fwi_conn *c = arrive(0);
    say_with(c, "{\"id\":1,\"connect\":{\"token\":\"TOKEN\"}}", claims);
    return c;
}

#define EXPIRES(ttl) ",\"expires\":true,\"ttl\":" ttl

START_TEST(a_token_says_who_it_is_and_until_when)
{
    char claims[200], info[FW_SESSION_ID_TEXT];
    open_guarded();
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":%lld,\"info\":{\"a\":1}}",
             (long long)now_s() + 60);
    fwi_conn *c = enter_with(claims);
    hears(c, CONNECTED(EXPIRES("60")));
    ck_assert_str_eq(c->s->user, "ann");
    fwi_origin *o = c->s->member->origin;
    ck_assert_uint_eq(o->info_len, 7);
    ck_assert_mem_eq(o->info, "{\"a\":1}", 7);
    ck_assert_str_ne(fw_session_id_text(c->id, info), "");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(one_that_is_over_is_109_and_the_client_is_not_closed_for_it)
{
    char claims[100];
    open_guarded();
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":%lld}",
             (long long)now_s() - 1);
    fwi_conn *c = enter_with(claims);
    hears(c, "{\"id\":1,\"error\":{\"code\":109,\"message\":\"token expired\"}}");
    hears_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *connect;
    unsigned code;
} ends[] = {
    {"nonsense", "{\"id\":1,\"connect\":{\"token\":\"a.b.c\"}}", 3500},
    {"none", "{\"id\":1,\"connect\":{}}", 3501},
    {"an empty one", "{\"id\":1,\"connect\":{\"token\":\"\"}}", 3501},
    {"one of no kind", "{\"id\":1,\"connect\":{\"token\":5}}", 3501},
};

START_TEST(what_is_no_token_lets_nobody_in)
{
    open_guarded();
    fwi_conn *c = arrive(0);
    say(c, "%s", ends[_i].connect);
    is_closed(c, ends[_i].code);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(one_of_a_subscription_lets_nobody_in)
{
    open_guarded();
    fwi_conn *c = enter_with("{\"sub\":\"ann\",\"channel\":\"x:a\"}");
    is_closed(c, 3500);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(it_gives_channels_and_more_than_it_may_have_is_3505)
{
    open_guarded();
    fwi_conn *c = enter_with("{\"sub\":\"ann\",\"channels\":[\"x:a\"],"
                             "\"subs\":{\"$b\":{\"data\":[1]}}}");
    hears(c, CONNECTED(",\"subs\":{\"$b\":{\"data\":[1]},\"x:a\":{\"recoverable\":true,"
                       "\"positioned\":true,\"epoch\":\"<epoch>\",\"offset\":0}}"));
    publish("x:a", "1");
    hears(c, "{\"push\":{\"channel\":\"x:a\",\"pub\":{\"data\":1,\"offset\":1}}}");
    core_conn_free(c);
    c = enter_with("{\"sub\":\"ann\",\"channels\":[\"a\",\"b\",\"c\",\"d\"]}");
    is_closed(c, 3505);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_connection_ends_behind_its_token_unless_that_is_refreshed)
{
    char claims[100];
    open_guarded();
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":%lld}",
             (long long)now_s() + 5);
    fwi_conn *c = enter_with(claims), *late = enter_with(claims);
    hears(c, CONNECTED(EXPIRES("5")));
    hears(late, CONNECTED(EXPIRES("5")));
    core_rig_advance(&rig, 10000);
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":%lld}",
             (long long)now_s() + 100);
    fwi_session_on_bytes(c->s);
    fwi_session_on_bytes(late->s);
    say_with(c, "{\"id\":7,\"refresh\":{\"token\":\"TOKEN\"}}", claims);
    hears(c, "{\"id\":7,\"refresh\":{\"client\":\"<client>\",\"version\":"
             "\"fanwire " FW_VERSION_STRING "\",\"expires\":true,\"ttl\":100}}");
    for (int i = 0; i < 22; i++) {
        core_rig_advance(&rig, 1000);
        fwi_session_on_bytes(c->s);
        if (late->s != NULL) {
            fwi_session_on_bytes(late->s);
        }
    }
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    char got[HEARD_MAX];
    int opcode;
    while ((opcode = core_conn_next(late, got, sizeof got)) == FWI_WS_TEXT) {
    }
    ck_assert_int_eq(opcode, FWI_WS_CLOSE);
    ck_assert_uint_eq((unsigned)(uint8_t)got[0] << 8 | (uint8_t)got[1], 3005);
    core_conn_free(c);
    core_conn_free(late);
    core_rig_fini(&rig);
}
END_TEST

/* Pinged, and closed with this code after about so many seconds. */
static void ends_after(fwi_conn *c, unsigned code, int seconds)
{
    char got[HEARD_MAX];
    int opcode = -1, passed = 0;
    for (; opcode != FWI_WS_CLOSE && passed <= seconds + 1; passed++) {
        core_rig_advance(&rig, 1000);
        if (c->s != NULL) {
            fwi_session_on_bytes(c->s);
        }
        while ((opcode = core_conn_next(c, got, sizeof got)) == FWI_WS_TEXT) {
        }
    }
    ck_assert_int_eq(opcode, FWI_WS_CLOSE);
    ck_assert_uint_eq((unsigned)(uint8_t)got[0] << 8 | (uint8_t)got[1], code);
    ck_assert_msg(passed >= seconds, "after %d seconds", passed);
}

START_TEST(how_late_a_new_token_may_be_is_an_option)
{
    char claims[100];
    open_guarded();
    fw_options_set(rig.options, "token.grace", "2s");
    fwi_hub_reload(&rig.hub, rig.options);
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":%lld}",
             (long long)now_s() + 5);
    fwi_conn *c = enter_with(claims);
    hears(c, CONNECTED(EXPIRES("5")));
    ends_after(c, 3005, 7);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* A token without an end. */
START_TEST(an_end_too_far_to_count_is_none)
{
    open_guarded();
    fwi_conn *c = enter_with("{\"sub\":\"ann\",\"exp\":9223372036854775807}");
    hears(c, CONNECTED(EXPIRES("4294967295")));
    core_rig_advance(&rig, 5000);
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

#define REFRESHED(what) "{\"push\":{\"refresh\":" what "}}"

START_TEST(an_order_moves_the_end_of_a_connection)
{
    open_guarded();
    fwi_conn *one = enter_with("{\"sub\":\"ann\"}"),
             *all = enter_with("{\"sub\":\"bob\"}");
    hears(one, CONNECTED(""));
    hears(all, CONNECTED(""));
    ck_assert_int_eq(fwi_hub_refresh(&rig.hub, one->id, now_s() + 5), FW_OK);
    ck_assert_int_eq(fwi_hub_user_refresh(&rig.hub, "bob", now_s() + 5), FW_OK);
    hears(one, REFRESHED("{\"expires\":true,\"ttl\":5}"));
    hears(all, REFRESHED("{\"expires\":true,\"ttl\":5}"));
    ck_assert_int_eq(fwi_hub_user_refresh(&rig.hub, "bob", 0), FW_OK);
    hears(all, REFRESHED("{}"));
    for (int i = 0; i < 40; i++) {
        core_rig_advance(&rig, 1000);
        fwi_session_on_bytes(all->s);
        if (one->s != NULL) {
            fwi_session_on_bytes(one->s);
        }
    }
    ck_assert_ptr_eq(one->s, NULL);
    ck_assert_int_eq(all->s->state, FWI_SESSION_OPEN);
    ck_assert_int_eq(fwi_hub_user_refresh(&rig.hub, "bob", now_s() - 1), FW_OK);
    ends_after(all, 3005, 0);
    core_conn_free(one);
    core_conn_free(all);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_was_renamed_refreshes_by_its_first_name)
{
    open_guarded();
    core_rig_on(&rig, FW_EVENT_CONNECT, on_connect, NULL);
    fwi_conn *c = enter_with("{\"sub\":\"7\"}");
    fwi_hub_decide(&rig.hub, question, true, 0, "ann");
    hears(c, CONNECTED(""));
    ck_assert_str_eq(c->s->user, "ann");
    say_with(c, "{\"id\":7,\"refresh\":{\"token\":\"TOKEN\"}}", "{\"sub\":\"7\"}");
    hears(c, "{\"id\":7,\"refresh\":{\"client\":\"<client>\",\"version\":"
             "\"fanwire " FW_VERSION_STRING "\"}}");
    say_with(c, "{\"id\":8,\"refresh\":{\"token\":\"TOKEN\"}}", "{\"sub\":\"ann\"}");
    is_closed(c, 3500);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_refresh_with_somebody_elses_token_is_3500)
{
    open_guarded();
    fwi_conn *c = enter_with("{\"sub\":\"ann\"}");
    hears(c, CONNECTED(""));
    say(c, "{\"id\":2,\"sub_refresh\":{\"channel\":\"a\",\"token\":\"x\"}}");
    hears(c, "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    say_with(c, "{\"id\":7,\"refresh\":{\"token\":\"TOKEN\"}}", "{\"sub\":\"bob\"}");
    is_closed(c, 3500);
    core_conn_free(c);
    c = enter_with("{\"sub\":\"ann\"}");
    hears(c, CONNECTED(""));
    say(c, "{\"id\":7,\"refresh\":{}}");
    is_closed(c, 3501);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *claims, *want; /* NULL: closed with 3500 */
} subscriptions[] = {
    {"good", "{\"sub\":\"ann\",\"channel\":\"$x:a\",\"info\":{},\"data\":{\"b\": 1}}",
     "{\"id\":2,\"subscribe\":{\"data\":{\"b\": 1}}}"},
    {"with recovery",
     "{\"sub\":\"ann\",\"channel\":\"$x:a\",\"override\":{\"force_recovery\":{\"value\":"
     "true}}}",
     "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":"
     "\"<epoch>\",\"offset\":0}}"},
    {"of another channel", "{\"sub\":\"ann\",\"channel\":\"$x:b\"}", NULL},
    {"of another user", "{\"sub\":\"bob\",\"channel\":\"$x:a\"}", NULL},
    {"of another client", "{\"sub\":\"ann\",\"channel\":\"$x:a\",\"client\":\"c\"}",
     NULL},
    {"of a connection", "{\"sub\":\"ann\"}",
     "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
    {"over", "{\"sub\":\"ann\",\"channel\":\"$x:a\",\"exp\":1}",
     "{\"id\":2,\"error\":{\"code\":109,\"message\":\"token expired\"}}"},
};

START_TEST(a_private_room_is_for_who_has_its_token)
{
    open_guarded();
    fwi_conn *c = enter_with("{\"sub\":\"ann\"}");
    hears(c, CONNECTED(""));
    say_with(c, "{\"id\":2,\"subscribe\":{\"channel\":\"$x:a\",\"token\":\"TOKEN\"}}",
             subscriptions[_i].claims);
    if (subscriptions[_i].want == NULL) {
        is_closed(c, 3500);
    } else {
        hears(c, subscriptions[_i].want);
    }
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_subscription_ends_behind_its_token_unless_that_is_refreshed)
{
    char claims[100];
    open_guarded();
    fwi_conn *c = enter_with("{\"sub\":\"ann\"}");
    hears(c, CONNECTED(""));
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"channel\":\"$a\",\"exp\":%lld}",
             (long long)now_s() + 1);
    say_with(c, "{\"id\":2,\"subscribe\":{\"channel\":\"$a\",\"token\":\"TOKEN\"}}",
             claims);
    hears(c, "{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":1}}");
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"channel\":\"$a\",\"exp\":%lld}",
             (long long)now_s() + 2);
    say_with(c, "{\"id\":3,\"sub_refresh\":{\"channel\":\"$a\",\"token\":\"TOKEN\"}}",
             claims);
    hears(c, "{\"id\":3,\"sub_refresh\":{\"expires\":true,\"ttl\":2}}");
    say(c, "{\"id\":4,\"sub_refresh\":{\"channel\":\"$a\"}}");
    hears(c, "{\"id\":4,\"error\":{\"code\":107,\"message\":\"bad request\"}}");
    char got[HEARD_MAX] = "";
    for (int i = 0; i < 29 && strcmp(got, "") == 0; i++) {
        core_rig_advance(&rig, 1000);
        fwi_session_on_bytes(c->s);
        while (core_conn_next(c, got, sizeof got) == FWI_WS_TEXT &&
               strcmp(got, "{}") == 0) {
            got[0] = '\0';
        }
    }
    ck_assert_str_eq(got, "{\"push\":{\"channel\":\"$a\",\"unsubscribe\":{\"code\":2501,"
                          "\"reason\":\"subscription expired\"}}}");
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    publish("$a", "1");
    hears_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- what it says of itself in a room --- */

static void open_seen(unsigned loops)
{
    core_rig_init(&rig, loops, "namespace.seen.presence", "on",
                  "namespace.seen.join_leave", "on", "namespace.seen.allow.presence",
                  "on", "namespace.seen.allow.publish", "on", NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(fwi_keys_add_secret, secret));
}

#define ANN(more)                                                                        \
    "{\"user\":\"ann\",\"client\":\"<client>\",\"conn_info\":{\"a\":1}" more "}"

START_TEST(a_subscriptions_info_is_shown_in_its_room_alone)
{
    open_seen((unsigned)_i);
    fwi_conn *bob = arrive(0), *ann = arrive((unsigned)_i - 1);
    say_with(bob, "{\"id\":1,\"connect\":{\"token\":\"TOKEN\"}}", "{\"sub\":\"bob\"}");
    hears(bob, CONNECTED(""));
    say_with(ann, "{\"id\":1,\"connect\":{\"token\":\"TOKEN\"}}",
             "{\"sub\":\"ann\",\"info\":{\"a\":1}}");
    hears(ann, CONNECTED(""));
    say_with(bob,
             "{\"id\":2,\"subscribe\":{\"channel\":\"seen:a\",\"token\":\"TOKEN\","
             "\"join_leave\":true}}",
             "{\"sub\":\"bob\",\"channel\":\"seen:a\"}");
    hears(bob, "{\"id\":2,\"subscribe\":{}}");
    hears(bob, "{\"push\":{\"channel\":\"seen:a\",\"join\":{\"info\":{\"user\":\"bob\","
               "\"client\":\"<client>\"}}}}");
    say_with(ann, "{\"id\":2,\"subscribe\":{\"channel\":\"seen:a\",\"token\":\"TOKEN\"}}",
             "{\"sub\":\"ann\",\"channel\":\"seen:a\",\"info\":{\"c\":2}}");
    hears(ann, "{\"id\":2,\"subscribe\":{}}");
    hears(bob, "{\"push\":{\"channel\":\"seen:a\",\"join\":{\"info\":" ANN(
                   ",\"chan_info\":{\"c\":2}") "}}}");
    say(ann, "{\"id\":3,\"publish\":{\"channel\":\"seen:a\",\"data\":1}}");
    hears(bob, "{\"push\":{\"channel\":\"seen:a\",\"pub\":{\"data\":1,\"info\":" ANN(
                   ",\"chan_info\":{\"c\":2}") "}}}");
    say_with(ann,
             "{\"id\":5,\"sub_refresh\":{\"channel\":\"seen:a\",\"token\":\"TOKEN\"}}",
             "{\"sub\":\"ann\",\"channel\":\"seen:a\",\"info\":{\"c\":3}}");
    char got[HEARD_MAX];
    say(bob, "{\"id\":3,\"presence\":{\"channel\":\"seen:a\"}}");
    ck_assert_int_eq(core_conn_next(bob, got, sizeof got), FWI_WS_TEXT);
    ck_assert_msg(strstr(got, ",\"conn_info\":{\"a\":1},\"chan_info\":{\"c\":3}}") !=
                      NULL,
                  "%s", got);
    say(ann, "{\"id\":6,\"unsubscribe\":{\"channel\":\"seen:a\"}}");
    hears(bob, "{\"push\":{\"channel\":\"seen:a\",\"leave\":{\"info\":" ANN(
                   ",\"chan_info\":{\"c\":3}") "}}}");
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(info_too_large_to_be_told_is_refused)
{
    char info[1100], claims[1400];
    memset(info, 'i', sizeof info - 1);
    info[sizeof info - 1] = '\0';
    open_seen(1);
    fwi_conn *c = enter_with("{\"sub\":\"ann\"}");
    hears(c, CONNECTED(""));
    snprintf(claims, sizeof claims,
             "{\"sub\":\"ann\",\"channel\":\"seen:a\",\"info\":\"%s\"}", info);
    say_with(c, "{\"id\":2,\"subscribe\":{\"channel\":\"seen:a\",\"token\":\"TOKEN\"}}",
             claims);
    hears(c, "{\"id\":2,\"error\":{\"code\":103,\"message\":"
             "\"the info of the token is too large\"}}");
    core_conn_free(c);
    snprintf(claims, sizeof claims,
             "{\"sub\":\"ann\",\"subs\":{\"seen:a\":{\"info\":\"%s\"}}}", info);
    c = enter_with(claims);
    is_closed(c, 3500);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- what the application has said of the time counts --- */

static unsigned questions;

static void on_question(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    question = fw_event_token(e);
    questions++;
}

/* Lets it stay for two seconds. */
static void let_stay(void)
{
    char text[100], why[FWI_ANSWER_WHY];
    fwi_answer *a = NULL;
    snprintf(text, sizeof text, "{\"result\":{\"user\":\"ann\",\"expire_at\":%lld}}",
             (long long)now_s() + 2);
    ck_assert_int_eq(fwi_answer_read(text, strlen(text), &a, why), FWI_TOKEN_GOOD);
    ck_assert_int_eq(fwi_hub_answer(&rig.hub, question, a), FW_OK);
}

START_TEST(a_token_puts_off_no_question_whether_its_holder_may_stay)
{
    questions = 0;
    open_guarded();
    core_rig_on(&rig, FW_EVENT_CONNECT, on_question, NULL);
    core_rig_on(&rig, FW_EVENT_REFRESH, on_question, NULL);
    fwi_conn *c = enter_with("{\"sub\":\"ann\"}");
    ck_assert_uint_eq(questions, 1);
    let_stay();
    hears(c, CONNECTED(""));
    say_with(c, "{\"id\":7,\"refresh\":{\"token\":\"TOKEN\"}}", "{\"sub\":\"ann\"}");
    hears(c, "{\"id\":7,\"refresh\":{\"client\":\"<client>\",\"version\":"
             "\"fanwire " FW_VERSION_STRING "\"}}");
    core_rig_advance(&rig, 3000);
    ck_assert_uint_eq(questions, 2);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(and_none_whether_it_may_stay_in_a_room)
{
    questions = 0;
    open_guarded();
    core_rig_on(&rig, FW_EVENT_JOIN, on_question, NULL);
    core_rig_on(&rig, FW_EVENT_SUB_REFRESH, on_question, NULL);
    fwi_conn *c = enter_with("{\"sub\":\"ann\"}");
    hears(c, CONNECTED(""));
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    ck_assert_uint_eq(questions, 1);
    let_stay();
    hears(c, "{\"id\":2,\"subscribe\":{}}");
    say_with(c, "{\"id\":3,\"sub_refresh\":{\"channel\":\"a\",\"token\":\"TOKEN\"}}",
             "{\"sub\":\"ann\",\"channel\":\"a\"}");
    hears(c, "{\"id\":3,\"sub_refresh\":{}}");
    core_rig_advance(&rig, 3000);
    ck_assert_uint_eq(questions, 2);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* Gifts come by Redis, too, and nothing but the time itself says that they are over. */
START_TEST(what_was_over_before_1970_is_not_for_ever)
{
    static const char *const texts[] = {
        "{\"channel\":\"a\",\"exp\":-9223372036854775808}",
        "{\"channel\":\"a\",\"exp\":0}",
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(texts); i++) {
        const char *why;
        fwi_claims *gift = fwi_gift_read(texts[i], strlen(texts[i]), &why);
        ck_assert_msg(gift != NULL, "%s", why);
        ck_assert_int_eq(gift->expires_s, 1);
        fwi_claims_free(gift);
    }
}
END_TEST

/* --- what they may cost --- */

START_TEST(who_brings_bad_tokens_without_end_is_closed_at_the_rate)
{
    enum { RATE = 10, MANY = 50 };
    fwi_buf token, text;
    core_rig_init(&rig, 1, "limit.message_rate", "10", NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(fwi_keys_add_secret, secret));
    fwi_conn *c = enter_with("{\"sub\":\"ann\"}");
    hears(c, CONNECTED(""));
    sign(&token, "{\"sub\":\"ann\",\"channel\":\"$a\"}");
    char *of_signature = &token.data[token.len - 5];
    *of_signature = *of_signature == 'A' ? 'B' : 'A';
    fwi_buf_init(&text);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert(fwi_buf_printf(
            &text, "{\"id\":2,\"subscribe\":{\"channel\":\"$a\",\"token\":\"%.*s\"}}\n",
            (int)token.len, token.data));
    }
    ck_assert_ptr_nonnull(fwi_buf_text(&text));
    core_conn_say(c, text.data);
    for (unsigned i = 1; i < RATE; i++) { /* the first was connect */
        hears(c, "{\"id\":2,\"error\":{\"code\":103,\"message\":"
                 "\"permission denied\"}}");
    }
    is_closed(c, 3013);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_TOKENS_BAD), RATE - 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_RATE), 1);
    fwi_buf_fini(&token);
    fwi_buf_fini(&text);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("centrifuge_token");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, a_token_says_who_it_is_and_until_when);
    tcase_add_test(tc, one_that_is_over_is_109_and_the_client_is_not_closed_for_it);
    tcase_add_loop_test(tc, what_is_no_token_lets_nobody_in, 0, FWI_ARRAY_LEN(ends));
    tcase_add_test(tc, one_of_a_subscription_lets_nobody_in);
    tcase_add_test(tc, it_gives_channels_and_more_than_it_may_have_is_3505);
    tcase_add_test(tc, a_connection_ends_behind_its_token_unless_that_is_refreshed);
    tcase_add_test(tc, how_late_a_new_token_may_be_is_an_option);
    tcase_add_test(tc, an_end_too_far_to_count_is_none);
    tcase_add_test(tc, an_order_moves_the_end_of_a_connection);
    tcase_add_test(tc, who_was_renamed_refreshes_by_its_first_name);
    tcase_add_test(tc, a_refresh_with_somebody_elses_token_is_3500);
    tcase_add_loop_test(tc, a_private_room_is_for_who_has_its_token, 0,
                        FWI_ARRAY_LEN(subscriptions));
    tcase_add_test(tc, a_subscription_ends_behind_its_token_unless_that_is_refreshed);
    tcase_add_loop_test(tc, a_subscriptions_info_is_shown_in_its_room_alone, 1, 3);
    tcase_add_test(tc, info_too_large_to_be_told_is_refused);
    tcase_add_test(tc, a_token_puts_off_no_question_whether_its_holder_may_stay);
    tcase_add_test(tc, and_none_whether_it_may_stay_in_a_room);
    tcase_add_test(tc, what_was_over_before_1970_is_not_for_ever);
    tcase_add_test(tc, who_brings_bad_tokens_without_end_is_closed_at_the_rate);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
