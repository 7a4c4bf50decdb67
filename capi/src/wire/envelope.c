/*
 * Encoding and decoding of the envelope; its format is in the header. The backplanes'
 * messages (core/message.c) are the only caller.
 *
 * What is decoded came from Redis, where anybody may publish: every length is checked,
 * and names must be text, since they are shown to clients. @thread any
 */
#include "wire/envelope.h"

#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

enum { MAGIC = 3, VERSION = 1, HEAD = 26, FIELD_HEAD = 3, ID = 16, NAME_MAX_BYTES = 255 };

enum {
    EXCEPT = 1,
    TARGET = 2,
    ORIGIN = 3,
    USER = 4,
    NODE_NAME = 5,
    POSITION = 6,
    INFO = 7,
    ROOM_INFO = 8
};

static const uint8_t magic[MAGIC] = {0xff, 'F', 'W'};

static bool is_zero(const fwi_envelope_id *id)
{
    return id->node == 0 && id->local == 0;
}

static size_t id_size(const fwi_envelope_id *id)
{
    return is_zero(id) ? 0 : FIELD_HEAD + ID;
}

static size_t name_size(const char *name, size_t len)
{
    return name == NULL ? 0 : FIELD_HEAD + len;
}

static uint8_t *put_id(uint8_t *p, unsigned type, const fwi_envelope_id *id)
{
    if (is_zero(id)) {
        return p;
    }
    p = fwi_put_u8(p, type);
    p = fwi_put_u16(p, ID);
    p = fwi_put_u64(p, id->node);
    return fwi_put_u64(p, id->local);
}

static uint8_t *put_name(uint8_t *p, unsigned type, const char *name, size_t len)
{
    if (name == NULL) {
        return p;
    }
    p = fwi_put_u8(p, type);
    p = fwi_put_u16(p, len);
    memcpy(p, name, len);
    return p + len;
}

bool fwi_envelope_encode(const fwi_envelope *e, fwi_buf *out)
{
    FWI_ASSERT(e->user_len <= NAME_MAX_BYTES && e->node_name_len <= NAME_MAX_BYTES &&
               e->info_len <= FWI_ENVELOPE_INFO_MAX &&
               e->room_info_len <= FWI_ENVELOPE_INFO_MAX);
    const char *info = e->info_len > 0 ? (const char *)e->info : NULL;
    const char *room_info = e->room_info_len > 0 ? (const char *)e->room_info : NULL;
    /* Two numbers like an id's, and as long. */
    const fwi_envelope_id position = {e->epoch, e->offset};
    size_t fields = id_size(&position) + id_size(&e->except) + id_size(&e->target) +
                    id_size(&e->origin) + name_size(e->user, e->user_len) +
                    name_size(e->node_name, e->node_name_len) +
                    name_size(info, e->info_len) + name_size(room_info, e->room_info_len);
    if (e->len > SIZE_MAX / 2 || !fwi_buf_reserve(out, HEAD + fields + e->len)) {
        return false;
    }
    uint8_t *start = (uint8_t *)out->data + out->len;
    memcpy(start, magic, MAGIC);
    uint8_t *p = fwi_put_u8(start + MAGIC, VERSION);
    p = fwi_put_u8(p, e->kind);
    p = fwi_put_u8(p, e->flags);
    p = fwi_put_u16(p, e->code);
    p = fwi_put_u64(p, e->node);
    p = fwi_put_u64(p, e->serial);
    p = fwi_put_u16(p, fields);
    p = put_id(p, POSITION, &position);
    p = put_id(p, EXCEPT, &e->except);
    p = put_id(p, TARGET, &e->target);
    p = put_id(p, ORIGIN, &e->origin);
    p = put_name(p, USER, e->user, e->user_len);
    p = put_name(p, NODE_NAME, e->node_name, e->node_name_len);
    p = put_name(p, INFO, info, e->info_len);
    p = put_name(p, ROOM_INFO, room_info, e->room_info_len);
    if (e->len > 0) {
        memcpy(p, e->data, e->len);
    }
    out->len += HEAD + fields + e->len;
    return true;
}

static bool get_id(fwi_envelope_id *id, const uint8_t *p, size_t len)
{
    if (len != ID) {
        return false;
    }
    id->node = fwi_get_u64(p);
    id->local = fwi_get_u64(p + 8);
    return true;
}

static bool get_name(const char **name, size_t *name_len, const uint8_t *p, size_t len)
{
    if (len > NAME_MAX_BYTES || memchr(p, 0, len) != NULL || !fwi_utf8_is_valid(p, len)) {
        return false;
    }
    *name = (const char *)p;
    *name_len = len;
    return true;
}

static bool get_position(fwi_envelope *e, const uint8_t *p, size_t len)
{
    fwi_envelope_id position;
    if (!get_id(&position, p, len)) {
        return false;
    }
    e->epoch = position.node;
    e->offset = position.local;
    return true;
}

static bool get_info(const uint8_t **info, size_t *info_len, const uint8_t *p, size_t len)
{
    *info = p;
    *info_len = len;
    return len <= FWI_ENVELOPE_INFO_MAX;
}

static bool get_field(fwi_envelope *e, unsigned type, const uint8_t *p, size_t len)
{
    switch (type) {
    case EXCEPT:
        return get_id(&e->except, p, len);
    case TARGET:
        return get_id(&e->target, p, len);
    case ORIGIN:
        return get_id(&e->origin, p, len);
    case USER:
        return get_name(&e->user, &e->user_len, p, len);
    case NODE_NAME:
        return get_name(&e->node_name, &e->node_name_len, p, len);
    case POSITION:
        return get_position(e, p, len);
    case INFO:
        return get_info(&e->info, &e->info_len, p, len);
    case ROOM_INFO:
        return get_info(&e->room_info, &e->room_info_len, p, len);
    default:
        return true; /* of a later version */
    }
}

static bool get_fields(fwi_envelope *e, const uint8_t *p, size_t left)
{
    while (left > 0) {
        if (left < FIELD_HEAD) {
            return false;
        }
        size_t len = fwi_get_u16(p + 1);
        if (len > left - FIELD_HEAD || !get_field(e, p[0], p + FIELD_HEAD, len)) {
            return false;
        }
        p += FIELD_HEAD + len;
        left -= FIELD_HEAD + len;
    }
    return true;
}

fwi_envelope_result fwi_envelope_decode(fwi_envelope *e, const void *data, size_t len)
{
    const uint8_t *p = data;
    if (len < MAGIC || memcmp(p, magic, MAGIC) != 0) {
        return FWI_ENVELOPE_NONE;
    }
    if (len > MAGIC && p[MAGIC] != VERSION) {
        return FWI_ENVELOPE_VERSION;
    }
    if (len < HEAD) {
        return FWI_ENVELOPE_DAMAGED;
    }
    size_t fields = fwi_get_u16(p + 24);
    if (fields > len - HEAD) {
        return FWI_ENVELOPE_DAMAGED;
    }
    *e = (fwi_envelope){.kind = p[4],
                        .flags = p[5],
                        .code = fwi_get_u16(p + 6),
                        .node = fwi_get_u64(p + 8),
                        .serial = fwi_get_u64(p + 16),
                        .data = p + HEAD + fields,
                        .len = len - HEAD - fields};
    return get_fields(e, p + HEAD, fields) ? FWI_ENVELOPE_OK : FWI_ENVELOPE_DAMAGED;
}
