/*
 * The backplane on Redis' publish/subscribe: its life and the operations of the port.
 * Called by the hub, by the loop's timers and by its two links; all on loop 0.
 *
 * Invariants:
 * - A link lost is both lost: there is no state in which half of the work goes on.
 * - PUBLISHes go out in the order of their serials, also after a return, and none passes
 *   an earlier one that waits for its channel's subscription: redis_seen.c relies on it.
 * - Every own publish is delivered here once: by its echo, or locally when it is known
 *   that none will come in time.
 */
#include "backplane/redis_backplane.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_cluster.h"
#include "core/error.h"
#include "wire/envelope.h"
#include "wire/name.h"

enum {
    /* What is on its way to a Redis that answers may be more than what may wait for one
     * that doesn't: a burst of large messages isn't an outage. */
    IN_FLIGHT_FACTOR = 4
};

static const char *const state_names[FWI_REDIS_STATES] = {
    "idle", "waiting", "connecting", "resubscribing", "up", "stopped"};

static const bool allowed[FWI_REDIS_STATES][FWI_REDIS_STATES] = {
    [FWI_REDIS_IDLE] = {[FWI_REDIS_WAITING] = true, [FWI_REDIS_STOPPED] = true},
    [FWI_REDIS_CONNECTING] = {[FWI_REDIS_RESUBSCRIBING] = true,
                              [FWI_REDIS_WAITING] = true,
                              [FWI_REDIS_STOPPED] = true},
    [FWI_REDIS_RESUBSCRIBING] =
        {[FWI_REDIS_UP] = true, [FWI_REDIS_WAITING] = true, [FWI_REDIS_STOPPED] = true},
    [FWI_REDIS_UP] = {[FWI_REDIS_WAITING] = true, [FWI_REDIS_STOPPED] = true},
    [FWI_REDIS_WAITING] = {[FWI_REDIS_CONNECTING] = true, [FWI_REDIS_STOPPED] = true},
};

static void set_state(fwi_redis_backplane *rb, fwi_redis_state to)
{
    FWI_ASSERT(allowed[rb->state][to]);
    FWI_LOG(rb->config.log, FWI_LOG_TRACE, "redis", "%s -> %s", state_names[rb->state],
            state_names[to]);
    rb->state = to;
}

static bool is_trying(const fwi_redis_backplane *rb)
{
    return rb->state == FWI_REDIS_CONNECTING || rb->state == FWI_REDIS_RESUBSCRIBING ||
           rb->state == FWI_REDIS_UP;
}

void fwi_redis_complain(fwi_redis_backplane *rb, const char *what, const void *data,
                        size_t len)
{
    uint64_t now_ms = fwi_loop_now_ms(rb->loop);
    if (rb->complained_ms != 0 && now_ms - rb->complained_ms < 1000) {
        return;
    }
    rb->complained_ms = now_ms;
    char quoted[128];
    FWI_LOG(rb->config.log, FWI_LOG_WARN, "redis", "%s: %s", what,
            fwi_log_quote(quoted, sizeof quoted, data, len));
}

/* --- up and away --- */

/* Tells hub and log, if it is news. */
static void tell_away(fwi_redis_backplane *rb, const char *why)
{
    char text[sizeof rb->why];
    snprintf(text, sizeof text, "%s: %s", rb->url, why);
    if (strcmp(text, rb->why) == 0) {
        FWI_LOG(rb->config.log, FWI_LOG_DEBUG, "redis", "still away: %s", text);
        return;
    }
    memcpy(rb->why, text, sizeof text);
    FWI_LOG(rb->config.log, FWI_LOG_WARN, "redis", "away: %s", text);
    rb->base.sink->on_state(rb->base.sink_user, false, text);
}

static void schedule_retry(fwi_redis_backplane *rb)
{
    /* Jitter: a thousand nodes that lost the same Redis don't come back as one. */
    uint64_t delay_ms = fwi_rand_between(&rb->rand, rb->backoff_ms / 2, rb->backoff_ms);
    rb->backoff_ms = FWI_MIN(rb->backoff_ms * 2, (uint64_t)FWI_REDIS_BACKOFF_MAX_MS);
    fwi_loop_timer_set(rb->loop, &rb->retry, delay_ms);
}

