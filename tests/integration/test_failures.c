/*
 * What fails for reasons outside of the call: files that can't be read or make no sense,
 * descriptors that are used up, a Redis that isn't there or says nothing, a thread that
 * may not call. And that all is as it was before.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/hub_fixture.h"

#define TEXT(s)         (s), strlen(s), FW_TEXT
#define RELOADS(result) "fanwire_config_reloads_total{result=\"" result "\"}"

static void failed(int err, int want, const char *says)
{
    ck_assert_msg(err == want && strcasestr(fw_error_detail(), says) != NULL,
                  "%s: %s, %s", says, fw_err_name(err), fw_error_detail());
}

/* --- options that a hub can't be made of, or not go on with --- */

static const struct {
    const char *name, *option, *value, *says;
    int want;
} keys[] = {
    {"no key", "raw.user", "token", "raw.user: token: a key is needed", FW_ERR_OPTION},
    {"a file without keys", "token.jwks", "/dev/null",
     "token.jwks: /dev/null: ", FW_ERR_OPTION},
    {"no such file", "token.public_key", "/nonexistent/key.pem",
     "token.public_key: /nonexistent/key.pem: No such file", FW_ERR_SYSTEM},
    {"no file", "token.jwks", "/", "token.jwks: /: Is a directory", FW_ERR_SYSTEM},
};

