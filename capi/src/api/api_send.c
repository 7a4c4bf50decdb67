/*
 * The functions that send: arguments are checked here, once, for all that is inside.
 */
#include "api/hub_inside.h"

#include <inttypes.h>
#include <string.h>

#include <fanwire/room.h>
#include <fanwire/session.h>
#include <fanwire/user.h>

#include "base/utf8.h"
#include "core/asked.h"
#include "wire/name.h"
#include "wire/ws_codec.h"

int fwi_check_name(const char *what, const char *name)
{
    const char *problem = name == NULL ? "is NULL" : fwi_name_problem(name, strlen(name));
    return problem ? fwi_error(FW_ERR_INVALID, "%s name: %s", what, problem) : FW_OK;
}

int fw_name_check(const char *name)
{
    return fwi_check_name("the", name);
}

int fwi_check_ref(uint64_t ref)
{
    if (ref == 0) {
        return fwi_error(FW_ERR_INVALID, "ref: 0 would be nobody's question");
    }
    return (ref & FWI_ASKED_BIT) == 0
               ? FW_OK
               : fwi_error(FW_ERR_INVALID, "ref: 2^63 and up are the library's own");
}

static int check_size(const fw_hub *hub, size_t len)
{
    if (len > hub->core.set.message_max) {
        return fwi_error(FW_ERR_TOO_BIG, "%zu bytes are more than message.max_bytes, %zu",
                         len, hub->core.set.message_max);
    }
    return FW_OK;
}

int fwi_check_payload(const fw_hub *hub, const void *data, size_t len, unsigned flags)
{
    if ((flags & ~(unsigned)FW_BINARY) != 0) {
        return fwi_error(FW_ERR_INVALID, "unknown flags %#x", flags);
    }
    if (data == NULL && len > 0) {
        return fwi_error(FW_ERR_INVALID, "data is NULL");
    }
    if (!(flags & FW_BINARY) && !fwi_utf8_is_valid(data, len)) {
        return fwi_error(FW_ERR_INVALID,
                         "text that is not UTF-8 (binary needs FW_BINARY)");
    }
    return hub ? check_size(hub, len) : FW_OK;
}

fw_message *fwi_api_message(const fw_hub *hub, const void *data, size_t len,
                            unsigned flags, int *err)
{
    *err = fwi_check_payload(hub, data, len, flags);
    if (*err != FW_OK) {
        return NULL;
    }
    fw_message *m = fwi_message_new(FWI_MSG_DATA, data, len, flags);
    if (m == NULL) {
        *err = fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    return m;
}

static int publish(fw_hub *hub, const char *channel, fw_message *m, uint64_t ref)
{
    int err = check_size(hub, fwi_message_len(m));
    if (err != FW_OK) {
        return err;
    }
    atomic_store_explicit(&m->sent, true, memory_order_relaxed);
    return fwi_hub_publish_ref(&hub->core, channel, m, ref);
}

static int publish_named(fw_hub *hub, char kind, const char *what, const char *name,
                         fw_message *m, uint64_t ref)
{
    char channel[FWI_CHANNEL_CAP];
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name(what, name);
    }
    if (err != FW_OK) {
        return err;
    }
    fwi_channel_name(kind, name, channel);
    return publish(hub, channel, m, ref);
}

int fwi_api_publish_room(fw_hub *hub, const char *room, fw_message *m, uint64_t ref)
{
    return publish_named(hub, 'r', "room", room, m, ref);
}

int fw_room_publish_message(fw_hub *hub, const char *room, fw_message *m)
{
    return fwi_api_publish_room(hub, room, m, 0);
}

int fw_user_send_message(fw_hub *hub, const char *user, fw_message *m)
{
    return publish_named(hub, 'u', "user", user, m, 0);
}

int fw_hub_send_all_message(fw_hub *hub, fw_message *m)
{
    int err = fwi_api_enter_running(hub);
    return err != FW_OK ? err : publish(hub, "all", m, 0);
}

static int send_bytes(fw_hub *hub, char kind, const char *name, const void *data,
                      size_t len, unsigned flags)
{
    int err;
    fw_message *m = fwi_api_message(hub, data, len, flags, &err);
    if (m == NULL) {
        return err;
    }
    switch (kind) {
    case 'r':
        err = fw_room_publish_message(hub, name, m);
        break;
    case 'h':
        err = fw_room_send_here_message(hub, name, m);
        break;
    case 'u':
        err = fw_user_send_message(hub, name, m);
        break;
    default:
        err = fw_hub_send_all_message(hub, m);
        break;
    }
    fw_message_unref(m);
    return err;
}

