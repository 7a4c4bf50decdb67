/*
 * A context of libwebsockets on a loop of ours, with its virtual hosts: one for plain
 * sockets and one for TLS. socket_lws.c makes it, gives it sockets, and drives those.
 */
#ifndef FWI_CONTEXT_LWS_H
#define FWI_CONTEXT_LWS_H

#include <libwebsockets.h>

#include "transport/transport_lws.h"

typedef struct fwi_context fwi_context;

/* The log that libwebsockets' lines go to when this thread calls it; NULL: none. */
void fwi_context_set_log(const fwi_log *log);

/* Makes it on a loop whose thread doesn't run yet. on_event is told what happens to the
 * sockets. config is borrowed for the call. 0, or FW_ERR_TLS / FW_ERR_SYSTEM /
 * FW_ERR_MEMORY with the detail set. @thread init */
int fwi_context_new(fwi_context **out, fwi_loop *loop, lws_callback_function *on_event,
                    const fwi_transport_config *config);

bool fwi_context_has_tls(const fwi_context *x);

/* Takes a connected socket, in any case. NULL: it is closed. @thread loop */
struct lws *fwi_context_adopt(fwi_context *x, int fd, bool secure, void *opaque);

/* Reads the TLS files anew, for those who come from now on. false: they can't be used,
 * and the line in the log says why. @thread loop */
bool fwi_context_reload(fwi_context *x, const fwi_transport_config *config);

/* When all its sockets are closed and the loop has no thread (any more). Takes NULL.
 * @thread any */
void fwi_context_free(fwi_context *x);

#endif
