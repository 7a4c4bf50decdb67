/*
 * Clients that only listen, by streams of events, on a whole hub: b as raw ones, c as the
 * Centrifuge protocol has them, which says what it wants in its query (cf_connect); and
 * a, on a WebSocket, is in the same rooms. See sessions.h and application.h: what the
 * streams say is whole events, and by their ids clients come back. The first byte says
 * how the hub is configured.
 */
#include "application.h"
#include "core/tokens.h"
#include "kept.h"

static fw_options *options_of(unsigned how)
{
    static const char *const policies[] = {"close", "drop_oldest", "drop_newest",
                                           "latest"};
    const char *open = how & 8 ? "off" : "on";
    return fuzz_options(
        how & 0x39, "raw.mode", "rooms", "raw.format", how & 1 ? "json" : "plain",
        "client.insecure", open, "outbox.policy", policies[how >> 4 & 3],
        "outbox.max_bytes", "8KiB", "namespace.kept.history.size", "5",
        "namespace.kept.presence", "on", "namespace.kept.join_leave", "on",
        "namespace.last.history.size", "5", "namespace.last.recovery_mode", "cache",
        "limit.rooms_per_session", "8", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    core_rig_init_with(&rig, 1 + (how >> 1 & 1), options_of(how));
    fwi_tokens_exchange(&rig.hub.tokens, fuzz_keys());
    fuzz_own_step = fuzz_application;
    fuzz_hears_json = how & 1;
    fuzz_begin_play(how & 4 ? FWI_CENTRIFUGE : FWI_RAW, FWI_SSE, FWI_UNI_SSE);
    fuzz_play(&in);
    return 0;
}
