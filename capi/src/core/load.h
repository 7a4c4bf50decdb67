/*
 * A node's load, as it tells the others: some of its metrics. It goes along with each
 * beat of the lease, so it is short, and with what the HTTP API says of nodes.
 */
#ifndef FWI_CORE_LOAD_H
#define FWI_CORE_LOAD_H

#include "core/hub.h"

/* Appends {"interval":S,"items":{"fanwire_...":N,...}}: seconds since the start, in which
 * what grows has grown, and metrics by their names in /metrics, of all loops together.
 * false: out of memory. @thread loop 0 */
bool fwi_load_put(fwi_hub *hub, fwi_buf *out);

#endif
