/*
 * Signals are blocked in every thread and read from a descriptor by main, so nothing of
 * fanwired ever runs inside a signal handler. Main thread.
 */
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

int fwd_signals_open(fwd_signals *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    *s = (fwd_signals){.fd = -1, .done_fd = -1};
    int err = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (err != 0) {
        errno = err;
        return -1;
    }
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->fd >= 0 && s->done_fd >= 0 ? 0 : -1;
}

void fwd_signals_close(fwd_signals *s)
{
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->done_fd >= 0) {
        close(s->done_fd);
    }
}

fwd_wake fwd_signals_wait(fwd_signals *s)
{
    return fwd_signals_wait_or(s, -1, -1);
}

fwd_wake fwd_signals_wait_or(fwd_signals *s, int fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = s->fd, .events = POLLIN},
                           {.fd = s->done_fd, .events = POLLIN},
                           {.fd = fd, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo info;
        uint64_t count;
        int n = poll(fds, 3, timeout_ms);
        if (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info) {
            return info.ssi_signo == SIGHUP ? FWD_REOPEN : FWD_STOP;
        }
        if (read(s->done_fd, &count, sizeof count) == (ssize_t)sizeof count) {
            return FWD_DONE;
        }
        /* EINTR (a debugger, a stopped process that goes on) just looks again. */
        if (n == 0 || (n > 0 && fds[2].revents != 0)) {
            return FWD_OTHER;
        }
    }
}

void fwd_signals_done(fwd_signals *s)
{
    uint64_t one = 1;
    (void)!write(s->done_fd, &one, sizeof one);
}
