/*
 * The fan-out beside a model that has none: the same random play twice, once with what
 * rooms say gathered for the end of the turn, once put into each outbox at once. What
 * every socket was given must be the same, byte for byte, whatever the policy, the
 * format, the loops, the delay, and with memory that runs out while something is said.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/fanout.h"
#include "core/raw_rooms.h"
#include "core/sse_id.h"
#include "support/core_rig.h"
#include "wire/event_stream.h"
#include "wire/ws_codec.h"
#include "support/test_message.h"

/* --- memory that runs out: see CMakeLists.txt --- */

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static int fails; /* so many of the next allocations */

void *__wrap_calloc(size_t n, size_t size)
{
    return fails > 0 && fails-- > 0 ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails > 0 && fails-- > 0 ? NULL : __real_realloc(p, size);
}

/* --- the play --- */

enum { PEOPLE = 10, ROOMS = 5, STEPS = 300, OUT_BYTES = 4 << 20 };

typedef struct variant {
    const char *name, *policy, *outbox, *format, *delay;
    unsigned loops;
    bool short_of_memory, pings, handlers, closes;
} variant;

static const variant variants[] = {
    {"roomy", "close", "1MiB", "plain", "0ms", 1, false, true, false, true},
    {"close", "close", "8KiB", "plain", "0ms", 1, false, false, false, true},
    {"close, json", "close", "8KiB", "json", "0ms", 1, false, false, false, true},
    {"drop_oldest", "drop_oldest", "8KiB", "plain", "0ms", 1, false, false, true, true},
    {"drop_newest", "drop_newest", "8KiB", "plain", "0ms", 1, false, false, true, true},
    {"latest", "latest", "8KiB", "plain", "0ms", 1, false, false, true, true},
    {"latest, json", "latest", "8KiB", "json", "0ms", 1, false, false, true, false},
    {"loops", "latest", "8KiB", "json", "0ms", 3, false, false, true, true},
    {"delay", "drop_oldest", "8KiB", "plain", "20ms", 1, false, false, true, true},
    {"delay, loops", "close", "8KiB", "plain", "20ms", 2, false, false, false, true},
    {"no memory", "close", "1MiB", "plain", "0ms", 1, true, false, true, true},
    {"no memory, latest", "latest", "8KiB", "plain", "20ms", 2, true, false, true, true},
};

typedef struct play {
    core_rig rig;
    const variant *v;
    bool at_once; /* the model */
    fwi_conn *c[PEOPLE];
    char *text; /* long */
} play;

typedef struct outcome {
    fwi_buf heard[PEOPLE];
    unsigned pongs[PEOPLE];
    uint64_t lost, written;
} outcome;

static bool is_open(const fwi_conn *c)
{
    return c->s != NULL && c->s->state == FWI_SESSION_OPEN;
}

static void say_at_once(fwi_shard *shard, const char *channel, fw_message *m)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL) {
        return;
    }
    bool json = shard->hub->set.raw_format == FWI_FORMAT_JSON;
    fwi_frame *f = json ? fwi_raw_json_frame(channel, m) : fwi_frame_ref(m->frame);
    const fwi_session *except = fwi_session_find(shard, m->except);
    for (uint32_t i = 0; i < room->n_in; i++) {
        if (room->members[i] != except) {
            fwi_session_push(room->members[i], f, channel[0] == 'r' ? room->serial : 0);
        }
    }
    fwi_frame_unref(f);
}

static void say(play *p, const char *channel, const char *text, size_t len,
                const fwi_conn *except, int failing)
{
    fw_message *m = test_message(FWI_MSG_DATA, text, len, FW_TEXT);
    if (except != NULL) {
        m->except = except->id;
    }
    for (unsigned i = 0; i < p->rig.loops; i++) {
        if (p->at_once) {
            say_at_once(&p->rig.shard[i], channel, m);
        } else {
            fails = failing;
            fwi_room_deliver(&p->rig.shard[i], channel, m);
            fails = 0;
        }
    }
    fw_message_unref(m);
}

static void tell(fwi_conn *c, const char *text)
{
    if (is_open(c)) {
        fwi_frame *f = fwi_frame_new_ws(FWI_WS_TEXT, text, strlen(text));
        fwi_session_push(c->s, f, 0);
        fwi_frame_unref(f);
    }
}

