/*
 * How events reach the application: by a handler on the loop's thread, or by a bounded
 * queue that one poller empties. The queue's limits are kept by not reading the sockets
 * of those who fill it.
 */
#ifndef FWI_CORE_EVENTS_H
#define FWI_CORE_EVENTS_H

#include <pthread.h>

#include "core/event.h"

enum { FWI_EVENT_TYPES = 25 };

/* Of the queue's bytes a session may have one part in so many, that a few who send much
 * don't take it from all others. */
enum { FWI_EVENTS_SHARES = 16 };

typedef struct fwi_events fwi_events;

struct fwi_events {
    bool queued;
    struct {
        bool wanted;
        fw_handler fn;
        void *user;
    } on[FWI_EVENT_TYPES];
    size_t max_bytes, bytes_per_session;
    unsigned per_session;

    pthread_mutex_t lock;
    fw_event *head, **tail;      /* under the lock, and: */
    bool signalled;              /* notify said "there are some" and not yet "none" */
    atomic_size_t bytes;         /* queued and unfinished */
    atomic_size_t refs;          /* one of the hub, one of each event */
    void (*on_last)(void *user); /* nobody has one any more: the hub's memory can go */
    void *last_user;
    atomic_bool polling;
    /* Makes the descriptor readable, or not any more; called under the lock. */
    void (*notify)(void *user, bool waiting);
    void *notify_user;
};

void fwi_events_init(fwi_events *q);
/* Frees what waits, and the lock. Events that were taken may live on. */
void fwi_events_fini(fwi_events *q);

static inline void fwi_events_ref(fwi_events *q)
{
    atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
}
void fwi_events_unref(fwi_events *q);

static inline bool fwi_events_want(const fwi_events *q, fw_event_type type)
{
    return q->on[type].wanted;
}

static inline bool fwi_events_is_full(const fwi_events *q)
{
    return atomic_load_explicit(&((fwi_events *)(uintptr_t)q)->bytes,
                                memory_order_relaxed) >= q->max_bytes;
}

/* Has whose credit this is used up its share? */
static inline bool fwi_events_is_over(const fwi_events *q, const fwi_credit *c)
{
    return atomic_load(&c->unfinished) >= q->per_session ||
           atomic_load(&c->bytes) >= q->bytes_per_session;
}

/* Has it half of its share again? */
static inline bool fwi_events_may_go_on(const fwi_events *q, const fwi_credit *c)
{
    return atomic_load(&c->unfinished) <= q->per_session / 2 &&
           atomic_load(&c->bytes) <= q->bytes_per_session / 2;
}

/* A copy of an event that counts as one of the queue's; NULL: out of memory.
 * @thread any */
fw_event *fwi_events_copy(fwi_events *q, const fw_event *e);

/* Appends a chain of events that ends with NULL. @thread any */
void fwi_events_push(fwi_events *q, fw_event *first);

/* Takes up to max. @thread any, one at a time */
int fwi_events_take(fwi_events *q, fw_event **out, int max);

#endif
