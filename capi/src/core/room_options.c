/*
 * Which options a room has. @thread any
 */
#include "core/room_options.h"

#include "core/hub.h"

const fwi_room_options *fwi_room_options_of(const fwi_hub *hub, const char *channel)
{
    static const fwi_room_options none = {0};
    return channel[0] == 'r' ? &hub->set.room : &none;
}
