/*
 * Tokens in a hub: whose a raw connection is, by the clock on the wall and the keys that
 * the hub has at the moment.
 */
#include <check.h>
#include <string.h>

#include "support/core_rig.h"
#include "wire/token_sign.h"

static const char first_secret[] = "the first secret of 32 bytes or more";
static const char second_secret[] = "the second secret for the rotation ....";

static core_rig rig;

static fwi_keys *keys_of(const char *one, const char *two)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_keys *keys = fwi_keys_new(NULL, NULL);
    ck_assert(fwi_keys_add_secret(keys, one, strlen(one), problem));
    ck_assert(two == NULL || fwi_keys_add_secret(keys, two, strlen(two), problem));
    return keys;
}

/* Knocks with ?token=..., signed with this secret. */
static fwi_conn *knock(const char *claims, const char *secret)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_buf query;
    fwi_buf_init(&query);
    ck_assert(fwi_buf_puts(&query, "room=r&token="));
    ck_assert_msg(fwi_token_sign(&query, claims, strlen(claims), secret, NULL, problem) ==
                      FWI_TOKEN_GOOD,
                  "%s", problem);
    fwi_conn *c = core_connect(&rig, 0, fwi_buf_text(&query));
    fwi_buf_fini(&query);
    return c;
}

static void assert_in(fwi_conn *c, const char *user)
{
    ck_assert_int_eq(c->refused, 0);
    ck_assert(c->accepted);
    if (user == NULL) {
        ck_assert_ptr_null(c->s->user);
    } else {
        ck_assert_str_eq(c->s->user, user);
    }
    core_conn_free(c);
}

static void assert_refused(fwi_conn *c, int status)
{
    ck_assert_int_eq(c->refused, status);
    core_conn_free(c);
}

START_TEST(a_token_is_good_until_the_clock_on_the_wall_says_otherwise)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "token.hmac_secret", first_secret, NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(first_secret, NULL));
    static const char claims[] = "{\"sub\":\"ann\",\"exp\":1700000010}";
    assert_in(knock(claims, first_secret), "ann");
    core_rig_advance(&rig, 9999);
    assert_in(knock(claims, first_secret), "ann");
    core_rig_advance(&rig, 1);
    assert_refused(knock(claims, first_secret), 401);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_TOKENS_EXPIRED), 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_TOKENS_BAD), 0);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(keys_are_exchanged_while_sessions_come_and_stay)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "token.hmac_secret", first_secret, NULL);
    static const char claims[] = "{\"sub\":\"ann\"}";
    assert_refused(knock(claims, first_secret), 401); /* there are none yet */
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(first_secret, NULL));
    fwi_conn *stays = knock(claims, first_secret);
    assert_refused(knock(claims, second_secret), 401);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(second_secret, first_secret));
    assert_in(knock(claims, first_secret), "ann");
    assert_in(knock(claims, second_secret), "ann");
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(second_secret, NULL));
    assert_refused(knock(claims, first_secret), 401);
    assert_in(knock(claims, second_secret), "ann");
    fwi_tokens_exchange(&rig.hub.tokens, NULL);
    assert_refused(knock(claims, second_secret), 401);
    assert_in(stays, "ann");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_TOKENS_BAD), 4);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *query;
    int status;
    fwi_stat counted;
} strange[] = {
    {"", 401, FWI_STAT_TOKENS_MISSING},
    {"token", 401, FWI_STAT_TOKENS_MISSING},
    {"token=", 401, FWI_STAT_TOKENS_MISSING},
    {"Token=a.b.c", 401, FWI_STAT_TOKENS_MISSING},
    {"user=ann", 401, FWI_STAT_TOKENS_MISSING},
    {"token=ann", 401, FWI_STAT_TOKENS_BAD},
    {"token=a.b.c", 401, FWI_STAT_TOKENS_BAD},
    {"token=%ff", 401, FWI_STAT_TOKENS_BAD},
    {"token=%00", 401, FWI_STAT_TOKENS_BAD},
    {"token=%", 401, FWI_STAT_TOKENS_BAD},
    {"room=%ff&token=a.b.c", 400, FWI_STAT_REFUSED},
};

START_TEST(whoever_brings_no_good_token_is_refused_and_counted)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "token.hmac_secret", first_secret, NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(first_secret, NULL));
    assert_refused(core_connect(&rig, 0, strange[_i].query), strange[_i].status);
    ck_assert_uint_eq(core_rig_stat(&rig, strange[_i].counted), 1);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(client_anonymous_lets_in_who_brings_none_but_no_bad_one)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "token.hmac_secret", first_secret,
                  "client.anonymous", "on", NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(first_secret, NULL));
    assert_in(core_connect(&rig, 0, "room=r&user=ann"), NULL);
    assert_in(knock("{\"sub\":\"ann\"}", first_secret), "ann");
    assert_in(knock("{\"sub\":\"\"}", first_secret), NULL);
    assert_refused(core_connect(&rig, 0, "token=x"), 401);
    assert_refused(knock("{\"sub\":\"ann\"}", second_secret), 401);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_subscription_s_token_lets_nobody_in)
{
    core_rig_init(&rig, 1, "token.hmac_secret", first_secret, NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(first_secret, NULL));
    assert_refused(knock("{\"sub\":\"ann\",\"channel\":\"r\"}", first_secret), 401);
    core_rig_fini(&rig);
}
END_TEST

/* raw.user says where users come from; a key alone makes tokens needed. */
static const struct {
    const char *mode, *wish, *secret;
    const char *query;
    const char *user; /* "401": refused */
} wishes[] = {
    {"rooms", "auto", "", "user=ann", "ann"},
    {"rooms", "auto", first_secret, "user=ann", "401"},
    {"rooms", "query", first_secret, "user=ann&token=x", "ann"},
    {"rooms", "none", first_secret, "user=ann&token=x", NULL},
    {"rooms", "token", first_secret, "user=ann", "401"},
    {"app", "auto", "", "user=ann&token=x", NULL},
    {"app", "auto", first_secret, "user=ann", "401"},
    {"app", "query", first_secret, "user=ann", NULL},
    {"app", "none", first_secret, "user=ann", NULL},
};

START_TEST(raw_user_says_who_is_believed)
{
    core_rig_init(&rig, 1, "raw.mode", wishes[_i].mode, "raw.user", wishes[_i].wish,
                  "token.hmac_secret", wishes[_i].secret, NULL);
    fwi_conn *c = core_connect(&rig, 0, wishes[_i].query);
    if (wishes[_i].user != NULL && strcmp(wishes[_i].user, "401") == 0) {
        assert_refused(c, 401);
    } else {
        assert_in(c, wishes[_i].user);
    }
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tokens");
    TCase *tc = tcase_create("tokens");
    tcase_add_test(tc, a_token_is_good_until_the_clock_on_the_wall_says_otherwise);
    tcase_add_test(tc, keys_are_exchanged_while_sessions_come_and_stay);
    tcase_add_loop_test(tc, whoever_brings_no_good_token_is_refused_and_counted, 0,
                        FWI_ARRAY_LEN(strange));
    tcase_add_test(tc, client_anonymous_lets_in_who_brings_none_but_no_bad_one);
    tcase_add_test(tc, a_subscription_s_token_lets_nobody_in);
    tcase_add_loop_test(tc, raw_user_says_who_is_believed, 0, FWI_ARRAY_LEN(wishes));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
