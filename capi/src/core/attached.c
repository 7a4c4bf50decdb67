/*
 * The transport port without a socket. The outbox and its policies stay as they are: it
 * is the number of DELIVER events that nobody has finished which decides whether such a
 * session can be written to.
 *
 * It is written frames, as a socket is. They are ours and whole, so that taking them
 * apart again is a look at a header; one way for all sessions is worth that.
 * @thread loop, but for what is marked
 */
#include "core/attached.h"

#include <string.h>

#include "core/error.h"
#include "core/raw_rooms.h"
#include "core/session_inside.h"
#include "wire/ws_codec.h"

typedef struct fwi_attached {
    fwi_session *s;
    fwi_shard *shard;
    fwi_credit *credit; /* of DELIVER events; MESSAGE has the session's own */
    fwi_list link;      /* the shard's `stuck`: it can't be written to */
    uint64_t ref;       /* of the attach that is being answered */
    uint32_t taken;
} fwi_attached;

static fwi_attached *attached_of(fwi_conn *c)
{
    return (fwi_attached *)(void *)c;
}

/* --- what the application is told --- */

static void deliver(fwi_attached *a, fw_event *e)
{
    e->type = FW_EVENT_DELIVER;
    e->session = a->credit->session;
    fwi_shard_raise_owed(a->shard, e, a->credit);
    a->taken++;
}

/* A frame of ours: its length, and what it says. */
static size_t take_frame(fwi_attached *a, const uint8_t *at)
{
    fwi_ws_view v;
    size_t n = fwi_ws_view_own(at, &v);
    fw_event e = {.data = v.data, .len = v.len};
    switch (v.opcode) {
    case FWI_WS_TEXT:
    case FWI_WS_BINARY:
        e.flags = v.opcode == FWI_WS_TEXT ? FW_TEXT : FW_BINARY;
        deliver(a, &e);
        break;
    case FWI_WS_CLOSE: {
        char reason[FWI_WS_CONTROL_MAX + 1] = "";
        e = (fw_event){.code = 1005, .reason = reason};
        if (v.len >= 2) {
            e.code = v.data[0] << 8 | v.data[1];
            memcpy(reason, v.data + 2, v.len - 2);
        }
        deliver(a, &e);
        break;
    }
    default:
        break; /* pings and pongs are a matter of sockets */
    }
    return n;
}

/* --- the port --- */

static void port_accept(fwi_conn *c)
{
    fwi_attached *a = attached_of(c);
    fwi_shard_answer(a->shard, a->credit->session, NULL, a->ref, FW_OK, "");
}

static void drop(fwi_attached *a)
{
    fwi_list_remove(&a->link);
    fwi_credit_unref(a->credit);
    free(a);
}

static void port_refuse(fwi_conn *c, int status, const char *reason)
{
    fwi_attached *a = attached_of(c);
    (void)status;
    fwi_shard_answer(a->shard, a->credit->session, NULL, a->ref, FW_ERR_REFUSED, reason);
    drop(a);
}

static bool port_can_write(fwi_conn *c)
{
    fwi_attached *a = attached_of(c);
    const fwi_events *q = &a->shard->hub->events;
    bool can = !fwi_events_is_full(q) && !fwi_events_is_over(q, a->credit);
    if (!can && !fwi_list_is_linked(&a->link)) {
        fwi_list_append(&a->shard->stuck, &a->link);
    }
    return can;
}

static bool port_write(fwi_conn *c, const void *data, size_t len)
{
    fwi_attached *a = attached_of(c);
    const uint8_t *at = data, *end = at + len;
    while (at < end) {
        at += take_frame(a, at);
    }
    return true;
}

static uint32_t port_taken(fwi_conn *c)
{
    return attached_of(c)->taken;
}

static void port_finish(fwi_conn *c)
{
    drop(attached_of(c));
}

/* No Close frame was taken: say at least that it has ended. */
static void port_abort(fwi_conn *c)
{
    fwi_attached *a = attached_of(c);
    fw_event e = {.code = 1006, .reason = ""};
    deliver(a, &e);
    drop(a);
}

/* There is no socket that isn't read: who feeds is told FW_ERR_BUSY. */
static void port_pause(fwi_conn *c, bool paused)
{
    fwi_attached *a = attached_of(c);
    fwi_idtable_mark(&a->shard->sessions, a->s->index, a->s->generation, paused);
}

static const fwi_transport_ops port = {
    .watches_itself = true,
    .accept = port_accept,
    .refuse = port_refuse,
    .can_write = port_can_write,
    .write = port_write,
    .taken = port_taken,
    .finish = port_finish,
    .abort = port_abort,
    .pause = port_pause,
};

