/*
 * Rooms with history at random: a link that loses, repeats and breaks, a room that
 * forgets, and clients that come and go. A failing play is run again by its number.
 */
#include "history_rig.h"

/* A server that keeps 1..top, the newest `kept` of them, and a link that loses, repeats
 * and breaks; clients that come, listen for a while and come back. Whatever happens, each
 * hears one message after the other. */
typedef struct player {
    fwi_conn *c; /* NULL: away */
    fwi_position at;
    bool joined;
} player;

enum { PLAYERS = 6, STEPS = 400 };

static struct {
    uint64_t epoch, top, kept;
    fwi_rand rand;
    player who[PLAYERS];
    bool away;
} play;

static uint32_t any(uint32_t n)
{
    return (uint32_t)(fwi_rand_next(&play.rand) % n);
}

/* {"joined":...}, {"room":..,"reset":..} or a message: all have a position. */
static void listen(player *p)
{
    char said[256];
    for (int op; p->c != NULL && (op = core_conn_next(p->c, said, sizeof said)) >= 0;) {
        const char *e = strstr(said, "\"epoch\":\""), *o = strstr(said, "\"offset\":");
        ck_assert_msg(op == FWI_WS_TEXT && e != NULL && o != NULL, "%d %s", op, said);
        fwi_position at = {strtoull(e + 9, NULL, 16), strtoull(o + 9, NULL, 10)};
        bool lost = strstr(said, "\"recovered\":false") || strstr(said, "\"reset\"");
        if (strstr(said, "\"joined\"") != NULL) {
            p->joined = true;
        }
        if (strstr(said, "\"data\"") != NULL) {
            p->at.offset++;
        } else if (lost) {
            p->at = at;
        }
        ck_assert_msg(at.epoch == p->at.epoch && at.offset == p->at.offset, "%s at %d:%d",
                      said, (int)p->at.epoch, (int)p->at.offset);
    }
}

static void come_or_go(player *p)
{
    if (p->c != NULL) {
        listen(p);
        core_conn_free(p->c);
        p->c = NULL;
        return;
    }
    char query[96], text[FW_POSITION_TEXT];
    snprintf(query, sizeof query, "room=a&since=%s", fw_position_text(p->at, text));
    p->joined = false;
    p->c = core_connect(&rig, any(2), query);
}

static void answer_one(void)
{
    if (play.away) {
        fake_answer_error();
    } else {
        uint64_t from = play.top > play.kept ? play.top - play.kept + 1 : 1;
        fake_answer_honestly(play.epoch, from, play.top, 1 + any(20));
    }
}

static void step(void)
{
    switch (any(12)) {
    case 0:
        come_or_go(&play.who[any(PLAYERS)]);
        break;
    case 1:
        play.away = !play.away;
        fake_state(!play.away);
        break;
    case 2: /* it says something again */
        if (!play.away && play.top > 0) {
            fake_say("r:a", play.epoch, 1 + any((uint32_t)play.top));
        }
        break;
    case 3:
        if (any(20) == 0) { /* Redis forgets everything */
            play.epoch++;
            play.top = 0;
        }
        break;
    case 4:
    case 5:
        fake_loop_turn(rig.loop[any(2)]);
        fwi_shard_leave_thread();
        break;
    case 6:
    case 7:
        if (fake_waiting() > 0) {
            answer_one();
        }
        break;
    default:
        play.top++;
        if (!play.away && any(8) != 0) { /* else it is lost on the way */
            fake_say("r:a", play.epoch, play.top);
        }
        break;
    }
}

/* Everything has come through, and everybody is where the room is. */
static void come_to_rest(void)
{
    play.away = false;
    fake_state(true);
    for (unsigned i = 0; i < 200; i++) {
        core_rig_settle(&rig);
        if (fake_waiting() == 0) {
            break;
        }
        answer_one();
    }
    ck_assert_uint_eq(fake_waiting(), 0);
    for (unsigned i = 0; i < PLAYERS; i++) {
        player *p = &play.who[i];
        listen(p);
        ck_assert(p->c == NULL || p->joined);
        ck_assert(p->c == NULL ||
                  (p->at.epoch == play.epoch && p->at.offset == play.top));
    }
}

START_TEST(whatever_happens_each_hears_one_after_the_other)
{
    core_rig_backplane = fake_backplane_new;
    core_rig_init(&rig, 2, "room.history.size", "100", "raw.mode", "rooms", "raw.format",
                  "json", NULL);
    memset(&play, 0, sizeof play);
    fwi_rand_init(&play.rand, 1000 + (uint64_t)_i);
    play.epoch = 1;
    play.kept = 100;
    core_rig_settle(&rig);
    for (unsigned i = 0; i < STEPS; i++) {
        step();
    }
    come_to_rest();
    for (unsigned i = 0; i < PLAYERS; i++) {
        if (play.who[i].c != NULL) {
            core_conn_free(play.who[i].c);
        }
    }
    core_rig_fini(&rig);
    core_rig_backplane = fwi_backplane_memory_new;
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, whatever_happens_each_hears_one_after_the_other, 0, 300);
}

int main(void)
{
    return history_main("history_model", add_tests);
}
