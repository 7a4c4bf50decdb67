/*
 * What the typemaps of every language need, beside the handles of event_handle.h.
 */
#ifndef FWB_SHARED_H
#define FWB_SHARED_H

#include <string.h>

#include <fanwire/fanwire.h>

enum { FWB_BATCH = 1024 }; /* events of one poll, at most: a turn of an event loop */

/* Which error it was when a function has said NULL: the detail alone tells. */
static inline int fwb_null_error(void)
{
    return strcmp(fw_error_detail(), "out of memory") == 0 ? FW_ERR_MEMORY
                                                           : FW_ERR_INVALID;
}

#endif