void fwi_redis_leave(fwi_redis_backplane *rb, const char *why)
{
    if (!is_trying(rb)) {
        return;
    }
    char reason[400]; /* `why` may lie in a link that is being closed */
    snprintf(reason, sizeof reason, "%s", why);
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        fwi_redis_link_state s = fwi_redis_link_get_state(rb->links[i]);
        rb->counts.disconnects += s == FWI_REDIS_LINK_LIVE;
        fwi_redis_link_close(rb->links[i]);
    }
    set_state(rb, FWI_REDIS_WAITING);
    fwi_redis_topology_stop(rb->topology);
    rb->give_up = NULL;
    fwi_loop_timer_clear(rb->loop, &rb->confirmation);
    fwi_loop_timer_clear(rb->loop, &rb->again);
    fwi_redis_health_stop(&rb->health);
    fwi_redis_asked_clear(&rb->asked);
    fwi_redis_asked_clear(&rb->orders);
    fwi_redis_calls_lost(rb);
    fwi_redis_lease_link_down(rb);
    fwi_redis_history_link_down(rb);
    fwi_redis_channels_link_down(&rb->channels);
    fwi_redis_pending_link_down(&rb->pending);
    schedule_retry(rb);

    /* From here on the hub is called, which may publish, subscribe and stop us. */
    tell_away(rb, reason);
    fwi_redis_channels_report_all(&rb->channels);
    fwi_redis_report(rb);
    fwi_redis_deliver_away(rb, rb->pending.last_serial);
}

/* The health check begins when we are back; until then a server that hangs after the
 * greeting is found by this. Many channels take their time, so each one counts. */
static void await_confirmation(fwi_redis_backplane *rb)
{
    fwi_loop_timer_set(rb->loop, &rb->confirmation, FWI_REDIS_CONFIRMATION_MS);
}

static void on_confirmation_late(fwi_timer *t)
{
    fwi_redis_leave(fwi_container_of(t, fwi_redis_backplane, confirmation),
                    "no answer to SUBSCRIBE");
}

/* That of the probe is awaited too; in a Cluster another one may have taken its place. */
static bool hears_probe(fwi_redis_backplane *rb)
{
    const fwi_redis_channel *c =
        fwi_redis_channels_find(&rb->channels, rb->probe_channel);
    return c != NULL && c->confirmed;
}

void fwi_redis_confirmed(fwi_redis_backplane *rb)
{
    if (rb->state == FWI_REDIS_RESUBSCRIBING) {
        await_confirmation(rb);
        fwi_redis_check_return(rb);
    }
}

void fwi_redis_check_return(fwi_redis_backplane *rb)
{
    if (rb->state != FWI_REDIS_RESUBSCRIBING || rb->channels.awaited > 0 ||
        !hears_probe(rb)) {
        return;
    }
    /* What was published until now was promised to come at once; only what is published
     * from now on waits for its echo. */
    fwi_redis_report(rb);
    fwi_redis_deliver_away(rb, rb->pending.last_serial);
    if (rb->state != FWI_REDIS_RESUBSCRIBING) {
        return;
    }
    set_state(rb, FWI_REDIS_UP);
    fwi_loop_timer_clear(rb->loop, &rb->confirmation);
    rb->why[0] = '\0';
    FWI_LOG(rb->config.log, FWI_LOG_INFO, "redis", "up: %s, %zu channels", rb->url,
            rb->channels.wanted);
    fwi_redis_topology_watch(rb->topology);
    fwi_redis_health_start(&rb->health);
    fwi_redis_lease_link_up(rb);
    fwi_redis_tell_missed(rb);
    rb->base.sink->on_state(rb->base.sink_user, true, NULL);
}

void fwi_redis_pause(fwi_redis_backplane *rb)
{
    if (!fwi_timer_is_set(&rb->again)) {
        fwi_loop_timer_set(rb->loop, &rb->again, FWI_REDIS_AGAIN_MS);
    }
}

/* The flush at the end of this turn does what was to be done again. */
static void on_again(fwi_timer *t)
{
    (void)t;
}