int fw_room_publish(fw_hub *hub, const char *room, const void *data, size_t len,
                    unsigned flags)
{
    return send_bytes(hub, 'r', room, data, len, flags);
}

int fw_room_send_here_message(fw_hub *hub, const char *room, fw_message *m)
{
    char channel[FWI_CHANNEL_CAP];
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name("room", room);
    }
    if (err == FW_OK) {
        err = check_size(hub, fwi_message_len(m));
    }
    if (err != FW_OK) {
        return err;
    }
    atomic_store_explicit(&m->sent, true, memory_order_relaxed);
    return fwi_hub_send_here(&hub->core, fwi_channel_name('r', room, channel), m);
}

int fw_room_send_here(fw_hub *hub, const char *room, const void *data, size_t len,
                      unsigned flags)
{
    return send_bytes(hub, 'h', room, data, len, flags);
}

int fw_user_send(fw_hub *hub, const char *user, const void *data, size_t len,
                 unsigned flags)
{
    return send_bytes(hub, 'u', user, data, len, flags);
}

int fw_hub_send_all(fw_hub *hub, const void *data, size_t len, unsigned flags)
{
    return send_bytes(hub, 'a', NULL, data, len, flags);
}

int fw_node_send(fw_hub *hub, uint64_t node, const void *data, size_t len, unsigned flags)
{
    char channel[32];
    int err = fwi_api_enter_running(hub);
    if (err != FW_OK) {
        return err;
    }
    fw_message *m = fwi_api_message(hub, data, len, flags, &err);
    if (m == NULL) {
        return err;
    }
    snprintf(channel, sizeof channel, "n:%016" PRIx64, node);
    err = publish(hub, channel, m, 0);
    fw_message_unref(m);
    return err;
}

/* --- users --- */

int fwi_check_close(unsigned code, const char *reason)
{
    if (!fwi_ws_close_code_is_valid(code)) {
        return fwi_error(FW_ERR_INVALID,
                         "close code %u: 1000-1003, 1007-1014 or 3000-4999", code);
    }
    size_t n = reason ? strlen(reason) : 0;
    if (n > FWI_WS_CONTROL_MAX - 2 || !fwi_utf8_is_valid(reason, n)) {
        return fwi_error(FW_ERR_INVALID, "the reason is not UTF-8 of at most 123 bytes");
    }
    return FW_OK;
}

int fw_user_disconnect(fw_hub *hub, const char *user, unsigned code, const char *reason)
{
    int err = fwi_check_close(code, reason);
    if (err == FW_OK) {
        err = fwi_api_enter_running(hub);
    }
    if (err == FW_OK) {
        err = fwi_check_name("user", user);
    }
    return err != FW_OK ? err
                        : fwi_hub_user_close(&hub->core, user, code, reason ? reason : "",
                                             fw_session_none());
}

/* --- sessions --- */

int fw_session_send_message(fw_hub *hub, fw_session_id id, fw_message *m)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = check_size(hub, fwi_message_len(m));
    }
    if (err != FW_OK) {
        return err;
    }
    atomic_store_explicit(&m->sent, true, memory_order_relaxed);
    return fwi_hub_send(&hub->core, id, m);
}

int fw_session_send(fw_hub *hub, fw_session_id id, const void *data, size_t len,
                    unsigned flags)
{
    int err;
    fw_message *m = fwi_api_message(hub, data, len, flags, &err);
    if (m != NULL) {
        err = fw_session_send_message(hub, id, m);
        fw_message_unref(m);
    }
    return err;
}

int fw_session_close(fw_hub *hub, fw_session_id id, unsigned code, const char *reason)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_close(code, reason);
    }
    return err != FW_OK ? err : fwi_hub_close(&hub->core, id, code, reason ? reason : "");
}

int fw_session_join(fw_hub *hub, fw_session_id id, const char *room, uint64_t ref)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name("room", room);
    }
    return err != FW_OK ? err : fwi_hub_join(&hub->core, id, room, ref);
}

int fw_session_leave(fw_hub *hub, fw_session_id id, const char *room)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = fwi_check_name("room", room);
    }
    return err != FW_OK ? err : fwi_hub_leave(&hub->core, id, room);
}

int fw_session_set_user(fw_hub *hub, fw_session_id id, const char *user)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK && user != NULL) {
        err = fwi_check_name("user", user);
    }
    return err != FW_OK ? err : fwi_hub_set_user(&hub->core, id, user);
}
