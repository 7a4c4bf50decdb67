/*
 * A hub whose rooms have history, on a backplane that the test plays; and what its
 * clients and handlers are told. Epochs are small numbers, and message 3 of epoch 7 says
 * "7:3".
 */
#ifndef TESTS_UNIT_HISTORY_RIG_H
#define TESTS_UNIT_HISTORY_RIG_H

#include <check.h>
#include <string.h>

#include "core/publish.h"
#include "support/core_rig.h"
#include "support/fake_backplane.h"
#include "wire/ws_codec.h"

static core_rig rig;

/* What handlers were told last, and how often. */
static fw_event last;
static unsigned results, resets;

static inline void on_result(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    last = *e;
    results++;
}

static inline void on_reset(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    ck_assert_str_eq(fw_event_room(e), "a");
    last = *e;
    resets++;
}

static inline void open_rig(unsigned loops, const char *name, const char *value)
{
    core_rig_backplane = fake_backplane_new;
    results = resets = 0;
    fake_writer = 0;
    core_rig_init(&rig, loops, "room.history.size", "1000", name, value, NULL);
    core_rig_on(&rig, FW_EVENT_RESULT, on_result, NULL);
    core_rig_on(&rig, FW_EVENT_ROOM_RESET, on_reset, NULL);
}

static inline fwi_conn *come(unsigned loop)
{
    fwi_conn *c = core_connect(&rig, loop, "");
    core_rig_settle(&rig);
    return c;
}

static inline void join(fwi_conn *c, uint64_t epoch, uint64_t offset)
{
    fwi_position since = {epoch, offset};
    ck_assert_int_eq(fwi_hub_join_since(&rig.hub, c->id, "a", since, 1), FW_OK);
    core_rig_settle(&rig);
}

static inline void say(uint64_t epoch, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i <= end; i++) {
        fake_say("r:a", epoch, i);
    }
    core_rig_settle(&rig);
}

static inline void answer(uint64_t epoch, uint64_t top, uint64_t first, uint64_t end)
{
    fake_answer(epoch, top, first, end);
    core_rig_settle(&rig);
}

/* Everything that c has heard since, "7:1 7:2". */
static inline const char *heard(fwi_conn *c)
{
    static char all[4096];
    char said[256];
    all[0] = '\0';
    for (int op; (op = core_conn_next(c, said, sizeof said)) >= 0;) {
        size_t n = strlen(all);
        if (op == FWI_WS_CLOSE) {
            snprintf(said, sizeof said, "close");
        }
        snprintf(all + n, sizeof all - n, "%s%s", n ? " " : "", said);
    }
    return all;
}

/* A member of a room that stands at 7:5, on the loop with this number from 1. */
static inline fwi_conn *member(unsigned loop)
{
    fwi_conn *c = come(loop - 1);
    join(c, 0, 0);
    answer(7, 5, 1, 0);
    return c;
}

static inline void close_rig(fwi_conn *c)
{
    core_conn_free(c);
    core_rig_fini(&rig);
    core_rig_backplane = fwi_backplane_memory_new;
}

static inline uint64_t stat(fwi_stat which)
{
    return core_rig_stat(&rig, which);
}

static inline int history_main(const char *name, void (*add_tests)(TCase *tc))
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    add_tests(tc);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