static void on_link_live(void *user)
{
    fwi_redis_backplane *rb = user;
    rb->counts.connects++;
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        if (fwi_redis_link_get_state(rb->links[i]) != FWI_REDIS_LINK_LIVE) {
            return;
        }
    }
    set_state(rb, FWI_REDIS_RESUBSCRIBING);
    await_confirmation(rb);
    /* The SUBSCRIBEs go out with the flush at the end of this turn. The probe's channel
     * is always among them, so an answer will come. */
    fwi_redis_channels_link_up(&rb->channels);
}

static void on_link_down(void *user, const char *why)
{
    fwi_redis_leave(user, why);
}

static const fwi_redis_link_events link_events[FWI_REDIS_LINKS] = {
    [FWI_REDIS_COMMAND] = {on_link_live, fwi_redis_on_command_reply, on_link_down},
    [FWI_REDIS_SUBSCRIBER] = {on_link_live, fwi_redis_on_subscriber_reply, on_link_down},
};

static void open_links(void *user)
{
    fwi_redis_backplane *rb = user;
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        if (!fwi_redis_link_open(rb->links[i])) {
            fwi_redis_leave(rb, "out of memory");
            return;
        }
    }
}

static const fwi_redis_topology_events topology_events = {.on_found = open_links,
                                                          .on_lost = on_link_down};

static void on_retry(fwi_timer *t)
{
    fwi_redis_backplane *rb = fwi_container_of(t, fwi_redis_backplane, retry);
    set_state(rb, FWI_REDIS_CONNECTING);
    if (rb->topology == NULL) {
        open_links(rb);
    } else if (!fwi_redis_topology_find(rb->topology)) {
        fwi_redis_leave(rb, "out of memory");
    }
}

/* --- the health check --- */

static void on_health_round(void *user, uint64_t probe)
{
    fwi_redis_backplane *rb = user;
    const char *ping[] = {"PING"};
    const size_t len = 4;
    const fwi_envelope e = {
        .kind = FWI_MSG_PROBE,
        .flags = FWI_ENVELOPE_BINARY,
        .node = rb->config.node,
        .serial = probe,
    };
    rb->envelope.len = 0;
    bool ok = fwi_envelope_encode(&e, &rb->envelope) &&
              fwi_redis_send_publish(rb, rb->probe_channel, FWI_REDIS_ASKED_PROBE) &&
              fwi_redis_asked_push(&rb->asked, FWI_REDIS_ASKED_PING) &&
              fwi_redis_send_command(rb, FWI_REDIS_COMMAND, 1, ping, &len) &&
              fwi_redis_send_command(rb, FWI_REDIS_SUBSCRIBER, 1, ping, &len);
    if (!ok) {
        /* What was asked and what was sent may differ by one now: begin anew. */
        rb->give_up = "out of memory";
    }
}

static void on_health_failed(void *user, const char *why)
{
    fwi_redis_leave(user, why);
}

static const fwi_redis_health_events health_events = {on_health_round, on_health_failed};

/* --- the deadline of what waits --- */

void fwi_redis_watch_deadline(fwi_redis_backplane *rb)
{
    const fwi_redis_publish *e = fwi_redis_pending_oldest(&rb->pending);
    if (e == NULL || fwi_timer_is_set(&rb->deadline)) {
        return;
    }
    uint64_t now_ms = fwi_loop_now_ms(rb->loop);
    /* What was sent and is late belongs to the health check: look again in a while. */
    uint64_t delay_ms = e->deadline_ms > now_ms ? e->deadline_ms - now_ms : 1000;
    fwi_loop_timer_set(rb->loop, &rb->deadline, delay_ms);
}

