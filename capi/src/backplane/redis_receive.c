/*
 * What the Redis backplane gets from its links, and what of it the hub gets: answers on
 * the command link, confirmations and messages on the subscribe link. Loop 0's thread.
 *
 * A message of our own that comes back isn't decoded: the object that was published is
 * delivered. What a server or another program sends is never trusted to be well-formed.
 */
#include "backplane/redis_backplane.h"

#include <string.h>

#include "backplane/redis_sharded.h"
#include "core/error.h"
#include "wire/envelope.h"
#include "wire/name.h"

static bool is_over(const fwi_redis_backplane *rb)
{
    return rb->state == FWI_REDIS_STOPPED;
}

/* --- to the hub --- */

void fwi_redis_report(fwi_redis_backplane *rb)
{
    fwi_redis_channel *c;
    while (!is_over(rb) && (c = fwi_redis_channels_next_report(&rb->channels)) != NULL) {
        if (strcmp(c->name, rb->probe_channel) == 0) {
            continue;
        }
        /* Copied, since the hub may unsubscribe in answer. */
        char name[FWI_REDIS_CHANNEL_MAX];
        size_t len = FWI_MIN(strlen(c->name), sizeof name - 1);
        memcpy(name, c->name, len);
        name[len] = '\0';
        rb->base.sink->on_subscribed(rb->base.sink_user, name);
    }
}

static void tell_if_missed(fwi_redis_backplane *rb, fwi_redis_channel *c)
{
    if (fwi_redis_channels_take_missed(c) && rb->base.sink->on_missed != NULL &&
        strcmp(c->name, rb->probe_channel) != 0) {
        rb->base.sink->on_missed(rb->base.sink_user, c->name);
    }
}

void fwi_redis_tell_missed(fwi_redis_backplane *rb)
{
    for (fwi_redis_channel *c = rb->channels.table; c != NULL; c = c->hh.next) {
        tell_if_missed(rb, c);
    }
}

/* Is its channel still heard as it was when this was published? */
static bool is_heard(fwi_redis_backplane *rb, fwi_redis_publish *e)
{
    const fwi_redis_channel *c =
        fwi_redis_channels_find_again(&rb->channels, e->channel, &e->hint);
    return e->subscription == FWI_REDIS_ANY_SUBSCRIPTION ||
           (c != NULL && c->subscription == e->subscription);
}

bool fwi_redis_take_delivery(fwi_redis_backplane *rb, fwi_redis_publish *e)
{
    bool wanted = !fwi_redis_publish_is_delivered(e) && is_heard(rb, e);
    fwi_redis_publish_set_delivered(e);
    return wanted;
}

void fwi_redis_deliver(fwi_redis_backplane *rb, fwi_redis_publish *e)
{
    if (fwi_redis_take_delivery(rb, e)) {
        rb->base.sink->on_message(rb->base.sink_user, e->channel, e->m);
    }
    fwi_redis_pending_release(&rb->pending, e);
}

void fwi_redis_deliver_away(fwi_redis_backplane *rb, uint64_t up_to_serial)
{
    fwi_redis_publish *e;
    while (!is_over(rb) && (e = fwi_redis_pending_next_local(&rb->pending)) != NULL &&
           e->serial <= up_to_serial) {
        fwi_redis_deliver(rb, e);
    }
}

void fwi_redis_deliver_refused(fwi_redis_backplane *rb)
{
    fwi_redis_publish *e;
    uint64_t up_to = rb->pending.last_serial;
    while (!is_over(rb) && (e = fwi_redis_pending_next_local(&rb->pending)) != NULL &&
           e->refused && e->serial <= up_to) {
        fwi_redis_deliver(rb, e);
    }
}

/* --- answers on the command link --- */

static const char not_asked_for[] = "not the kind of answer that was asked for";

