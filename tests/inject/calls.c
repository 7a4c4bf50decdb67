/*
 * System calls: those that take a descriptor or a thread, and those that move bytes. Only
 * streams are read and written in part: what is short of a datagram or of a counter
 * (eventfd) is lost or refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "inject.h"

/* Declares next_NAME, the function behind this one. */
#define NEXT(type, name, ...)                                                            \
    static type (*next)(__VA_ARGS__);                                                    \
    if (next == NULL) {                                                                  \
        next = (type(*)(__VA_ARGS__))(uintptr_t)inject_next(name);                       \
    }

/* --- descriptors and threads --- */

static bool is_refused(const void *from)
{
    static const int reasons[] = {EMFILE, ENFILE, ENOMEM};
    static unsigned turn;
    if (!inject_fails(INJECT_DESCRIPTORS, from)) {
        return false;
    }
    errno = reasons[turn++ % 3];
    return true;
}

int socket(int domain, int type, int protocol)
{
    NEXT(int, "socket", int, int, int)
    return is_refused(INJECT_CALLER) ? -1 : next(domain, type, protocol);
}

int eventfd(unsigned count, int flags)
{
    NEXT(int, "eventfd", unsigned, int)
    return is_refused(INJECT_CALLER) ? -1 : next(count, flags);
}

int epoll_create1(int flags)
{
    NEXT(int, "epoll_create1", int)
    return is_refused(INJECT_CALLER) ? -1 : next(flags);
}

/* libuv ends the process if it can't have the first, of the signals of all loops. */
static bool is_first_of_libuv(const void *from)
{
    static atomic_flag had = ATOMIC_FLAG_INIT;
    return inject_is_from(from, "libuv") && !atomic_flag_test_and_set(&had);
}

int pipe2(int fds[2], int flags)
{
    NEXT(int, "pipe2", int *, int)
    bool refused = !is_first_of_libuv(INJECT_CALLER) && is_refused(INJECT_CALLER);
    return refused ? -1 : next(fds, flags);
}

/* On some machines files of any size have a function of their own. */
#define OPEN(name)                                                                       \
    int name(const char *path, int flags, ...)                                           \
    {                                                                                    \
        NEXT(int, #name, const char *, int, ...)                                         \
        va_list ap;                                                                      \
        va_start(ap, flags);                                                             \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;     \
        va_end(ap);                                                                      \
        return is_refused(INJECT_CALLER) ? -1 : next(path, flags, mode);                 \
    }

OPEN(open)
OPEN(open64)

/* The error number is what it gives back. libuv ends the process if it can't have the
 * threads of its own pool, so those it has. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*start)(void *), void *user)
{
    NEXT(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *),
         void *)
    bool refused = !inject_is_from(INJECT_CALLER, "libuv") && is_refused(INJECT_CALLER);
    return refused ? EAGAIN : next(thread, attributes, start, user);
}

/* --- bytes --- */

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* A third is interrupted, a third comes short, a third is left alone. false: it is
 * interrupted. */
static bool draw(const void *from, int fd, size_t *len)
{
    unsigned lot = inject_draw(from);
    if (lot == 0) {
        return true;
    }
    if (lot % 3 == 0) {
        errno = EINTR;
        return false;
    }
    if (lot % 3 == 1 && *len > 1 && is_stream(fd)) {
        *len = 1 + lot / 3 % (*len - 1);
    }
    return true;
}

ssize_t read(int fd, void *data, size_t len)
{
    NEXT(ssize_t, "read", int, void *, size_t)
    return draw(INJECT_CALLER, fd, &len) ? next(fd, data, len) : -1;
}

ssize_t write(int fd, const void *data, size_t len)
{
    NEXT(ssize_t, "write", int, const void *, size_t)
    return draw(INJECT_CALLER, fd, &len) ? next(fd, data, len) : -1;
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
    NEXT(ssize_t, "recv", int, void *, size_t, int)
    return draw(INJECT_CALLER, fd, &len) ? next(fd, data, len, flags) : -1;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    NEXT(ssize_t, "send", int, const void *, size_t, int)
    return draw(INJECT_CALLER, fd, &len) ? next(fd, data, len, flags) : -1;
}

/* Of several pieces the first, or a part of it. */
static bool draw_vector(const void *from, int fd, const struct iovec *v, int *n,
                        struct iovec *first)
{
    *first = v[0];
    if (!draw(from, fd, &first->iov_len)) {
        return false;
    }
    if (*n > 0 && first->iov_len < v[0].iov_len) {
        *n = 1;
    }
    return true;
}

ssize_t readv(int fd, const struct iovec *v, int n)
{
    NEXT(ssize_t, "readv", int, const struct iovec *, int)
    struct iovec first;
    int all = n;
    if (!draw_vector(INJECT_CALLER, fd, v, &n, &first)) {
        return -1;
    }
    return next(fd, n < all || n == 1 ? &first : v, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    NEXT(ssize_t, "writev", int, const struct iovec *, int)
    struct iovec first;
    int all = n;
    if (!draw_vector(INJECT_CALLER, fd, v, &n, &first)) {
        return -1;
    }
    return next(fd, n < all || n == 1 ? &first : v, n);
}

/* Descriptors that travel with a message would be lost with its rest. */
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    NEXT(ssize_t, "sendmsg", int, const struct msghdr *, int)
    struct msghdr part = *m;
    struct iovec first;
    int n = (int)m->msg_iovlen;
    if (m->msg_control == NULL && n > 0) {
        if (!draw_vector(INJECT_CALLER, fd, m->msg_iov, &n, &first)) {
            return -1;
        }
        if (n == 1) {
            part.msg_iov = &first;
            part.msg_iovlen = 1;
        }
    }
    return next(fd, &part, flags);
}

/* Newcomers are accepted where bytes are moved and where descriptors are taken. */
int accept4(int fd, struct sockaddr *address, socklen_t *address_len, int flags)
{
    NEXT(int, "accept4", int, struct sockaddr *, socklen_t *, int)
    size_t len = 0;
    if (is_refused(INJECT_CALLER) || !draw(INJECT_CALLER, fd, &len)) {
        return -1;
    }
    return next(fd, address, address_len, flags);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    NEXT(int, "epoll_wait", int, struct epoll_event *, int, int)
    size_t len = 0;
    return draw(INJECT_CALLER, fd, &len) ? next(fd, events, max, timeout) : -1;
}

int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout,
                const sigset_t *signals)
{
    NEXT(int, "epoll_pwait", int, struct epoll_event *, int, int, const sigset_t *)
    size_t len = 0;
    return draw(INJECT_CALLER, fd, &len) ? next(fd, events, max, timeout, signals) : -1;
}
