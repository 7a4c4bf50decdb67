/*
 * The envelope: what fanwire nodes put around a message that travels by the backplane.
 *
 *   FF 'F' 'W' 01     magic and version; FF never begins UTF-8
 *   kind     u8       fwi_msg_kind
 *   flags    u8       1: binary
 *   code     u16
 *   node     u64      who published it, and
 *   serial   u64      its how-manieth: together the message's id
 *   fields   u16      bytes of fields that follow: each type u8, length u16, bytes.
 *                     Unknown types are skipped, so that later versions can add some.
 *   payload           the rest
 *
 * The position of what a room with history keeps is the first field, so that its 16 bytes
 * are always at FWI_ENVELOPE_POSITION: Redis itself puts them there when it has given the
 * message its offset.
 *
 * Numbers are big-endian. Pure.
 */
#ifndef FWI_WIRE_ENVELOPE_H
#define FWI_WIRE_ENVELOPE_H

#include "base/buf.h"

enum {
    FWI_ENVELOPE_BINARY = 1,
    FWI_ENVELOPE_POSITION = 29, /* the head's 26 bytes, and three of the field's own */
    FWI_ENVELOPE_POSITION_BYTES = 16,
    FWI_ENVELOPE_INFO_MAX = 1024
};

typedef struct fwi_envelope_id {
    uint64_t node, local;
} fwi_envelope_id;

typedef struct fwi_envelope {
    uint8_t kind, flags;
    uint16_t code;
    uint64_t node, serial;
    fwi_envelope_id except; /* field 1 (16 bytes), left out when zero */
    fwi_envelope_id target; /* field 2, likewise */
    fwi_envelope_id origin; /* field 3, likewise */
    const char *user;       /* field 4; NULL: left out */
    size_t user_len;
    const char *node_name; /* field 5; NULL: left out */
    size_t node_name_len;
    uint64_t epoch, offset;   /* field 6 (16 bytes), first of all; left out when zero */
    const uint8_t *info;      /* field 7: what the origin says of itself */
    size_t info_len;          /* 0: left out; at most FWI_ENVELOPE_INFO_MAX */
    const uint8_t *room_info; /* field 8, likewise: in this room */
    size_t room_info_len;
    const uint8_t *data;
    size_t len;
} fwi_envelope;

/* Appends; false: out of memory. user and node_name are at most 255 bytes. */
bool fwi_envelope_encode(const fwi_envelope *e, fwi_buf *out);

typedef enum {
    FWI_ENVELOPE_OK,
    FWI_ENVELOPE_NONE,    /* no magic: somebody's plain bytes */
    FWI_ENVELOPE_VERSION, /* a version we don't know */
    FWI_ENVELOPE_DAMAGED
} fwi_envelope_result;

/* Pointers in *e lead into data. */
fwi_envelope_result fwi_envelope_decode(fwi_envelope *e, const void *data, size_t len);

#endif
