/*
 * Clients of the Centrifuge protocol on a whole hub: see sessions.h. The first byte says
 * how it is configured: everything allowed, or by tokens alone; one loop or two; and
 * whether clients may stay anonymous.
 */
#include "core/tokens.h"
#include "kept.h"
#include "sessions.h"

static void on_rpc(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    MUST(fw_event_method(e) != NULL);
    fw_event_data(e, &len);
}

static fw_options *options_of(unsigned how)
{
    const char *open = how & 1 ? "off" : "on";
    return fuzz_options(
        how & 5, "client.insecure", open, "client.anonymous", how & 4 ? "off" : "on",
        "room.allow.subscribe", open, "namespace.kept.history.size", "5",
        "namespace.kept.allow.subscribe", open, "namespace.kept.allow.publish", open,
        "namespace.kept.allow.history", open, "namespace.kept.presence", "on",
        "namespace.kept.join_leave", "on", "namespace.kept.allow.presence", open,
        "namespace.last.history.size", "5", "namespace.last.recovery_mode", "cache",
        "namespace.last.allow.subscribe", open, "namespace.last.allow.publish", open,
        "limit.rooms_per_session", "8", "message.max_bytes", "4096", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    core_rig_init_with(&rig, 1 + (how >> 1 & 1), options_of(how));
    core_rig_on(&rig, FW_EVENT_RPC, on_rpc, NULL);
    fwi_tokens_exchange(&rig.hub.tokens, fuzz_keys());
    fuzz_begin_play(FWI_CENTRIFUGE, FWI_CENTRIFUGE, FWI_CENTRIFUGE);
    fuzz_play(&in);
    return 0;
}
