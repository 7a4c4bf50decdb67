/*
 * See the header. Errors of SSUBSCRIBE name no channel, so what was asked for is kept in
 * order, as on the command link; only that messages and unasked ends come in between.
 */
#include "backplane/redis_sharded.h"

#include <string.h>

#include "backplane/redis_backplane.h"
#include "backplane/redis_slot.h"
#include "wire/name.h"

const fwi_redis_verbs fwi_redis_sharded_verbs = {
    .publish = "SPUBLISH",
    .subscribe = "SSUBSCRIBE",
    .unsubscribe = "SUNSUBSCRIBE",
    .message = "smessage",
    .subscribed = "ssubscribe",
    .unsubscribed = "sunsubscribe",
    .batch = 1, /* a command's channels must be of one slot */
};

static const char moved[] = "MOVED ";
static const char unserved[] = "CLUSTERDOWN Hash slot not served";

static bool begins_with(const fwi_redis_reply *reply, const char *word)
{
    size_t len = strlen(word);
    return reply->whole.type == FWI_REDIS_ERROR && reply->whole.len >= len &&
           memcmp(reply->whole.str, word, len) == 0;
}

bool fwi_redis_is_elsewhere(const fwi_redis_reply *reply)
{
    /* ASK is one of "not now": what is published by the server that a slot is on its way
     * to is heard by nobody before it is there. */
    static const char *const words[] = {moved, "ASK ", "TRYAGAIN ", "CLUSTERDOWN "};
    for (size_t i = 0; i < FWI_ARRAY_LEN(words); i++) {
        if (begins_with(reply, words[i])) {
            return true;
        }
    }
    return false;
}

/* Is it "not here", in contrast to "not now"? */
static bool is_not_here(const fwi_redis_reply *reply)
{
    return begins_with(reply, moved) || begins_with(reply, unserved);
}

/* "MOVED SLOT HOST:PORT". Where to isn't believed: the map is asked for. FWI_REDIS_SLOTS:
 * it names none. */
static unsigned moved_slot(const fwi_redis_reply *reply)
{
    const char *digits = reply->whole.str + strlen(moved);
    if (!begins_with(reply, moved) || *digits < '0' || *digits > '9') {
        return FWI_REDIS_SLOTS;
    }
    unsigned long slot = strtoul(digits, NULL, 10);
    return slot < FWI_REDIS_SLOTS ? (unsigned)slot : FWI_REDIS_SLOTS;
}

unsigned fwi_redis_sharded_slot(fwi_redis_backplane *rb, const char *channel)
{
    rb->name.len = 0;
    return fwi_name_to_redis(&rb->name, rb->config.prefix, channel)
               ? fwi_redis_slot(rb->name.data, rb->name.len)
               : FWI_REDIS_SLOTS;
}

/* --- the command link --- */

bool fwi_redis_sharded_answered(fwi_redis_backplane *rb, uint64_t asked,
                                const fwi_redis_reply *reply)
{
    bool has_left = is_not_here(reply);
    fwi_redis_publish *e = fwi_redis_pending_find(&rb->pending, asked);
    /* Of a publish it is known which: one that was put back, and whose slot were still
     * there, would be sent again at once, and refused. */
    unsigned slot =
        e != NULL ? fwi_redis_sharded_slot(rb, e->channel) : moved_slot(reply);
    if (asked == FWI_REDIS_ASKED_CALL) {
        fwi_redis_call_refused(rb);
    } else if (asked == FWI_REDIS_ASKED_PROBE && has_left) {
        fwi_redis_health_excuse(&rb->health);
    } else if (e != NULL && fwi_redis_publish_is_kept(e)) {
        if (!fwi_redis_pending_put_aside(&rb->pending, e)) {
            rb->give_up = "out of memory";
        }
        if (!has_left) {
            fwi_redis_pause(rb);
        }
    } else if (e != NULL && has_left) {
        fwi_redis_pending_put_back(&rb->pending, e);
    } else if (!has_left) {
        return false;
    }
    if (has_left) {
        rb->cluster->on_slot_left(rb->cluster_user, rb, slot);
    }
    return true;
}

