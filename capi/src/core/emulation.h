/*
 * Clients whose connection only goes one way, and who say what they have to say by
 * requests of their own, to whichever node they reach. The transport makes a session of
 * the stream that they hear (centrifuge_streams.c); here is how what they say comes to
 * it.
 *
 * A client names its session by a text that the node has sealed, since session ids are no
 * secret: presence shows them. @thread any
 */
#ifndef FWI_CORE_EMULATION_H
#define FWI_CORE_EMULATION_H

#include "core/hub.h"
#include "core/session.h"

enum { FWI_EMULATED_NODE = 16 + 1 }; /* 16 hexadecimal digits and NUL */

/* What the client of s is to say with each request: session and node. false: OpenSSL
 * can't make them. */
bool fwi_emulation_names(const fwi_session *s, char session[FWI_SEAL_TEXT],
                         char node[FWI_EMULATED_NODE]);

/* Commands of a client. Nobody waits for what becomes of them: their replies go to its
 * stream. FW_OK: they are on their way. FW_ERR_INVALID: these texts can't be names.
 * FW_ERR_GONE: there is no such session, or its node is known to be gone. FW_ERR_BUSY,
 * FW_ERR_CLOSED, FW_ERR_MEMORY. */
int fwi_hub_emulate(fwi_hub *hub, const char *node, const char *session, const void *data,
                    size_t len);

/* The same, from another node: whoever may publish to Redis may write it. @thread loop 0
 */
void fwi_emulation_came(fwi_hub *hub, fw_message *m);

/* Another node is there, or isn't any more. @thread loop 0 */
void fwi_emulation_on_node(fwi_hub *hub, uint64_t node, bool up);

#endif
