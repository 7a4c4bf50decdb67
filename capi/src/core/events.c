/*
 * The queue of events between the loops and the one poller. Loops append what a turn has
 * raised in one go; the descriptor changes only between empty and not empty.
 * @thread any
 */
#include "core/events.h"

#include <string.h>

void fwi_events_init(fwi_events *q)
{
    memset(q, 0, sizeof *q);
    FWI_ASSERT(pthread_mutex_init(&q->lock, NULL) == 0);
    q->tail = &q->head;
    atomic_init(&q->refs, 1);
}

void fwi_events_unref(fwi_events *q)
{
    if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) == 1 &&
        q->on_last != NULL) {
        q->on_last(q->last_user);
    }
}

void fwi_events_fini(fwi_events *q)
{
    for (fw_event *e = q->head, *next; e != NULL; e = next) {
        next = e->next;
        fw_event_unref(e);
    }
    pthread_mutex_destroy(&q->lock);
}

fw_event *fwi_events_copy(fwi_events *q, const fw_event *e)
{
    fw_event *copy = fwi_event_copy(e);
    if (copy != NULL) {
        atomic_fetch_add_explicit(&q->bytes, copy->cost, memory_order_relaxed);
        copy->queue = q;
        atomic_init(&copy->unfinished, true);
        fwi_events_ref(q);
    }
    return copy;
}

void fwi_events_push(fwi_events *q, fw_event *first)
{
    fw_event *last = first;
    while (last->next != NULL) {
        last = last->next;
    }
    pthread_mutex_lock(&q->lock);
    *q->tail = first;
    q->tail = &last->next;
    if (!q->signalled) {
        q->signalled = true;
        if (q->notify != NULL) {
            q->notify(q->notify_user, true);
        }
    }
    pthread_mutex_unlock(&q->lock);
}

int fwi_events_take(fwi_events *q, fw_event **out, int max)
{
    int n = 0;
    pthread_mutex_lock(&q->lock);
    while (n < max && q->head != NULL) {
        fw_event *e = q->head;
        q->head = e->next;
        e->next = NULL;
        out[n++] = e;
    }
    if (q->head == NULL) {
        q->tail = &q->head;
        if (q->signalled) {
            q->signalled = false;
            if (q->notify != NULL) {
                q->notify(q->notify_user, false);
            }
        }
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}
