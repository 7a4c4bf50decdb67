/*
 * CRC16 as Redis Cluster counts it (CCITT, polynomial 0x1021, from zero: XMODEM's), four
 * bits a step. Called for each publish of a node in a Cluster, so a table; a small one.
 */
#include "backplane/redis_slot.h"

#include <string.h>

static uint16_t crc16(const char *data, size_t len)
{
    static const uint16_t steps[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                       0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                       0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)data[i];
        crc = (uint16_t)(crc << 4 ^ steps[(crc >> 12) ^ (byte >> 4)]);
        crc = (uint16_t)(crc << 4 ^ steps[(crc >> 12) ^ (byte & 15)]);
    }
    return crc;
}

unsigned fwi_redis_slot(const char *key, size_t len)
{
    const char *open = len > 0 ? memchr(key, '{', len) : NULL;
    if (open != NULL) {
        const char *tag = open + 1;
        const char *close = memchr(tag, '}', len - (size_t)(tag - key));
        if (close != NULL && close > tag) {
            return crc16(tag, (size_t)(close - tag)) % FWI_REDIS_SLOTS;
        }
    }
    return crc16(key, len) % FWI_REDIS_SLOTS;
}
