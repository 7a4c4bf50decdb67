/*
 * Several texts in one block of memory, behind the struct that points to them: first
 * their sizes are added up, then each is put behind the one before.
 */
#ifndef FWI_BASE_PACK_H
#define FWI_BASE_PACK_H

#include <string.h>

#include "base/base.h"

/* With its NUL; 0 for NULL. */
static inline size_t fwi_pack_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

/* Copies s to *at and moves that on; NULL stays NULL. */
static inline const char *fwi_pack_put(char **at, const char *s)
{
    if (s == NULL) {
        return NULL;
    }
    size_t n = strlen(s) + 1;
    char *to = memcpy(*at, s, n);
    *at += n;
    return to;
}

#endif
