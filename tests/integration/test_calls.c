/*
 * All calls that can fail, one by one, in the states in which most of them fail alike: a
 * hub that doesn't run, a child of fork, a full inbox, a session that has ended, and
 * memory that is gone at any allocation of the call. A new function has its row here.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fanwire/fanwire.h>

#include "api/hub_inside.h"

/* --- the calls, with arguments that are right, and how each may fail --- */

enum { FORKED = 1, CLOSED = 2, STATE = 4, BUSY = 8, GONE = 16, MEMORY = 32 };
enum { REF = 7, DEADLINE_MS = 60000 };
static const uint64_t rpc = UINT64_C(2) << 54; /* a token of an RPC, which nobody asked */
static const fw_position beginning = {0, 0};
static const char head[] = "GET /ws?a=b HTTP/1.1\r\nHost: example.org\r\n\r\n";
static const char yes[] = "{\"result\":{}}";
static const char secret[] = "a key of more than thirty-two bytes, long";

static const char claims[] = "{\"sub\":\"u\"}";

static fw_hub *hub, *made;
static fw_options *options, *others;
static fw_emitter *emitter, *another;
static fw_session_id id;
static fw_message *m, *unsent;
static fw_event *event;
static char *text, token[1000];
static double value;
static int code; /* of the event that was waited for */

