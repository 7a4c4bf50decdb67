/*
 * What the application does with clients of sessions.h, as further pieces of the input.
 * The byte behind the first says with whom, the rest is:
 *
 *   J L     the room that it is put into, or taken out of
 *   U       the user it becomes; nothing: nobody's
 *   I       what it says of itself
 *   S       JSON, said to it alone
 *   E       the time at which it ends, in seconds from the beginning of the test
 *   K       why it is closed
 *   F       the room whose history is forgotten
 *
 * The checks are those that the public functions make.
 */
#ifndef TESTS_FUZZ_APPLICATION_H
#define TESTS_FUZZ_APPLICATION_H

#include "core/presence.h"
#include "sessions.h"

static inline bool fuzz_is_good_name(const char *name)
{
    return fwi_name_problem(name, strlen(name)) == NULL;
}

static inline void fuzz_send(fw_session_id to, const fuzz_piece *text)
{
    fwi_json value;
    if (!fwi_json_read(text->data, text->len, &value, NULL)) {
        return; /* who hears JSON hears this as it is */
    }
    fw_message *m = fwi_message_new(FWI_MSG_DATA, text->data, text->len, FW_TEXT);
    MUST(m != NULL);
    fwi_hub_send(&rig.hub, to, m);
    fw_message_unref(m);
}

static inline void fuzz_with_name(unsigned what, fw_session_id id, const char *name)
{
    char channel[FWI_CHANNEL_CAP];
    if (!fuzz_is_good_name(name)) {
        return;
    }
    if (what == 'J') {
        fwi_hub_join(&rig.hub, id, name, 0);
    } else if (what == 'L') {
        fwi_hub_leave(&rig.hub, id, name);
    } else if (what == 'U') {
        fwi_hub_set_user(&rig.hub, id, name);
    } else if (what == 'F') {
        fwi_hub_forget_history(&rig.hub, fwi_channel_name('r', name, channel), 1);
    }
}

static inline void fuzz_application(unsigned what, fuzz_input *in)
{
    fw_session_id id = fuzz_clients[fuzz_u8(in) % FUZZ_CLIENTS].conn->id;
    fuzz_piece rest = fuzz_rest(in);
    if (what == 'I' && rest.len <= FWI_INFO_MAX) {
        fwi_hub_set_info(&rig.hub, id, rest.data, rest.len);
    } else if (what == 'S') {
        fuzz_send(id, &rest);
    } else if (what == 'E') {
        int64_t in_s = strtol(rest.data, NULL, 10) % 1000000;
        fwi_hub_refresh(&rig.hub, id, (int64_t)FAKE_LOOP_WALL_S + in_s);
    } else if (what == 'K' && rest.len <= FWI_WS_CONTROL_MAX - 2 &&
               fwi_utf8_is_valid(rest.data, rest.len)) {
        fwi_hub_close(&rig.hub, id, 4000, rest.data);
    } else if (what == 'U' && rest.len == 0) {
        fwi_hub_set_user(&rig.hub, id, NULL);
    } else {
        fuzz_with_name(what, id, rest.data);
    }
    free(rest.data);
}

#endif
