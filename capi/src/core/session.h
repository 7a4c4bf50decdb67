/*
 * A session: the life of one connection and who it belongs to. It knows neither rooms'
 * insides nor sockets: the one it asks the shard for, the other it reaches by the
 * transport port.
 *
 * This header is what the transport calls. All on the loop's thread.
 */
#ifndef FWI_CORE_SESSION_H
#define FWI_CORE_SESSION_H

#include <fanwire/session.h>

#include "core/facts.h"
#include "core/transport.h"

typedef struct fwi_shard fwi_shard;
typedef struct fwi_session fwi_session;

/* What a session speaks, by the path that it came to: see core/protocol.h. */
typedef enum {
    FWI_RAW,
    FWI_CENTRIFUGE,
    FWI_SSE,     /* raw, told as Server-Sent Events */
    FWI_UNI_SSE, /* what clients of the Centrifuge protocol call unidirectional SSE */
    /* These clients where they have no WebSocket: they hear a stream of events, or of
     * lines, and speak by requests (emulation.h). */
    FWI_CENTRIFUGE_EVENTS,
    FWI_CENTRIFUGE_LINES,
    FWI_PROTOCOLS
} fwi_protocol_id;

/* May a new connection from this address come at all? Counts what it refuses. The head
 * hasn't been read yet; the transport calls it at accept with the socket's peer.
 * 0 or the HTTP status to refuse with (503). */
int fwi_shard_admit(fwi_shard *shard);

/* The connection is no longer waiting for its head or verdict (each admit is given back
 * once: by the session if one was made, else by this call). */
void fwi_shard_unadmit(fwi_shard *shard);

/* A connection was ended before it became a session, by its own fault: the head was bad,
 * or wasn't there in time (TLS included). */
void fwi_shard_count_http_error(fwi_shard *shard);

/* What has been inflated for a session of this loop, or couldn't be; inflater NULL:
 * nothing. */
struct fwi_inflater;
void fwi_shard_count_inflated(fwi_shard *shard, struct fwi_inflater *inflater);

/* After how long whose stream of events ends now is to come again: for each another time,
 * so that those who lost it together don't come together. */
uint32_t fwi_shard_retry_ms(fwi_shard *shard);

/* A handshake that is in order: makes a session, tied to c. facts is taken.
 * NULL: refuse with *status (503: limits, draining, out of memory; 429: address limit).
 */
fwi_session *fwi_session_new(fwi_shard *shard, const fwi_transport_ops *tp, fwi_conn *c,
                             fwi_facts *facts, fwi_protocol_id protocol, int *status);

/* Ask the application. accept or refuse follow, from inside this call or later. */
void fwi_session_ask(fwi_session *s);

/* Compression was agreed on: the peer inflates with a window of so many bits, 8 to 15.
 * 0, as at first: it wasn't. From inside `accept`, before anything is sent. */
void fwi_session_set_deflates(fwi_session *s, unsigned window_bits);

/* Something came, if only a part of a message: the peer lives. */
void fwi_session_on_bytes(fwi_session *s);

/* What came. Each returns whether more may be given now: false means that reading is
 * paused or the tie was cut. data is valid for the call; text is valid UTF-8. */
bool fwi_session_on_message(fwi_session *s, bool text, const void *data, size_t len);
bool fwi_session_on_ping(fwi_session *s, const void *data, size_t len);
bool fwi_session_on_pong(fwi_session *s, const void *data, size_t len);

/* A good Close frame: code 1005 if it had none. The session answers and finishes. */
void fwi_session_on_close(fwi_session *s, unsigned code, const void *reason, size_t len);

/* The peer broke the protocol: the session sends a Close frame with this code (1002,
 * 1003, 1007, 1009) and finishes. why is a sentence for the log. */
void fwi_session_on_failure(fwi_session *s, unsigned code, const char *why);

/* can_write is true again. */
void fwi_session_on_writable(fwi_session *s);

/* The socket is gone: EOF without Close, reset, failed write. */
void fwi_session_on_gone(fwi_session *s);

fw_session_id fwi_session_identity(const fwi_session *s);

#endif