static void tell_all(play *p, const char *text)
{
    for (int i = 0; i < PEOPLE; i++) {
        tell(p->c[i], text);
    }
}

/* Handlers act on the neighbours of whom they are told about. */
static void on_event(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    play *p = user;
    for (int i = 0; i < PEOPLE; i++) {
        fwi_conn *c = p->c[i], *next = p->c[(i + 1) % PEOPLE],
                 *other = p->c[(i + 3) % PEOPLE];
        if (c == NULL || next == NULL || other == NULL ||
            memcmp(&c->id, &e->session, sizeof c->id) != 0) {
            continue;
        }
        tell(next, e->type == FW_EVENT_LEAVE ? "left" : "closed");
        if (e->type == FW_EVENT_CLOSE && is_open(next)) {
            fwi_session_leave(next->s, "a");
        }
        if (e->type == FW_EVENT_LEAVE && e->room[0] == 'b' && is_open(other)) {
            fwi_session_join(other->s, "c", &(fwi_join){0});
        }
        if (e->type == FW_EVENT_LEAVE && e->room[0] == 'c' && i % 5 == 0 &&
            p->v->closes && is_open(other)) {
            fwi_session_close(other->s, 4000, "along");
        }
        return;
    }
}

static void end_turn(play *p)
{
    core_rig_settle(&p->rig);
    core_rig_advance(&p->rig, 25);
}

static void toggle(play *p, fwi_conn *c)
{
    end_turn(p); /* within a turn it would be another play: puts come later */
    c->blocked = !c->blocked;
    if (!c->blocked) {
        core_conn_unblock(c);
    }
}

static void end_somebody(play *p, fwi_conn *c, int how)
{
    if (!p->v->closes || !is_open(c)) {
        return;
    }
    if (how == 0) {
        fwi_session_close(c->s, 4001, "enough");
    } else if (how == 1) {
        fwi_session_on_close(c->s, 1000, "bye", 3);
    } else {
        end_turn(p); /* what it hasn't got is lost, here or there */
        core_conn_lose(c);
    }
}

static void say_something(play *p, const char *name, unsigned number, fwi_conn *c)
{
    static const size_t sizes[] = {8, 8, 8, 8, 8, 900, 900, 3000, 60000, 200000};
    char channel[16];
    size_t len = sizes[rand() % (rand() % 4 == 0 ? 10 : 7)];
    int failing = rand() % 3 == 0 ? 1 + rand() % 2 : 0;
    bool left_out = rand() % 3 == 0;
    int n = snprintf(p->text, 16, "%u", number);
    memset(p->text + n, 'x', 16 - (size_t)n);
    snprintf(channel, sizeof channel, "%s", name);
    say(p, channel, p->text, len, left_out ? c : NULL,
        p->v->short_of_memory ? failing : 0);
}

static void step(play *p, unsigned number)
{
    char text[16], room[] = "a", channel[] = "r:a";
    snprintf(text, sizeof text, "%u", number);
    fwi_conn *c = p->c[rand() % PEOPLE];
    room[0] = channel[2] = (char)('a' + rand() % ROOMS);
    int what = rand() % 60, dice = rand() % 3;
    if (what < 4) {
        tell(c, text);
    } else if (what < 10 && is_open(c)) {
        fwi_session_join(c->s, room, &(fwi_join){0});
    } else if (what < 14 && is_open(c)) {
        fwi_session_leave(c->s, room);
    } else if (what < 18) {
        end_turn(p);
    } else if (what < 22) {
        toggle(p, c);
    } else if (what < 24 && is_open(c)) {
        fwi_session_set_user(c->s, dice == 0 ? NULL : dice == 1 ? "ann" : "bob", 0);
    } else if (what < 27) {
        say_something(p, dice == 0 ? "u:ann" : "u:bob", number, c);
    } else if (what < 28) {
        tell_all(p, text);
    } else if (what < 29 && dice == 0) {
        end_somebody(p, c, rand() % 3);
    } else if (what < 31) {
        fwi_shard_turn_end(&p->rig.shard[(unsigned)dice % p->rig.loops]);
    } else if (what < 33 && p->v->pings && is_open(c)) {
        fwi_session_on_ping(c->s, "?", 1);
    } else {
        say_something(p, channel, number, c);
    }
}

