/*
 * The table of protocols, and what is the same for all of them. @thread loop
 */
#include "core/protocol.h"

const fwi_protocol *const fwi_protocols[FWI_PROTOCOLS] = {
    [FWI_RAW] = &fwi_raw_protocol,
    [FWI_CENTRIFUGE] = &fwi_centrifuge_protocol,
    [FWI_SSE] = &fwi_sse_protocol,
    [FWI_UNI_SSE] = &fwi_uni_sse_protocol,
    [FWI_CENTRIFUGE_EVENTS] = &fwi_centrifuge_events_protocol,
    [FWI_CENTRIFUGE_LINES] = &fwi_centrifuge_lines_protocol,
};

fwi_frame *fwi_telling_as(fwi_telling *t, unsigned protocol)
{
    if (!t->made[protocol]) {
        t->made[protocol] = true;
        t->frame[protocol] = fwi_protocols[protocol]->frame(t->shard, t->channel, t->m);
    }
    return t->frame[protocol];
}

void fwi_telling_fini(fwi_telling *t)
{
    for (unsigned i = 0; i < FWI_PROTOCOLS; i++) {
        fwi_frame_unref(t->frame[i]);
    }
}
