/*
 * The table of open questions to the application, and the answers. An answer claims its
 * question by one atomic step, on whatever thread it is given; what follows from it
 * happens on the loop that has the session.
 */
#include "core/decision.h"

#include <string.h>

#include "core/session_inside.h"
#include "wire/name.h"

/* A token: loop (8 bits), is it a join (1), index (23), generation (32). */
enum { JOIN_BIT = 55 };

uint64_t fwi_decision_token(const fwi_decision *d)
{
    return (uint64_t)d->shard->index << 56 | (uint64_t)d->is_join << JOIN_BIT |
           (uint64_t)d->index << 32 | d->generation;
}

static uint32_t index_of(uint64_t token)
{
    return (uint32_t)(token >> 32) & 0x7fffff;
}

bool fwi_token_is_join(uint64_t token)
{
    return token >> JOIN_BIT & 1;
}

static void decision_free(fwi_decision *d)
{
    fwi_loop_timer_clear(d->shard->loop, &d->timer);
    fwi_list_remove(&d->link);
    if (d->s != NULL && d->is_join) {
        d->s->n_asking--;
    }
    fwi_idtable_remove(&d->shard->decisions, d->index, d->generation);
    free(d);
}

/* The verdict; d has been claimed and is used up. */
static void apply(fwi_decision *d, bool accept, int code, const char *text)
{
    fwi_session *s = d->s;
    if (s == NULL) {
        decision_free(d);
    } else if (d->is_join) {
        char room[FWI_NAME_MAX + 1];
        uint64_t ref = d->ref;
        fwi_join join = {.ref = ref, .since = d->since};
        strcpy(room, d->room);
        decision_free(d);
        if (accept) {
            if (fwi_session_enter(s, room, &join) == FW_ERR_MEMORY) {
                fwi_session_join_failed(s, room, ref, FW_ERR_MEMORY, "out of memory");
            }
        } else {
            fwi_session_join_failed(s, room, ref, code < 0 ? code : FW_ERR_REFUSED, text);
        }
    } else {
        decision_free(d);
        if (accept) {
            fwi_session_open(s, text[0] ? text : NULL);
        } else {
            fwi_session_refuse(s, code, text);
        }
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
    apply(d, false, d->is_join ? FW_ERR_TIMEOUT : 503, "no decision in time");
}

fwi_decision *fwi_decision_new(fwi_session *s, const char *room, uint64_t ref)
{
    fwi_shard *shard = s->shard;
    size_t n = room ? strlen(room) : 0;
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
    d->is_join = room != NULL;
    if (n > 0) {
        memcpy(d->room, room, n);
    }
    s->n_asking = (uint16_t)(s->n_asking + d->is_join);
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
    if (d->is_join) {
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
    apply(d, item->count != 0, item->code, item->text);
    fwi_item_free(item);
}

int fwi_hub_decide(fwi_hub *hub, uint64_t token, bool accept, int code, const char *text)
{
    unsigned loop = (unsigned)(token >> 56);
    if (loop >= hub->n_shards) {
        return FW_ERR_GONE;
    }
    fwi_shard *shard = hub->shard[loop];
    fwi_item *item = fwi_item_new(run_verdict, text, NULL);
    if (item == NULL) {
        return FW_ERR_MEMORY;
    }
    item->ref = token;
    item->count = accept;
    item->code = code;
    if (!fwi_idtable_claim(&shard->decisions, index_of(token), (uint32_t)token)) {
        fwi_item_free(item);
        return FW_ERR_GONE;
    }
    if (fwi_shard_here(hub) == shard) {
        run_verdict(shard, item);
        return FW_OK;
    }
    return fwi_shard_post(shard, item, false) == FW_OK ? FW_OK : FW_ERR_GONE;
}