START_TEST(keys_that_cannot_be_used_are_named_and_nothing_changes)
{
    fw_hub *none = NULL;
    test_hub *h = test_hub_open(0);
    test_client c = test_client_open(h, "a");
    fw_options *o = fw_options_new();
    ck_assert_int_eq(fw_options_set(o, keys[_i].option, keys[_i].value), FW_OK);
    ck_assert_int_eq(fw_options_set(o, "message.max_bytes", "1"), FW_OK);
    if (keys[_i].want == FW_ERR_OPTION) {
        failed(fw_hub_new(&none, o), FW_ERR_OPTION, keys[_i].says);
        failed(fw_hub_reload(h->hub, o), FW_ERR_OPTION, keys[_i].says);
    } else {
        failed(fw_hub_new(&none, o), FW_ERR_SYSTEM, keys[_i].says);
        failed(fw_hub_reload(h->hub, o), FW_ERR_SYSTEM, keys[_i].says);
    }
    ck_assert_ptr_null(none);
    ck_assert_double_eq(test_hub_stat(h, RELOADS("failed")), 1);
    ck_assert_double_eq(test_hub_stat(h, RELOADS("ok")), 0);
    ck_assert_int_eq(fw_session_send(h->hub, c.id, TEXT("as before")), FW_OK);
    ws_client_expect_text(c.ws, "as before");
    fw_options_free(o);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

/* --- descriptors --- */

/* From now on there are none to be had; gives back how many there were. */
static struct rlimit use_up_descriptors(void)
{
    struct rlimit before, none;
    int next = dup(STDERR_FILENO);
    ck_assert_int_ge(next, 0);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

START_TEST(what_needs_a_descriptor_says_that_there_is_none)
{
    static const char says[] = "too many open files";
    fw_hub *none = NULL;
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    test_hub *h = test_hub_new(0), *other = test_hub_new(0);
    test_hub_set(h, "events", "queued");
    test_hub_start(h);
    test_hub_make(other);
    struct rlimit before = use_up_descriptors();
    failed(fw_hub_new(&none, h->options), FW_ERR_SYSTEM, says);
    failed(fw_hub_event_wake(h->hub, pair[0]), FW_ERR_SYSTEM, says);
    failed(fw_hub_listener_fd(h->hub, 0), FW_ERR_SYSTEM, says);
    failed(fw_hub_start(other->hub), FW_ERR_SYSTEM, says);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(fw_hub_event_wake(h->hub, pair[0]), FW_OK);
    int fd = fw_hub_listener_fd(h->hub, 0);
    ck_assert_int_ge(fd, 0);
    test_hub_start(other);
    close(fd);
    close(pair[0]);
    close(pair[1]);
    test_hub_close(other);
    test_hub_close(h);
}
END_TEST

/* --- emitters --- */

static fw_emitter *emitter_at(const char *url)
{
    fw_emitter *e = NULL;
    fw_options *o = fw_options_new();
    ck_assert_int_eq(fw_options_set(o, "redis.url", url), FW_OK);
    ck_assert_int_eq(fw_emitter_new(&e, o), FW_OK);
    fw_options_free(o);
    return e;
}

START_TEST(an_emitter_says_that_redis_cannot_be_reached)
{
    static const char says[] = "redis: connect: No such file";
    fw_emitter *e = emitter_at("redis+unix:///nowhere/redis.sock");
    fw_message *m = fw_message_new("x", 1, FW_TEXT);
    failed(fw_emitter_publish(e, "r", m, 0), FW_ERR_BACKPLANE, says);
    failed(fw_emitter_send_user(e, "u", m, 0), FW_ERR_BACKPLANE, says);
    failed(fw_emitter_send_all(e, m, 0), FW_ERR_BACKPLANE, says);
    failed(fw_emitter_disconnect_user(e, "u", 1000, "", 0), FW_ERR_BACKPLANE, says);
    fw_message_unref(m);
    fw_emitter_free(e);
}
END_TEST

/* Somebody who listens and never answers; the path is the caller's to remove. */
static int silent_server(char path[64], char url[96])
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(path, "/tmp/fanwire-silent-XXXXXX");
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    unlink(path);
    strcpy(a.sun_path, path);
    snprintf(url, 96, "redis+unix://%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    return fd;
}

START_TEST(an_emitter_waits_no_longer_than_it_may)
{
    enum { SOON_MS = 20 };
    static const char says[] = "redis: no answer in time";
    char path[64], url[96];
    int fd = silent_server(path, url);
    fw_emitter *e = emitter_at(url);
    fw_message *m = fw_message_new("x", 1, FW_TEXT);
    failed(fw_emitter_publish(e, "r", m, SOON_MS), FW_ERR_TIMEOUT, says);
    failed(fw_emitter_send_user(e, "u", m, SOON_MS), FW_ERR_TIMEOUT, says);
    failed(fw_emitter_send_all(e, m, SOON_MS), FW_ERR_TIMEOUT, says);
    failed(fw_emitter_disconnect_user(e, "u", 1000, "", SOON_MS), FW_ERR_TIMEOUT, says);
    fw_message_unref(m);
    fw_emitter_free(e);
    close(fd);
    unlink(path);
}
END_TEST

/* --- on a thread of the hub's own --- */

typedef struct caller {
    test_hub *hub;
    int wrong;
    char detail[128];
} caller;

static void try_to_wait(fw_hub *hub, fw_event *e, void *user)
{
    caller *c = user;
    c->wrong += fw_hub_start(hub) != FW_ERR_STATE;
    c->wrong += fw_hub_reload(hub, c->hub->options) != FW_ERR_STATE;
    c->wrong += fw_hub_drain(hub, 0) != FW_ERR_STATE;
    c->wrong += fw_hub_stop(hub) != FW_ERR_STATE;
    c->wrong += fw_hub_listener_fd(hub, 0) != FW_ERR_STATE;
    c->wrong += fw_hub_listener_release(hub) != FW_ERR_STATE;
    c->wrong += fw_hub_listener_own(hub) != FW_ERR_STATE;
    snprintf(c->detail, sizeof c->detail, "%s", fw_error_detail());
    test_hub_record(hub, e, c->hub);
}

START_TEST(a_handler_may_call_nothing_that_waits_for_its_own_thread)
{
    test_hub *h = test_hub_new((unsigned)_i);
    caller tries = {.hub = h};
    test_hub_on(h, FW_EVENT_MESSAGE, try_to_wait, &tries);
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    ws_client_text(c.ws, "try");
    test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
    ck_assert_int_eq(tries.wrong, 0);
    ck_assert_str_eq(tries.detail, "not on a thread of the hub's own");
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

/* --- joins --- */

static void join_too_many(fw_hub *hub, fw_event *e, void *user)
{
    caller *c = user;
    const fw_position newest = {0, 1};
    fw_session_id id = fw_event_session(e);
    c->wrong += fw_session_join(hub, id, "a", 0) != FW_OK;
    c->wrong += fw_session_join(hub, id, "b", 1) != FW_ERR_LIMIT;
    c->wrong += fw_session_join_since(hub, id, "b", newest, 2) != FW_ERR_LIMIT;
    snprintf(c->detail, sizeof c->detail, "%s", fw_error_detail());
    test_hub_record(hub, e, c->hub);
}

START_TEST(a_handler_over_the_rooms_is_told_at_once_and_never_again)
{
    test_hub *h = test_hub_new((unsigned)_i);
    caller joins = {.hub = h};
    test_hub_set(h, "limit.rooms_per_session", "1");
    test_hub_on(h, FW_EVENT_MESSAGE, join_too_many, &joins);
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    ws_client_text(c.ws, "join");
    test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
    ck_assert_int_eq(joins.wrong, 0);
    ck_assert_ptr_nonnull(strstr(joins.detail, "limit.rooms_per_session"));
    test_client_expect_nothing(&c);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_RESULT), 0);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

/* A client of the Centrifuge protocol has its connection before it has said who it is. */
static void join_too_early(fw_hub *hub, fw_event *e, void *user)
{
    caller *c = user;
    c->wrong += fw_session_join(hub, fw_event_session(e), "a", 1) != FW_ERR_GONE;
    snprintf(c->detail, sizeof c->detail, "%s", fw_error_detail());
    fw_accept(hub, fw_event_token(e), NULL);
}

START_TEST(a_join_before_the_session_is_open_is_refused_and_tells_nothing_later)
{
    test_hub *h = test_hub_new((unsigned)_i);
    caller joins = {.hub = h};
    test_hub_on(h, FW_EVENT_CONNECT, join_too_early, &joins);
    test_hub_start(h);
    const ws_client_options there = {.path = "/connection/websocket"};
    ws_client *c = ws_client_start(test_hub_url(h), &there);
    ck_assert_int_eq(ws_client_answer(c), 101);
    ws_client_text(c, "{\"id\":1,\"connect\":{}}");
    const test_event *open = test_hub_wait(h, FW_EVENT_OPEN, fw_session_none());
    ck_assert_int_eq(joins.wrong, 0);
    ck_assert_str_eq(joins.detail, "the session is closed, or not open yet");
    ck_assert_int_eq(fw_session_join(h->hub, open->session, "a", 2), FW_OK);
    ck_assert_int_eq(test_hub_result(h, 2), FW_OK);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_RESULT), 1);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(who_is_attached_and_may_not_come_in_is_told_by_the_result)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "events", "queued");
    test_hub_set(h, "limit.sessions_per_user", "1");
    h->record = 1u << FW_EVENT_RESULT | 1u << FW_EVENT_DELIVER;
    test_hub_start(h);
    ck_assert_int_eq(fw_session_attach(h->hub, "ann", NULL, 0, "", 3), FW_OK);
    fw_event *e = test_hub_expect(h, FW_EVENT_RESULT);
    ck_assert_int_eq(fw_event_code(e), FW_OK);
    test_hub_done(h, e);
    ck_assert_int_eq(fw_session_attach(h->hub, "ann", NULL, 0, "", 4), FW_OK);
    e = test_hub_expect(h, FW_EVENT_RESULT);
    ck_assert_int_eq(fw_event_code(e), FW_ERR_REFUSED);
    ck_assert_str_eq(fw_event_reason(e), "too many sessions of this user");
    test_hub_done(h, e);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_sessions"), 1);
    test_hub_close(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("failures");
    test_add(s, keys_that_cannot_be_used_are_named_and_nothing_changes, 0,
             (int)(sizeof keys / sizeof keys[0]));
    test_add(s, what_needs_a_descriptor_says_that_there_is_none, 0, 1);
    test_add(s, an_emitter_says_that_redis_cannot_be_reached, 0, 1);
    test_add(s, an_emitter_waits_no_longer_than_it_may, 0, 1);
    test_add(s, a_handler_may_call_nothing_that_waits_for_its_own_thread, 0, 2);
    test_add(s, a_handler_over_the_rooms_is_told_at_once_and_never_again, 0, 2);
    test_add(s, a_join_before_the_session_is_open_is_refused_and_tells_nothing_later, 0,
             2);
    test_add(s, who_is_attached_and_may_not_come_in_is_told_by_the_result, 0, 2);
    return test_main(s, false);
}
