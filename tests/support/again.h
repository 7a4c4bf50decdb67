/*
 * A call for a client's socket once more, if it was interrupted. A signal isn't needed
 * for that: with io_uring, as libuv uses it on Debian 13, a thread that has run a loop is
 * interrupted when that loop is gone, in whatever has a time-out.
 */
#ifndef FW_TESTS_AGAIN_H
#define FW_TESTS_AGAIN_H

#include <errno.h>

#define AGAIN(n, call)                                                                   \
    do {                                                                                 \
        errno = 0;                                                                       \
        (n) = (call);                                                                    \
    } while ((n) < 0 && errno == EINTR)

#endif
