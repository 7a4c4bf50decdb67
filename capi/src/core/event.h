/*
 * Events: what the application is told. An inline event lies on the stack of who raises
 * it and borrows everything; a queued or kept one is a copy that owns everything.
 */
#ifndef FWI_CORE_EVENT_H
#define FWI_CORE_EVENT_H

#include <fanwire/event.h>

#include "core/facts.h"
#include "core/message.h"

struct fwi_events;

/* Counts a session's queued and unfinished events and their bytes, on whatever thread
 * they finish. */
typedef struct fwi_credit {
    atomic_uint refs;
    atomic_uint unfinished;
    atomic_size_t bytes;
    fw_session_id session;
} fwi_credit;

fwi_credit *fwi_credit_new(fw_session_id session);
void fwi_credit_unref(fwi_credit *c);

/* What PRESENCE tells: a page of members; and what HISTORY does, of messages. Immutable.
 */
typedef struct fwi_members {
    atomic_uint refs;
    uint64_t total, next;
    size_t n, cost;
    fw_message *m[]; /* referenced; members have an origin each */
} fwi_members;

/* NULL: out of memory. */
fwi_members *fwi_members_new(fw_message *const *m, size_t n);
void fwi_members_unref(fwi_members *l);

static inline fwi_members *fwi_members_ref(fwi_members *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

struct fw_event {
    atomic_uint refs; /* 0: on the stack */
    fw_event_type type;
    fw_session_id session;
    int code;
    unsigned flags;
    uint64_t token;
    const char *user, *room, *reason;
    const void *data;
    size_t len;
    fwi_facts *facts;         /* NULL: none */
    const char *speaks;       /* a session's protocol, valid for ever; NULL: nobody's */
    fwi_members *members;     /* NULL: none */
    fwi_members *messages;    /* of HISTORY; NULL: none */
    fwi_position at;          /* epoch 0: none */
    bool recovered;           /* RESULT of a join */
    fwi_credit *credit;       /* queued events of a session */
    size_t cost;              /* bytes it was counted with in the queue */
    struct fwi_events *queue; /* it came from, kept alive by it; NULL: none */
    atomic_bool unfinished;   /* the queue counts it, and its credit does */
    struct fw_event *next;    /* in the queue */
    /* Answers of fw_event_header and _query that had to be put together. */
    struct fwi_event_text *texts;
};

/* A copy that owns all it has, one reference; NULL: out of memory. */
fw_event *fwi_event_copy(const fw_event *e);

/* Frees what accessors made of an event on the stack. */
void fwi_event_fini(fw_event *e);

#endif
