/*
 * Handing the listening sockets from the fanwired that runs to the one that is started to
 * take its place: option handover.path, a Unix socket that the running one listens on.
 *
 *   the new one connects     old: "fanwired 1 own" and all listening sockets
 *   it has started           new: "ready"
 *   the old one lets go      old: "yours", and drains
 *
 * Whoever ends, hangs or is somebody else's before "ready" changes nothing: the old one
 * goes on accepting all the while. Only processes of one user hand over to each other.
 * Main thread.
 */
#ifndef FANWIRED_HANDOVER_H
#define FANWIRED_HANDOVER_H

#include <fanwire/fanwire.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "log_file.h"

typedef struct fwd_handover {
    const char *path; /* ""; or handover.path, borrowed from the options */
    fwd_log *log;
    bool lent;       /* a service manager has the sockets, too */
    int listen_fd;   /* on which successors call; -1: none */
    char bound[108]; /* where it is bound until it gets its name: path and a suffix */
    dev_t dev;       /* of its file */
    ino_t ino;
    int peer_fd; /* the forerunner while starting, then the successor; -1: nobody */
    pid_t peer;
    int64_t deadline_ms; /* when the peer's answer is given up; without a peer, when the
                          * call that couldn't be taken is tried again; -1: never */
    bool starved;        /* said so */
} fwd_handover;

/* Prepares to be called; if somebody runs there already, his sockets are given to the
 * hub, which isn't started yet. lent: so are sockets of a service manager. 0, or the exit
 * status after the reason was reported: fwd_handover_close then, too. */
int fwd_handover_open(fwd_handover *h, const fw_options *options, fwd_log *log, bool lent,
                      fw_hub *hub);

/* The hub has started: the forerunner is told and lets go; successors may call. */
void fwd_handover_begin(fwd_handover *h, fw_hub *hub);

/* Removes the path, unless it is somebody else's by now. */
void fwd_handover_close(fwd_handover *h);

/* What to wait for while serving: a descriptor (-1: nothing) and for how long (-1:
 * without end). */
int fwd_handover_fd(const fwd_handover *h);
int fwd_handover_timeout_ms(const fwd_handover *h);

/* One of these has come. True: the successor is ready, and it is time to let go. */
bool fwd_handover_step(fwd_handover *h, fw_hub *hub);

/* Has somebody got the sockets who isn't ready yet? */
bool fwd_handover_is_under_way(const fwd_handover *h);

/* The hub's listeners are released: tells the successor. Returns its process. */
pid_t fwd_handover_finish(fwd_handover *h);

#endif
