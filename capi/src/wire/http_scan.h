/*
 * Looks at each byte of a head before http-parser does, because the parser as it is
 * packaged is built lenient: it takes bare CR, bare LF, folding, blanks in names and
 * bytes above 7F in the target. It also finds where the head ends.
 *
 * Pure. For wire/http_request. @thread any
 */
#ifndef FWI_WIRE_HTTP_SCAN_H
#define FWI_WIRE_HTTP_SCAN_H

#include "base/base.h"

typedef struct fwi_http_scan {
    unsigned state;               /* where in a line; all zero: at the beginning */
    bool line_is_empty, any_line; /* the line being read; was there one with bytes? */
    bool ended;
    size_t bytes; /* of the head */
} fwi_http_scan;

/* *n: how many bytes belong to the head, up to and with its end. 0, or the status to
 * refuse with and why, valid for ever. */
int fwi_http_scan_feed(fwi_http_scan *s, const char *data, size_t len, size_t *n,
                       const char **why);

#endif
