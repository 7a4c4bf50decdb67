/*
 * The table of open questions to the application, and the answers. An answer claims its
 * question by one atomic step, on whatever thread it is given; what follows from it
 * happens on the loop that has the session.
 */
#include "core/decision.h"

#include <string.h>

#include "core/error.h"
#include "core/session_inside.h"
#include "wire/name.h"
#include "wire/protocol_centrifuge.h"

/* A token: loop (6 bits), kind (4), index (22), generation (32). */
enum { LOOP_BIT = 58, KIND_BIT = 54 };
_Static_assert(FWI_LOOPS_MAX <= 64, "a loop's number has six bits");

uint64_t fwi_decision_token(const fwi_decision *d)
{
    return (uint64_t)d->shard->index << LOOP_BIT | (uint64_t)d->kind << KIND_BIT |
           (uint64_t)d->index << 32 | d->generation;
}

static uint32_t index_of(uint64_t token)
{
    return (uint32_t)(token >> 32) & 0x3fffff;
}

fwi_decision_kind fwi_token_kind(uint64_t token)
{
    return (fwi_decision_kind)(token >> KIND_BIT & 15);
}

static void decision_free(fwi_decision *d)
{
    fwi_loop_timer_clear(d->shard->loop, &d->timer);
    fwi_list_remove(&d->link);
    if (d->s != NULL && d->kind == FWI_ASKS_JOIN) {
        d->s->n_asking--;
    }
    fwi_idtable_remove(&d->shard->decisions, d->index, d->generation);
    fw_message_unref(d->m);
    free(d);
}

/* An answer: m is what fw_reply gave; else text is a user or a reason, and code is an
 * FW_ERR_, or the application's. all: what fw_answer gave, of which these are a part;
 * NULL: it was another function. */
typedef struct answer {
    bool accept;
    int code;
    const char *text;
    fw_message *m;
    fwi_answer *all;
} answer;

static const fwi_claims *given_by(const answer *a)
{
    return a->accept && a->all != NULL ? a->all->claims : NULL;
}

/* Data of a result as a message of its own; NULL: there is none, or no memory. */
static fw_message *message_of(const fwi_json *data)
{
    fw_message *m = data->kind == FWI_JSON_NONE
                        ? NULL
                        : fwi_message_new(FWI_MSG_DATA, data->at, data->len, FW_TEXT);
    if (m != NULL) {
        m->shape = 1 + FWI_CF_VALUE;
    }
    return m;
}

static void apply_to_join(fwi_decision *d, fwi_session *s, const answer *a)
{
    char room[FWI_NAME_MAX + 1];
    uint64_t ref = d->ref;
    fwi_join join = {.ref = ref, .since = d->since};
    const fwi_claims *given = given_by(a);
    snprintf(room, sizeof room, "%s", d->name);
    decision_free(d);
    if (!a->accept) {
        /* The number that fw_reject gives a join is nobody's but its caller's. */
        fwi_session_join_failed(s, room, ref,
                                a->code < 0 || a->all != NULL ? a->code : FW_ERR_REFUSED,
                                a->text);
        return;
    }
    if (given != NULL && fwi_session_protocol(s)->granted != NULL) {
        fwi_session_protocol(s)->granted(s, room, given);
    }
    if (fwi_session_enter(s, room, &join) == FW_ERR_MEMORY) {
        fwi_session_join_failed(s, room, ref, FW_ERR_MEMORY, "out of memory");
    }
}

static void apply_to_connect(fwi_decision *d, fwi_session *s, const answer *a)
{
    char user[FWI_NAME_MAX + 1];
    fwi_claims *given = NULL;
    int code = a->code;
    snprintf(user, sizeof user, "%s", d->name);
    decision_free(d);
    if (a->all != NULL) {
        given = a->all->claims;
        a->all->claims = NULL;
    } else if (!a->accept && code >= 500 && code <= 599) {
        code |= FWI_MAY_TRY_AGAIN;
    }
    fwi_session_protocol(s)->verdict(
        s, a->accept, code, a->accept && a->text[0] == '\0' ? user : a->text, given);
}

static void apply_to_rpc(fwi_decision *d, fwi_session *s, const answer *a)
{
    static const fwi_json nothing = {FWI_JSON_NULL, "null", 4};
    const fwi_claims *given = given_by(a);
    uint64_t ref = d->ref;
    decision_free(d);
    if (given == NULL) {
        fwi_session_protocol(s)->replied(s, ref, a->m, a->code, a->text);
        return;
    }
    fw_message *m =
        message_of(given->data.kind != FWI_JSON_NONE ? &given->data : &nothing);
    fwi_session_protocol(s)->replied(s, ref, m, FW_ERR_MEMORY, "");
    fw_message_unref(m);
}