/* What c was given, without pongs, which nobody has promised a place. */
static void keep(outcome *o, int i, fwi_conn *c)
{
    const uint8_t *at = (const uint8_t *)c->out.data, *end = at + c->out.len;
    while (at < end) {
        fwi_ws_view v;
        size_t n = fwi_ws_view_own(at, &v);
        if (v.opcode == FWI_WS_PONG) {
            o->pongs[i]++;
        } else {
            ck_assert(fwi_buf_append(&o->heard[i], at, n));
        }
        at += n;
    }
    ck_assert(at == end);
}

static void perform(play *p, outcome *o, const variant *v, bool at_once, unsigned seed)
{
    memset(p, 0, sizeof *p);
    memset(o, 0, sizeof *o);
    srand(seed);
    p->v = v;
    p->at_once = at_once;
    p->text = malloc(200000);
    memset(p->text, 'x', 200000);
    core_rig_init(&p->rig, v->loops, "raw.mode", "rooms", "heartbeat.interval", "0s",
                  "outbox.policy", v->policy, "outbox.max_bytes", v->outbox, "raw.format",
                  v->format, "write.delay", v->delay, NULL);
    if (v->handlers) {
        core_rig_on(&p->rig, FW_EVENT_LEAVE, on_event, p);
        core_rig_on(&p->rig, FW_EVENT_CLOSE, on_event, p);
    }
    for (unsigned i = 0; i < PEOPLE; i++) {
        const char *query = i % 3 == 0 ? "user=ann&room=a" : "room=a&room=b";
        p->c[i] = core_connect(&p->rig, i % v->loops, query);
        fwi_buf_init(&o->heard[i]);
        ck_assert(fwi_buf_reserve(&p->c[i]->out, OUT_BYTES)); /* it isn't to fail */
        end_turn(p);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        step(p, i);
    }
    for (int i = 0; i < PEOPLE; i++) {
        toggle(p, p->c[i]);
        end_turn(p);
    }
    for (unsigned i = 0; i < v->loops; i++) {
        ck_assert(fwi_fanout_is_quiet(&p->rig.shard[i].fanout));
    }
    for (int i = 0; i < PEOPLE; i++) {
        core_conn_lose(p->c[i]);
    }
    for (int i = 0; i < PEOPLE; i++) {
        keep(o, i, p->c[i]);
        core_conn_free(p->c[i]);
        p->c[i] = NULL;
    }
    o->written = core_rig_stat(&p->rig, FWI_STAT_WRITTEN);
    o->lost = core_rig_stat(&p->rig, FWI_STAT_OUTBOX_DROPPED);
    ck_assert_uint_eq(core_rig_stat(&p->rig, FWI_STAT_DELIVERIES), o->written + o->lost);
    ck_assert_uint_eq(core_rig_stat(&p->rig, FWI_STAT_MEMBERS), 0);
    core_rig_fini(&p->rig);
    free(p->text);
}

START_TEST(without_memory_nobody_is_written_nothing)
{
    static play p;
    memset(&p, 0, sizeof p);
    core_rig_init(&p.rig, 1, "raw.mode", "rooms", NULL);
    fwi_conn *a = core_connect(&p.rig, 0, "room=r"),
             *b = core_connect(&p.rig, 0, "room=r");
    ck_assert(fwi_buf_reserve(&a->out, 100) && fwi_buf_reserve(&b->out, 100));
    core_rig_settle(&p.rig);
    say(&p, "r:r", "1", 1, NULL, 0); /* a batch without memory of its own: */
    say(&p, "r:r", "2", 1, NULL, 0);
    core_rig_settle(&p.rig);
    fwi_batch *kept = fwi_list_entry(p.rig.shard[0].fanout.unused.next, fwi_batch, link);
    free(kept->said);
    kept->said = NULL;
    kept->cap = 0;
    a->writes = b->writes = 0;
    say(&p, "r:r", "3", 1, a, 1);
    ck_assert_ptr_null(fwi_room_find(&p.rig.shard[0], "r:r")->batch);
    core_rig_settle(&p.rig);
    ck_assert_uint_eq(a->writes, 0);
    ck_assert_uint_eq(b->writes, 1);
    core_conn_free(a);
    core_conn_free(b);
    core_rig_fini(&p.rig);
}
END_TEST

/* What the room tells its streams of events that know no other room. */
static fwi_frame *event_frame(const char *text)
{
    fwi_buf b;
    fwi_buf_init(&b);
    return fwi_sse_frame_of(&b, fwi_buf_printf(&b, "id: its\ndata: %s\n\n", text));
}

