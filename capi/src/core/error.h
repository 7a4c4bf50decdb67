/*
 * Setting the sentence that fw_error_detail() gives.
 */
#ifndef FWI_CORE_ERROR_H
#define FWI_CORE_ERROR_H

#include <fanwire/error.h>

/* Sets this thread's detail and returns err, so that one writes
 * `return fwi_error(FW_ERR_GONE, "...")`. @thread any */
int fwi_error(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