/* What is to be said: what the client said, or what the application made of it. */
static fw_message *to_publish(fw_message *said, const fwi_claims *given)
{
    if (given == NULL || given->data.kind == FWI_JSON_NONE) {
        return fw_message_ref(said);
    }
    fw_message *m = message_of(&given->data);
    if (m != NULL) {
        m->except = said->except;
        m->origin = said->origin != NULL ? fwi_origin_ref(said->origin) : NULL;
        atomic_store(&m->sent, true);
    }
    return m;
}

static void apply_to_publish(fwi_decision *d, fwi_session *s, const answer *a)
{
    char room[FWI_NAME_MAX + 1];
    uint64_t ref = d->ref;
    fw_message *m = a->accept ? to_publish(d->m, given_by(a)) : NULL;
    snprintf(room, sizeof room, "%s", d->name);
    decision_free(d);
    if (!a->accept) {
        fwi_shard_count(s->shard, FWI_STAT_PUBLISH_REFUSED);
    }
    fwi_session_protocol(s)->published(s, room, ref, m,
                                       a->accept ? FW_ERR_MEMORY : a->code, a->text);
    fw_message_unref(m);
}

/* A refusal without a number of the client's is the end; an error, or no answer, is none:
 * an application that is away would lose all its clients. */
static void apply_to_refresh(fwi_decision *d, fwi_session *s, const answer *a)
{
    char room[FWI_NAME_MAX + 1];
    const fwi_claims *given = given_by(a);
    const fwi_stay stay = {
        .known = given != NULL || (a->code >= 0 && a->all == NULL),
        .expires_s = given != NULL && !a->all->expired ? given->expires_s : 0,
        .given = given,
    };
    snprintf(room, sizeof room, "%s", d->name);
    decision_free(d);
    fwi_session_protocol(s)->stays(s, room, &stay);
}

/* The application wants it to go, whatever it was asked. */
static void send_away(fwi_decision *d, fwi_session *s, const fwi_answer *all)
{
    decision_free(d);
    if (s->state == FWI_SESSION_ASKING) {
        fwi_session_refuse(s, 403, all->reason);
    } else if (s->state == FWI_SESSION_OPEN) {
        fwi_session_close(s, all->code, all->reason);
    }
}

/* The answer; d has been claimed and is used up. */
static void apply(fwi_decision *d, const answer *a)
{
    static void (*const by_kind[])(fwi_decision *, fwi_session *, const answer *) = {
        [FWI_ASKS_CONNECT] = apply_to_connect, [FWI_ASKS_JOIN] = apply_to_join,
        [FWI_ASKS_RPC] = apply_to_rpc,         [FWI_ASKS_PUBLISH] = apply_to_publish,
        [FWI_ASKS_REFRESH] = apply_to_refresh, [FWI_ASKS_SUB_REFRESH] = apply_to_refresh,
    };
    fwi_session *s = d->s;
    if (s == NULL) {
        decision_free(d);
    } else if (a->all != NULL && a->all->kind == FWI_ANSWER_DISCONNECT) {
        send_away(d, s, a->all);
    } else {
        by_kind[d->kind](d, s, a);
    }
}

static void timed_out(fwi_timer *t)
{
    fwi_decision *d = fwi_container_of(t, fwi_decision, timer);
    fwi_shard *shard = d->shard;
    if (!fwi_idtable_claim(&shard->decisions, d->index, d->generation)) {
        return; /* an answer is on its way through the inbox */
    }
    fwi_shard_count(shard, FWI_STAT_DECISION_TIMEOUTS);
    apply(d, &(answer){.code = d->kind == FWI_ASKS_CONNECT ? 503 : FW_ERR_TIMEOUT,
                       .text = "no decision in time"});
}

fwi_decision *fwi_decision_new(fwi_session *s, fwi_decision_kind kind, const char *name,
                               uint64_t ref)
{
    fwi_shard *shard = s->shard;
    size_t n = strlen(name);
    fwi_decision *d = calloc(1, sizeof *d + n + 1);
    if (d == NULL) {
        return NULL;
    }
    if (!fwi_idtable_add(&shard->decisions, d, &d->index, &d->generation)) {
        free(d);
        return NULL;
    }
    d->shard = shard;
    d->s = s;
    d->ref = ref;
    d->kind = kind;
    memcpy(d->name, name, n + 1);
    s->n_asking = (uint16_t)(s->n_asking + (kind == FWI_ASKS_JOIN));
    fwi_list_init(&d->link);
    fwi_list_append(&s->decisions, &d->link);
    fwi_timer_init(&d->timer, timed_out);
    fwi_loop_timer_set(shard->loop, &d->timer, shard->hub->set.decision_timeout_ms);
    return d;
}

