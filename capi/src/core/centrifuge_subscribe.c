/*
 * Channels of a client: those that it subscribes to, and those that it is given (the
 * application puts its session into a room). A subscription follows the session's place
 * in the room, and is told of by reply or push. @thread loop
 */
#include <string.h>

#include <fanwire/error.h>

#include "core/centrifuge.h"
#include "core/presence.h"

enum { UNSUBSCRIBED = 2000 };

/* --- the list of them --- */

fwi_cf_sub *fwi_cf_sub_find(const fwi_session *s, const char *channel)
{
    fwi_cf_sub *sub = s->centrifuge->subs;
    while (sub != NULL && strcmp(sub->channel, channel) != 0) {
        sub = sub->next;
    }
    return sub;
}

fwi_cf_sub *fwi_cf_sub_add(fwi_session *s, const char *channel)
{
    size_t n = strlen(channel) + 1;
    fwi_cf_sub *sub = calloc(1, sizeof *sub + n);
    if (sub != NULL) {
        memcpy(sub->channel, channel, n);
        sub->next = s->centrifuge->subs;
        s->centrifuge->subs = sub;
    }
    return sub;
}

void fwi_cf_sub_drop(fwi_session *s, fwi_cf_sub *sub)
{
    fwi_cf_sub **p = &s->centrifuge->subs;
    while (*p != sub) {
        p = &(*p)->next;
    }
    *p = sub->next;
    fwi_cf_loss_forget(sub->loss);
    free(sub->data);
    free(sub->info);
    free(sub);
}

/* --- who may --- */

static bool may_subscribe(const fwi_session *s, const char *channel)
{
    const fwi_hub *hub = s->shard->hub;
    if (hub->set.client_insecure) {
        return true;
    }
    return fwi_name_is_for(channel, s->user != NULL ? s->user : "") &&
           (fwi_session_asks_join(s, channel) ||
            fwi_cf_options(s, channel)->allow_subscribe);
}

bool fwi_cf_may_look_into(const fwi_session *s, const char *channel)
{
    const fwi_cf_sub *sub = fwi_cf_sub_find(s, channel);
    return s->shard->hub->set.client_insecure || (sub != NULL && !sub->pending) ||
           fwi_name_is_for(channel, s->user != NULL ? s->user : "");
}

/* --- the command --- */

/* 0, or the error: what is asked for isn't there. */
static unsigned problem_of(fwi_session *s, const fwi_cf_command *c, const char *channel)
{
    char name[FWI_CHANNEL_CAP];
    if (c->filter.kind != FWI_JSON_NONE) {
        return FWI_CF_ERR_REQUEST;
    }
    if (c->type != 0) {
        return FWI_CF_ERR_NOT_AVAILABLE;
    }
    if (fwi_cf_sub_find(s, channel) != NULL ||
        fwi_session_place_in(s, fwi_channel_name('r', channel, name)) != NULL) {
        return FWI_CF_ERR_ALREADY;
    }
    return 0;
}

/* By its token, *claims then says as what; or without. false: it has been answered. */
static bool is_let_in(fwi_session *s, const fwi_cf_command *c, const char *channel,
                      fwi_claims **claims)
{
    *claims = NULL;
    if (c->token.len > 2 && !s->shard->hub->set.client_insecure) {
        *claims = fwi_cf_verify_sub(s, c, channel);
        return *claims != NULL;
    }
    if (!may_subscribe(s, channel)) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_DENIED, NULL);
        return false;
    }
    return true;
}

/* What it has seen. Without an epoch that is a place in whatever epoch there is: all that
 * is kept is looked at. */
static fwi_position since_of(fwi_cf_sub *sub, const fwi_cf_command *c,
                             const fwi_room_options *options)
{
    sub->recovering = c->recover;
    sub->newest = options->newest_only;
    sub->epoch = fwi_cf_epoch(&c->epoch);
    sub->offset = c->offset;
    if (sub->newest) {
        return FWI_CF_NEWEST;
    }
    if (!c->recover || options->history_size == 0) {
        return (fwi_position){0, 0};
    }
    return sub->epoch == 0 ? (fwi_position){0, options->history_size}
                           : (fwi_position){sub->epoch, c->offset};
}

