/*
 * A loop and what it has: the inbox is served when it is woken, sessions are written and
 * freed at the end of a turn, events are raised or gathered. The rest of core calls in
 * here for anything that belongs to the loop as a whole.
 * @thread loop, but for fwi_shard_post and fwi_shard_here
 */
#include "core/shard.h"

#include <string.h>

#include "core/decision.h"
#include "core/error.h"
#include "core/session_inside.h"
#include "wire/name.h"

/* A turn's end can make work for itself (a handler of CLOSE publishes): it goes round a
 * few times before it lets the loop look at its sockets. */
enum { ROUNDS_MAX = 8 };

/* How often a drain closes its share, and sessions are few enough not to make a burst. */
enum { DRAIN_STEP_MS = 20 };

static _Thread_local fwi_shard *here;

static void on_wake(void *user)
{
    here = user;
    fwi_shard_wake(user);
}

static void on_turn_end(void *user)
{
    here = user;
    fwi_shard_turn_end(user);
}

const fwi_loop_events fwi_shard_loop_events = {on_wake, on_turn_end};

fwi_shard *fwi_shard_here(const fwi_hub *hub)
{
    return here != NULL && here->hub == hub ? here : NULL;
}

void fwi_shard_leave_thread(void)
{
    here = NULL;
}

static void delay_over(fwi_timer *t)
{
    (void)t; /* that the loop has woken up is enough: its turn ends soon */
}

static void drain_step(fwi_timer *t);

static void wake_loop(void *user)
{
    fwi_shard *shard = user;
    shard->loop->ops->wake(shard->loop);
}

bool fwi_shard_init(fwi_shard *shard, fwi_hub *hub, unsigned index)
{
    memset(shard, 0, sizeof *shard);
    shard->hub = hub;
    shard->index = index;
    shard->scratch = malloc(FWI_SCRATCH);
    if (shard->scratch == NULL || !fwi_fanout_init(&shard->fanout)) {
        free(shard->scratch);
        return false;
    }
    fwi_inbox_init(&shard->inbox, hub->set.inbox_max);
    shard->inbox.wake = wake_loop;
    shard->inbox.user = shard;
    fwi_idtable_init(&shard->sessions);
    fwi_idtable_init(&shard->decisions);
    fwi_list_init(&shard->open);
    fwi_list_init(&shard->closing);
    fwi_list_init(&shard->dirty);
    fwi_list_init(&shard->dead);
    fwi_list_init(&shard->paused);
    fwi_list_init(&shard->stuck);
    shard->raised_tail = &shard->raised;
    fwi_losses_init(&shard->losses);
    fwi_timer_init(&shard->delay_timer, delay_over);
    fwi_timer_init(&shard->drain_timer, drain_step);
    fwi_rand_init(&shard->jitter, hub->node ^ (index + 1));
    return true;
}

static void reap(fwi_shard *shard)
{
    for (fwi_list *e; (e = fwi_list_pop(&shard->dead)) != NULL;) {
        fwi_session_free(fwi_list_entry(e, fwi_session, dirty));
    }
}

void fwi_shard_fini(fwi_shard *shard)
{
    reap(shard);
    FWI_ASSERT(shard->sessions.live == 0);
    fwi_inbox_fini(&shard->inbox);
    for (fw_event *e = shard->raised, *next; e != NULL; e = next) {
        next = e->next;
        fw_event_unref(e);
    }
    fwi_fanout_fini(&shard->fanout);
    fwi_outpool_fini(&shard->pool);
    fwi_idtable_fini(&shard->sessions);
    fwi_decisions_fini(shard);
    free(shard->scratch);
    fwi_deflater_free(shard->deflater);
    if (here == shard) {
        here = NULL;
    }
}

