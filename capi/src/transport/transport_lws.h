/*
 * Sockets on libwebsockets' RAW role, one context a loop, and the door: the head of an
 * HTTP request becomes a session, an answer, or a refusal.
 *
 * What it tells core is in core/session.h, what core asks of it in core/transport.h.
 */
#ifndef FWI_TRANSPORT_TRANSPORT_LWS_H
#define FWI_TRANSPORT_TRANSPORT_LWS_H

#include "base/log.h"
#include "core/loop.h"
#include "core/session.h"
#include "wire/http_call.h"
#include "wire/ws_handshake.h"

typedef struct fwi_transport fwi_transport;

/* What a connection came in by. Lives as long as the transports that know it. */
typedef struct fwi_door {
    bool tls;
    /* Raw handshakes are taken here; NULL: none, this is an HTTP door. */
    const char *path;
    /* And where who speaks something else comes in; NULL: nowhere. */
    const char *paths[FWI_PROTOCOLS];
    /* Answers requests elsewhere; NULL: 404. Where service_path isn't NULL only those
     * there, which are what clients say who hear by a stream. */
    const fwi_http_service *service;
    const char *service_path;
    void *user;
} fwi_door;

typedef struct fwi_transport_config {
    const fwi_log *log;
    const char *tls_cert, *tls_key; /* files; NULL: no door has TLS */
    uint64_t handshake_timeout_ms;
    /* Of doors without a path: for a request as a whole, and for the next one. */
    uint64_t request_timeout_ms, idle_timeout_ms;
    unsigned http_max; /* connections that came in by them */
    size_t message_max;
    bool compression; /* permessage-deflate is agreed on with those who offer it */
    const char *const *origins;
    size_t n_origins;
    const fwi_networks *trusted;
    /* How libwebsockets comes to a loop and goes (fwi_guest_uv): in fwi_transport_new,
     * and in fwi_transport_free. */
    const fwi_guest_ops *guests;
} fwi_transport_config;

/* Makes the context on a loop whose thread doesn't run yet. config and what it points to
 * are borrowed as long as the transport lives. 0, or FW_ERR_TLS / FW_ERR_SYSTEM /
 * FW_ERR_MEMORY with the detail set (names the file and the reason).
 *
 * Two things of libwebsockets reach the whole process: SIGPIPE is ignored from now on,
 * and its log level is set to errors and warnings, which go to config->log. @thread init
 */
int fwi_transport_new(fwi_transport **out, fwi_loop *loop, fwi_shard *shard,
                      const fwi_transport_config *config);

/* Other origins, proxies and limits for those who come from now on: the config that the
 * transport was made with isn't needed any more. What else is in it is as it was. The TLS
 * files are read anew; false: they can't be used, and the line in the log says why.
 * @thread loop */
bool fwi_transport_reload(fwi_transport *t, const fwi_transport_config *config);

/* Takes a connected socket, in any case: what the shard doesn't admit is answered, or
 * closed if that would cost a TLS handshake. peer is copied. @thread loop */
void fwi_transport_adopt(fwi_transport *t, int fd, const fwi_door *door,
                         const char *peer);

/* Closes all connections at once: those tied to a session are reset, their sessions have
 * been ended before and aren't told. Later adopts are closed. First half of the end. Not
 * from inside something the transport called (a session, a service). @thread loop */
void fwi_transport_close(fwi_transport *t);

/* Second half: when the loop's thread has been joined, or was never started. The loop can
 * be freed afterwards. @thread any */
void fwi_transport_free(fwi_transport *t);

#endif