void fwi_cf_subscribe(fwi_session *s, const fwi_cf_command *c)
{
    char channel[FWI_NAME_MAX + 1];
    if (c->delta.len > 2 && !fwi_json_is(&c->delta, "fossil")) {
        fwi_cf_close(s, 3501, "an unknown delta");
        return;
    }
    if (!fwi_cf_channel(s, c, channel)) {
        return;
    }
    fwi_cf_drop_lost(s, channel);
    unsigned problem = problem_of(s, c, channel);
    if (problem != 0) {
        fwi_cf_error(s, c->id, problem, NULL);
        return;
    }
    /* Who may not come in mustn't use up what the room allows to others. */
    fwi_claims *claims = NULL;
    if (!is_let_in(s, c, channel, &claims)) {
        return;
    }
    if (!fwi_cf_rate_allows(s, c->id, FWI_RATE_JOIN, channel)) {
        fwi_claims_free(claims);
        return;
    }
    fwi_cf_sub *sub = fwi_cf_sub_add(s, channel);
    if (sub == NULL) {
        fwi_claims_free(claims);
        fwi_cf_error(s, c->id, FWI_CF_ERR_INTERNAL, NULL);
        return;
    }
    const fwi_room_options *options = fwi_cf_options(s, channel);
    fwi_join join = {.since = since_of(sub, c, options),
                     .data = c->data.kind != FWI_JSON_NONE ? c->data.at : NULL,
                     .len = c->data.len};
    sub->id = c->id;
    sub->pending = true;
    sub->positioned = c->positioned || c->recoverable;
    sub->recoverable = c->recoverable;
    sub->or_error = (c->flag & FWI_CF_FLAG_OR_ERROR) != 0;
    sub->news = c->join_leave && options->join_leave;
    if (claims != NULL) {
        fwi_cf_sub_take_claims(s, sub, claims);
        fwi_claims_free(claims);
    }
    s->centrifuge->under_way++;
    int err = fwi_session_join(s, channel, &join);
    if (err != FW_OK && s->state == FWI_SESSION_OPEN) {
        fwi_cf_join_failed(s, channel, err, "");
    }
}

bool fwi_cf_unsubscribe(fwi_session *s, const fwi_cf_command *c)
{
    char channel[FWI_NAME_MAX + 1];
    if (!fwi_cf_channel(s, c, channel)) {
        return true;
    }
    fwi_cf_sub *sub = fwi_cf_drop_lost(s, channel) ? NULL : fwi_cf_sub_find(s, channel);
    if (sub != NULL && sub->pending && !sub->given) {
        return false;
    }
    if (sub != NULL) {
        sub->quiet = true;
        fwi_session_leave(s, channel);
    }
    if (s->state == FWI_SESSION_OPEN) {
        fwi_cf_done(s, c->id, FWI_CF_UNSUBSCRIBE);
    }
    return true;
}

/* --- it is in --- */

/* Was it given all that it hasn't seen? What a->missed begins with may be older. */
static bool is_recovered(const fwi_cf_sub *sub, const fwi_admission *a)
{
    size_t n = a->missed != NULL ? a->missed->n : 0;
    if (!sub->recovering || a->at.epoch == 0) {
        return false;
    }
    if (sub->newest) {
        return n > 0;
    }
    if (sub->epoch != 0) {
        return a->recovered;
    }
    uint64_t first = n > 0 ? a->missed->m[0]->at.offset : a->at.offset + 1;
    return sub->offset <= a->at.offset && first <= sub->offset + 1;
}

/* Hasn't it seen this one, of those that it has missed? */
static bool is_new(const fwi_cf_sub *sub, const fw_message *m)
{
    return sub->newest ? sub->epoch != m->at.epoch || sub->offset != m->at.offset
                       : m->at.offset > sub->offset;
}

static bool put_missed(fwi_buf *out, const fwi_session *s, const fwi_cf_sub *sub,
                       const fwi_history_slice *missed)
{
    bool ok = true;
    for (size_t i = 0; ok && missed != NULL && i < missed->n; i++) {
        fw_message *m = missed->m[i];
        if (is_new(sub, m) && !fw_session_id_equal(m->except, fwi_session_identity(s))) {
            ok = fwi_buf_puts(out, out->len > 0 ? "," : "") && fwi_cf_put_message(out, m);
        }
    }
    return ok;
}

static fwi_cf_data data_of(const fwi_cf_sub *sub)
{
    size_t len = sub->data != NULL ? strlen(sub->data) : 0;
    return (fwi_cf_data){FWI_CF_VALUE, sub->data, len};
}

