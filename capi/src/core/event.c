/*
 * Events as values: making, copying, freeing, and the public accessors. Who raises them
 * is in shard.c, how they wait in events.c.
 * @thread any, one at a time for one event
 */
#include "core/event.h"

#include <string.h>
#include <strings.h>

#include "base/pack.h"
#include "core/error.h"
#include "core/events.h"
#include "wire/http_request.h"

struct fwi_event_text {
    struct fwi_event_text *next;
    char text[];
};

fwi_credit *fwi_credit_new(fw_session_id session)
{
    fwi_credit *c = malloc(sizeof *c);
    if (c != NULL) {
        atomic_init(&c->refs, 1);
        atomic_init(&c->unfinished, 0);
        atomic_init(&c->bytes, 0);
        c->session = session;
    }
    return c;
}

void fwi_credit_unref(fwi_credit *c)
{
    if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        free(c);
    }
}

fw_event *fwi_event_copy(const fw_event *e)
{
    size_t texts =
        fwi_pack_size(e->user) + fwi_pack_size(e->room) + fwi_pack_size(e->reason);
    fw_event *c = malloc(sizeof *c + texts + e->len + 1);
    if (c == NULL) {
        return NULL;
    }
    *c = *e;
    char *at = (char *)(c + 1);
    atomic_init(&c->refs, 1);
    c->user = fwi_pack_put(&at, e->user);
    c->room = fwi_pack_put(&at, e->room);
    c->reason = fwi_pack_put(&at, e->reason);
    if (e->data != NULL) {
        memcpy(at, e->data, e->len);
        at[e->len] = '\0';
        c->data = at;
    }
    c->facts = e->facts ? fwi_facts_ref(e->facts) : NULL;
    c->members = e->members ? fwi_members_ref(e->members) : NULL;
    c->messages = e->messages ? fwi_members_ref(e->messages) : NULL;
    c->credit = NULL;
    c->queue = NULL;
    atomic_init(&c->unfinished, false);
    c->next = NULL;
    c->texts = NULL;
    c->cost = sizeof *c + texts + e->len + (e->members ? e->members->cost : 0) +
              (e->messages ? e->messages->cost : 0);
    return c;
}