#define CALLS(CALL)                                                                      \
    CALL(fw_hub_on(hub, FW_EVENT_OPEN, NULL, NULL), FORKED)                              \
    CALL(fw_hub_on_log(hub, NULL, NULL), FORKED)                                         \
    CALL(fw_hub_on_metrics(hub, NULL, NULL), FORKED)                                     \
    CALL(fw_hub_start(hub), FORKED)                                                      \
    CALL(fw_hub_reload(hub, options), FORKED | STATE | MEMORY)                           \
    CALL(fw_hub_drain(hub, 0), FORKED | STATE)                                           \
    CALL(fw_hub_stop(hub), FORKED)                                                       \
    CALL(fw_hub_event_fd(hub), FORKED)                                                   \
    CALL(fw_hub_event_wake(hub, -1), FORKED)                                             \
    CALL(fw_hub_poll(hub, &event, 1, 0), FORKED)                                         \
    CALL(fw_hub_listener_take(hub, -1), FORKED)                                          \
    CALL(fw_hub_listener_fd(hub, 0), FORKED | CLOSED)                                    \
    CALL(fw_hub_listener_release(hub), FORKED | STATE)                                   \
    CALL(fw_hub_listener_own(hub), FORKED | STATE)                                       \
    CALL(fw_stats_get(hub, "fanwire_rooms", &value), FORKED | CLOSED | MEMORY)           \
    CALL(figures(fw_stats_text(hub, &text)), FORKED | CLOSED | MEMORY)                   \
    CALL(fw_accept(hub, 0, "u"), FORKED | CLOSED | GONE | MEMORY)                        \
    CALL(fw_reject(hub, 0, 403, "no"), FORKED | CLOSED | GONE | MEMORY)                  \
    CALL(fw_reply(hub, rpc, "x", 1), FORKED | CLOSED | GONE | MEMORY)                    \
    CALL(fw_answer(hub, 0, yes, sizeof yes - 1), FORKED | CLOSED | GONE | MEMORY)        \
    CALL(fw_hub_send_all(hub, "x", 1, FW_TEXT), FORKED | CLOSED | BUSY | MEMORY)         \
    CALL(fw_hub_send_all_message(hub, m), FORKED | CLOSED | BUSY | MEMORY)               \
    CALL(fw_node_send(hub, 1, "x", 1, FW_TEXT), FORKED | CLOSED | BUSY | MEMORY)         \
    CALL(fw_hub_nodes(hub, REF), FORKED | CLOSED | BUSY | MEMORY)                        \
    CALL(fw_room_publish(hub, "r", "x", 1, FW_TEXT), FORKED | CLOSED | BUSY | MEMORY)    \
    CALL(fw_room_publish_message(hub, "r", m), FORKED | CLOSED | BUSY | MEMORY)          \
    CALL(fw_room_publish_ref(hub, "r", m, REF), FORKED | CLOSED | BUSY | MEMORY)         \
    CALL(fw_room_send_here(hub, "r", "x", 1, FW_TEXT), FORKED | CLOSED | BUSY | MEMORY)  \
    CALL(fw_room_send_here_message(hub, "r", m), FORKED | CLOSED | BUSY | MEMORY)        \
    CALL(fw_room_history(hub, "r", beginning, 1, 0, REF),                                \
         FORKED | CLOSED | BUSY | MEMORY)                                                \
    CALL(fw_room_forget(hub, "r", REF), FORKED | CLOSED | BUSY | MEMORY)                 \
    CALL(fw_room_presence(hub, "r", 0, 1, REF), FORKED | CLOSED | BUSY | MEMORY)         \
    CALL(fw_room_trace(hub, "r", 0, REF), FORKED | CLOSED | BUSY | MEMORY)               \
    CALL(fw_user_send(hub, "u", "x", 1, FW_TEXT), FORKED | CLOSED | BUSY | MEMORY)       \
    CALL(fw_user_send_message(hub, "u", m), FORKED | CLOSED | BUSY | MEMORY)             \
    CALL(fw_user_disconnect(hub, "u", 1000, NULL), FORKED | CLOSED | BUSY | MEMORY)      \
    CALL(fw_user_join(hub, "u", "r"), FORKED | CLOSED | BUSY | MEMORY)                   \
    CALL(fw_user_leave(hub, "u", "r"), FORKED | CLOSED | BUSY | MEMORY)                  \
    CALL(fw_user_sessions(hub, "u", 0, 1, REF), FORKED | CLOSED | BUSY | MEMORY)         \
    CALL(fw_session_send(hub, id, "x", 1, FW_TEXT),                                      \
         FORKED | CLOSED | BUSY | GONE | MEMORY)                                         \
    CALL(fw_session_send_message(hub, id, m), FORKED | CLOSED | BUSY | GONE | MEMORY)    \
    CALL(fw_session_close(hub, id, 1000, ""), FORKED | CLOSED | BUSY | GONE | MEMORY)    \
    CALL(fw_session_join(hub, id, "r", REF), FORKED | CLOSED | BUSY | GONE | MEMORY)     \
    CALL(fw_session_join_since(hub, id, "r", beginning, REF),                            \
         FORKED | CLOSED | BUSY | GONE | MEMORY)                                         \
    CALL(fw_session_leave(hub, id, "r"), FORKED | CLOSED | BUSY | GONE | MEMORY)         \
    CALL(fw_session_set_user(hub, id, "u"), FORKED | CLOSED | BUSY | GONE | MEMORY)      \
    CALL(fw_session_set_info(hub, id, "x", 1), FORKED | CLOSED | BUSY | GONE | MEMORY)   \
    CALL(fw_session_attach(hub, "u", head, sizeof head - 1, "", REF),                    \
         FORKED | CLOSED | BUSY | MEMORY)                                                \
    CALL(fw_session_feed(hub, id, "x", 1, FW_TEXT),                                      \
         FORKED | CLOSED | BUSY | GONE | MEMORY)                                         \
    CALL(fw_session_feed_close(hub, id, 1000, ""),                                       \
         FORKED | CLOSED | BUSY | GONE | MEMORY)                                         \
    CALL(hub_made(fw_hub_new(&made, options)), MEMORY)                                   \
    CALL(fw_options_set(others, "redis.url", "redis://127.0.0.1:1"), MEMORY)             \
    CALL(fw_options_set(others, "namespace.n.presence", "on"), MEMORY)                   \
    CALL(fw_options_load(others, "/dev/null"), MEMORY)                                   \
    CALL(fw_options_load_env(others), MEMORY)                                            \
    CALL(fw_message_set_key(unsent, "k"), MEMORY)                                        \
    CALL(fw_token_sign(claims, secret, "k", token, sizeof token), MEMORY)                \
    CALL(emitter_made(fw_emitter_new(&another, others)), MEMORY)                         \
    CALL(fw_emitter_publish(emitter, "r", m, DEADLINE_MS), MEMORY)                       \
    CALL(fw_emitter_send_user(emitter, "u", m, DEADLINE_MS), MEMORY)                     \
    CALL(fw_emitter_send_all(emitter, m, DEADLINE_MS), MEMORY)                           \
    CALL(fw_emitter_disconnect_user(emitter, "u", 1000, "", DEADLINE_MS), MEMORY)

