/*
 * Raw clients in rooms mode, whose queries say where they go and who they are: see
 * sessions.h. The first byte says how the hub is configured.
 */
#include "core/tokens.h"
#include "sessions.h"
#include "unit/token_vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const users[] = {"auto", "query", "token", "none"};
    static const char *const policies[] = {"close", "drop_oldest", "drop_newest",
                                           "latest"};
    char problem[FWI_KEYS_PROBLEM_MAX];
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    fuzz_hears_json = how & 1;
    core_rig_init(&rig, 1 + (how >> 1 & 1), "raw.mode", "rooms", "raw.format",
                  how & 1 ? "json" : "plain", "raw.user", users[how >> 2 & 3],
                  "outbox.policy", policies[how >> 4 & 3], "outbox.max_bytes", "8KiB",
                  "namespace.kept.history.size", "5", "namespace.kept.presence", "on",
                  "namespace.kept.join_leave", "on", "limit.rooms_per_session", "8",
                  "raw.echo_to_sender", how & 0x40 ? "off" : "on", NULL);
    if ((how & 0x80) != 0) {
        fwi_keys *keys = fwi_keys_new(NULL, NULL);
        MUST(keys != NULL && fwi_keys_add_secret(keys, secret, strlen(secret), problem));
        fwi_tokens_exchange(&rig.hub.tokens, keys);
    }
    fuzz_protocol = FWI_RAW;
    fuzz_play(&in);
    return 0;
}