/* What an error begins with. Before 7.0 what a command inside a script says comes behind
 * where that was: "ERR Error running script (call to f_...): @user_script:9: ...: -WORD".
 */
static const char *error_of(const fwi_redis_reply *reply)
{
    static const char script[] = "ERR Error running script ", dash[] = ": -";
    const char *text = reply->whole.str;
    bool inside = reply->whole.len >= sizeof script - 1 &&
                  memcmp(text, script, sizeof script - 1) == 0;
    const char *at = inside ? strstr(text, dash) : NULL;
    return at != NULL ? at + sizeof dash - 1 : text;
}

/* Errors that say "not now" about the server, in contrast to "never" about a message. */
static bool is_about_the_server(const fwi_redis_reply *reply)
{
    static const char *const words[] = {"LOADING ", "BUSY ",     "MASTERDOWN ",
                                        "NOAUTH ",  "TRYAGAIN ", "CLUSTERDOWN ",
                                        "READONLY "};
    const char *error = error_of(reply);
    for (size_t i = 0; i < FWI_ARRAY_LEN(words); i++) {
        if (strncmp(error, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void leave_with_error(fwi_redis_backplane *rb, const char *command,
                             const fwi_redis_reply *reply)
{
    char quoted[160], why[224];
    fwi_log_quote(quoted, sizeof quoted, reply->whole.str, reply->whole.len);
    snprintf(why, sizeof why, "%s: %s", command, quoted);
    fwi_redis_leave(rb, why);
}

static void on_publish_refused(fwi_redis_backplane *rb, fwi_redis_publish *e,
                               const fwi_redis_reply *reply)
{
    char quoted[160];
    uint64_t ref = fwi_redis_publish_take_ref(e);
    rb->counts.queue_dropped++;
    fwi_redis_complain(rb, "a PUBLISH was refused, dropped for the other nodes",
                       reply->whole.str, reply->whole.len);
    fwi_log_quote(quoted, sizeof quoted, reply->whole.str, reply->whole.len);
    fwi_redis_publish_set_refused(e);
    fwi_redis_pending_release(&rb->pending, e);
    fwi_redis_deliver_refused(rb);
    fwi_redis_tell_published(rb, ref, FW_ERR_BACKPLANE, quoted, (fwi_position){0});
}

static void on_publish_answer(fwi_redis_backplane *rb, uint64_t serial,
                              const fwi_redis_reply *reply)
{
    fwi_redis_publish *e = fwi_redis_pending_find(&rb->pending, serial);
    if (e == NULL) {
        return;
    }
    if (fwi_redis_publish_is_kept(e)) {
        fwi_redis_history_answered(rb, e, reply);
        return;
    }
    if (reply->whole.type == FWI_REDIS_ERROR) {
        on_publish_refused(rb, e, reply);
        return;
    }
    if (reply->whole.type != FWI_REDIS_INTEGER) {
        fwi_redis_leave(rb, not_asked_for);
        return;
    }
    uint64_t ref = fwi_redis_publish_take_ref(e);
    e->answered = true;
    /* If the channel was left meanwhile, Redis may have heard of that first: then no
     * echo comes, and none is needed. If it hadn't been left yet when this answer came,
     * the PUBLISH was executed before any UNSUBSCRIBE, and the echo is on its way. */
    if (!is_heard(rb, e)) {
        fwi_redis_publish_set_delivered(e);
    }
    fwi_redis_pending_release(&rb->pending, e);
    fwi_redis_tell_published(rb, ref, FW_OK, "", (fwi_position){0});
}

static const char *name_of(uint64_t asked)
{
    return asked == FWI_REDIS_ASKED_PING   ? "PING"
           : asked == FWI_REDIS_ASKED_CALL ? "a script"
                                           : "PUBLISH";
}

void fwi_redis_on_command_reply(void *user, const fwi_redis_reply *reply)
{
    fwi_redis_backplane *rb = user;
    uint64_t what;
    fwi_redis_health_heard(&rb->health, FWI_REDIS_COMMAND);
    if (!fwi_redis_asked_pop(&rb->asked, &what)) {
        fwi_redis_leave(rb, "an answer that nobody had asked for");
        return;
    }
    if (what == rb->history.trial) {
        rb->history.trial = 0;
    }
    if (rb->cluster != NULL && fwi_redis_is_elsewhere(reply) &&
        fwi_redis_sharded_answered(rb, what, reply)) {
        return;
    }
    bool is_error = reply->whole.type == FWI_REDIS_ERROR;
    bool is_call = what == FWI_REDIS_ASKED_CALL;
    bool is_publish =
        !is_call && what != FWI_REDIS_ASKED_PING && what != FWI_REDIS_ASKED_PROBE;
    if (is_error && ((!is_publish && !is_call) || is_about_the_server(reply))) {
        leave_with_error(rb, name_of(what), reply);
        return;
    }
    if (is_call) {
        fwi_redis_call_answered(rb, reply);
        return;
    }
    if (is_publish) {
        on_publish_answer(rb, what, reply);
        return;
    }
    fwi_redis_type expected =
        what == FWI_REDIS_ASKED_PING ? FWI_REDIS_STATUS : FWI_REDIS_INTEGER;
    if (reply->whole.type != expected) {
        fwi_redis_leave(rb, not_asked_for);
    }
}

/* --- the subscribe link --- */

static void malformed(fwi_redis_backplane *rb, const char *what,
                      const fwi_redis_part *about)
{
    rb->counts.malformed++;
    fwi_redis_complain(rb, what, about->str, about->len);
}

static void on_own_message(fwi_redis_backplane *rb, const fwi_envelope *envelope)
{
    if (envelope->kind == FWI_MSG_PROBE) {
        if (envelope->serial == rb->health.probe) {
            fwi_redis_health_probed(&rb->health);
            /* Only now it is certain that this connection is of use. */
            rb->backoff_ms = FWI_REDIS_BACKOFF_MIN_MS;
        }
        return;
    }
    rb->counts.received++;
    fwi_redis_health_echoed(&rb->health);
    fwi_redis_publish *e = fwi_redis_pending_find(&rb->pending, envelope->serial);
    if (e == NULL || fwi_redis_publish_is_delivered(e)) {
        rb->counts.duplicates++;
        return;
    }
    uint64_t serial = e->serial;
    fwi_redis_deliver_refused(rb); /* Those before it, which have no echo. */
    e = fwi_redis_pending_find(&rb->pending, serial);
    if (e != NULL) {
        fwi_redis_deliver(rb, e);
    }
}

static void on_foreign_message(fwi_redis_backplane *rb, const fwi_redis_part *channel,
                               const fwi_redis_part *payload, fwi_envelope_result result,
                               const fwi_envelope *envelope)
{
    char name[FWI_REDIS_CHANNEL_MAX];
    rb->counts.received++;
    if (fwi_name_from_redis(rb->config.prefix, channel->str, channel->len, name,
                            sizeof name) < 0) {
        malformed(rb, "a message of a channel that isn't ours, dropped", channel);
        return;
    }
    fw_message *m = NULL;
    if (result == FWI_ENVELOPE_OK) {
        m = fwi_message_from_envelope(envelope);
    } else if (result == FWI_ENVELOPE_NONE) {
        m = fwi_message_from_bytes(payload->str, payload->len);
    }
    if (m == NULL) {
        malformed(rb, "a damaged message or one of an unknown version, dropped", channel);
        return;
    }
    /* Plain bytes of some other program have no number. */
    bool is_new = result == FWI_ENVELOPE_NONE || envelope->node == 0 ||
                  envelope->epoch != 0 || /* of a history: see redis_seen.c */
                  fwi_redis_seen_is_new(&rb->seen, envelope->node, envelope->serial,
                                        fwi_loop_now_ms(rb->loop));
    if (!is_new) {
        rb->counts.duplicates++;
    } else if (m->kind != FWI_MSG_PROBE &&
               /* A slot may have moved, and this have been on its way: the hub knows. */
               (rb->cluster != NULL ||
                fwi_redis_channels_find(&rb->channels, name) != NULL)) {
        rb->base.sink->on_message(rb->base.sink_user, name, m);
    }
    fw_message_unref(m);
}

static void on_message(fwi_redis_backplane *rb, const fwi_redis_part *channel,
                       const fwi_redis_part *payload)
{
    fwi_envelope envelope;
    fwi_envelope_result result =
        fwi_envelope_decode(&envelope, payload->str, payload->len);
    bool is_own = result == FWI_ENVELOPE_OK && envelope.node == rb->config.node;
    if (is_own && envelope.epoch != 0) {
        /* Own or not, it is taken as it comes: its position is in these bytes. */
        fwi_redis_health_echoed(&rb->health);
        is_own = false;
    }
    if (is_own) {
        on_own_message(rb, &envelope);
    } else {
        on_foreign_message(rb, channel, payload, result, &envelope);
    }
}

static void on_confirmation(fwi_redis_backplane *rb, const fwi_redis_part *channel,
                            bool subscribe)
{
    char name[FWI_REDIS_CHANNEL_MAX];
    bool known = fwi_name_from_redis(rb->config.prefix, channel->str, channel->len, name,
                                     sizeof name) >= 0;
    known = known && (rb->cluster != NULL
                          ? fwi_redis_sharded_confirmed(rb, name, subscribe)
                          : fwi_redis_channels_acked(&rb->channels, name, subscribe));
    if (!known) {
        malformed(rb, "a confirmation that nobody had asked for", channel);
        return;
    }
    fwi_redis_report(rb);
    fwi_redis_channel *c = fwi_redis_channels_find(&rb->channels, name);
    if (c != NULL && rb->state == FWI_REDIS_UP) {
        tell_if_missed(rb, c);
    }
    fwi_redis_confirmed(rb);
}

static bool is_word(const fwi_redis_part *part, const char *word)
{
    return part->type == FWI_REDIS_STRING && part->len == strlen(word) &&
           memcmp(part->str, word, part->len) == 0;
}

void fwi_redis_on_subscriber_reply(void *user, const fwi_redis_reply *reply)
{
    fwi_redis_backplane *rb = user;
    fwi_redis_health_heard(&rb->health, FWI_REDIS_SUBSCRIBER);
    if (reply->whole.type == FWI_REDIS_ERROR) {
        if (rb->cluster == NULL || !fwi_redis_sharded_refused(rb, reply)) {
            leave_with_error(rb, rb->verbs->subscribe, reply);
        }
        return;
    }
    /* Before the first SUBSCRIBE was executed PING is answered by a plain status. */
    if (reply->whole.type == FWI_REDIS_STATUS) {
        return;
    }
    const fwi_redis_part *part = reply->part;
    if (reply->whole.type != FWI_REDIS_ARRAY || reply->parts < 2) {
        malformed(rb, "an unknown reply on the subscribe link", &reply->whole);
        return;
    }
    bool named = reply->parts == 3 && part[1].type == FWI_REDIS_STRING;
    const fwi_redis_verbs *verbs = rb->verbs;
    if (named && is_word(&part[0], verbs->message) && part[2].type == FWI_REDIS_STRING) {
        on_message(rb, &part[1], &part[2]);
    } else if (named && is_word(&part[0], verbs->subscribed)) {
        on_confirmation(rb, &part[1], true);
    } else if (named && is_word(&part[0], verbs->unsubscribed)) {
        on_confirmation(rb, &part[1], false);
    } else if (!is_word(&part[0], "pong")) {
        malformed(rb, "an unknown reply on the subscribe link", &part[0]);
    }
}
