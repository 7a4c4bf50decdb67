/*
 * The few packets of each protocol that aren't messages; see dialect.h. Called by the
 * crowd.
 */
#include "dialect.h"

#include <stdbool.h>
#include <string.h>

static bool begins(const uint8_t *data, size_t len, const char *text)
{
    size_t n = strlen(text);
    return len >= n && memcmp(data, text, n) == 0;
}

static dialect_packet read_socketio(const uint8_t *data, size_t len)
{
    if (len == 1 && data[0] == '2') {
        return DIALECT_PING;
    }
    return begins(data, len, "40") ? DIALECT_JOINED : DIALECT_OTHER;
}

static dialect_packet read_centrifuge(const uint8_t *data, size_t len)
{
    if (len == 2 && begins(data, len, "{}")) {
        return DIALECT_PING;
    }
    return begins(data, len, "{\"id\":2,\"subscribe\":{") ? DIALECT_JOINED
                                                          : DIALECT_OTHER;
}

const dialect dialect_socketio = {.read = read_socketio, .join = "40", .pong = "3"};

const dialect dialect_centrifuge = {
    .read = read_centrifuge,
    .join = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"r0\"}}",
    .pong = "{}"};

size_t dialect_put(uint8_t *out, const char *text)
{
    size_t len = strlen(text);
    out[0] = 0x81;
    out[1] = (uint8_t)(0x80 | len);
    memset(out + 2, 0, 4);
    memcpy(out + 6, text, len);
    return 6 + len;
}