/* What the subscriber is told of its place. text: where it is put. */
static bool put_result(fwi_buf *text, const fwi_session *s, const fwi_cf_sub *sub,
                       const fwi_admission *a)
{
    fwi_buf missed;
    fwi_buf_init(&missed);
    bool kept = a->at.epoch != 0;
    fwi_cf_subscribed result = {
        .positioned = sub->positioned && kept,
        .recoverable = sub->recoverable && kept,
        .was_recovering = sub->recovering,
        .recovered = is_recovered(sub, a),
        .epoch = a->at.epoch,
        .offset = a->at.offset,
        .ttl_s = fwi_cf_sub_ttl(s, sub),
        .data = data_of(sub),
        .publications = &missed,
    };
    bool ok = true;
    if (result.recovered || sub->newest) {
        ok = put_missed(&missed, s, sub, a->missed);
    }
    /* It counts on by what it is given. */
    if (sub->newest) {
        result.offset -= missed.len > 0 ? 1 : 0;
    } else if (result.recovered) {
        result.offset = sub->offset;
    }
    ok = ok && fwi_cf_put_subscribed(text, &result);
    fwi_buf_fini(&missed);
    return ok;
}

/* Its own coming is no news to the room's others alone. */
static void tell_itself(fwi_session *s, const fwi_cf_sub *sub)
{
    char client[FW_SESSION_ID_TEXT];
    fwi_buf text;
    fwi_buf_init(&text);
    fwi_origin *o = sub->news ? fwi_presence_origin_in(s, sub->channel) : NULL;
    if (o != NULL) {
        fwi_cf_info info = fwi_cf_info_of(o, client);
        bool ok = fwi_cf_begin_push(&text, sub->channel, "join") &&
                  fwi_buf_puts(&text, "{\"info\":") && fwi_cf_put_info(&text, &info) &&
                  fwi_buf_puts(&text, "}") && fwi_cf_end_push(&text);
        fwi_cf_say(s, &text, ok);
    }
    fwi_origin_unref(o);
}

static void reply(fwi_session *s, fwi_cf_sub *sub, const fwi_admission *a)
{
    fwi_centrifuge *cf = s->centrifuge;
    fwi_buf text;
    fwi_buf_init(&text);
    cf->under_way--;
    if (sub->or_error && sub->recovering && !is_recovered(sub, a)) {
        fwi_cf_error(s, sub->id, FWI_CF_ERR_POSITION, NULL);
        sub->quiet = true;
        fwi_session_leave(s, sub->channel);
    } else {
        bool ok = fwi_buf_printf(&text, "{\"id\":%u,\"subscribe\":", (unsigned)sub->id) &&
                  put_result(&text, s, sub, a) && fwi_buf_puts(&text, "}");
        sub->id = 0;
        fwi_cf_say(s, &text, ok);
        tell_itself(s, sub);
    }
    cf->blocked = false;
    fwi_cf_go_on(s);
}

/* --- it was given --- */

/* For the reply to connect. */
static bool put_given(fwi_session *s, const fwi_cf_sub *sub, const fwi_admission *a)
{
    fwi_buf *out = &s->centrifuge->given_subs;
    return fwi_buf_puts(out, out->len > 0 ? "," : "") &&
           fwi_json_put_string(out, sub->channel, strlen(sub->channel)) &&
           fwi_buf_puts(out, ":") && put_result(out, s, sub, a);
}

/* Later: a push, and what it has missed as if it had been there. */
static void push_given(fwi_session *s, const fwi_cf_sub *sub, const fwi_admission *a,
                       const fwi_place *place)
{
    size_t n = a->missed != NULL ? a->missed->n : 0;
    n = n > 0 && is_new(sub, a->missed->m[0]) ? n : 0;
    const fwi_cf_subscribed result = {
        .positioned = a->at.epoch != 0,
        .recoverable = a->at.epoch != 0,
        .was_recovering = sub->recovering,
        .recovered = is_recovered(sub, a),
        .epoch = a->at.epoch,
        .offset = n > 0 ? a->missed->m[0]->at.offset - 1 : a->at.offset,
        .data = data_of(sub),
    };
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_cf_begin_push(&text, sub->channel, "subscribe") &&
              fwi_cf_put_subscribed(&text, &result) && fwi_cf_end_push(&text);
    fwi_cf_say_at(s, &text, ok, place, &(fwi_position){result.epoch, result.offset});
    if (s->state == FWI_SESSION_OPEN) { /* else it is in no room any more */
        fwi_fanout_missed(s, place, a->missed);
    }
}

