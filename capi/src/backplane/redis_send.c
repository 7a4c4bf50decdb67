/*
 * What the Redis backplane writes to its links: subscriptions, and publishes in the order
 * of their serials. What comes back is in redis_receive.c. Loop 0's thread.
 */
#include "backplane/redis_backplane.h"

#include <string.h>

#include "backplane/redis_sharded.h"
#include "wire/name.h"

const fwi_redis_verbs fwi_redis_verbs_of_one = {
    .publish = "PUBLISH",
    .subscribe = "SUBSCRIBE",
    .unsubscribe = "UNSUBSCRIBE",
    .message = "message",
    .subscribed = "subscribe",
    .unsubscribed = "unsubscribe",
    .batch = FWI_REDIS_BATCH,
};

bool fwi_redis_send_command(fwi_redis_backplane *rb, fwi_redis_which link, int argc,
                            const char **argv, const size_t *lens)
{
    return fwi_redis_link_send(rb->links[link], argc, argv, lens);
}

bool fwi_redis_put_key(const fwi_redis_backplane *rb, fwi_buf *out, const char *channel,
                       const char *suffix)
{
    return fwi_buf_puts(out, "{") && fwi_name_to_redis(out, rb->config.prefix, channel) &&
           fwi_buf_puts(out, "}") && fwi_buf_puts(out, suffix);
}

bool fwi_redis_send_publish(fwi_redis_backplane *rb, const char *channel, uint64_t asked)
{
    rb->name.len = 0;
    if (!fwi_name_to_redis(&rb->name, rb->config.prefix, channel) ||
        !fwi_redis_asked_push(&rb->asked, asked)) {
        return false;
    }
    const char *argv[] = {rb->verbs->publish, rb->name.data, rb->envelope.data};
    const size_t lens[] = {strlen(argv[0]), rb->name.len, rb->envelope.len};
    rb->counts.publishes++;
    return fwi_redis_send_command(rb, FWI_REDIS_COMMAND, 3, argv, lens);
}

static bool send_batch(fwi_redis_backplane *rb, bool subscribe,
                       fwi_redis_channel *const *batch, size_t n)
{
    const char *argv[FWI_REDIS_BATCH + 1];
    size_t lens[FWI_REDIS_BATCH + 1], starts[FWI_REDIS_BATCH + 1];
    rb->name.len = 0;
    for (size_t i = 0; i < n; i++) {
        starts[i] = rb->name.len;
        if (!fwi_name_to_redis(&rb->name, rb->config.prefix, batch[i]->name)) {
            return false;
        }
    }
    starts[n] = rb->name.len;
    rb->counts.subscribes += subscribe;
    rb->counts.unsubscribes += !subscribe;
    argv[0] = subscribe ? rb->verbs->subscribe : rb->verbs->unsubscribe;
    lens[0] = strlen(argv[0]);
    for (size_t i = 0; i < n; i++) {
        argv[i + 1] = rb->name.data + starts[i];
        lens[i + 1] = starts[i + 1] - starts[i];
    }
    return fwi_redis_send_command(rb, FWI_REDIS_SUBSCRIBER, (int)n + 1, argv, lens);
}

bool fwi_redis_send_subscriptions(fwi_redis_backplane *rb)
{
    fwi_redis_channel *batch[FWI_REDIS_BATCH];
    bool subscribe = false;
    size_t n;
    while ((n = fwi_redis_channels_batch(&rb->channels, &subscribe, batch,
                                         rb->verbs->batch)) > 0) {
        if (!send_batch(rb, subscribe, batch, n) ||
            (rb->cluster != NULL &&
             !fwi_redis_sharded_ordered(rb, batch[0], subscribe))) {
            return false;
        }
    }
    return true;
}

/* A publish to a channel whose SUBSCRIBE isn't confirmed would go by before this node
 * hears the channel. It waits, and all later ones behind it. */
static bool must_wait(fwi_redis_backplane *rb, fwi_redis_publish *e)
{
    if (fwi_redis_publish_is_delivered(e)) {
        return false; /* It needs no echo. */
    }
    const fwi_redis_channel *c =
        fwi_redis_channels_find_again(&rb->channels, e->channel, &e->hint);
    return c != NULL && !c->confirmed;
}

static bool send_plain(fwi_redis_backplane *rb, const fwi_redis_publish *e)
{
    rb->envelope.len = 0;
    return fwi_message_encode(e->m, rb->config.node, e->serial, &rb->envelope) &&
           fwi_redis_send_publish(rb, e->channel, e->serial);
}

bool fwi_redis_send_publishes(fwi_redis_backplane *rb, uint64_t up_to_serial)
{
    fwi_redis_publish *e;
    while ((e = fwi_redis_pending_next_unsent(&rb->pending)) != NULL &&
           e->serial <= up_to_serial && !must_wait(rb, e) &&
           fwi_redis_link_backlog(rb->links[FWI_REDIS_COMMAND]) < FWI_REDIS_BACKLOG_MAX) {
        if (fwi_redis_publish_is_kept(e) && fwi_redis_history_must_wait(rb, e)) {
            if (!fwi_redis_pending_put_aside(&rb->pending, e)) {
                return false;
            }
            continue;
        }
        if (!(fwi_redis_publish_is_kept(e) ? fwi_redis_history_send(rb, e)
                                           : send_plain(rb, e))) {
            return false;
        }
        fwi_redis_publish_set_sent(e);
    }
    return true;
}