static void on_deadline(fwi_timer *t)
{
    fwi_redis_backplane *rb = fwi_container_of(t, fwi_redis_backplane, deadline);
    uint64_t now_ms = fwi_loop_now_ms(rb->loop);
    fwi_redis_publish *e;
    while ((e = fwi_redis_pending_oldest(&rb->pending)) != NULL &&
           e->deadline_ms <= now_ms) {
        if (!e->answered && !fwi_redis_publish_is_unsent(e)) {
            break;
        }
        int err = e->answered ? FW_ERR_BUSY : FW_ERR_TIMEOUT;
        if (!e->answered) {
            rb->counts.queue_dropped++;
            fwi_redis_complain(rb, "too late for the other nodes, dropped: a message to",
                               e->channel, strlen(e->channel));
        }
        uint64_t ref = fwi_redis_publish_take_ref(e);
        fwi_redis_publish_set_refused(e);
        fwi_redis_deliver(rb, e); /* Frees it, since it is answered. */
        fwi_redis_tell_published(rb, ref, err, "it has waited for Redis too long",
                                 (fwi_position){0});
        if (rb->state == FWI_REDIS_STOPPED) {
            return;
        }
    }
    fwi_redis_watch_deadline(rb);
}

/* --- the operations of the port --- */

static int redis_start(fwi_backplane *bp)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    if (fwi_redis_channels_want(&rb->channels, rb->probe_channel) == NULL) {
        return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    }
    rb->started_us = fwi_loop_now_us(rb->loop);
    /* By the timer, so that no callback of the hub's runs inside this call. */
    set_state(rb, FWI_REDIS_WAITING);
    fwi_loop_timer_set(rb->loop, &rb->retry, 0);
    return FW_OK;
}

static bool redis_subscribe(fwi_backplane *bp, const char *channel)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    fwi_redis_channel *c = fwi_redis_channels_want(&rb->channels, channel);
    if (c == NULL) {
        return false;
    }
    if (rb->state != FWI_REDIS_UP) {
        fwi_redis_channels_report(&rb->channels, c);
    }
    return true;
}

static void redis_unsubscribe(fwi_backplane *bp, const char *channel)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    fwi_redis_channels_unwant(&rb->channels, channel);
}

/* Decides whether the other nodes can get one more, and keeps account if not. */
static bool has_room(fwi_redis_backplane *rb, const char *channel, const fw_message *m,
                     bool kept)
{
    size_t limit = rb->config.queue_max_bytes;
    if (rb->state == FWI_REDIS_UP && limit < SIZE_MAX / (IN_FLIGHT_FACTOR + 1)) {
        limit *= IN_FLIGHT_FACTOR;
    }
    size_t bytes = rb->pending.bytes + fwi_message_cost(m);
    if (bytes <= limit) {
        return true;
    }
    rb->counts.queue_dropped++;
    fwi_redis_complain(rb, "the queue is full, dropped for the other nodes: a message to",
                       channel, strlen(channel));
    /* Refused messages wait here for their turn behind those on the way. When they are
     * too many as well, giving the link up delivers all of them in order. */
    if (!kept && rb->state == FWI_REDIS_UP &&
        bytes - limit > rb->config.queue_max_bytes) {
        rb->give_up = "more is published than it takes";
    }
    return false;
}

static bool redis_publish(fwi_backplane *bp, const char *channel, fw_message *m,
                          const fwi_terms *terms)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    fwi_redis_channel_hint hint = {0};
    /* What is kept waits for no echo, and for no subscription. */
    bool kept = terms != NULL && terms->history_size > 0;
    const fwi_redis_channel *c =
        kept ? NULL : fwi_redis_channels_find_again(&rb->channels, channel, &hint);
    uint64_t subscription = c != NULL ? c->subscription : 0;
    bool asked = terms != NULL && terms->ref != 0;
    bool room = has_room(rb, channel, m, kept);
    rb->counts.published++;
    if (!room && subscription == 0 && !asked) {
        return true;
    }
    uint64_t deadline_ms = fwi_loop_now_ms(rb->loop) + rb->config.queue_deadline_ms;
    fwi_redis_publish *e =
        fwi_redis_pending_add(&rb->pending, channel, m, subscription, deadline_ms, terms);
    if (e == NULL) {
        return false;
    }
    e->hint = hint;
    if (!room) {
        fwi_redis_publish_set_refused(e);
        if (asked) {
            fwi_redis_publish_set_outcome(&rb->pending, e);
        }
    }
    fwi_redis_watch_deadline(rb);
    return true;
}

