/*
 * Base64 (RFC 4648), read strictly: what isn't the one way to write some bytes is
 * refused. Pure.
 */
#ifndef FWI_WIRE_BASE64_H
#define FWI_WIRE_BASE64_H

#include "base/buf.h"

/* How much room the bytes of a text of that length may need. */
#define FWI_BASE64_ROOM(len) ((len) / 4 * 3 + 2)

/* Into out, and *n says how many. false: it isn't base64; what is in out then says
 * nothing. out may not be where text is. */
bool fwi_base64_read(const char *text, size_t len, void *out, size_t *n);

/* Written, with "=" at the end, put behind out. false: out of memory. */
bool fwi_base64_put(fwi_buf *out, const void *bytes, size_t len);

/* The alphabet for URLs (section 5), and no "=" at the end, as tokens have it. */
bool fwi_base64url_read(const char *text, size_t len, void *out, size_t *n);

/* Likewise written. */
bool fwi_base64url_put(fwi_buf *out, const void *bytes, size_t len);

#endif
