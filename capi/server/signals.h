/*
 * Signals as something to wait for, never as handlers.
 */
#ifndef FANWIRED_SIGNALS_H
#define FANWIRED_SIGNALS_H

typedef struct fwd_signals {
    int fd;      /* signalfd */
    int done_fd; /* eventfd */
} fwd_signals;

typedef enum {
    FWD_STOP,   /* TERM or INT, and of a terminal QUIT */
    FWD_REOPEN, /* HUP */
    FWD_DONE,   /* fwd_signals_done() */
    FWD_RESIZE, /* WINCH, of a terminal */
    FWD_PAUSE,  /* TSTP, of a terminal */
    FWD_OTHER,  /* what fwd_signals_wait_or was to look at, too */
} fwd_wake;

/* Blocks TERM, INT and HUP in this thread and in those started later, so call it before
 * there are others; ignores PIPE. 0, or -1 with errno. */
int fwd_signals_open(fwd_signals *s);
void fwd_signals_close(fwd_signals *s);

/* Blocks and waits for what a terminal says, too: QUIT, TSTP and WINCH. Likewise before
 * there are other threads. 0, or -1 with errno. */
int fwd_signals_add_terminal(fwd_signals *s);

/* Waits for the next signal, or for fwd_signals_done(). */
fwd_wake fwd_signals_wait(fwd_signals *s);

/* Waits also until fd can be read (-1: none), and not longer than timeout_ms (-1: without
 * end). */
fwd_wake fwd_signals_wait_or(fwd_signals *s, int fd, int timeout_ms);

/* Wakes the one that waits: something else than a signal has come. @thread any */
void fwd_signals_done(fwd_signals *s);

#endif
