/*
 * Raw clients in rooms mode, whose queries say where they go and who they are: see
 * sessions.h. The first byte says how the hub is configured.
 */
#include "core/tokens.h"
#include "kept.h"
#include "sessions.h"

static fw_options *options_of(unsigned how)
{
    static const char *const users[] = {"auto", "query", "token", "none"};
    static const char *const policies[] = {"close", "drop_oldest", "drop_newest",
                                           "latest"};
    return fuzz_options(how & 0x7d, "raw.mode", "rooms", "raw.format",
                        how & 1 ? "json" : "plain", "raw.user", users[how >> 2 & 3],
                        "outbox.policy", policies[how >> 4 & 3], "outbox.max_bytes",
                        "8KiB", "namespace.kept.history.size", "5",
                        "namespace.kept.presence", "on", "namespace.kept.join_leave",
                        "on", "limit.rooms_per_session", "8", "raw.echo_to_sender",
                        how & 0x40 ? "off" : "on", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    core_rig_init_with(&rig, 1 + (how >> 1 & 1), options_of(how));
    if ((how & 0x80) != 0) {
        fwi_tokens_exchange(&rig.hub.tokens, fuzz_keys());
    }
    fuzz_hears_json = how & 1;
    fuzz_begin_play(FWI_RAW, FWI_RAW, FWI_RAW);
    fuzz_play(&in);
    return 0;
}