int fwi_shard_post(fwi_shard *shard, fwi_item *item, bool limited)
{
    if (item == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    switch (fwi_inbox_push(&shard->inbox, item, limited)) {
    case FWI_INBOX_FIRST:
    case FWI_INBOX_MORE:
        return FW_OK;
    case FWI_INBOX_BUSY:
        fwi_item_free(item);
        fwi_stat_add_shared(&shard->hub->outside, FWI_STAT_LIMIT_INBOX, 1);
        return fwi_error(FW_ERR_BUSY, "the inbox is full (inbox.max_bytes)");
    default:
        fwi_item_free(item);
        return fwi_error(FW_ERR_CLOSED, "the hub is stopped");
    }
}

void fwi_shard_wake(fwi_shard *shard)
{
    for (fwi_item *item = fwi_inbox_take(&shard->inbox), *next; item != NULL;
         item = next) {
        next = item->next;
        item->run(shard, item);
    }
}

static void hand_over_events(fwi_shard *shard)
{
    if (shard->raised != NULL) {
        fw_event *first = shard->raised;
        shard->raised = NULL;
        shard->raised_tail = &shard->raised;
        fwi_events_push(&shard->hub->events, first);
    }
}

static void flush_dirty(fwi_shard *shard)
{
    fwi_list batch;
    fwi_list_init(&batch);
    fwi_list_splice(&batch, &shard->dirty);
    for (fwi_list *e; (e = fwi_list_pop(&batch)) != NULL;) {
        fwi_session_flush(fwi_list_entry(e, fwi_session, dirty));
    }
}

static bool has_nothing_to_write(const fwi_shard *shard)
{
    return fwi_list_is_empty(&shard->dirty) && fwi_fanout_is_quiet(&shard->fanout);
}

/* With write.delay what is gathered waits for the timer that the first of it has set. */
static bool may_write(fwi_shard *shard)
{
    uint64_t delay = shard->hub->set.write_delay_ms;
    if (delay == 0 || has_nothing_to_write(shard)) {
        return true;
    }
    if (fwi_timer_is_set(&shard->delay_timer)) {
        return false;
    }
    if (fwi_loop_now_ms(shard->loop) >= shard->delay_timer.due_ms &&
        shard->delay_timer.due_ms != 0) {
        shard->delay_timer.due_ms = 0;
        return true;
    }
    fwi_loop_timer_set(shard->loop, &shard->delay_timer, delay);
    return false;
}

void fwi_shard_turn_end(fwi_shard *shard)
{
    fwi_hub *hub = shard->hub;
    int round = 0;
    for (; round < ROUNDS_MAX; round++) {
        if (shard->index == 0 && hub->bp != NULL) {
            hub->bp->ops->flush(hub->bp);
        }
        if (has_nothing_to_write(shard) || !may_write(shard)) {
            break;
        }
        fwi_fanout_all(shard);
        flush_dirty(shard);
    }
    if (round == ROUNDS_MAX) {
        shard->loop->ops->wake(shard->loop); /* there may be more */
    }
    reap(shard);
    hand_over_events(shard);
    fwi_stat_set(&shard->stats, FWI_STAT_OUTBOX_BYTES, shard->pool.bytes);
    fwi_stat_set(&shard->stats, FWI_STAT_OUTBOX_SESSIONS, shard->pool.waiting);
}

/* --- events --- */

static bool can_do_without(fw_event_type type)
{
    switch (type) {
    case FW_EVENT_CONNECT:
    case FW_EVENT_ROOM_MESSAGE:
    case FW_EVENT_ROOM_JOIN:
    case FW_EVENT_ROOM_LEAVE:
    case FW_EVENT_TRACE:
    case FW_EVENT_NODE_UP:
    case FW_EVENT_NODE_DOWN:
    case FW_EVENT_BACKPLANE_UP:
    case FW_EVENT_BACKPLANE_DOWN:
        return true;
    default:
        return false;
    }
}

static bool may_queue(fwi_shard *shard, fw_event_type type)
{
    if (can_do_without(type) && fwi_events_is_full(&shard->hub->events)) {
        fwi_shard_count(shard, FWI_STAT_LIMIT_EVENTS);
        if (type != FW_EVENT_CONNECT) {
            fwi_shard_count(shard, FWI_STAT_EVENTS_DROPPED);
        }
        return false;
    }
    return true;
}

/* Queued at the end of this turn. NULL: out of memory. */
static fw_event *append_raised(fwi_shard *shard, const fw_event *e)
{
    fw_event *copy = fwi_events_copy(&shard->hub->events, e);
    if (copy == NULL) {
        fwi_shard_count(shard, FWI_STAT_EVENTS_DROPPED);
        return NULL;
    }
    *shard->raised_tail = copy;
    shard->raised_tail = &copy->next;
    return copy;
}

static void owe(fw_event *e, fwi_credit *credit)
{
    e->credit = credit;
    atomic_fetch_add_explicit(&credit->refs, 1, memory_order_relaxed);
    atomic_fetch_add(&credit->unfinished, 1);
    atomic_fetch_add(&credit->bytes, e->cost);
}

/* Reading stops when the session's own share or the queue's room is used up. */
static void take_credit(fwi_shard *shard, fwi_session *s, fw_event *e)
{
    fwi_events *q = &shard->hub->events;
    if (s->credit == NULL) {
        s->credit = fwi_credit_new(e->session);
    }
    if (s->credit == NULL) {
        return;
    }
    owe(e, s->credit);
    bool over = fwi_events_is_over(q, s->credit), full = fwi_events_is_full(q);
    if ((over || full) && !s->paused && s->state == FWI_SESSION_OPEN && s->conn != NULL) {
        if (over) {
            fwi_shard_count(shard, FWI_STAT_LIMIT_EVENTS_SESSION);
        }
        if (full) {
            fwi_shard_count(shard, FWI_STAT_LIMIT_EVENTS);
        }
        fwi_session_pause(s);
        /* They may have finished since the count was taken. */
        fwi_session_check_credit(s);
    }
}

/* What a session speaks, as an application is told. */
static const char *const speaks[FWI_PROTOCOLS] = {
    [FWI_RAW] = "raw",
    [FWI_CENTRIFUGE] = "centrifuge",
    [FWI_SSE] = "sse",
    [FWI_UNI_SSE] = "uni_sse",
    [FWI_CENTRIFUGE_EVENTS] = "centrifuge_sse",
    [FWI_CENTRIFUGE_LINES] = "centrifuge_http_stream",
};

bool fwi_shard_raise(fwi_shard *shard, fw_event *e, fwi_session *s)
{
    fwi_events *q = &shard->hub->events;
    if (!fwi_events_want(q, e->type)) {
        return true;
    }
    if (s != NULL) {
        e->session = fwi_session_identity(s);
        e->user = e->user ? e->user : s->user;
        e->facts = s->facts;
        e->speaks = speaks[s->protocol];
    }
    if (!q->queued) {
        char user[FWI_NAME_MAX + 1];
        if (e->user != NULL) { /* the handler may give the session another */
            snprintf(user, sizeof user, "%s", e->user);
            e->user = user;
        }
        if (e->facts != NULL) {
            fwi_facts_ref(e->facts); /* the handler may end the session */
        }
        q->on[e->type].fn(shard->hub->handle, e, q->on[e->type].user);
        fwi_event_fini(e);
        fwi_facts_unref(e->facts);
        e->user = NULL;
        return true;
    }
    if (!may_queue(shard, e->type)) {
        return false;
    }
    fw_event *copy = append_raised(shard, e);
    if (copy != NULL && s != NULL) {
        take_credit(shard, s, copy);
    }
    return copy != NULL;
}

bool fwi_shard_raise_owed(fwi_shard *shard, const fw_event *e, fwi_credit *credit)
{
    fw_event *copy = append_raised(shard, e);
    if (copy != NULL) {
        owe(copy, credit);
    }
    return copy != NULL;
}

void fwi_shard_answer(fwi_shard *shard, fw_session_id id, const char *room, uint64_t ref,
                      int code, const char *reason)
{
    fw_event e = {.type = FW_EVENT_RESULT,
                  .session = id,
                  .room = room,
                  .token = ref,
                  .code = code,
                  .reason = reason};
    if (ref != 0) {
        fwi_shard_raise(shard, &e, NULL);
    }
}

void fwi_shard_resume(fwi_shard *shard)
{
    fwi_list all;
    fwi_list_init(&all);
    fwi_list_splice(&all, &shard->paused);
    for (fwi_list *e; (e = fwi_list_pop(&all)) != NULL;) {
        fwi_list_append(&shard->paused, e);
        fwi_session_check_credit(fwi_list_entry(e, fwi_session, pause_link));
    }
}

/* --- the door --- */

int fwi_shard_admit(fwi_shard *shard)
{
    fwi_hub *hub = shard->hub;
    long n = atomic_fetch_add(&hub->pending, 1) + 1;
    fwi_stat_add(&shard->stats, FWI_STAT_PENDING, 1);
    if (n > hub->set.limit_pending) {
        fwi_shard_count(shard, FWI_STAT_LIMIT_PENDING);
        fwi_shard_count(shard, FWI_STAT_REFUSED);
        fwi_shard_unadmit(shard);
        return 503;
    }
    return 0;
}

void fwi_shard_unadmit(fwi_shard *shard)
{
    fwi_hub *hub = shard->hub;
    fwi_stat_sub(&shard->stats, FWI_STAT_PENDING, 1);
    if (atomic_fetch_sub(&hub->pending, 1) == 1 && atomic_load(&hub->released) &&
        hub->on_idle != NULL) {
        hub->on_idle(hub->watcher);
    }
}

void fwi_shard_count_http_error(fwi_shard *shard)
{
    fwi_shard_count(shard, FWI_STAT_HTTP_ERRORS);
}

uint32_t fwi_shard_retry_ms(fwi_shard *shard)
{
    uint64_t about_ms = shard->hub->set.sse_retry_ms;
    uint64_t half_ms = about_ms / 2;
    return (uint32_t)fwi_rand_between(&shard->jitter, about_ms - half_ms,
                                      about_ms + half_ms);
}

void fwi_shard_reload(fwi_shard *shard)
{
    for (fwi_list *e = shard->open.next; e != &shard->open; e = e->next) {
        fwi_session *s = fwi_list_entry(e, fwi_session, all);
        if (s->announced) { /* else the timer says how long its protocol waits for it */
            fwi_heartbeat_restart(s);
        }
    }
}

/* --- ending --- */

void fwi_shard_close_all(fwi_shard *shard)
{
    for (uint32_t i = 0; i < shard->sessions.used; i++) {
        fwi_session *s = fwi_idtable_at(&shard->sessions, i);
        if (s != NULL) {
            fwi_session_end(s, FWI_END_AWAY);
        }
    }
}

void fwi_shard_abort_all(fwi_shard *shard)
{
    while (!fwi_list_is_empty(&shard->closing)) {
        fwi_session_abort(fwi_list_entry(shard->closing.next, fwi_session, all));
    }
}

static void drain_step(fwi_timer *t)
{
    fwi_shard *shard = fwi_container_of(t, fwi_shard, drain_timer);
    fwi_hub *hub = shard->hub;
    uint64_t ms = fwi_loop_now_ms(shard->loop) - shard->drain_started_ms;
    /* This loop's share of what should have been closed by now, rounded up. */
    uint64_t due = (ms * (uint64_t)hub->set.drain_rate / hub->n_shards + 999) / 1000;
    while (shard->drained < due && !fwi_list_is_empty(&shard->open)) {
        shard->drained++;
        fwi_session_end(fwi_list_entry(shard->open.next, fwi_session, all), FWI_END_AWAY);
    }
    if (!fwi_list_is_empty(&shard->open)) {
        fwi_loop_timer_set(shard->loop, t, DRAIN_STEP_MS);
    }
}

/* Those about whom nothing has been decided: they can still go elsewhere. */
static void refuse_asking(fwi_shard *shard)
{
    for (uint32_t i = 0; i < shard->sessions.used; i++) {
        fwi_session *s = fwi_idtable_at(&shard->sessions, i);
        if (s != NULL && s->state == FWI_SESSION_ASKING) {
            fwi_session_refuse(s, 503, "going away");
        }
    }
}

void fwi_shard_drain(fwi_shard *shard)
{
    refuse_asking(shard);
    if (!fwi_timer_is_set(&shard->drain_timer)) {
        shard->drain_started_ms = fwi_loop_now_ms(shard->loop);
        shard->drained = 0;
        fwi_loop_timer_set(shard->loop, &shard->drain_timer, 1);
    }
}
