/*
 * The table of open questions to the application, and the answers. An answer claims its
 * question by one atomic step, on whatever thread it is given; what follows from it
 * happens on the loop that has the session.
 */
#include "core/decision.h"

#include <string.h>

#include "core/session_inside.h"
#include "wire/name.h"

/* A token: loop (8 bits), kind (2), index (22), generation (32). */
enum { KIND_BIT = 54 };

uint64_t fwi_decision_token(const fwi_decision *d)
{
    return (uint64_t)d->shard->index << 56 | (uint64_t)d->kind << KIND_BIT |
           (uint64_t)d->index << 32 | d->generation;
}

static uint32_t index_of(uint64_t token)
{
    return (uint32_t)(token >> 32) & 0x3fffff;
}

fwi_decision_kind fwi_token_kind(uint64_t token)
{
    return (fwi_decision_kind)(token >> KIND_BIT & 3);
}

static void decision_free(fwi_decision *d)
{
    fwi_loop_timer_clear(d->shard->loop, &d->timer);
    fwi_list_remove(&d->link);
    if (d->s != NULL && d->kind == FWI_ASKS_JOIN) {
        d->s->n_asking--;
    }
    fwi_idtable_remove(&d->shard->decisions, d->index, d->generation);
    free(d);
}

/* An answer: m is what fw_reply gave; else text is a user or a reason. */
typedef struct answer {
    bool accept;
    int code;
    const char *text;
    fw_message *m;
} answer;

static void apply_to_join(fwi_decision *d, fwi_session *s, const answer *a)
{
    char room[FWI_NAME_MAX + 1];
    uint64_t ref = d->ref;
    fwi_join join = {.ref = ref, .since = d->since};
    strcpy(room, d->name);
    decision_free(d);
    if (a->accept) {
        if (fwi_session_enter(s, room, &join) == FW_ERR_MEMORY) {
            fwi_session_join_failed(s, room, ref, FW_ERR_MEMORY, "out of memory");
        }
    } else {
        fwi_session_join_failed(s, room, ref, a->code < 0 ? a->code : FW_ERR_REFUSED,
                                a->text);
    }
}

static void apply_to_connect(fwi_decision *d, fwi_session *s, const answer *a)
{
    char user[FWI_NAME_MAX + 1];
    strcpy(user, d->name);
    decision_free(d);
    fwi_session_protocol(s)->verdict(s, a->accept, a->code,
                                     a->accept && a->text[0] == '\0' ? user : a->text);
}

/* The answer; d has been claimed and is used up. */
static void apply(fwi_decision *d, const answer *a)
{
    fwi_session *s = d->s;
    uint64_t ref = d->ref;
    if (s != NULL && d->kind == FWI_ASKS_JOIN) {
        apply_to_join(d, s, a);
        return;
    }
    if (s != NULL && d->kind == FWI_ASKS_CONNECT) {
        apply_to_connect(d, s, a);
        return;
    }
    decision_free(d);
    if (s != NULL) {
        fwi_session_protocol(s)->replied(s, ref, a->m, a->code, a->text);
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
    static const int codes[] = {
        [FWI_ASKS_CONNECT] = 503,
        [FWI_ASKS_JOIN] = FW_ERR_TIMEOUT,
        [FWI_ASKS_RPC] = FW_ERR_TIMEOUT,
    };
    apply(d, &(answer){.code = codes[d->kind], .text = "no decision in time"});
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
    memcpy(d->name, name, n);
    s->n_asking = (uint16_t)(s->n_asking + (kind == FWI_ASKS_JOIN));
    fwi_list_init(&d->link);
    fwi_list_append(&s->decisions, &d->link);
    fwi_timer_init(&d->timer, timed_out);
    fwi_loop_timer_set(shard->loop, &d->timer, shard->hub->set.decision_timeout_ms);
    return d;
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
        free(d);
    }
    fwi_idtable_fini(&shard->decisions);
}

static void run_verdict(fwi_shard *shard, fwi_item *item)
{
    fwi_decision *d =
        fwi_idtable_get(&shard->decisions, index_of(item->ref), (uint32_t)item->ref);
    FWI_ASSERT(d != NULL); /* claimed, so nobody but us may free it */
    const answer a = {
        .accept = item->count != 0, .code = item->code, .text = item->text, .m = item->m};
    apply(d, &a);
    fwi_item_free(item);
}

/* item has all but where it goes to, and is taken; NULL: out of memory. */
static int post_answer(fwi_hub *hub, uint64_t token, fwi_item *item)
{
    unsigned loop = (unsigned)(token >> 56);
    if (item == NULL) {
        return FW_ERR_MEMORY;
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
