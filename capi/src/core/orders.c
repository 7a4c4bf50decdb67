/*
 * What is to be done with one session, wherever it lives: on this thread's loop, on
 * another loop of this node, or on another node. The outside calls enter at loop 0, so
 * that what one thread calls happens in that order. @thread any
 */
#include <string.h>

#include "core/attached.h"
#include "core/error.h"
#include "core/presence.h"
#include "core/session_inside.h"
#include "wire/name.h"

fwi_shard *fwi_hub_shard_of(const fwi_hub *hub, fw_session_id id)
{
    unsigned loop = fwi_id_loop(id);
    if (id.node != hub->node || loop >= hub->n_shards ||
        !fwi_idtable_is_live(&hub->shard[loop]->sessions, fwi_id_index(id),
                             fwi_id_generation(id))) {
        return NULL;
    }
    return hub->shard[loop];
}

/* --- at the session's own loop --- */

static void run_send(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL) {
        fwi_session_send(s, item->m);
    }
    fwi_item_free(item);
}

static void run_close(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL) {
        fwi_session_close(s, (unsigned)item->code, item->text);
    }
    fwi_item_free(item);
}

/* text is the channel; count: interests that loop 0 has taken for it; at and code: since
 * and quiet; m: what it gets with the room, or NULL. */
static void run_join(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL) {
        fwi_join join = {.ref = item->ref,
                         .brought = item->count,
                         .since = item->at,
                         .gift = item->m,
                         .quiet = item->code != 0};
        int err = fwi_session_join(s, item->text + 2, &join);
        if (err == FW_ERR_LIMIT || (err == FW_ERR_MEMORY && item->ref != 0)) {
            fwi_shard_answer(shard, item->id, item->text + 2, item->ref, err,
                             fw_strerror(err));
        }
    } else {
        if (item->count > 0) {
            fwi_hub_interest_drop(shard->hub, shard, item->text, item->count);
        }
        fwi_shard_answer(shard, item->id, item->text + 2, item->ref, FW_ERR_GONE,
                         fw_strerror(FW_ERR_GONE));
    }
    fwi_item_free(item);
}

static void run_leave(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL) {
        fwi_session_leave(s, item->text);
    }
    fwi_item_free(item);
}

static void run_set_info(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL) {
        fwi_presence_set_info(s, fwi_message_bytes(item->m), fwi_message_len(item->m));
    }
    fwi_item_free(item);
}

/* ref: the time. */
static void run_refresh(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL) {
        fwi_session_refresh(s, (int64_t)item->ref);
    }
    fwi_item_free(item);
}

static void run_set_user(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL && s->state == FWI_SESSION_OPEN) {
        fwi_session_set_user(s, item->text[0] ? item->text + 2 : NULL, item->count);
    } else if (item->count > 0) {
        fwi_hub_interest_drop(shard->hub, shard, item->text, item->count);
    }
    fwi_item_free(item);
}

/* --- on the way there --- */

