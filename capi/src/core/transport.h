/*
 * Port: sockets that carry sessions. The transport reads and parses (head, frames), tells
 * the session what came (core/session.h), and writes what the session hands it.
 *
 * A connection (fwi_conn) belongs to the transport, a session to core. They are tied
 * together from fwi_session_new until core calls refuse, finish or abort, or the
 * transport calls fwi_session_on_gone: each of these cuts the tie for both, and neither
 * calls the other about it again.
 *
 * All on the loop's thread.
 */
#ifndef FWI_CORE_TRANSPORT_H
#define FWI_CORE_TRANSPORT_H

#include "base/base.h"

typedef struct fwi_conn fwi_conn;

typedef struct fwi_transport_ops {
    /* The other end's life is watched elsewhere: no heartbeat. */
    bool watches_itself;

    /* The session is let in: write the 101, or the head of a stream, and read on. */
    void (*accept)(fwi_conn *c);

    /* It isn't: write an HTTP answer, end gently. reason is borrowed, one line. */
    void (*refuse)(fwi_conn *c, int status, const char *reason);

    /* Does nothing of it wait in front of the kernel? When not, the transport calls
     * fwi_session_on_writable once it has drained. */
    bool (*can_write)(fwi_conn *c);

    /* Takes all of it, copying what the kernel doesn't. Only while can_write.
     * false: the connection has failed; fwi_session_on_gone comes later in this turn. */
    bool (*write)(fwi_conn *c, const void *data, size_t len);

    /* Changes when the peer has taken something. What it says isn't read while not
     * can_write, so this alone tells whether it is alive then. */
    uint32_t (*taken)(fwi_conn *c);

    /* Has the peer got all that was written? Where it says nothing that shows that it is
     * alive. */
    bool (*has_taken_all)(fwi_conn *c);

    /* Everything is written, the Close frame too: let it drain, stop writing, throw away
     * what still comes until EOF or a second is over, close. */
    void (*finish)(fwi_conn *c);

    /* Reset it now. */
    void (*abort)(fwi_conn *c);

    /* Stop or go on reading. Bytes already read are kept; going on first serves these,
     * not from inside this call. */
    void (*pause)(fwi_conn *c, bool paused);
} fwi_transport_ops;

#endif
