/*
 * `fanwired presence ROOM`: who is in a room, on all nodes, a line each. It is a node
 * that serves nobody for as long as it asks. Needs redis.url and no running fanwired on
 * this machine.
 */
#include "commands.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "report.h"

enum { PAGE = 1000, TIMEOUT_S = 10 };

/* What is known when the last page has come. */
typedef struct asking {
    const char *room;
    bool json;
    int err;
    char why[256];
    sem_t done;
} asking;

/* Within quotes; what is no control character stays as it is. */
static void print_escaped(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < ' ') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
}

static void print_field(const char *name, const char *text, size_t len)
{
    printf("%s\"%s\":\"", strcmp(name, "session") == 0 ? "{" : ",", name);
    print_escaped(text, len);
    putchar('"');
}

/* A line stays a line, whatever a session's info is. */
static void print_plain(const char *text, size_t len)
{
    putchar(' ');
    for (size_t i = 0; i < len; i++) {
        putchar((unsigned char)text[i] < ' ' ? '?' : text[i]);
    }
}

static void print_member(const asking *a, const fw_event *e, size_t i)
{
    char session[FW_SESSION_ID_TEXT];
    size_t len;
    const char *user = fw_event_member_user(e, i), *node = fw_event_member_node(e, i);
    const char *info = fw_event_member_info(e, i, &len);
    fw_session_id_text(fw_event_member_session(e, i), session);
    if (!a->json) {
        printf("%s", session);
        print_plain(user ? user : "-", strlen(user ? user : "-"));
        print_plain(node, strlen(node));
        if (len > 0) {
            print_plain(info, len);
        }
        putchar('\n');
        return;
    }
    print_field("session", session, strlen(session));
    if (user != NULL) {
        print_field("user", user, strlen(user));
    }
    print_field("node", node, strlen(node));
    if (len > 0) {
        print_field("info", info, len);
    }
    puts("}");
}

static void finish(asking *a, int err, const char *why)
{
    a->err = err;
    snprintf(a->why, sizeof a->why, "%s", why);
    sem_post(&a->done);
}

static void ask(fw_hub *hub, asking *a, uint64_t cursor)
{
    int err = fw_room_presence(hub, a->room, cursor, PAGE, 1);
    if (err != FW_OK) {
        finish(a, err, fw_error_detail());
    }
}

static void on_page(fw_hub *hub, fw_event *e, void *user)
{
    asking *a = user;
    for (size_t i = 0; i < fw_event_members(e); i++) {
        print_member(a, e, i);
    }
    uint64_t cursor = fw_event_cursor(e);
    if (fw_event_code(e) == FW_OK && cursor != 0) {
        ask(hub, a, cursor);
    } else {
        finish(a, fw_event_code(e), fw_event_reason(e));
    }
}

static bool wait_for_all(asking *a)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TIMEOUT_S;
    int failed;
    do {
        failed = sem_timedwait(&a->done, &until);
    } while (failed != 0 && errno == EINTR);
    return failed == 0;
}

static int report(const asking *a, const fw_options *options, bool in_time)
{
    if (!in_time) {
        return fwd_report(FWD_FAILED, "redis.url: %s: no answer",
                          fw_options_shown(options, "redis.url"));
    }
    if (a->err != FW_OK) {
        return fwd_report(a->err == FW_ERR_INVALID ? FWD_CONFIGURATION : FWD_FAILED, "%s",
                          a->why);
    }
    return fflush(stdout) == 0 ? FWD_OK : FWD_FAILED;
}

static int run(fw_hub *hub, asking *a, const fw_options *options)
{
    int err = fw_hub_on(hub, FW_EVENT_PRESENCE, on_page, a);
    if (err == FW_OK) {
        err = fw_hub_start(hub);
    }
    if (err != FW_OK) {
        return fwd_report_error(FWD_FAILED, err);
    }
    ask(hub, a, 0);
    bool in_time = wait_for_all(a);
    fw_hub_stop(hub);
    return report(a, options, in_time);
}

int fwd_presence(const fwd_args *args, fw_options *options)
{
    static const char *const quiet[][2] = {{"listen", ""},
                                           {"http.listen", "off"},
                                           {"threads", "1"},
                                           {"events", "inline"},
                                           {"redis.required", "on"}};
    if (fw_options_get(options, "redis.url")[0] == '\0') {
        return fwd_report(FWD_CONFIGURATION, "redis.url: presence needs it: %s",
                          fw_options_describe("redis.url", "allowed"));
    }
    int err = fw_name_check(args->words[0]);
    for (size_t i = 0; err == FW_OK && i < sizeof quiet / sizeof quiet[0]; i++) {
        err = fw_options_set(options, quiet[i][0], quiet[i][1]);
    }
    fw_hub *hub = NULL;
    if (err == FW_OK) {
        err = fw_hub_new(&hub, options);
    }
    if (err != FW_OK) {
        return fwd_report_error(FWD_CONFIGURATION, err);
    }
    asking a = {.room = args->words[0], .json = args->json};
    sem_init(&a.done, 0, 0);
    int status = run(hub, &a, options);
    fw_hub_free(hub);
    sem_destroy(&a.done);
    return status;
}
