/*
 * Clients of the Centrifuge protocol in rooms of whose history the newest message is all
 * that counts: room.recovery_mode is cache.
 */
#include "unit/centrifuge_rig.h"

#define LAST(position, more)                                                             \
    "{\"id\":2,\"subscribe\":{" position                                                 \
    "\"publications\":[{\"data\":3,\"offset\":3}]" more "}}"
#define AT(top)                                                                          \
    "\"recoverable\":true,\"positioned\":true,\"epoch\":\"<epoch>\",\"offset\":" top

static const struct {
    const char *name, *more; /* EPOCH stands for the room's */
    const char *want;
} wishes[] = {
    {"without a wish", "", LAST("", "")},
    {"at its first time", ",\"recoverable\":true", LAST(AT("2") ",", "")},
    {"one that it has missed",
     ",\"recoverable\":true,\"recover\":true,\"offset\":1,\"epoch\":\"EPOCH\"",
     LAST(AT("2") ",", ",\"recovered\":true,\"was_recovering\":true")},
    {"of another epoch",
     ",\"recoverable\":true,\"recover\":true,\"offset\":3,\"epoch\":\"other\"",
     LAST(AT("2") ",", ",\"recovered\":true,\"was_recovering\":true")},
    {"from nowhere", ",\"recoverable\":true,\"recover\":true",
     LAST(AT("2") ",", ",\"recovered\":true,\"was_recovering\":true")},
    {"one that it has",
     ",\"recoverable\":true,\"recover\":true,\"offset\":3,\"epoch\":\"EPOCH\"",
     "{\"id\":2,\"subscribe\":{" AT("3") ",\"recovered\":true,\"was_recovering\":true}}"},
};

static void open_cached(unsigned loops)
{
    core_rig_init(&rig, loops, "client.insecure", "on", "room.history.size", "10",
                  "room.recovery_mode", "cache", NULL);
}

START_TEST(in_a_cache_room_a_subscriber_gets_the_newest_message)
{
    char epoch[17], command[HEARD_MAX];
    open_cached(1);
    fwi_conn *first = enter(0), *c = enter(0);
    subscribe_kept(first, "", epoch);
    publish("a", "1");
    publish("a", "2");
    publish("a", "3");
    const char *more = wishes[_i].more, *at = strstr(more, "EPOCH");
    snprintf(command, sizeof command,
             "{\"id\":2,\"subscribe\":{\"channel\":\"a\"%.*s%s%s}}",
             (int)(at != NULL ? at - more : (long)strlen(more)), more,
             at != NULL ? epoch : "", at != NULL ? at + strlen("EPOCH") : "");
    say(c, "%s", command);
    hears(c, wishes[_i].want);
    publish("a", "4");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":4,\"offset\":4}}}");
    core_conn_free(first);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(an_empty_cache_room_recovers_nobody)
{
    open_cached(1);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true,"
           "\"recover\":true}}");
    hears(c, "{\"id\":2,\"subscribe\":{" AT("0") ",\"was_recovering\":true}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_is_put_into_a_cache_room_gets_the_newest_message)
{
    open_cached((unsigned)_i);
    publish("a", "1");
    publish("a", "2");
    fwi_conn *c = enter((unsigned)_i - 1);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "a", 0), FW_OK);
    hears(c, "{\"push\":{\"channel\":\"a\",\"subscribe\":{" AT("1") "}}}");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":2,\"offset\":2}}}");
    hears_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("centrifuge_cache");
    TCase *tc = tcase_create("all");
    tcase_add_loop_test(tc, in_a_cache_room_a_subscriber_gets_the_newest_message, 0,
                        FWI_ARRAY_LEN(wishes));
    tcase_add_test(tc, an_empty_cache_room_recovers_nobody);
    tcase_add_loop_test(tc, who_is_put_into_a_cache_room_gets_the_newest_message, 1, 3);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
