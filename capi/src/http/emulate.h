/*
 * What clients of the Centrifuge protocol say who hear by a stream (core/emulation.h):
 * POST with {"session","node","data"}, answered with 204 as soon as it is on its way. A
 * service of the doors where sessions come in. @thread loop, any of them
 */
#ifndef FWI_HTTP_EMULATE_H
#define FWI_HTTP_EMULATE_H

#include "core/hub.h"
#include "wire/http_call.h"

extern const fwi_http_service fwi_emulate_service; /* user is the fwi_hub */

#endif
