/*
 * A whole hub on the Redis backplane, whose Redis says anything at any time (redis.h),
 * with raw clients in a room with history and presence (sessions.h): whatever has been
 * written there, by whoever it was, clients hear whole frames, and nothing is left. What
 * is said to all nodes comes to raw clients as it is, whatever their format. The first
 * byte says what the URL names, the second how the hub is configured.
 */
#include "kept.h"
#include "redis.h"
#include "sessions.h"

enum { STEP = FUZZ_REDIS_ORDERS, ORDERS };

static fwi_redis_config config;

static fwi_backplane *new_backplane(fwi_loop *loop, const fwi_backplane_sink *sink,
                                    void *user)
{
    fuzz_loop = loop;
    return fwi_backplane_redis_new(loop, &config, sink, user);
}

static void begin(unsigned kind, unsigned how)
{
    fwi_protocol_id protocol = how & 2 ? FWI_CENTRIFUGE : FWI_RAW;
    config = fuzz_redis_config(kind);
    core_rig_backplane = new_backplane;
    core_rig_node = FUZZ_NODE;
    core_rig_init_with(&rig, 1 + (how >> 2 & 1),
                       fuzz_options(how & 1, "raw.mode", "rooms", "raw.format",
                                    how & 1 ? "json" : "plain", "client.insecure", "on",
                                    "namespace.kept.history.size", "5",
                                    "namespace.kept.presence", "on",
                                    "namespace.kept.join_leave", "on", NULL));
    core_rig_advance(&rig, 1001);
    fuzz_begin_play(protocol, protocol, protocol);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned kind = fuzz_u8(&in);
    begin(kind, fuzz_u8(&in));
    for (unsigned i = 0; in.left > 0 && i < FUZZ_ORDERS_MAX; i++) {
        unsigned what = fuzz_u8(&in) % ORDERS;
        if (what < STEP) {
            fuzz_serve((fuzz_redis_order)what, &in);
        } else {
            fuzz_piece piece = fuzz_sized(&in);
            fuzz_step(&piece);
            free(piece.data);
        }
        fuzz_settle();
    }
    fuzz_end_play();
    return 0;
}
