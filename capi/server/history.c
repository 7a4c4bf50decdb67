/*
 * `fanwired history ROOM`: what is kept of a room, a line each, the oldest first.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "question.h"
#include "report.h"

enum { PAGE = 500 };

static void print_message(const fwd_question *q, const fw_message *m)
{
    char position[FW_POSITION_TEXT];
    size_t len;
    const char *data = fw_message_data(m, &len);
    fw_position_text(fw_message_position(m), position);
    if (!q->json) {
        printf("%s", position);
        fwd_print_plain(data, len);
        putchar('\n');
        return;
    }
    fwd_print_field(true, "position", position, strlen(position));
    if (fw_message_flags(m) & FW_BINARY) {
        fputs(",\"data64\":", stdout);
        fwd_put_base64(stdout, data, len);
    } else {
        fwd_print_field(false, "data", data, len);
    }
    puts("}");
}

static void on_page(fw_hub *hub, fw_event *e, void *user)
{
    fwd_question *q = user;
    size_t n = fw_event_message_count(e);
    fw_position last = {0, 0};
    for (size_t i = 0; i < n; i++) {
        const fw_message *m = fw_event_message(e, i);
        print_message(q, m);
        last = fw_message_position(m);
    }
    int err = fw_event_code(e);
    if (err != FW_OK || n == 0 || last.offset >= fw_event_position(e).offset) {
        fwd_question_end(q, err, fw_event_reason(e));
        return;
    }
    err = fw_room_history(hub, q->room, last, PAGE, 0, 1);
    if (err != FW_OK) {
        fwd_question_end(q, err, fw_error_detail());
    }
}

static int ask(fw_hub *hub, fwd_question *q)
{
    return fw_room_history(hub, q->room, (fw_position){0, 0}, PAGE, 0, 1);
}

int fwd_history(const fwd_args *args, fw_options *options)
{
    fwd_question q = {.command = "history",
                      .answer = FW_EVENT_HISTORY,
                      .ask = ask,
                      .on_answer = on_page};
    /* It publishes nothing, so how much the nodes keep doesn't matter here. */
    if (strcmp(fw_options_get(options, "room.history.size"), "0") == 0) {
        int err = fw_options_set(options, "room.history.size", "1");
        if (err != FW_OK) {
            return fwd_report_error(FWD_FAILED, err);
        }
    }
    return fwd_question_run(&q, args, options);
}
