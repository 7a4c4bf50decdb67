/*
 * What the two files of client streams share: stream_dial.c brings a connection about,
 * stream_uv.c uses it and ends it. Nobody else includes this.
 *
 * A stream is freed as soon as it has ended, but libuv gives handles and requests back
 * later. So these are objects of their own (conn, lookup, write_req) which forget their
 * stream when it goes. Callbacks into the user may end the stream: whoever makes one
 * holds the memory by fwi_stream_hold and _drop, and looks at s->ended afterwards.
 * @thread loop
 */
#ifndef FWI_IO_STREAM_INSIDE_H
#define FWI_IO_STREAM_INSIDE_H

#include "base/buf.h"
#include "io/stream_tls.h"
#include "io/uv_inside.h"

typedef enum {
    FWI_STREAM_RESOLVING,
    FWI_STREAM_CONNECTING,
    FWI_STREAM_HANDSHAKE,
    FWI_STREAM_OPEN
} fwi_stream_phase;

/* One attempt's handle. */
typedef struct fwi_stream_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } h;
    uv_connect_t connect;
    uv_timer_t patience; /* with a peer that hasn't closed after us */
    fwi_uv_loop *u;
    fwi_stream *s; /* NULL: it has gone */
} fwi_stream_conn;

struct fwi_stream {
    fwi_uv_loop *u;
    fwi_list link;
    fwi_stream_events events;
    void *user;
    fwi_stream_phase phase;
    bool ended;
    unsigned held;
    struct fwi_stream_lookup *lookup;
    fwi_stream_conn *conn;
    struct addrinfo *addresses, *next; /* found; the next to try */
    fwi_tls *tls;
    fwi_buf early; /* written before it was open */
    fwi_timer deadline, attempt, failing;
    char where[160]; /* "127.0.0.1:6379" */
    char why[320];   /* the sentence for on_close */
};

/* stream_uv.c */
void fwi_stream_hold(fwi_stream *s);
void fwi_stream_drop(fwi_stream *s);
/* Sets s->why: "connect 127.0.0.1:6379: connection refused". */
void fwi_stream_why(fwi_stream *s, const char *doing, int err);
/* Ends it and says s->why. Only from callbacks of the loop. */
void fwi_stream_fail(fwi_stream *s);
void fwi_stream_close_conn(fwi_stream *s);
/* The dial has succeeded. */
void fwi_stream_connected(fwi_stream *s);

/* stream_dial.c */
/* False: it has failed at once, s->why is set. Later: connected or failed. */
bool fwi_stream_dial(fwi_stream *s, const fwi_stream_target *target);
void fwi_stream_dial_init(fwi_stream *s);
/* Gives up what isn't finished. */
void fwi_stream_dial_end(fwi_stream *s);

#endif
