/*
 * The JSON that raw.format=json puts around messages. Pure.
 */
#ifndef FWI_WIRE_PROTOCOL_RAW_H
#define FWI_WIRE_PROTOCOL_RAW_H

#include "base/buf.h"

typedef struct fwi_raw_said {
    const char *room, *user, *session, *node; /* "" where unknown */
    bool text;
    const uint8_t *data;
    size_t len;
} fwi_raw_said;

/* {"room":R,"user":U,"session":S,"node":N,"data":TEXT}; binary is "data64" in base64.
 * Fields that are unknown are left out. false: out of memory. */
bool fwi_raw_encode_message(const fwi_raw_said *m, fwi_buf *out);

typedef struct fwi_raw_who {
    const char *room, *user, *session, *node; /* user: "" for nobody's */
} fwi_raw_who;

/* {"room":R,"join":{"user":U,"session":S,"node":N}}, or "leave". */
bool fwi_raw_encode_news(const fwi_raw_who *who, bool join, fwi_buf *out);

/* {"joined":ROOM} */
bool fwi_raw_encode_joined(const char *room, fwi_buf *out);

#endif
