/*
 * Who is where: questions whose answers are PRESENCE events, what is told of a session,
 * and a user's rooms.
 */
#include "api/hub_inside.h"

#include <string.h>

#include <fanwire/room.h>
#include <fanwire/session.h>
#include <fanwire/user.h>

#include "core/presence.h"
#include "wire/name.h"

/* As many as one answer may have; more would make one event of megabytes. */
enum { PAGE_MAX = 10000 };

static int read_channel(fw_hub *hub, char kind, const char *what, const char *name,
                        uint64_t cursor, unsigned limit, uint64_t ref)
{
    char channel[FWI_CHANNEL_CAP];
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name(what, name);
    }
    if (err == FW_OK) {
        err = fwi_check_ref(ref);
    }
    if (err == FW_OK && limit > PAGE_MAX) {
        err = fwi_error(FW_ERR_INVALID, "limit %u: at most %d", limit, PAGE_MAX);
    }
    if (err != FW_OK) {
        return err;
    }
    fwi_channel_name(kind, name, channel);
    return fwi_hub_read_presence(&hub->core, channel, cursor, limit, ref);
}

int fw_room_presence(fw_hub *hub, const char *room, uint64_t cursor, unsigned limit,
                     uint64_t ref)
{
    return read_channel(hub, 'r', "room", room, cursor, limit, ref);
}

int fw_room_trace(fw_hub *hub, const char *room, unsigned seconds, uint64_t ref)
{
    char channel[FWI_CHANNEL_CAP];
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name("room", room);
    }
    if (err == FW_OK) {
        err = fwi_check_ref(ref);
    }
    if (err == FW_OK && seconds > FWI_TRACE_SECONDS_MAX) {
        err = fwi_error(FW_ERR_INVALID, "seconds %u: at most %d", seconds,
                        FWI_TRACE_SECONDS_MAX);
    }
    if (err != FW_OK) {
        return err;
    }
    fwi_channel_name('r', room, channel);
    return fwi_hub_trace(&hub->core, channel, seconds, ref);
}

int fw_user_sessions(fw_hub *hub, const char *user, uint64_t cursor, unsigned limit,
                     uint64_t ref)
{
    int err = fwi_api_enter(hub);
    if (err == FW_OK && !hub->core.set.user_presence) {
        err = fwi_error(FW_ERR_STATE, "user.presence is off");
    }
    return err != FW_OK ? err : read_channel(hub, 'u', "user", user, cursor, limit, ref);
}

int fw_hub_nodes(fw_hub *hub, uint64_t ref)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_ref(ref);
    }
    return err != FW_OK ? err : fwi_hub_read_nodes(&hub->core, ref);
}

static int check_user_and_room(fw_hub *hub, const char *user, const char *room)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name("user", user);
    }
    return err == FW_OK ? fwi_check_name("room", room) : err;
}

int fw_user_join(fw_hub *hub, const char *user, const char *room)
{
    int err = check_user_and_room(hub, user, room);
    return err != FW_OK ? err
                        : fwi_hub_user_join(&hub->core, user, room, (fwi_position){0, 0});
}

int fw_user_leave(fw_hub *hub, const char *user, const char *room)
{
    int err = check_user_and_room(hub, user, room);
    return err != FW_OK ? err : fwi_hub_user_leave(&hub->core, user, room);
}

int fw_session_set_info(fw_hub *hub, fw_session_id id, const void *data, size_t len)
{
    int err = fwi_api_enter_running(hub);
    if (err != FW_OK) {
        return err;
    }
    if (data == NULL && len > 0) {
        return fwi_error(FW_ERR_INVALID, "data is NULL");
    }
    if (len > FWI_INFO_MAX) {
        return fwi_error(FW_ERR_TOO_BIG, "%zu bytes of info are more than %d", len,
                         FWI_INFO_MAX);
    }
    return fwi_hub_set_info(&hub->core, id, data, len);
}
