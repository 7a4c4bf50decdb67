/*
 * Clients of the Centrifuge protocol on a whole hub: see sessions.h. The first byte says
 * how it is configured: everything allowed, or by tokens alone; one loop or two; and
 * whether clients may stay anonymous.
 */
#include "core/tokens.h"
#include "sessions.h"
#include "unit/token_vectors.h"

static fwi_keys *keys_of_secret(void)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_keys *keys = fwi_keys_new(NULL, NULL);
    MUST(keys != NULL && fwi_keys_add_secret(keys, secret, strlen(secret), problem));
    return keys;
}

static void on_rpc(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    MUST(fw_event_method(e) != NULL);
    fw_event_data(e, &len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    const char *open = how & 1 ? "off" : "on";
    core_rig_init(&rig, 1 + (how >> 1 & 1), "client.insecure", open, "client.anonymous",
                  how & 4 ? "off" : "on", "room.allow.subscribe", open,
                  "namespace.kept.history.size", "5", "namespace.kept.allow.subscribe",
                  open, "namespace.kept.allow.publish", open,
                  "namespace.kept.allow.history", open, "namespace.kept.presence", "on",
                  "namespace.kept.join_leave", "on", "namespace.kept.allow.presence",
                  open, "limit.rooms_per_session", "8", "message.max_bytes", "4096",
                  NULL);
    core_rig_on(&rig, FW_EVENT_RPC, on_rpc, NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of_secret());
    fuzz_protocol = FWI_CENTRIFUGE;
    fuzz_hears_json = true;
    fuzz_play(&in);
    return 0;
}
