/*
 * The few packets of Socket.IO that aren't messages; see socketio.h. Called by the crowd.
 */
#include "socketio.h"

#include <string.h>

socketio_packet socketio_read(const uint8_t *data, size_t len)
{
    if (len == 1 && data[0] == '2') {
        return SOCKETIO_PING;
    }
    return len >= 2 && data[0] == '4' && data[1] == '0' ? SOCKETIO_JOINED
                                                        : SOCKETIO_OTHER;
}

static size_t put(uint8_t *out, const char *text)
{
    size_t len = strlen(text);
    out[0] = 0x81;
    out[1] = (uint8_t)(0x80 | len);
    memset(out + 2, 0, 4);
    memcpy(out + 6, text, len);
    return 6 + len;
}

size_t socketio_join(uint8_t *out)
{
    return put(out, "40");
}

size_t socketio_pong(uint8_t *out)
{
    return put(out, "3");
}