int fwi_hub_post(fwi_hub *hub, fw_session_id id, fwi_item *item)
{
    fwi_shard *to = fwi_hub_shard_of(hub, id);
    if (item == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    if (to == NULL) {
        fwi_item_free(item);
        return fwi_error(FW_ERR_GONE, "the session is closed, or another node's");
    }
    item->id = id;
    return fwi_shard_post(to, item, true);
}

/* Loop 0: passes it on. A join or a name takes its interest here already, so that what
 * the same thread publishes next waits for it. */
static void run_forward(fwi_shard *shard, fwi_item *item)
{
    fwi_hub *hub = shard->hub;
    fwi_shard *to = hub->shard[fwi_id_loop(item->id)];
    bool channel =
        item->then == run_join || (item->then == run_set_user && item->text[0]);
    item->run = item->then;
    if (to == shard) {
        item->run(shard, item);
        return;
    }
    if (channel) {
        fwi_hub_forward_interest(hub, to->index, item);
    } else if (fwi_shard_post(to, item, item->run == run_send) != FW_OK) {
        fwi_shard_count(shard, FWI_STAT_INBOX_DROPPED);
    }
}

/* id is of this node. item is taken. */
static int order(fwi_hub *hub, fw_session_id id, fwi_item *item, fwi_item_fn run)
{
    if (item == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    if (fwi_hub_shard_of(hub, id) == NULL) {
        fwi_item_free(item);
        return fwi_error(FW_ERR_GONE, "the session is closed");
    }
    fwi_shard *here = fwi_shard_here(hub);
    item->id = id;
    item->run = run_forward;
    item->then = run;
    if (here != NULL && (here->index == fwi_id_loop(id) || here->index == 0)) {
        item->run = here->index == fwi_id_loop(id) ? run : run_forward;
        item->run(here, item);
        return FW_OK;
    }
    return fwi_shard_post(hub->shard[0], item, true);
}

int fwi_hub_send_abroad(fwi_hub *hub, fw_session_id id, fw_message *m)
{
    char channel[32];
    if (m == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    m->target = id;
    atomic_store(&m->sent, true);
    snprintf(channel, sizeof channel, "n:%016llx", (unsigned long long)id.node);
    int err = id.node != 0 ? fwi_hub_publish(hub, channel, m)
                           : fwi_error(FW_ERR_GONE, "nobody's session");
    fw_message_unref(m);
    return err;
}

static int order_abroad(fwi_hub *hub, fw_session_id id, fwi_msg_kind kind, unsigned code,
                        const void *data, size_t len, unsigned flags)
{
    fw_message *m = fwi_message_new(kind, data, len, flags);
    if (m != NULL) {
        m->code = (uint16_t)code;
    }
    return fwi_hub_send_abroad(hub, id, m);
}

int fwi_hub_send(fwi_hub *hub, fw_session_id id, fw_message *m)
{
    if (id.node != hub->node) {
        return order_abroad(hub, id, FWI_MSG_SESSION, 0, fwi_message_bytes(m),
                            fwi_message_len(m), m->flags);
    }
    fwi_shard *here = fwi_shard_here(hub);
    if (here != NULL && here->index == fwi_id_loop(id)) {
        fwi_session *s = fwi_session_find(here, id);
        if (s == NULL) {
            return fwi_error(FW_ERR_GONE, "the session is closed");
        }
        fwi_session_send(s, m);
        return FW_OK;
    }
    return order(hub, id, fwi_item_new(NULL, NULL, m), run_send);
}

int fwi_hub_close(fwi_hub *hub, fw_session_id id, unsigned code, const char *reason)
{
    if (id.node != hub->node) {
        return order_abroad(hub, id, FWI_MSG_CLOSE, code, reason, strlen(reason), 0);
    }
    fwi_item *item = fwi_item_new(NULL, reason, NULL);
    if (item != NULL) {
        item->code = (int)code;
    }
    return order(hub, id, item, run_close);
}

/* On its own thread a join says at once what is wrong with it. */
static int join_here(fwi_shard *here, fw_session_id id, const char *room,
                     const fwi_join *join)
{
    fwi_session *s = fwi_session_find(here, id);
    if (s == NULL || s->state != FWI_SESSION_OPEN || !s->announced) {
        return fwi_error(FW_ERR_GONE, "the session is closed, or not open yet");
    }
    int err = fwi_session_join(s, room, join);
    if (err == FW_ERR_LIMIT) {
        fwi_error(err,
                  "the session is in as many rooms as limit.rooms_per_session allows");
    } else if (err == FW_ERR_MEMORY) {
        fwi_error(err, "out of memory");
    }
    return err;
}

static int put_into(fwi_hub *hub, fw_session_id id, const char *room,
                    const fwi_join *join)
{
    char channel[FWI_CHANNEL_CAP];
    if (id.node != hub->node) {
        return fwi_hub_send_abroad(hub, id,
                                   join->gift != NULL
                                       ? fw_message_ref(join->gift)
                                       : fwi_message_join(room, join->since));
    }
    fwi_shard *here = fwi_shard_here(hub);
    if (here != NULL && here->index == fwi_id_loop(id)) {
        return join_here(here, id, room, join);
    }
    fwi_item *item = fwi_item_new(NULL, fwi_channel_name('r', room, channel), join->gift);
    if (item != NULL) {
        item->ref = join->ref;
        item->at = join->since;
    }
    return order(hub, id, item, run_join);
}

int fwi_hub_join_since(fwi_hub *hub, fw_session_id id, const char *room,
                       fwi_position since, uint64_t ref)
{
    return put_into(hub, id, room, &(fwi_join){.ref = ref, .since = since});
}

int fwi_hub_give(fwi_hub *hub, fw_session_id id, const char *room, fw_message *gift)
{
    return put_into(hub, id, room,
                    &(fwi_join){.since = fwi_message_join_since(gift), .gift = gift});
}

int fwi_hub_join(fwi_hub *hub, fw_session_id id, const char *room, uint64_t ref)
{
    return fwi_hub_join_since(hub, id, room, (fwi_position){0, 0}, ref);
}

int fwi_hub_leave(fwi_hub *hub, fw_session_id id, const char *room)
{
    if (id.node != hub->node) {
        return order_abroad(hub, id, FWI_MSG_LEAVE, 0, room, strlen(room), 0);
    }
    return order(hub, id, fwi_item_new(NULL, room, NULL), run_leave);
}

int fwi_hub_set_user(fwi_hub *hub, fw_session_id id, const char *user)
{
    char channel[FWI_CHANNEL_CAP] = "";
    if (id.node != hub->node) {
        const char *name = user ? user : "";
        return order_abroad(hub, id, FWI_MSG_SET_USER, 0, name, strlen(name), 0);
    }
    if (user != NULL) {
        fwi_channel_name('u', user, channel);
    }
    return order(hub, id, fwi_item_new(NULL, channel, NULL), run_set_user);
}

int fwi_hub_set_info(fwi_hub *hub, fw_session_id id, const void *data, size_t len)
{
    if (id.node != hub->node) {
        return order_abroad(hub, id, FWI_MSG_SET_INFO, 0, data, len, FW_BINARY);
    }
    fw_message *m = fwi_message_new(FWI_MSG_SET_INFO, data, len, FW_BINARY);
    if (m == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    int err = order(hub, id, fwi_item_new(NULL, NULL, m), run_set_info);
    fw_message_unref(m);
    return err;
}

int fwi_hub_refresh(fwi_hub *hub, fw_session_id id, int64_t expires_s)
{
    if (id.node != hub->node) {
        return fwi_hub_send_abroad(hub, id, fwi_message_refresh(expires_s));
    }
    fwi_item *item = fwi_item_new(NULL, NULL, NULL);
    if (item != NULL) {
        item->ref = (uint64_t)expires_s;
    }
    return order(hub, id, item, run_refresh);
}

/* --- credit --- */

static void run_resume_one(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL) {
        fwi_session_check_credit(s);
        fwi_attached_resume(s);
    } else { /* it may be closing, with something left to say */
        fwi_attached_resume_all(shard);
    }
    fwi_item_free(item);
}

static void run_resume_all(fwi_shard *shard, fwi_item *item)
{
    fwi_shard_resume(shard);
    fwi_attached_resume_all(shard);
    fwi_item_free(item);
}

/* Takes so much off. Was it above that bound, and isn't any more? */
static bool falls_through(atomic_size_t *bytes, size_t cost, size_t bound)
{
    size_t before = atomic_fetch_sub(bytes, cost);
    return before > bound && before - cost <= bound;
}

static void give_credit(fwi_hub *hub, fw_event *e)
{
    fwi_events *q = &hub->events;
    if (falls_through(&q->bytes, e->cost, q->max_bytes / 2)) {
        for (unsigned i = 0; i < hub->n_shards; i++) {
            fwi_shard_post(hub->shard[i], fwi_item_new(run_resume_all, NULL, NULL),
                           false);
        }
    }
    if (e->credit == NULL) {
        return;
    }
    /* Both are taken off before the loop is told: it looks at both. */
    unsigned left = atomic_fetch_sub(&e->credit->unfinished, 1) - 1;
    bool bytes_are_back =
        falls_through(&e->credit->bytes, e->cost, q->bytes_per_session / 2);
    unsigned loop = fwi_id_loop(e->credit->session);
    if ((left == q->per_session / 2 || bytes_are_back) && loop < hub->n_shards) {
        fwi_item *item = fwi_item_new(run_resume_one, NULL, NULL);
        if (item != NULL) {
            item->id = e->credit->session;
            fwi_shard_post(hub->shard[loop], item, false);
        }
    }
}

void fwi_hub_events_done(fw_event **events, int n)
{
    for (int i = 0; i < n; i++) {
        /* Once, however often it is given back: who keeps it may do so again. */
        if (atomic_exchange(&events[i]->unfinished, false)) {
            fwi_hub *hub = fwi_container_of(events[i]->queue, fwi_hub, events);
            give_credit(hub, events[i]);
        }
        fw_event_unref(events[i]);
    }
}
