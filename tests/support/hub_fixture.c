/*
 * Hubs and clients for the integration tests, see hub_fixture.h. Handlers run on the
 * loops' threads and only copy what they get, under one lock a hub; the test's thread
 * waits for it with a deadline. FW_TEST_LOG=debug shows what the hubs say.
 */
#include "support/hub_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const hub_kind hub_kinds[HUB_KINDS] = {
    {"memory, one loop", false, "1"},
    {"memory, two loops", false, "2"},
    {"redis, one loop", true, "1"},
    {"redis, two loops", true, "2"},
};

redis_server *test_redis;

/* Handlers run on the loops' threads, where check's assertions may not be used. */
static void *not_null(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

static char *copy_text(const char *s)
{
    return not_null(strdup(s ? s : ""));
}

static test_hub *hub_with_prefix(const hub_kind *kind, const char *prefix)
{
    test_hub *h = calloc(1, sizeof *h);
    ck_assert_ptr_nonnull(h);
    h->kind = kind;
    h->options = fw_options_new();
    ck_assert_ptr_nonnull(h->options);
    h->record = 1u << FW_EVENT_OPEN | 1u << FW_EVENT_MESSAGE | 1u << FW_EVENT_CLOSE |
                1u << FW_EVENT_LEAVE | 1u << FW_EVENT_RESULT |
                1u << FW_EVENT_BACKPLANE_UP | 1u << FW_EVENT_BACKPLANE_DOWN;
    snprintf(h->prefix, sizeof h->prefix, "%s", prefix);
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->changed, &attr);
    pthread_condattr_destroy(&attr);
    test_hub_set(h, "threads", kind->threads);
    if (kind->redis) {
        test_hub_set(h, "redis.url", redis_server_url(test_redis));
        test_hub_set(h, "redis.prefix", h->prefix);
        test_hub_set(h, "redis.required", "on");
    }
    return h;
}

test_hub *test_hub_new(unsigned kind)
{
    static unsigned serial;
    char prefix[48];
    snprintf(prefix, sizeof prefix, "t%d-%u", (int)getpid(), ++serial);
    return hub_with_prefix(&hub_kinds[kind], prefix);
}

test_hub *test_hub_peer(const test_hub *of)
{
    return hub_with_prefix(of->kind, of->prefix);
}

void test_hub_set(test_hub *h, const char *option, const char *value)
{
    int err = fw_options_set(h->options, option, value);
    h->listens |= strcmp(option, "listen") == 0;
    ck_assert_msg(err == FW_OK, "%s", fw_error_detail());
}

void test_hub_on(test_hub *h, fw_event_type type, fw_handler handler, void *user)
{
    h->handlers[type] = handler;
    h->users[type] = user;
}

static void print_log(void *user, fw_log_level level, const char *component,
                      const char *message)
{
    fprintf(stderr, "[%p] %s %s: %s\n", user, fw_log_level_name(level), component,
            message);
}

void test_hub_make(test_hub *h)
{
    if (!h->listens) {
        test_hub_set(h, "listen", "ws://127.0.0.1:0/ws");
    }
    const char *level = getenv("FW_TEST_LOG"); // NOLINT(concurrency-mt-unsafe)
    if (level) {
        test_hub_set(h, "log.level", level);
    }
    int err = fw_hub_new(&h->hub, h->options);
    ck_assert_msg(err == FW_OK, "%s", fw_error_detail());
    if (level) {
        fw_hub_on_log(h->hub, print_log, h);
    }
    bool queued = strcmp(fw_options_get(h->options, "events"), "queued") == 0;
    for (int type = 1; type < 20; type++) {
        if (h->handlers[type]) {
            err =
                fw_hub_on(h->hub, (fw_event_type)type, h->handlers[type], h->users[type]);
        } else if (h->record & 1u << type) {
            err = fw_hub_on(h->hub, (fw_event_type)type, queued ? NULL : test_hub_record,
                            h);
        }
        ck_assert_msg(err == FW_OK, "fw_hub_on(%s): %s",
                      fw_event_type_name((fw_event_type)type), fw_error_detail());
    }
}

void test_hub_start(test_hub *h)
{
    if (!h->hub) {
        test_hub_make(h);
    }
    int err = fw_hub_start(h->hub);
    ck_assert_msg(err == FW_OK, "%s: %s", h->kind->name, fw_error_detail());
    bool queued = strcmp(fw_options_get(h->options, "events"), "queued") == 0;
    if (h->kind->redis && !queued && h->record & 1u << FW_EVENT_BACKPLANE_UP) {
        test_hub_wait(h, FW_EVENT_BACKPLANE_UP, fw_session_none());
    }
}

test_hub *test_hub_open(unsigned kind)
{
    test_hub *h = test_hub_new(kind);
    test_hub_start(h);
    return h;
}

static void event_free(test_event *e)
{
    free(e->user);
    free(e->room);
    free(e->reason);
    free(e->name);
    free(e->data);
    free(e);
}

