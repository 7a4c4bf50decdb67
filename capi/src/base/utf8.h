/*
 * UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef FWI_BASE_UTF8_H
#define FWI_BASE_UTF8_H

#include "base/base.h"

/* Is all of it valid? */
bool fwi_utf8_is_valid(const void *data, size_t len);

/* For text that comes in pieces: state begins at 0; after the last piece it must be 0
 * again. Returns false as soon as no continuation could be valid. */
bool fwi_utf8_feed(uint32_t *state, const void *data, size_t len);

#endif
