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
    uint64_t epoch, offset; /* its position; epoch 0: none */
} fwi_raw_said;

/* {"room":R,"user":U,"session":S,"node":N,"epoch":E,"offset":O,"data":TEXT}; binary is
 * "data64" in base64. Fields that are unknown are left out. An epoch is a string of 16
 * hexadecimal digits, since numbers of JavaScript would round it. false: out of memory.
 */
bool fwi_raw_encode_message(const fwi_raw_said *m, fwi_buf *out);

typedef struct fwi_raw_who {
    const char *room, *user, *session, *node; /* user: "" for nobody's */
} fwi_raw_who;

/* {"room":R,"join":{"user":U,"session":S,"node":N}}, or "leave". */
bool fwi_raw_encode_news(const fwi_raw_who *who, bool join, fwi_buf *out);

/* A session has come into a room. */
typedef struct fwi_raw_entry {
    const char *room;
    uint64_t epoch, offset; /* it hears what comes behind this; epoch 0: no history */
    bool recovered;
} fwi_raw_entry;

/* {"joined":ROOM}, with history {"joined":ROOM,"epoch":E,"offset":O,"recovered":B} */
bool fwi_raw_encode_joined(const fwi_raw_entry *entry, fwi_buf *out);

/* {"room":ROOM,"reset":{"epoch":E,"offset":O}} */
bool fwi_raw_encode_reset(const char *room, uint64_t epoch, uint64_t offset,
                          fwi_buf *out);

#endif