static const struct {
    const char *call;
    unsigned fails;
} calls[] = {
#define ROW(call, fails) {#call, fails},
    CALLS(ROW)
#undef ROW
};

/* What a call has made goes as soon as it is made. */
static int figures(int err)
{
    if (err == FW_OK) {
        fw_stats_text_free(text);
    }
    return err;
}

static int hub_made(int err)
{
    if (err == FW_OK) {
        fw_hub_free(made);
    }
    return err;
}

static int emitter_made(int err)
{
    if (err == FW_OK) {
        fw_emitter_free(another);
    }
    return err;
}

/* What fw_error_detail says before each call; none of them has a reason to say it. */
static const char stale[] = "the name: is NULL";

static int make_call(size_t which)
{
    size_t n = 0;
    fw_name_check(NULL);
#define TRY(call, fails)                                                                 \
    if (n++ == which) {                                                                  \
        return (call);                                                                   \
    }
    CALLS(TRY)
#undef TRY
    return FW_OK;
}

/* All calls that may fail in this way do. */
static void expect_all(unsigned way, int want)
{
    for (size_t i = 0; i < FWI_ARRAY_LEN(calls); i++) {
        if (calls[i].fails & way) {
            int err = make_call(i);
            ck_assert_msg(err == want, "%s: %s", calls[i].call, fw_err_name(err));
            ck_assert_msg(strcmp(fw_error_detail(), stale) != 0, "%s", calls[i].call);
        }
    }
}

/* --- memory that runs out on this thread: see CMakeLists.txt --- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);

static _Thread_local unsigned long fails_in; /* the how-manieth from now; 0: none */

static bool is_gone(void)
{
    bool gone = fails_in > 0 && --fails_in == 0;
    if (gone) {
        errno = ENOMEM;
    }
    return gone;
}

void *__wrap_malloc(size_t size)
{
    return is_gone() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_gone() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return is_gone() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
    return is_gone() ? NULL : __real_strdup(s);
}

/* --- the scene --- */

static void set_up(const char *user_presence)
{
    static const char *const settings[][2] = {{"listen", "ws://127.0.0.1:0/ws"},
                                              {"events", "queued"},
                                              {"inbox.max_bytes", "64KiB"},
                                              {"room.history.size", "10"}};
    options = fw_options_new();
    others = fw_options_new();
    for (size_t i = 0; i < FWI_ARRAY_LEN(settings); i++) {
        ck_assert_int_eq(fw_options_set(options, settings[i][0], settings[i][1]), FW_OK);
    }
    ck_assert_int_eq(fw_options_set(options, "user.presence", user_presence), FW_OK);
    ck_assert_int_eq(fw_options_set(others, "redis.url", "redis://127.0.0.1:1"), FW_OK);
    m = fw_message_new("x", 1, FW_TEXT);
    unsent = fw_message_new("x", 1, FW_TEXT);
    ck_assert_int_eq(fw_hub_new(&hub, options), FW_OK);
    ck_assert_int_eq(fw_hub_on(hub, FW_EVENT_RESULT, NULL, NULL), FW_OK);
    ck_assert_int_eq(fw_hub_on(hub, FW_EVENT_DELIVER, NULL, NULL), FW_OK);
    ck_assert_int_eq(fw_hub_on(hub, FW_EVENT_CLOSE, NULL, NULL), FW_OK);
    ck_assert_int_eq(fw_emitter_new(&emitter, others), FW_OK);
}

static void start(void)
{
    int err = fw_hub_start(hub);
    ck_assert_msg(err == FW_OK, "%s", fw_error_detail());
}

static void tear_down(void)
{
    fw_hub_free(hub);
    fw_emitter_free(emitter);
    fw_message_unref(unsent);
    fw_message_unref(m);
    fw_options_free(others);
    fw_options_free(options);
}

