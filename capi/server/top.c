/*
 * `fanwired top`: the nodes and their load, anew each second until a key or a signal ends
 * it; with --once a table on stdout. A node that serves nobody asks for the others'
 * facts, which they renew at each beat of their lease; the table is top_table.c's, what
 * has happened between two looks top_nodes.c's.
 *
 * Answers come on the hub's thread, everything else is done by main's.
 */
#include "commands.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "question.h"
#include "report.h"
#include "signals.h"
#include "top_screen.h"
#include "top_table.h"

/* Asked each second, and for --once more often, until all have rates. A lease is renewed
 * each 3.3 s unless node.lease says something else. */
enum { AGAIN_MS = 1000, ONCE_AGAIN_MS = 200, ONCE_MS = 5000, ANSWER_MS = 10000, REF = 1 };

typedef struct top {
    fw_hub *hub;
    fwd_signals signals;
    fwd_screen screen;
    fwd_view view;
    pthread_mutex_t lock; /* of what answers change: */
    fwd_nodes nodes;
    bool has_answer;
    int err;
    char why[256];
} top;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- answers --- */

static int take_nodes(top *t, const fw_event *e)
{
    uint64_t now = now_ms(), self = fw_hub_node(t->hub);
    bool ok = true;
    fwd_nodes_begin(&t->nodes);
    for (size_t i = 0; i < fw_event_members(e) && ok; i++) {
        size_t len;
        uint64_t number = fw_event_member_session(e, i).node;
        const char *facts = fw_event_member_info(e, i, &len);
        ok =
            number == self || fwd_nodes_take(&t->nodes, number,
                                             fw_event_member_node(e, i), facts, len, now);
    }
    fwd_nodes_end(&t->nodes);
    return ok ? FW_OK : FW_ERR_MEMORY;
}

static void on_answer(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    top *t = user;
    int err = fw_event_code(e);
    pthread_mutex_lock(&t->lock);
    snprintf(t->why, sizeof t->why, "%s", err != FW_OK ? fw_event_reason(e) : "");
    if (err == FW_OK) {
        err = take_nodes(t, e);
    }
    t->err = err;
    t->has_answer = true;
    pthread_mutex_unlock(&t->lock);
    fwd_signals_done(&t->signals);
}

/* --- once --- */

/* Waits for another answer, and not beyond `until`. false: it is time to end. */
static bool look_again(top *t, uint64_t until)
{
    uint64_t now = now_ms();
    if (now >= until || fw_hub_nodes(t->hub, REF) != FW_OK) {
        return false;
    }
    fwd_wake wake;
    do { /* what came between is taken with the next answer */
        wake = fwd_signals_wait_or(&t->signals, -1, ONCE_AGAIN_MS);
    } while (wake == FWD_DONE);
    return wake == FWD_OTHER;
}

static int write_once(top *t, const fw_options *options, bool json)
{
    uint64_t begin = now_ms();
    bool is_done = false, goes_on = true;
    while (goes_on && !is_done) {
        pthread_mutex_lock(&t->lock);
        bool answered = t->has_answer && t->err == FW_OK;
        is_done = answered && fwd_nodes_have_rates(&t->nodes);
        pthread_mutex_unlock(&t->lock);
        goes_on = is_done || look_again(t, begin + (answered ? ONCE_MS : ANSWER_MS));
    }
    int status = FWD_OK;
    pthread_mutex_lock(&t->lock);
    if (!t->has_answer) {
        status = fwd_report(FWD_FAILED, "redis.url: %s: no answer",
                            fw_options_shown(options, "redis.url"));
    } else if (t->err != FW_OK) {
        status = fwd_report(FWD_FAILED, "%s", t->why[0] ? t->why : fw_strerror(t->err));
    } else if (json) {
        fwd_table_write_json(stdout, &t->nodes, &t->view);
    } else {
        fwd_table_write(stdout, &t->nodes, &t->view);
    }
    pthread_mutex_unlock(&t->lock);
    return fflush(stdout) == 0 ? status : FWD_FAILED;
}

/* --- the screen --- */

/* false: the terminal is gone. */
static bool draw(top *t)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return false;
    }
    fwd_screen_size(&t->screen, &t->view.columns, &t->view.rows);
    pthread_mutex_lock(&t->lock);
    t->view.trouble = t->err != FW_OK && t->why[0] == '\0' ? fw_strerror(t->err) : t->why;
    fwd_table_write(out, &t->nodes, &t->view);
    pthread_mutex_unlock(&t->lock);
    bool ok = fclose(out) == 0 && fwd_screen_put(&t->screen, text, len);
    free(text);
    return ok;
}

/* false: that is all. */
static bool take_keys(top *t)
{
    for (;;) {
        char key;
        if (!fwd_screen_key(&t->screen, &key) || key == 'q') {
            return false;
        }
        if (key == 0) {
            return true;
        }
        fwd_view_key(&t->view, key);
    }
}

static bool goes_on(top *t, fwd_wake wake)
{
    switch (wake) {
    case FWD_STOP:
    case FWD_REOPEN: /* of a terminal: it is gone */
        return false;
    case FWD_PAUSE:
        return fwd_screen_pause(&t->screen);
    case FWD_OTHER:
        return take_keys(t);
    default:
        return true;
    }
}

/* Until it is told to end. FW_OK or FW_ERR_. */
static int follow_screen(top *t)
{
    uint64_t next = now_ms();
    fwd_wake wake = FWD_DONE;
    while (goes_on(t, wake) && draw(t)) {
        uint64_t now = now_ms();
        if (now >= next) {
            int err = fw_hub_nodes(t->hub, REF);
            if (err != FW_OK) {
                return err;
            }
            next = now + AGAIN_MS;
        }
        wake = fwd_signals_wait_or(&t->signals, t->screen.in, (int)(next - now));
    }
    return FW_OK;
}

static int follow(top *t)
{
    if (!fwd_screen_on(&t->screen)) {
        return fwd_report(FWD_FAILED, "top: the terminal can't be taken");
    }
    t->view.is_screen = true;
    int err = follow_screen(t);
    fwd_screen_off(&t->screen);
    return err == FW_OK ? FWD_OK : fwd_report_error(FWD_FAILED, err);
}

static int run(top *t, bool once, bool json, const fw_options *options)
{
    int err = fw_hub_on(t->hub, FW_EVENT_PRESENCE, on_answer, t);
    if (err == FW_OK) {
        err = fw_hub_start(t->hub);
    }
    if (err != FW_OK) {
        return fwd_report_error(FWD_FAILED, err);
    }
    int status = once ? write_once(t, options, json) : follow(t);
    fw_hub_stop(t->hub);
    return status;
}

int fwd_top(const fwd_args *args, fw_options *options)
{
    top t = {.screen = {.in = STDIN_FILENO, .out = STDOUT_FILENO},
             .lock = PTHREAD_MUTEX_INITIALIZER};
    bool once = args->once || args->json;
    if (!once && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        return fwd_report(FWD_CONFIGURATION, "top: this is no terminal: use --once");
    }
    int status = fwd_question_hub("top", args, options, &t.hub);
    if (status != FWD_OK) {
        return status;
    }
    fwd_view_init(&t.view);
    if (fwd_signals_open(&t.signals) != 0 ||
        (!once && fwd_signals_add_terminal(&t.signals) != 0)) {
        status = fwd_report(FWD_FAILED, "signals can't be waited for");
    } else {
        status = run(&t, once, args->json, options);
    }
    fw_hub_free(t.hub);
    fwd_signals_close(&t.signals);
    fwd_nodes_fini(&t.nodes);
    return status;
}