void test_hub_close(test_hub *h)
{
    if (!h) {
        return;
    }
    fw_hub_free(h->hub);
    fw_options_free(h->options);
    for (size_t i = 0; i < h->n_events; i++) {
        event_free(h->events[i]);
    }
    free(h->events);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

const char *test_hub_url(const test_hub *h)
{
    const char *url = fw_hub_listen_url(h->hub, 0);
    ck_assert_ptr_nonnull(url);
    return url;
}

void test_hub_record(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    test_hub *h = user;
    test_event *copy = not_null(calloc(1, sizeof *copy));
    size_t len = 0;
    const void *data = fw_event_data(e, &len);
    copy->type = fw_event_kind(e);
    copy->session = fw_event_session(e);
    copy->user = copy_text(fw_event_user(e));
    copy->room = copy_text(fw_event_room(e));
    copy->reason = copy_text(fw_event_reason(e));
    copy->name = copy_text(fw_event_query(e, "name", 0));
    copy->data = not_null(calloc(1, len + 1));
    if (len > 0) {
        memcpy(copy->data, data, len);
    }
    copy->len = len;
    copy->flags = fw_event_flags(e);
    copy->code = fw_event_code(e);
    copy->token = fw_event_token(e);
    copy->at = fw_event_position(e);
    copy->recovered = fw_event_recovered(e);
    pthread_mutex_lock(&h->lock);
    if (h->n_events == h->size_events) {
        h->size_events = h->size_events ? h->size_events * 2 : 64;
        h->events = not_null(realloc(h->events, h->size_events * sizeof *h->events));
    }
    h->events[h->n_events++] = copy;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

/* What is looked for; each but the type may be left open. */
typedef struct wanted {
    fw_event_type type;
    fw_session_id session;
    const char *name;
    uint64_t token;
    size_t from; /* what is before can't match any more */
} wanted;

static test_event *find_event(test_hub *h, wanted *w)
{
    for (size_t i = w->from; i < h->n_events; i++) {
        test_event *e = h->events[i];
        bool anybody = fw_session_id_equal(w->session, fw_session_none());
        if (!e->taken && e->type == w->type &&
            (anybody || fw_session_id_equal(w->session, e->session)) &&
            (!w->name || strcmp(w->name, e->name) == 0) &&
            (w->token == 0 || w->token == e->token)) {
            return e;
        }
    }
    w->from = h->n_events;
    return NULL;
}

static const test_event *wait_event(test_hub *h, wanted w, int timeout_ms)
{
    uint64_t until = ws_now_ms() + (uint64_t)timeout_ms;
    struct timespec t = {.tv_sec = (time_t)(until / 1000),
                         .tv_nsec = (long)(until % 1000) * 1000000};
    pthread_mutex_lock(&h->lock);
    test_event *e = find_event(h, &w);
    while (!e && pthread_cond_timedwait(&h->changed, &h->lock, &t) == 0) {
        e = find_event(h, &w);
    }
    if (e) {
        e->taken = true;
    }
    pthread_mutex_unlock(&h->lock);
    return e;
}

const test_event *test_hub_peek(test_hub *h, fw_event_type type, fw_session_id session,
                                int timeout_ms)
{
    return wait_event(h, (wanted){.type = type, .session = session}, timeout_ms);
}

const test_event *test_hub_wait(test_hub *h, fw_event_type type, fw_session_id session)
{
    const test_event *e = test_hub_peek(h, type, session, WS_DEADLINE_MS);
    ck_assert_msg(e != NULL, "%s: no %s event", h->kind->name, fw_event_type_name(type));
    return e;
}

size_t test_hub_count(test_hub *h, fw_event_type type)
{
    size_t n = 0;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n_events; i++) {
        n += h->events[i]->type == type;
    }
    pthread_mutex_unlock(&h->lock);
    return n;
}

const test_event *test_hub_answer(test_hub *h, uint64_t ref)
{
    const test_event *e =
        wait_event(h, (wanted){.type = FW_EVENT_RESULT, .token = ref}, WS_DEADLINE_MS);
    ck_assert_msg(e != NULL, "%s: no RESULT of %llu", h->kind->name,
                  (unsigned long long)ref);
    return e;
}

int test_hub_result(test_hub *h, uint64_t ref)
{
    return test_hub_answer(h, ref)->code;
}

double test_hub_stat(const test_hub *h, const char *name)
{
    double value = 0;
    int err = fw_stats_get(h->hub, name, &value);
    ck_assert_msg(err == FW_OK, "no figure %s", name);
    return value;
}

bool test_wait_until(bool (*condition)(void *user), void *user, int timeout_ms)
{
    uint64_t until = ws_now_ms() + (uint64_t)timeout_ms;
    const struct timespec pause = {.tv_nsec = 500000};
    while (!condition(user)) {
        if (ws_now_ms() >= until) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

typedef struct stat_wanted {
    const test_hub *hub;
    const char *name;
    double value;
    bool exactly;
} stat_wanted;

static bool stat_reached(void *user)
{
    const stat_wanted *w = user;
    double value = test_hub_stat(w->hub, w->name);
    return w->exactly ? value == w->value : value >= w->value;
}

void test_hub_wait_stat(const test_hub *h, const char *name, double at_least)
{
    stat_wanted w = {h, name, at_least, false};
    ck_assert_msg(test_wait_until(stat_reached, &w, WS_DEADLINE_MS),
                  "%s: %s is %g, not %g", h->kind->name, name, test_hub_stat(h, name),
                  at_least);
}

void test_hub_wait_stat_is(const test_hub *h, const char *name, double exactly)
{
    stat_wanted w = {h, name, exactly, true};
    ck_assert_msg(test_wait_until(stat_reached, &w, WS_DEADLINE_MS),
                  "%s: %s is %g, not %g", h->kind->name, name, test_hub_stat(h, name),
                  exactly);
}

test_client test_client_open_with(test_hub *h, const char *name,
                                  const ws_client_options *options)
{
    char query[200];
    ws_client_options o = options ? *options : (ws_client_options){0};
    snprintf(query, sizeof query, "name=%s%s%s", name, o.query ? "&" : "",
             o.query ? o.query : "");
    o.query = query;
    test_client c = {.hub = h, .ws = ws_client_open_with(test_hub_url(h), &o)};
    const test_event *e =
        wait_event(h, (wanted){.type = FW_EVENT_OPEN, .name = name}, WS_DEADLINE_MS);
    ck_assert_msg(e != NULL, "%s: no OPEN of %s", h->kind->name, name);
    c.id = e->session;
    return c;
}

test_client test_client_open(test_hub *h, const char *name)
{
    return test_client_open_with(h, name, NULL);
}

void test_client_close(test_client *c)
{
    ws_client_close(c->ws, 1000, "");
    ws_client_expect_end(c->ws);
    ws_client_free(c->ws);
    c->ws = NULL;
    test_hub_wait(c->hub, FW_EVENT_CLOSE, c->id);
}

void test_client_join(test_client *c, const char *room)
{
    /* Big numbers, so that a test's own small ones don't meet them. */
    uint64_t ref = 1000000u + ++c->hub->refs;
    int err = fw_session_join(c->hub->hub, c->id, room, ref);
    ck_assert_msg(err == FW_OK, "join %s: %s: %s", room, fw_err_name(err),
                  fw_error_detail());
    ck_assert_int_eq(test_hub_result(c->hub, ref), FW_OK);
}

void test_client_expect_nothing(test_client *c)
{
    ck_assert_int_eq(fw_session_send(c->hub->hub, c->id, "so far", 6, FW_TEXT), FW_OK);
    ws_client_expect_text(c->ws, "so far");
}

static bool redis_is_dead, redis_is_paused;

void test_redis_kill(void)
{
    redis_server_kill(test_redis);
    redis_is_dead = true;
}

void test_redis_restart(void)
{
    redis_server_restart(test_redis);
    redis_is_dead = false;
}

void test_redis_pause(void)
{
    redis_server_pause(test_redis);
    redis_is_paused = true;
}

void test_redis_resume(void)
{
    redis_server_resume(test_redis);
    redis_is_paused = false;
}

static void mend_redis(void)
{
    if (redis_is_paused) {
        test_redis_resume();
    }
    if (redis_is_dead) {
        test_redis_restart();
    }
}

void test_add(Suite *suite, const TTest *test, int from, int to)
{
    TCase *tc = tcase_create(test->name);
    tcase_add_checked_fixture(tc, mend_redis, NULL);
    tcase_add_loop_test(tc, test, from, to);
    suite_add_tcase(suite, tc);
}

fw_event *test_hub_next(test_hub *h, int timeout_ms)
{
    fw_event *e = NULL;
    int n = fw_hub_poll(h->hub, &e, 1, timeout_ms);
    ck_assert_msg(n == 0 || n == 1, "poll: %d", n);
    return n == 1 ? e : NULL;
}

fw_event *test_hub_expect(test_hub *h, fw_event_type type)
{
    fw_event *e = test_hub_next(h, WS_DEADLINE_MS);
    ck_assert_msg(e != NULL, "no event, wanted %s", fw_event_type_name(type));
    ck_assert_msg(fw_event_kind(e) == type, "%s, wanted %s",
                  fw_event_type_name(fw_event_kind(e)), fw_event_type_name(type));
    return e;
}

void test_hub_done(test_hub *h, fw_event *e)
{
    fw_events_done(h->hub, &e, 1);
}

int test_main(Suite *suite, bool redis)
{
    if (redis) {
        test_redis = redis_server_start(NULL);
    }
    SRunner *runner = srunner_create(suite);
    /* A Redis that was restarted in a child of check would be lost to the next test. */
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (redis) {
        redis_server_stop(test_redis);
    }
    return failed == 0 ? 0 : 1;
}