/* The next event of this type and token; what comes before it goes. */
static fw_session_id wait_for(fw_event_type type, uint64_t with)
{
    for (;;) {
        int n = fw_hub_poll(hub, &event, 1, DEADLINE_MS);
        ck_assert_int_eq(n, 1);
        bool is_it = fw_event_kind(event) == type && fw_event_token(event) == with;
        fw_session_id whose = fw_event_session(event);
        code = fw_event_code(event);
        fw_events_done(hub, &event, 1);
        if (is_it) {
            return whose;
        }
    }
}

static void attach(void)
{
    static uint64_t ref = 1000;
    int err;
    do { /* until there is room in the inbox */
        err = fw_session_attach(hub, NULL, NULL, 0, NULL, ref + 1);
    } while (err == FW_ERR_BUSY);
    ck_assert_int_eq(err, FW_OK);
    ref++;
    id = wait_for(FW_EVENT_RESULT, ref);
}

/* --- the tests --- */

START_TEST(a_hub_that_does_not_run_says_so_whatever_is_called)
{
    set_up("on");
    expect_all(CLOSED, FW_ERR_CLOSED);
    expect_all(STATE, FW_ERR_STATE);
    start();
    attach();
    ck_assert_int_eq(fw_hub_stop(hub), FW_OK);
    expect_all(CLOSED, FW_ERR_CLOSED);
    expect_all(STATE, FW_ERR_STATE);
    tear_down();
}
END_TEST

/* As expect_all, in a process that check doesn't know: the number of the first call that
 * says something else; -1: none does. */
static int first_wrong(unsigned way, int want)
{
    for (size_t i = 0; i < FWI_ARRAY_LEN(calls); i++) {
        if (calls[i].fails & way && make_call(i) != want) {
            return (int)i;
        }
    }
    return -1;
}

