/*
 * `fanwired presence ROOM`: who is in a room, on all nodes, a line each.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "question.h"

enum { PAGE = 1000 };

static void print_member(const fwd_question *q, const fw_event *e, size_t i)
{
    char session[FW_SESSION_ID_TEXT];
    size_t len;
    const char *user = fw_event_member_user(e, i), *node = fw_event_member_node(e, i);
    const char *info = fw_event_member_info(e, i, &len);
    fw_session_id_text(fw_event_member_session(e, i), session);
    if (!q->json) {
        printf("%s", session);
        fwd_print_plain(user ? user : "-", strlen(user ? user : "-"));
        fwd_print_plain(node, strlen(node));
        if (len > 0) {
            fwd_print_plain(info, len);
        }
        putchar('\n');
        return;
    }
    fwd_print_field(true, "session", session, strlen(session));
    if (user != NULL) {
        fwd_print_field(false, "user", user, strlen(user));
    }
    fwd_print_field(false, "node", node, strlen(node));
    if (len > 0) {
        fwd_print_field(false, "info", info, len);
    }
    puts("}");
}

static void on_page(fw_hub *hub, fw_event *e, void *user)
{
    fwd_question *q = user;
    for (size_t i = 0; i < fw_event_members(e); i++) {
        print_member(q, e, i);
    }
    int err = fw_event_code(e);
    uint64_t cursor = fw_event_cursor(e);
    if (err != FW_OK || cursor == 0) {
        fwd_question_end(q, err, fw_event_reason(e));
        return;
    }
    err = fw_room_presence(hub, q->room, cursor, PAGE, 1);
    if (err != FW_OK) {
        fwd_question_end(q, err, fw_error_detail());
    }
}

static int ask(fw_hub *hub, fwd_question *q)
{
    return fw_room_presence(hub, q->room, 0, PAGE, 1);
}

int fwd_presence(const fwd_args *args, fw_options *options)
{
    fwd_question q = {.command = "presence",
                      .answer = FW_EVENT_PRESENCE,
                      .ask = ask,
                      .on_answer = on_page};
    return fwd_question_run(&q, args, options);
}
