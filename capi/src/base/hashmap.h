/*
 * Hash tables are uthash's. This header is the one place that includes it, so that
 * running out of memory is an error that the caller sees, and not exit().
 */
#ifndef FWI_BASE_HASHMAP_H
#define FWI_BASE_HASHMAP_H

#define HASH_NONFATAL_OOM 1
/* With HASH_NONFATAL_OOM an element that could not be added has hh.tbl NULL. */
#include <uthash.h>

#define FWI_HASH_ADDED(elt) ((elt)->hh.tbl != NULL)

#endif