static void give(fwi_session *s, fwi_cf_sub *sub, const fwi_admission *a,
                 const fwi_place *place)
{
    const fwi_cf_seen *seen = fwi_cf_seen_find(s, sub->channel);
    sub->positioned = sub->recoverable = true;
    sub->news = fwi_cf_options(s, sub->channel)->join_leave;
    sub->newest = fwi_cf_options(s, sub->channel)->newest_only;
    if (seen != NULL) {
        sub->recovering = true;
        sub->epoch = seen->at.epoch;
        sub->offset = seen->at.offset;
        fwi_cf_seen_drop(s, sub->channel);
    }
    if (s->centrifuge->state != FWI_CF_JOINING) {
        push_given(s, sub, a, place);
    } else if (!put_given(s, sub, a)) {
        fwi_cf_close(s, 3004, "internal server error");
    }
    sub->offset = a->at.offset; /* where it came in: see centrifuge_uni.c */
    if (s->state == FWI_SESSION_OPEN) {
        tell_itself(s, sub);
    }
}

void fwi_cf_joined(fwi_session *s, fwi_place *place, const fwi_admission *a)
{
    const char *channel = place->room->channel + 2;
    fwi_cf_drop_lost(s, channel); /* the push says enough */
    fwi_cf_sub *sub = fwi_cf_sub_find(s, channel);
    if (sub == NULL && (sub = fwi_cf_sub_add(s, channel)) != NULL) {
        sub->given = true;
    }
    if (sub == NULL) {
        fwi_cf_close(s, 3004, "internal server error");
        return;
    }
    sub->pending = false;
    if (sub->expires_s != 0) {
        fwi_cf_watch(s);
    }
    if (sub->given) {
        give(s, sub, a, place);
        fwi_cf_check_joining(s);
    } else {
        reply(s, sub, a);
    }
}

void fwi_cf_join_failed(fwi_session *s, const char *room, int err, const char *reason)
{
    fwi_centrifuge *cf = s->centrifuge;
    fwi_cf_sub *sub = fwi_cf_sub_find(s, room);
    if (s->state != FWI_SESSION_OPEN) {
        return;
    }
    if (sub != NULL && sub->pending) {
        uint32_t id = sub->id;
        bool given = sub->given, required = sub->required;
        fwi_cf_sub_drop(s, sub);
        if (required) {
            fwi_cf_refuse(s, err);
            return;
        }
        if (!given) { /* it is told of what it has asked for */
            cf->under_way--;
            fwi_cf_failure(s, id, err, reason);
            cf->blocked = false;
            fwi_cf_go_on(s);
        }
    }
    fwi_cf_check_joining(s);
}

/* --- it isn't any more --- */

void fwi_cf_left(fwi_session *s, const char *room)
{
    fwi_cf_sub *sub = fwi_cf_sub_find(s, room);
    if (sub == NULL || sub->loss != NULL) {
        return;
    }
    bool quiet = sub->quiet;
    fwi_cf_sub_drop(s, sub);
    if (!quiet) {
        fwi_cf_push_unsubscribe(s, room, UNSUBSCRIBED, "server unsubscribe");
    }
}

void fwi_cf_sub_lose(fwi_session *s, fwi_cf_sub *sub, unsigned code, const char *reason)
{
    char channel[FWI_NAME_MAX + 1];
    snprintf(channel, sizeof channel, "%s", sub->channel);
    if (sub->given) {
        /* It can't ask for the channel: only its connection can come again. */
        fwi_cf_close(s, 3010, reason);
        return;
    }
    sub->quiet = true;
    fwi_session_leave(s, channel);
    if (s->state == FWI_SESSION_OPEN) {
        fwi_cf_push_unsubscribe(s, channel, code, reason);
    }
}

void fwi_cf_lose_in(fwi_session *s, const fwi_room *room, void *arg)
{
    (void)arg;
    fwi_cf_sub *sub = fwi_cf_sub_find(s, room->channel + 2);
    if (sub != NULL && sub->positioned) {
        fwi_cf_lose_place(s, sub);
    }
}

const char *fwi_cf_room_info(const fwi_session *s, const char *room)
{
    const fwi_cf_sub *sub = fwi_cf_sub_find(s, room);
    return sub != NULL ? sub->info : NULL;
}

bool fwi_cf_wants_news(const fwi_session *s, const fwi_room *room)
{
    const fwi_cf_sub *sub = fwi_cf_sub_find(s, room->channel + 2);
    return sub != NULL && sub->news;
}
