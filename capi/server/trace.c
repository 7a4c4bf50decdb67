/*
 * `fanwired trace ROOM`: follows a room's messages and says what each node does with
 * each, a line each, until it is ended (INT, TERM) or nobody reads any more. A node that
 * serves nobody asks the others, and asks again before they forget.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "question.h"
#include "report.h"
#include "signals.h"

enum { SECONDS = 30, AGAIN_MS = 10000, REF = 1 };

typedef struct tracer {
    bool json;
    fwd_signals signals;
} tracer;

static void on_report(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    tracer *t = user;
    size_t len;
    const char *data = fw_event_data(e, &len), *who = fw_event_user(e);
    if (t->json) {
        printf("%.*s", (int)len, data);
    } else {
        char position[FW_POSITION_TEXT];
        fw_position at = fw_event_position(e);
        const char *says = fw_event_reason(e);
        printf("%s", at.epoch != 0 ? fw_position_text(at, position) : "-");
        fwd_print_plain(who != NULL ? who : "-", strlen(who != NULL ? who : "-"));
        fwd_print_plain(says, strlen(says));
    }
    putchar('\n');
    if (fflush(stdout) != 0) {
        fwd_signals_done(&t->signals);
    }
}

/* Ends with an error, or when it is told to. */
static int follow(fw_hub *hub, tracer *t, const char *room)
{
    int err = FW_OK;
    fwd_wake wake = FWD_OTHER;
    while (err == FW_OK && wake != FWD_STOP && wake != FWD_DONE) {
        err = fw_room_trace(hub, room, SECONDS, REF);
        if (err == FW_OK) {
            wake = fwd_signals_wait_or(&t->signals, -1, AGAIN_MS);
        }
    }
    if (err != FW_OK) {
        return fwd_report_error(FWD_FAILED, err);
    }
    fw_room_trace(hub, room, 0, REF); /* the nodes forget it in any case */
    return ferror(stdout) ? FWD_FAILED : FWD_OK;
}

static int run(fw_hub *hub, tracer *t, const char *room)
{
    int err = fw_hub_on(hub, FW_EVENT_TRACE, on_report, t);
    if (err == FW_OK) {
        err = fw_hub_start(hub);
    }
    if (err != FW_OK) {
        return fwd_report_error(FWD_FAILED, err);
    }
    int status = follow(hub, t, room);
    fw_hub_stop(hub);
    return status;
}

int fwd_trace(const fwd_args *args, fw_options *options)
{
    tracer t = {.json = args->json};
    fw_hub *hub = NULL;
    int status = fwd_question_hub("trace", args, options, &hub);
    if (status != FWD_OK) {
        return status;
    }
    if (fwd_signals_open(&t.signals) != 0) {
        status = fwd_report(FWD_FAILED, "signals can't be waited for");
    } else {
        status = run(hub, &t, args->words[0]);
    }
    fw_hub_free(hub);
    fwd_signals_close(&t.signals);
    return status;
}
