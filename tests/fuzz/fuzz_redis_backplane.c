/*
 * The Redis backplane on a fake loop, and a Redis that says anything at any time: the
 * input plays the servers (redis.h) and the hub (redis_wants.h), an order after the
 * other. The first byte says what the URL names: one server, Sentinels, a Cluster.
 */
#include "redis_wants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    begin(fuzz_u8(&in));
    for (unsigned i = 0; in.left > 0 && i < FUZZ_ORDERS_MAX; i++) {
        unsigned what = fuzz_u8(&in) % ORDERS;
        if (what < FUZZ_REDIS_ORDERS) {
            fuzz_serve((fuzz_redis_order)what, &in);
        } else {
            want((order)what, &in);
        }
    }
    end();
    return 0;
}