/* --- the subscribe link --- */

/* A channel with an order isn't freed, and its address is even. */
static fwi_redis_channel *channel_of(uint64_t order)
{
    return (fwi_redis_channel *)(uintptr_t)(order & ~UINT64_C(1));
}

static bool subscribes(uint64_t order)
{
    return (order & 1) != 0;
}

bool fwi_redis_sharded_ordered(fwi_redis_backplane *rb, fwi_redis_channel *c,
                               bool subscribe)
{
    return fwi_redis_asked_push(&rb->orders, (uint64_t)(uintptr_t)c | subscribe);
}

bool fwi_redis_sharded_confirmed(fwi_redis_backplane *rb, const char *name,
                                 bool subscribe)
{
    uint64_t order;
    if (fwi_redis_asked_first(&rb->orders, &order) && subscribes(order) == subscribe &&
        strcmp(channel_of(order)->name, name) == 0) {
        fwi_redis_asked_pop(&rb->orders, &order);
        return fwi_redis_channels_acked(&rb->channels, name, subscribe);
    }
    if (subscribe) {
        return false;
    }
    fwi_redis_channel *c = fwi_redis_channels_find(&rb->channels, name);
    if (c != NULL) {
        fwi_redis_channels_ended(&rb->channels, c);
    }
    rb->cluster->on_slot_left(rb->cluster_user, rb, fwi_redis_sharded_slot(rb, name));
    return true;
}

bool fwi_redis_sharded_refused(fwi_redis_backplane *rb, const fwi_redis_reply *reply)
{
    uint64_t order;
    if (begins_with(reply, "ERR unknown command")) {
        fwi_redis_leave(rb, "a Cluster needs Redis 7.0 or newer: it has no SSUBSCRIBE");
        return true;
    }
    if (!is_not_here(reply)) {
        return false;
    }
    bool has_order = fwi_redis_asked_first(&rb->orders, &order);
    unsigned slot = has_order ? fwi_redis_sharded_slot(rb, channel_of(order)->name) : 0;
    if (!has_order || (begins_with(reply, moved) && slot != moved_slot(reply))) {
        return true; /* of an end that came by itself before it was asked for */
    }
    fwi_redis_asked_pop(&rb->orders, &order);
    fwi_redis_channels_refused(&rb->channels, channel_of(order), subscribes(order));
    rb->cluster->on_slot_left(rb->cluster_user, rb, slot);
    return true;
}

bool fwi_redis_sharded_set_probe(fwi_redis_backplane *rb, const char *channel)
{
    bool started = rb->state != FWI_REDIS_IDLE;
    if (started && fwi_redis_channels_find(&rb->channels, channel) == NULL &&
        fwi_redis_channels_want(&rb->channels, channel) == NULL) {
        return false;
    }
    if (strcmp(rb->probe_channel, channel) == 0) {
        return true;
    }
    if (started) {
        fwi_redis_channels_unwant(&rb->channels, rb->probe_channel);
    }
    snprintf(rb->probe_channel, sizeof rb->probe_channel, "%s", channel);
    fwi_redis_health_excuse(&rb->health); /* one that is on its way may not come back */
    return true;
}

void fwi_redis_server_moved(fwi_redis_backplane *rb, const fwi_redis_host *to)
{
    fwi_redis_url *url = &rb->config.url;
    if (strcmp(url->host, to->host) == 0 && url->port == to->port) {
        return;
    }
    memcpy(url->host, to->host, sizeof url->host);
    url->port = to->port;
    fwi_redis_leave(rb, "its slots are served by another one now");
    fwi_redis_url_text(url, rb->url, sizeof rb->url);
    if (rb->state == FWI_REDIS_WAITING) {
        rb->backoff_ms = FWI_REDIS_BACKOFF_MIN_MS;
        fwi_loop_timer_clear(rb->loop, &rb->retry);
        fwi_loop_timer_set(rb->loop, &rb->retry, 0);
    }
}
