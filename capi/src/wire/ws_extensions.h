/*
 * Sec-WebSocket-Extensions (RFC 6455 9.1): what a client offers of permessage-deflate
 * (RFC 7692) and what is answered. No other extension is known. Pure; @thread any
 */
#ifndef FWI_WIRE_WS_EXTENSIONS_H
#define FWI_WIRE_WS_EXTENSIONS_H

#include "base/buf.h"

enum { FWI_WS_WINDOW_MIN = 8, FWI_WS_WINDOW_MAX = 15 };

/* What was agreed on. */
typedef struct fwi_ws_deflate {
    unsigned window_bits;  /* the client inflates with a window of so many; 0: nothing was
                              agreed on */
    bool window_was_asked; /* so it has to be in the answer */
} fwi_ws_deflate;

/* Takes the first offer of permessage-deflate that is in order. One with a parameter that
 * is unknown, said twice or of a wrong value is declined (RFC 7692 7.1), and so is every
 * other extension. header: the lines' values joined by commas, or NULL.
 * false: it isn't written as such a header must be, so nobody knows what is offered. */
bool fwi_ws_extensions_choose(const char *header, fwi_ws_deflate *agreed);

/* Appends the value of the answer. false: out of memory. */
bool fwi_ws_extensions_answer(const fwi_ws_deflate *agreed, fwi_buf *out);

#endif