static void redis_flush(fwi_backplane *bp)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    if (rb->state == FWI_REDIS_IDLE || rb->state == FWI_REDIS_STOPPED) {
        return;
    }
    /* Handlers that publish anew must not keep the loop here: that waits for the next. */
    uint64_t up_to = rb->pending.last_serial;
    fwi_redis_presence_tell(rb);
    fwi_redis_history_tell(rb, up_to);
    fwi_redis_report(rb);
    if (rb->give_up != NULL) {
        fwi_redis_leave(rb, rb->give_up);
    }
    if (rb->state == FWI_REDIS_UP) {
        fwi_redis_deliver_refused(rb);
    } else {
        fwi_redis_deliver_away(rb, up_to);
    }
    bool ok = true;
    if (rb->state == FWI_REDIS_RESUBSCRIBING || rb->state == FWI_REDIS_UP) {
        ok = fwi_redis_send_subscriptions(rb);
    }
    if (rb->state == FWI_REDIS_UP) {
        fwi_redis_presence_send(rb); /* ahead of what is said about it */
        fwi_redis_history_resume(rb);
        ok = ok && fwi_redis_history_ask(rb) && fwi_redis_send_publishes(rb, UINT64_MAX);
    }
    /* Nothing is written behind a command that couldn't be: its answer would be taken for
     * that of the next one. */
    if (!ok || rb->give_up != NULL) {
        fwi_redis_leave(rb, ok ? rb->give_up : "out of memory");
    }
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        fwi_redis_link_flush(rb->links[i]);
    }
    bool more = !fwi_list_is_empty(&rb->channels.reports) ||
                (rb->state != FWI_REDIS_UP && !fwi_list_is_empty(&rb->pending.local));
    if (more && rb->state != FWI_REDIS_STOPPED) {
        rb->loop->ops->wake(rb->loop);
    }
}

static void redis_figures(fwi_backplane *bp, fwi_backplane_figures *out)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    *out = rb->counts;
    out->up = rb->state == FWI_REDIS_UP;
    out->queue_bytes = rb->pending.bytes;
    fwi_histogram_sum_up(&out->probes, &rb->health.round_trips);
    fwi_redis_lease_figures(rb, out);
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        out->writes += fwi_redis_link_writes(rb->links[i]);
    }
    bool probed = fwi_redis_channels_find(&rb->channels, rb->probe_channel) != NULL;
    out->channels = rb->channels.wanted - probed;
    uint64_t since = rb->health.came_at_us != 0 ? rb->health.came_at_us : rb->started_us;
    out->probe_age_us = since != 0 ? fwi_loop_now_us(rb->loop) - since : 0;
}

static void redis_stop(fwi_backplane *bp)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    if (rb->state == FWI_REDIS_STOPPED) {
        return;
    }
    if (rb->state == FWI_REDIS_UP) {
        fwi_redis_presence_send(rb);
        if (fwi_redis_send_publishes(rb, UINT64_MAX)) {
            fwi_redis_lease_end(rb);
            fwi_redis_link_flush(rb->links[FWI_REDIS_COMMAND]);
        }
    }
    set_state(rb, FWI_REDIS_STOPPED);
    fwi_redis_calls_lost(rb);
    fwi_redis_lease_link_down(rb);
    fwi_redis_health_stop(&rb->health);
    fwi_redis_topology_stop(rb->topology);
    fwi_loop_timer_clear(rb->loop, &rb->retry);
    fwi_loop_timer_clear(rb->loop, &rb->deadline);
    fwi_loop_timer_clear(rb->loop, &rb->confirmation);
    fwi_loop_timer_clear(rb->loop, &rb->again);
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        fwi_redis_link_close(rb->links[i]);
    }
    fwi_redis_history_stop(rb);
    fwi_redis_questions_stop(rb);
}

