/*
 * Which process is this? Asked at every call into the library, so it costs no system
 * call: a page of memory that the kernel clears in the child of a fork (Linux 4.14);
 * where there is none, getpid().
 *
 * @thread any, once it is made
 */
#ifndef FWI_BASE_FORKMARK_H
#define FWI_BASE_FORKMARK_H

#include <sys/types.h>
#include <unistd.h>

#include "base/base.h"

typedef struct fwi_forkmark {
    pid_t owner;
    const volatile unsigned char *ours; /* 1; in a child 0. NULL: ask getpid() */
} fwi_forkmark;

/* This process is the one. */
void fwi_forkmark_init(fwi_forkmark *mark);
void fwi_forkmark_fini(fwi_forkmark *mark);

static inline bool fwi_forkmark_is_ours(const fwi_forkmark *mark)
{
    return mark->ours != NULL ? *mark->ours == 1 : mark->owner == getpid();
}

#endif