START_TEST(in_a_child_of_fork_every_call_on_the_hub_says_whose_it_is)
{
    set_up("off");
    start();
    attach();
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        _exit(first_wrong(FORKED, FW_ERR_FORKED) + 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_msg(WEXITSTATUS(status) == 0, "%s", calls[WEXITSTATUS(status) - 1].call);
    ck_assert_int_eq(fw_session_leave(hub, id, "r"), FW_OK);
    tear_down();
}
END_TEST

static sem_t stands, may_go;

static void stand_still(fwi_shard *shard, fwi_item *item)
{
    (void)shard;
    sem_post(&stands);
    while (sem_wait(&may_go) != 0) {
    }
    fwi_item_free(item);
}

START_TEST(a_full_inbox_is_busy_for_every_call_that_needs_it)
{
    int err;
    set_up("on");
    start();
    attach();
    sem_init(&stands, 0, 0);
    sem_init(&may_go, 0, 0);
    fwi_item *item = fwi_item_new(stand_still, NULL, NULL);
    ck_assert_int_eq(fwi_shard_post(hub->shard[0], item, false), FW_OK);
    while (sem_wait(&stands) != 0) {
    }
    do { /* nothing that is posted is smaller */
        err = fw_hub_nodes(hub, REF);
    } while (err == FW_OK);
    ck_assert_int_eq(err, FW_ERR_BUSY);
    expect_all(BUSY, FW_ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(fw_error_detail(), "inbox.max_bytes"));
    sem_post(&may_go);
    attach(); /* as all that waited has been done */
    sem_destroy(&stands);
    sem_destroy(&may_go);
    tear_down();
}
END_TEST

START_TEST(a_session_that_has_ended_is_gone_for_every_call)
{
    set_up("on");
    start();
    attach();
    fw_session_id ended = id;
    ck_assert_int_eq(fw_session_close(hub, ended, 1000, "bye"), FW_OK);
    wait_for(FW_EVENT_CLOSE, 0);
    do { /* until its client has been told, too */
        attach();
    } while (fw_session_leave(hub, ended, "r") != FW_ERR_GONE);
    id = ended;
    expect_all(GONE, FW_ERR_GONE);
    id = fw_session_none(); /* nobody's */
    expect_all(GONE, FW_ERR_GONE);
    tear_down();
}
END_TEST

static void lose_memory(fwi_shard *shard, fwi_item *item)
{
    (void)shard;
    fwi_item_free(item);
    fails_in = 1; /* of this thread, which does what was posted behind this */
}

START_TEST(who_is_attached_without_memory_is_told_by_the_result)
{
    set_up("on");
    start();
    fwi_item *item = fwi_item_new(lose_memory, NULL, NULL);
    ck_assert_int_eq(fwi_shard_post(hub->shard[0], item, false), FW_OK);
    ck_assert_int_eq(fw_session_attach(hub, NULL, NULL, 0, NULL, REF), FW_OK);
    wait_for(FW_EVENT_RESULT, REF);
    ck_assert_int_eq(code, FW_ERR_MEMORY);
    attach();
    tear_down();
}
END_TEST

/* One call, at the n'th allocation of which memory is gone. false: it makes fewer. */
static bool try_without(size_t which, unsigned long n, int *err)
{
    if (calls[which].fails & GONE) {
        attach(); /* it may have ended by the last try */
    }
    fails_in = n;
    *err = make_call(which);
    bool tried = fails_in == 0;
    fails_in = 0;
    return tried;
}

START_TEST(without_memory_every_call_says_so_or_does_without)
{
    int err[5000];
    set_up("on");
    start();
    for (size_t i = 0; i < FWI_ARRAY_LEN(calls); i++) {
        unsigned long n = 0, gone = 0;
        while (calls[i].fails & MEMORY && try_without(i, n + 1, &err[n])) {
            bool says = err[n] == FW_ERR_MEMORY;
            ck_assert_msg(!says || strstr(fw_error_detail(), "out of memory") != NULL,
                          "%s: %s", calls[i].call, fw_error_detail());
            gone += says;
            n++;
        }
        for (unsigned long k = 0; k < n; k++) { /* the last is as it is with memory */
            ck_assert_msg(err[k] == FW_ERR_MEMORY || err[k] == err[n],
                          "%s, allocation %lu: %s", calls[i].call, k + 1,
                          fw_err_name(err[k]));
        }
        ck_assert_msg(gone > 0 || !(calls[i].fails & MEMORY), "%s", calls[i].call);
    }
    tear_down();
}
END_TEST

static int listening_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr any = {.sa_family = AF_UNIX};
    ck_assert_int_eq(bind(fd, &any, sizeof any.sa_family), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

START_TEST(a_socket_is_not_taken_without_memory)
{
    set_up("on");
    int fd = listening_socket();
    fails_in = 1;
    int err = fw_hub_listener_take(hub, fd);
    ck_assert_int_eq(err, FW_ERR_MEMORY);
    ck_assert_str_eq(fw_error_detail(), "out of memory");
    ck_assert_int_ne(fcntl(fd, F_GETFD), 0); /* taken all the same */
    ck_assert_int_eq(fw_hub_listener_take(hub, listening_socket()), FW_OK);
    tear_down();
}
END_TEST

START_TEST(a_start_without_memory_says_so_and_may_be_repeated)
{
    bool tried = true;
    set_up("on");
    for (unsigned long n = 1; tried; n++) {
        fails_in = n;
        int err = fw_hub_start(hub), want = fails_in == 0 ? FW_ERR_MEMORY : FW_OK;
        tried = fails_in == 0;
        fails_in = 0;
        ck_assert_msg(err == want, "allocation %lu: %s, %s", n, fw_err_name(err),
                      fw_error_detail());
        ck_assert(!tried || strcasestr(fw_error_detail(), "memory") != NULL);
    }
    attach();
    tear_down();
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        a_hub_that_does_not_run_says_so_whatever_is_called,
        in_a_child_of_fork_every_call_on_the_hub_says_whose_it_is,
        a_full_inbox_is_busy_for_every_call_that_needs_it,
        a_session_that_has_ended_is_gone_for_every_call,
        who_is_attached_without_memory_is_told_by_the_result,
        without_memory_every_call_says_so_or_does_without,
        a_socket_is_not_taken_without_memory,
        a_start_without_memory_says_so_and_may_be_repeated};
    Suite *s = suite_create("calls");
    for (size_t i = 0; i < FWI_ARRAY_LEN(tests); i++) {
        TCase *tc = tcase_create(tests[i]->name);
        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, tests[i]);
        suite_add_tcase(s, tc);
    }
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
