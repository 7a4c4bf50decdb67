/*
 * What all sessions of a user are to do, on whichever nodes they are: an order that is
 * published to the channel of the user, and carried out where it arrives (hub.c).
 * @thread any
 */
#include <string.h>

#include "core/error.h"
#include "core/hub.h"
#include "wire/name.h"

/* What all sessions of a user are to do. m is taken; NULL: out of memory. */
static int order_user(fwi_hub *hub, const char *user, fw_message *m)
{
    char channel[FWI_CHANNEL_CAP];
    if (m == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    atomic_store(&m->sent, true);
    int err = fwi_hub_publish(hub, fwi_channel_name('u', user, channel), m);
    fw_message_unref(m);
    return err;
}

int fwi_hub_user_leave(fwi_hub *hub, const char *user, const char *room)
{
    return order_user(hub, user,
                      fwi_message_new(FWI_MSG_LEAVE, room, strlen(room), FW_TEXT));
}

int fwi_hub_user_join(fwi_hub *hub, const char *user, const char *room,
                      fwi_position since)
{
    return order_user(hub, user, fwi_message_join(room, since));
}

int fwi_hub_user_give(fwi_hub *hub, const char *user, fw_message *gift)
{
    return order_user(hub, user, fw_message_ref(gift));
}

int fwi_hub_user_set_info(fwi_hub *hub, const char *user, const void *data, size_t len)
{
    return order_user(hub, user, fwi_message_new(FWI_MSG_SET_INFO, data, len, FW_BINARY));
}

int fwi_hub_user_refresh(fwi_hub *hub, const char *user, int64_t expires_s)
{
    return order_user(hub, user, fwi_message_refresh(expires_s));
}

int fwi_hub_user_close(fwi_hub *hub, const char *user, unsigned code, const char *reason,
                       fw_session_id except)
{
    fw_message *m = fwi_message_new(FWI_MSG_CLOSE, reason, strlen(reason), FW_TEXT);
    if (m != NULL) {
        m->code = (uint16_t)code;
        m->except = except;
    }
    return order_user(hub, user, m);
}
