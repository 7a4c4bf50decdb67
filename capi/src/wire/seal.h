/*
 * Sealed numbers: text that only who has the key can have made, by HMAC-SHA256. For
 * cookies that say until when somebody is let in, and for what names a session to those
 * who are to speak for it. Pure. @thread any
 */
#ifndef FWI_WIRE_SEAL_H
#define FWI_WIRE_SEAL_H

#include "base/base.h"

enum {
    FWI_SEAL_KEY = 32,              /* bytes */
    FWI_SEAL_TEXT = 16 + 1 + 64 + 1 /* the number, a dot, the seal, NUL */
};

/* false: OpenSSL can't. */
bool fwi_seal_make(const uint8_t key[FWI_SEAL_KEY], uint64_t number,
                   char text[FWI_SEAL_TEXT]);

/* false: the text is none, or not sealed with this key. How long that takes doesn't say
 * what is wrong. */
bool fwi_seal_read(const uint8_t key[FWI_SEAL_KEY], const char *text, uint64_t *number);

#endif
