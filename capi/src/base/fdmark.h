/*
 * What was behind a descriptor: a number that was closed may be somebody else's file by
 * now. Tells files, sockets and pipes apart; of what has no inode of its own (eventfd,
 * epoll) any is taken for any other.
 *
 * @thread any
 */
#ifndef FWI_BASE_FDMARK_H
#define FWI_BASE_FDMARK_H

#include <sys/types.h>

#include "base/base.h"

typedef struct fwi_fdmark {
    dev_t dev;
    ino_t ino; /* 0: nothing was behind it */
} fwi_fdmark;

fwi_fdmark fwi_fdmark_of(int fd);

/* Is it still behind this number? */
bool fwi_fdmark_fits(const fwi_fdmark *mark, int fd);

#endif
