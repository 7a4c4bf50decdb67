/*
 * SHA-1, for the answer to a handshake (RFC 6455 4.2.2). Not for anything that is to be
 * safe.
 */
#ifndef FWI_WIRE_SHA1_H
#define FWI_WIRE_SHA1_H

#include "base/base.h"

enum { FWI_SHA1_LEN = 20 };

/* false: OpenSSL can't (out of memory, or it is set up to refuse SHA-1). @thread any */
bool fwi_sha1(const void *data, size_t len, uint8_t out[FWI_SHA1_LEN]);

#endif
