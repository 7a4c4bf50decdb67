/*
 * Signals are blocked in every thread and read from a descriptor by main, so nothing of
 * fanwired ever runs inside a signal handler. Main thread.
 */
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Blocks them and has them come from fd, -1: a new one. Returns it, or -1. */
static int take(int fd, bool of_terminal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (of_terminal) {
        sigaddset(&set, SIGQUIT);
        sigaddset(&set, SIGTSTP);
        sigaddset(&set, SIGWINCH);
    }
    int err = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (err != 0) {
        errno = err;
        return -1;
    }
    return signalfd(fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int fwd_signals_open(fwd_signals *s)
{
    signal(SIGPIPE, SIG_IGN);
    *s = (fwd_signals){.fd = take(-1, false), .done_fd = -1};
    if (s->fd >= 0) {
        s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    return s->done_fd >= 0 ? 0 : -1;
}

int fwd_signals_add_terminal(fwd_signals *s)
{
    return take(s->fd, true) >= 0 ? 0 : -1;
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

static fwd_wake wake_of(uint32_t signal)
{
    switch (signal) {
    case SIGHUP:
        return FWD_REOPEN;
    case SIGWINCH:
        return FWD_RESIZE;
    case SIGTSTP:
        return FWD_PAUSE;
    default:
        return FWD_STOP;
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
            return wake_of(info.ssi_signo);
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