bool fwi_decision_asks_publish(const fwi_session *s, const char *channel)
{
    const fwi_hub *hub = s->shard->hub;
    return fwi_events_want(&hub->events, FW_EVENT_PUBLISH) &&
           fwi_room_options_of(hub, channel)->ask_publish;
}

bool fwi_decision_ask_publish(fwi_session *s, const char *room, uint64_t ref,
                              fw_message *m)
{
    fwi_decision *d = fwi_decision_new(s, FWI_ASKS_PUBLISH, room, ref);
    if (d == NULL) {
        return false;
    }
    d->m = fw_message_ref(m);
    fw_event e = {.type = FW_EVENT_PUBLISH,
                  .room = room,
                  .token = fwi_decision_token(d),
                  .data = fwi_message_bytes(m),
                  .len = fwi_message_len(m),
                  .flags = m->flags};
    fwi_shard_raise(s->shard, &e, s);
    return true;
}

bool fwi_decision_ask_refresh(fwi_session *s, const char *room)
{
    bool whole = room[0] == '\0';
    fwi_decision *d =
        fwi_decision_new(s, whole ? FWI_ASKS_REFRESH : FWI_ASKS_SUB_REFRESH, room, 0);
    if (d == NULL) {
        return false;
    }
    fw_event e = {.type = whole ? FW_EVENT_REFRESH : FW_EVENT_SUB_REFRESH,
                  .room = whole ? NULL : room,
                  .token = fwi_decision_token(d)};
    fwi_shard_raise(s->shard, &e, s);
    return true;
}

void fwi_decision_cancel(fwi_decision *d)
{
    if (fwi_idtable_claim(&d->shard->decisions, d->index, d->generation)) {
        decision_free(d);
        return;
    }
    /* Somebody has just answered; that answer finds nobody. */
    fwi_loop_timer_clear(d->shard->loop, &d->timer);
    fwi_list_remove(&d->link);
    if (d->kind == FWI_ASKS_JOIN) {
        d->s->n_asking--;
    }
    d->s = NULL;
}

void fwi_decisions_fini(fwi_shard *shard)
{
    for (uint32_t i = 0; i < shard->decisions.used; i++) {
        fwi_decision *d = fwi_idtable_at(&shard->decisions, i);
        FWI_ASSERT(d == NULL || d->s == NULL);
        if (d != NULL) {
            fw_message_unref(d->m);
        }
        free(d);
    }
    fwi_idtable_fini(&shard->decisions);
}

static void run_verdict(fwi_shard *shard, fwi_item *item)
{
    fwi_decision *d =
        fwi_idtable_get(&shard->decisions, index_of(item->ref), (uint32_t)item->ref);
    FWI_ASSERT(d != NULL); /* claimed, so nobody but us may free it */
    const answer a = {.accept = item->count != 0,
                      .code = item->code,
                      .text = item->text,
                      .m = item->m,
                      .all = item->ptr};
    apply(d, &a);
    fwi_item_free(item);
}

/* item has all but where it goes to, and is taken; NULL: out of memory. */
static int post_answer(fwi_hub *hub, uint64_t token, fwi_item *item)
{
    unsigned loop = (unsigned)(token >> LOOP_BIT);
    if (item == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    if (loop >= hub->n_shards || !fwi_idtable_claim(&hub->shard[loop]->decisions,
                                                    index_of(token), (uint32_t)token)) {
        fwi_item_free(item);
        return FW_ERR_GONE;
    }
    fwi_shard *shard = hub->shard[loop];
    item->ref = token;
    if (fwi_shard_here(hub) == shard) {
        run_verdict(shard, item);
        return FW_OK;
    }
    return fwi_shard_post(shard, item, false) == FW_OK ? FW_OK : FW_ERR_GONE;
}

int fwi_hub_decide(fwi_hub *hub, uint64_t token, bool accept, int code, const char *text)
{
    fwi_item *item = fwi_item_new(run_verdict, text, NULL);
    if (item != NULL) {
        item->count = accept;
        item->code = code;
    }
    return post_answer(hub, token, item);
}

int fwi_hub_reply(fwi_hub *hub, uint64_t token, fw_message *m)
{
    return post_answer(hub, token, fwi_item_new(run_verdict, NULL, m));
}

static void free_answer(void *a)
{
    fwi_answer_free(a);
}

int fwi_hub_answer(fwi_hub *hub, uint64_t token, fwi_answer *a)
{
    bool is_result = a->kind == FWI_ANSWER_RESULT;
    fwi_item *item =
        fwi_item_new(run_verdict, is_result ? a->claims->user : a->reason, NULL);
    if (item == NULL) {
        fwi_answer_free(a);
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    item->count = is_result;
    item->code = (int)a->code | (a->temporary ? FWI_MAY_TRY_AGAIN : 0);
    item->ptr = a;
    item->ptr_free = free_answer;
    return post_answer(hub, token, item);
}