void fwi_event_fini(fw_event *e)
{
    for (struct fwi_event_text *t = e->texts, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    e->texts = NULL;
}

fw_event *fw_event_ref(fw_event *e)
{
    if (atomic_load_explicit(&e->refs, memory_order_relaxed) == 0) {
        fw_event *c = fwi_event_copy(e);
        if (c == NULL) {
            fwi_error(FW_ERR_MEMORY, "out of memory");
        }
        return c;
    }
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void fw_event_unref(fw_event *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    fwi_events *queue = e->queue;
    fwi_event_fini(e);
    fwi_facts_unref(e->facts);
    fwi_members_unref(e->members);
    fwi_members_unref(e->messages);
    fwi_credit_unref(e->credit);
    free(e);
    if (queue != NULL) {
        fwi_events_unref(queue);
    }
}

fw_event_type fw_event_kind(const fw_event *e)
{
    return e->type;
}

const char *fw_event_type_name(fw_event_type type)
{
    switch (type) {
    case FW_EVENT_CONNECT:
        return "CONNECT";
    case FW_EVENT_OPEN:
        return "OPEN";
    case FW_EVENT_MESSAGE:
        return "MESSAGE";
    case FW_EVENT_CLOSE:
        return "CLOSE";
    case FW_EVENT_JOIN:
        return "JOIN";
    case FW_EVENT_LEAVE:
        return "LEAVE";
    case FW_EVENT_ROOM_MESSAGE:
        return "ROOM_MESSAGE";
    case FW_EVENT_NODE_UP:
        return "NODE_UP";
    case FW_EVENT_NODE_DOWN:
        return "NODE_DOWN";
    case FW_EVENT_BACKPLANE_UP:
        return "BACKPLANE_UP";
    case FW_EVENT_BACKPLANE_DOWN:
        return "BACKPLANE_DOWN";
    case FW_EVENT_RESULT:
        return "RESULT";
    case FW_EVENT_LOG:
        return "LOG";
    case FW_EVENT_DELIVER:
        return "DELIVER";
    case FW_EVENT_HISTORY:
        return "HISTORY";
    case FW_EVENT_ROOM_RESET:
        return "ROOM_RESET";
    case FW_EVENT_PRESENCE:
        return "PRESENCE";
    case FW_EVENT_ROOM_JOIN:
        return "ROOM_JOIN";
    case FW_EVENT_ROOM_LEAVE:
        return "ROOM_LEAVE";
    case FW_EVENT_RPC:
        return "RPC";
    case FW_EVENT_PUBLISH:
        return "PUBLISH";
    case FW_EVENT_REFRESH:
        return "REFRESH";
    case FW_EVENT_SUB_REFRESH:
        return "SUB_REFRESH";
    case FW_EVENT_TRACE:
        return "TRACE";
    }
    return "?";
}

fw_session_id fw_event_session(const fw_event *e)
{
    return e->session;
}

const char *fw_event_user(const fw_event *e)
{
    return e->user;
}

const char *fw_event_room(const fw_event *e)
{
    return e->room;
}

const void *fw_event_data(const fw_event *e, size_t *len)
{
    if (len != NULL) {
        *len = e->len;
    }
    return e->data;
}

unsigned fw_event_flags(const fw_event *e)
{
    return e->flags;
}

int fw_event_code(const fw_event *e)
{
    return e->code;
}

/* What these have is a node's name. */
static bool names_a_node(const fw_event *e)
{
    return e->type == FW_EVENT_NODE_UP || e->type == FW_EVENT_NODE_DOWN ||
           e->type == FW_EVENT_ROOM_JOIN || e->type == FW_EVENT_ROOM_LEAVE;
}

const char *fw_event_reason(const fw_event *e)
{
    bool other = names_a_node(e) || e->type == FW_EVENT_RPC;
    return e->reason && !other ? e->reason : "";
}

const char *fw_event_method(const fw_event *e)
{
    return e->type == FW_EVENT_RPC ? e->reason : "";
}

const char *fw_event_node_name(const fw_event *e)
{
    return names_a_node(e) ? e->reason : "";
}

uint64_t fw_event_token(const fw_event *e)
{
    return e->token;
}

const char *fw_event_fact(const fw_event *e, const char *name)
{
    const fwi_facts *f = e->facts;
    if (f == NULL) {
        return NULL;
    }
    if (strcmp(name, "host") == 0 || strcmp(name, "origin") == 0) {
        return fwi_facts_header(f, name);
    }
    const struct {
        const char *name, *value;
    } facts[] = {
        {"path", fwi_facts_path(f)},
        {"query", fwi_facts_query(f)},
        {"protocol", fwi_facts_protocol(f)},
        {"address", fwi_facts_address(f)},
        {"peer", fwi_facts_peer(f)},
        {"scheme", f->secure ? "wss" : "ws"},
        {"speaks", e->speaks},
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(facts); i++) {
        if (strcmp(facts[i].name, name) == 0) {
            return facts[i].value;
        }
    }
    return NULL;
}

const char *fw_event_header(const fw_event *e, const char *name)
{
    return e->facts != NULL ? fwi_facts_header(e->facts, name) : NULL;
}

const char *fw_event_query(const fw_event *e, const char *name, size_t index)
{
    if (e->facts == NULL) {
        return NULL;
    }
    /* Decoding never makes it longer. */
    size_t cap = strlen(fwi_facts_query(e->facts)) + 1;
    struct fwi_event_text *t = malloc(sizeof *t + cap);
    if (t == NULL) {
        return NULL;
    }
    if (fwi_http_query_get(fwi_facts_query(e->facts), name, index, t->text, cap) < 0) {
        free(t);
        return NULL;
    }
    fw_event *w =
        (fw_event *)(uintptr_t)e; /* a cache of the answer, nothing that shows */
    t->next = w->texts;
    w->texts = t;
    return t->text;
}
