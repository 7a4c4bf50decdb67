/*
 * Rooms with history: keys and positions of messages, what is asked of a history, and
 * what its events tell.
 */
#include "api/hub_inside.h"

#include <string.h>

#include <fanwire/room.h>
#include <fanwire/session.h>

#include "wire/name.h"

enum { KEY_MAX = 64, LIMIT_MAX = 10000 };

int fw_message_set_key(fw_message *m, const char *key)
{
    if (atomic_load(&m->sent)) {
        return fwi_error(FW_ERR_STATE, "the message has been sent");
    }
    size_t n = key ? strlen(key) : 0;
    const char *problem = key == NULL   ? NULL
                          : n > KEY_MAX ? "is longer than 64 bytes"
                                        : fwi_name_problem(key, n);
    if (problem != NULL) {
        return fwi_error(FW_ERR_INVALID, "the key %s", problem);
    }
    char *copy = key ? strdup(key) : NULL;
    if (key != NULL && copy == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    free(m->key);
    m->key = copy;
    return FW_OK;
}

fw_position fw_message_position(const fw_message *m)
{
    return m->at;
}

int fw_session_join_since(fw_hub *hub, fw_session_id id, const char *room,
                          fw_position position, uint64_t ref)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name("room", room);
    }
    return err != FW_OK ? err : fwi_hub_join_since(&hub->core, id, room, position, ref);
}

/* A room that keeps something, as a channel. */
static int check_kept(fw_hub *hub, const char *room, uint64_t ref, char *channel)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name("room", room);
    }
    if (err == FW_OK) {
        err = fwi_check_ref(ref);
    }
    if (err != FW_OK) {
        return err;
    }
    fwi_channel_name('r', room, channel);
    return fwi_room_options_of(&hub->core, channel)->history_size > 0
               ? FW_OK
               : fwi_error(FW_ERR_STATE, "the room has no history (history.size)");
}

int fw_room_history(fw_hub *hub, const char *room, fw_position since, unsigned limit,
                    unsigned order, uint64_t ref)
{
    char channel[FWI_CHANNEL_CAP];
    int err = check_kept(hub, room, ref, channel);
    if (err != FW_OK) {
        return err;
    }
    if (limit > LIMIT_MAX || (order & ~(unsigned)FW_HISTORY_REVERSE) != 0) {
        return limit > LIMIT_MAX
                   ? fwi_error(FW_ERR_INVALID, "limit %u: at most %d", limit, LIMIT_MAX)
                   : fwi_error(FW_ERR_INVALID, "unknown order %#x", order);
    }
    return fwi_hub_read_history(&hub->core, channel, since, limit,
                                order & FW_HISTORY_REVERSE, ref);
}

int fw_room_forget(fw_hub *hub, const char *room, uint64_t ref)
{
    char channel[FWI_CHANNEL_CAP];
    int err = check_kept(hub, room, ref, channel);
    return err != FW_OK ? err : fwi_hub_forget_history(&hub->core, channel, ref);
}

int fw_room_publish_ref(fw_hub *hub, const char *room, fw_message *m, uint64_t ref)
{
    int err = fwi_check_ref(ref);
    return err != FW_OK ? err : fwi_api_publish_room(hub, room, m, ref);
}

fw_position fw_event_position(const fw_event *e)
{
    return e->at;
}

int fw_event_recovered(const fw_event *e)
{
    return e->recovered;
}

size_t fw_event_message_count(const fw_event *e)
{
    return e->messages != NULL ? e->messages->n : 0;
}

const struct fw_message *fw_event_message(const fw_event *e, size_t index)
{
    return index < fw_event_message_count(e) ? e->messages->m[index] : NULL;
}