static void redis_free(fwi_backplane *bp)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    FWI_ASSERT(rb->state == FWI_REDIS_STOPPED || rb->state == FWI_REDIS_IDLE);
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        fwi_redis_link_free(rb->links[i]);
    }
    fwi_redis_topology_free(rb->topology);
    fwi_redis_channels_fini(&rb->channels);
    fwi_redis_pending_fini(&rb->pending);
    fwi_redis_asked_fini(&rb->asked);
    fwi_redis_asked_fini(&rb->orders);
    fwi_redis_seen_fini(&rb->seen);
    fwi_redis_lease_fini(rb);
    fwi_redis_history_fini(&rb->history);
    fwi_buf_fini(&rb->name);
    fwi_buf_fini(&rb->envelope);
    free(rb);
}

static const fwi_backplane_ops redis_ops = {
    .name = "redis",
    .start = redis_start,
    .subscribe = redis_subscribe,
    .unsubscribe = redis_unsubscribe,
    .publish = redis_publish,
    .read_history = fwi_redis_read_history,
    .forget_history = fwi_redis_forget_history,
    .enter = fwi_redis_presence_enter,
    .leave = fwi_redis_presence_leave,
    .read_presence = fwi_redis_read_presence,
    .read_nodes = fwi_redis_read_nodes,
    .flush = redis_flush,
    .figures = redis_figures,
    .stop = redis_stop,
    .free = redis_free,
};

fwi_redis_backplane *fwi_redis_server_new(fwi_loop *loop, const fwi_redis_config *config,
                                          const fwi_redis_verbs *verbs,
                                          const fwi_backplane_sink *sink, void *sink_user)
{
    static const char *const names[FWI_REDIS_LINKS] = {"command", "subscribe"};
    fwi_redis_backplane *rb = calloc(1, sizeof *rb);
    if (rb == NULL) {
        return NULL;
    }
    rb->base = (fwi_backplane){&redis_ops, sink, sink_user};
    rb->loop = loop;
    rb->config = *config;
    rb->verbs = verbs;
    rb->backoff_ms = FWI_REDIS_BACKOFF_MIN_MS;
    fwi_redis_url_text(&config->url, rb->url, sizeof rb->url);
    snprintf(rb->probe_channel, sizeof rb->probe_channel, "probe:%016" PRIx64,
             config->node);
    fwi_rand_init(&rb->rand, config->seed);
    fwi_redis_channels_init(&rb->channels);
    fwi_redis_pending_init(&rb->pending);
    fwi_redis_lease_init(rb);
    fwi_redis_history_init(&rb->history);
    fwi_redis_seen_init(&rb->seen, config->queue_deadline_ms);
    fwi_redis_health_init(&rb->health, loop, &health_events, rb);
    fwi_timer_init(&rb->retry, on_retry);
    fwi_timer_init(&rb->deadline, on_deadline);
    fwi_timer_init(&rb->confirmation, on_confirmation_late);
    fwi_timer_init(&rb->again, on_again);
    fwi_buf_init(&rb->name);
    fwi_buf_init(&rb->envelope);
    for (int i = 0; i < FWI_REDIS_LINKS; i++) {
        rb->links[i] =
            fwi_redis_link_new(loop, &rb->config, names[i], &link_events[i], rb);
        if (rb->links[i] == NULL) {
            redis_free(&rb->base);
            return NULL;
        }
    }
    return rb;
}

void fwi_redis_server_park(fwi_redis_backplane *rb, const char *why)
{
    set_state(rb, FWI_REDIS_WAITING);
    snprintf(rb->why, sizeof rb->why, "%s", why);
}

fwi_backplane *fwi_backplane_redis_new(fwi_loop *loop, const fwi_redis_config *config,
                                       const fwi_backplane_sink *sink, void *sink_user)
{
    if (config->url.kind == FWI_REDIS_CLUSTER) {
        return fwi_redis_cluster_new(loop, config, sink, sink_user);
    }
    fwi_redis_backplane *rb =
        fwi_redis_server_new(loop, config, &fwi_redis_verbs_of_one, sink, sink_user);
    if (rb != NULL && config->url.kind == FWI_REDIS_SENTINEL) {
        rb->topology = fwi_redis_topology_new(loop, &rb->config, &topology_events, rb);
        if (rb->topology == NULL) {
            redis_free(&rb->base);
            return NULL;
        }
    }
    return rb != NULL ? &rb->base : NULL;
}
