/*
 * `fanwired publish ROOM TEXT`: one message to a room, from a shell. Needs redis.url and
 * no running fanwired on this machine.
 *
 * To a plain room it goes by an emitter. One with history gives it a position, which is a
 * node's affair: there a node that serves nobody publishes it, with the same options as
 * the others.
 */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "question.h"
#include "report.h"

/* --- to a plain room --- */

static int publish(fw_emitter *emitter, const fwd_args *args, int timeout_ms)
{
    const char *text = args->words[1];
    fw_message *m = fw_message_new(text, strlen(text), FW_TEXT);
    if (m == NULL) {
        return FW_ERR_INVALID;
    }
    int nodes = fw_emitter_publish(emitter, args->words[0], m, timeout_ms);
    fw_message_unref(m);
    return nodes;
}

/* --- to a room with history --- */

typedef struct keeping {
    fwd_question q; /* first: what is asked and what is answered are given it */
    const char *text;
} keeping;

static int ask(fw_hub *hub, fwd_question *q)
{
    const char *text = ((const keeping *)q)->text;
    fw_message *m = fw_message_new(text, strlen(text), FW_TEXT);
    if (m == NULL) {
        return FW_ERR_INVALID;
    }
    int err = fw_room_publish_ref(hub, q->room, m, 1);
    fw_message_unref(m);
    return err;
}

static void on_result(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    fwd_question *q = user;
    if (fw_event_code(e) == FW_OK) {
        char position[FW_POSITION_TEXT];
        fw_position_text(fw_event_position(e), position);
        printf(q->json ? "{\"position\":\"%s\"}\n" : "position %s\n", position);
    }
    fwd_question_end(q, fw_event_code(e), fw_event_reason(e));
}

/* --- which of the two --- */

/* Of the namespace, which stands before the room's first colon, or of rooms without. */
static bool is_kept(const fw_options *options, const char *room)
{
    char option[320];
    const char *name = room + (room[0] == '$');
    size_t len = strcspn(name, ":");
    const char *size = NULL;
    if (name[len] == ':') {
        snprintf(option, sizeof option, "namespace.%.*s.history.size", (int)len, name);
        size = fw_options_get(options, option);
    }
    if (size == NULL) { /* it can't be the name of a namespace */
        size = fw_options_get(options, "room.history.size");
    }
    return strtoull(size, NULL, 10) > 0;
}

int fwd_publish(const fwd_args *args, fw_options *options)
{
    if (!is_kept(options, args->words[0])) {
        return fwd_emit("publish", publish, args, options);
    }
    keeping k = {.q = {.command = "publish",
                       .answer = FW_EVENT_RESULT,
                       .ask = ask,
                       .on_answer = on_result},
                 .text = args->words[1]};
    return fwd_question_run(&k.q, args, options);
}
