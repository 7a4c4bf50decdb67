/*
 * Numbers as bytes, the highest first, as the formats of other programs and our own
 * envelope have them. Written out, not in a loop: compilers make one instruction of it.
 */
#ifndef FWI_BASE_BYTES_H
#define FWI_BASE_BYTES_H

#include "base/base.h"

/* Each gives the place behind what it has put. */
static inline uint8_t *fwi_put_u8(uint8_t *p, unsigned v)
{
    *p = (uint8_t)v;
    return p + 1;
}

static inline uint8_t *fwi_put_u16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static inline uint8_t *fwi_put_u64(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 56);
    p[1] = (uint8_t)(v >> 48);
    p[2] = (uint8_t)(v >> 40);
    p[3] = (uint8_t)(v >> 32);
    p[4] = (uint8_t)(v >> 24);
    p[5] = (uint8_t)(v >> 16);
    p[6] = (uint8_t)(v >> 8);
    p[7] = (uint8_t)v;
    return p + 8;
}

static inline uint16_t fwi_get_u16(const void *at)
{
    const uint8_t *p = at;
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t fwi_get_u32(const void *at)
{
    const uint8_t *p = at;
    return (uint32_t)fwi_get_u16(p) << 16 | fwi_get_u16(p + 2);
}

static inline uint64_t fwi_get_u64(const void *at)
{
    const uint8_t *p = at;
    return (uint64_t)fwi_get_u32(p) << 32 | fwi_get_u32(p + 4);
}

#endif