void fwi_attached_resume(fwi_session *s)
{
    if (s->tp == &port && s->conn != NULL && s->tp->can_write(s->conn)) {
        fwi_list_remove(&attached_of(s->conn)->link);
        fwi_session_on_writable(s);
    }
}

void fwi_attached_resume_all(fwi_shard *shard)
{
    fwi_list all;
    fwi_list_init(&all);
    fwi_list_splice(&all, &shard->stuck);
    for (fwi_list *e; (e = fwi_list_pop(&all)) != NULL;) {
        fwi_attached_resume(fwi_list_entry(e, fwi_attached, link)->s);
    }
}

/* --- coming --- */

static void tell_failed(fwi_shard *shard, const fwi_item *item, int err)
{
    fwi_shard_answer(shard, fw_session_none(), NULL, item->ref, err, fw_strerror(err));
}

static fwi_attached *attached_new(fwi_shard *shard, uint64_t ref)
{
    fwi_attached *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->credit = fwi_credit_new(fw_session_none());
        a->shard = shard;
        a->ref = ref;
        fwi_list_init(&a->link);
    }
    if (a != NULL && a->credit == NULL) {
        free(a);
        a = NULL;
    }
    return a;
}

static void free_facts(void *facts)
{
    fwi_facts_unref(facts);
}

/* ptr: the facts; text: the user, count: whether there is one. */
static void run_attach(fwi_shard *shard, fwi_item *item)
{
    int status;
    fwi_attached *a = attached_new(shard, item->ref);
    if (a == NULL) {
        tell_failed(shard, item, FW_ERR_MEMORY);
    } else if (fwi_shard_admit(shard) != 0) {
        tell_failed(shard, item, FW_ERR_LIMIT);
        drop(a);
    } else if ((a->s = fwi_session_new(shard, &port, (fwi_conn *)(void *)a,
                                       fwi_facts_ref(item->ptr), FWI_RAW, &status)) ==
               NULL) {
        fwi_shard_unadmit(shard);
        tell_failed(shard, item,
                    atomic_load(&shard->hub->draining) ? FW_ERR_CLOSED : FW_ERR_LIMIT);
        drop(a);
    } else {
        a->credit->session = fwi_session_identity(a->s);
        fwi_raw_open(a->s, item->count > 0 ? item->text : NULL);
    }
    fwi_item_free(item);
}

int fwi_attach(fwi_hub *hub, fwi_facts *facts, const char *user, uint64_t ref)
{
    fwi_item *item = fwi_item_new(run_attach, user, NULL);
    if (item == NULL) {
        fwi_facts_unref(facts);
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    item->ptr = facts;
    item->ptr_free = free_facts;
    item->ref = ref;
    item->count = user != NULL;
    unsigned loop = atomic_fetch_add(&hub->next_attached, 1) % hub->n_shards;
    return fwi_shard_post(hub->shard[loop], item, true);
}

/* --- what its client says --- */

static void run_feed(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL && s->tp == &port) {
        fwi_session_on_message(s, item->m->flags == FW_TEXT, fwi_message_bytes(item->m),
                               fwi_message_len(item->m));
    }
    fwi_item_free(item);
}

static void run_feed_close(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL && s->tp == &port) {
        fwi_conn *c = s->conn;
        if (item->code == 1006) {
            fwi_session_on_gone(s);
            port_abort(c);
        } else {
            fwi_session_on_close(s, (unsigned)item->code, item->text, strlen(item->text));
        }
    }
    fwi_item_free(item);
}

int fwi_attached_feed(fwi_hub *hub, fw_session_id id, fw_message *m)
{
    if (fwi_events_is_full(&hub->events)) {
        return fwi_error(FW_ERR_BUSY, "events.max_bytes is reached");
    }
    const fwi_shard *at = fwi_hub_shard_of(hub, id);
    if (at != NULL &&
        fwi_idtable_is_marked(&at->sessions, fwi_id_index(id), fwi_id_generation(id))) {
        return fwi_error(FW_ERR_BUSY, "what the session has said before isn't done");
    }
    return fwi_hub_post(hub, id, fwi_item_new(run_feed, NULL, m));
}

int fwi_attached_feed_close(fwi_hub *hub, fw_session_id id, unsigned code,
                            const char *reason)
{
    fwi_item *item = fwi_item_new(run_feed_close, reason, NULL);
    if (item != NULL) {
        item->code = (int)code;
    }
    return fwi_hub_post(hub, id, item);
}