static void say_kept(fwi_shard *shard, const char *channel, uint64_t offset, int failing)
{
    fw_message *m = test_message(FWI_MSG_DATA, "x", 1, FW_TEXT);
    char text[16];
    snprintf(text, sizeof text, "%u", (unsigned)offset);
    m->at = (fwi_position){9, offset};
    fwi_telling told = {.m = m, .frame[FWI_SSE] = event_frame(text)};
    fails = failing;
    fwi_fanout_say(shard, fwi_room_find(shard, channel), &told);
    ck_assert_int_eq(fails, 0);
    fwi_frame_unref(told.frame[FWI_SSE]);
    fw_message_unref(m);
}

/* Whoever hears them comes back by the last id: it must name what was said past the
 * batch, and nothing that is behind it. */
START_TEST(without_memory_for_a_batch_each_is_told_at_once_and_where_it_stands)
{
    core_rig rig;
    char want[300];
    unsigned a = fwi_es_room("kept:a"), b = fwi_es_room("kept:b");
    core_rig_init(&rig, 1, "raw.mode", "rooms", "namespace.kept.history.size", "9", NULL);
    fwi_conn *c = core_connect_as(&rig, 0, "room=kept:a&room=kept:b", FWI_SSE);
    core_rig_settle(&rig);
    ck_assert_uint_eq(c->s->n_places, 2);
    fwi_fanout_stand(fwi_room_find(&rig.shard[0], "r:kept:a"), (fwi_position){9, 0});
    ck_assert(fwi_buf_reserve(&c->out, 1000)); /* it isn't to fail */
    c->out.len = 0;
    say_kept(&rig.shard[0], "r:kept:b", 1, 0);
    say_kept(&rig.shard[0], "r:kept:a", 1, 1);
    say_kept(&rig.shard[0], "r:kept:b", 2, 0);
    say_kept(&rig.shard[0], "r:kept:a", 2, 0);
    core_rig_settle(&rig);
    static const unsigned stands[][3] = {{0, 1, 1}, {1, 1, 1}, {1, 2, 2}, {2, 2, 2}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(stands); i++) {
        snprintf(want, sizeof want, "id: %08x:%016x/%u,%08x:%016x/%u\ndata: %u\n\n", a, 9,
                 stands[i][0], b, 9, stands[i][1], stands[i][2]);
        ck_assert_uint_ge(c->out.len, strlen(want));
        ck_assert_mem_eq(c->out.data, want, strlen(want));
        fwi_buf_consume(&c->out, strlen(want));
    }
    ck_assert_uint_eq(c->out.len, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(random_plays_give_every_socket_what_they_give_without_a_fan_out)
{
    static play p;
    unsigned seed = (unsigned)_i / FWI_ARRAY_LEN(variants);
    const variant *v = &variants[(unsigned)_i % FWI_ARRAY_LEN(variants)];
    outcome is, should;
    perform(&p, &should, v, true, seed);
    perform(&p, &is, v, false, seed);
    for (int i = 0; i < PEOPLE; i++) {
        ck_assert_msg(
            is.heard[i].len == should.heard[i].len &&
                (is.heard[i].len == 0 ||
                 memcmp(is.heard[i].data, should.heard[i].data, is.heard[i].len) == 0),
            "%s, seed %u, person %d: %zu bytes, should be %zu", v->name, seed, i,
            is.heard[i].len, should.heard[i].len);
        ck_assert_uint_eq(is.pongs[i], should.pongs[i]);
        fwi_buf_fini(&is.heard[i]);
        fwi_buf_fini(&should.heard[i]);
    }
    ck_assert_msg(is.written == should.written && is.lost == should.lost,
                  "%s, seed %u: written %llu, should be %llu; lost %llu, should be %llu",
                  v->name, seed, (unsigned long long)is.written,
                  (unsigned long long)should.written, (unsigned long long)is.lost,
                  (unsigned long long)should.lost);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("model");
    tcase_add_test(t, without_memory_nobody_is_written_nothing);
    tcase_add_test(t,
                   without_memory_for_a_batch_each_is_told_at_once_and_where_it_stands);
    tcase_add_loop_test(t,
                        random_plays_give_every_socket_what_they_give_without_a_fan_out,
                        0, 12 * (int)FWI_ARRAY_LEN(variants));
    Suite *s = suite_create("fanout_model");
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
