/*
 * See hook_queue.h. A lane is there as long as its session has a request in the line or
 * being made: these are counted. The others hang on the lane, and one goes to the end of
 * the line when one of those has ended: whoever stands there waits for no more than a
 * turn of each session before it.
 */
#include "hook_queue.h"

#include <stdlib.h>

struct fwd_lane {
    fwd_lane *next; /* in the same bucket */
    fw_session_id session;
    size_t n; /* in the line, or being made */
    fwd_request *head, **tail;
};

void fwd_queue_init(fwd_queue *q, size_t max, size_t per_session)
{
    *q = (fwd_queue){.max = max, .per_session = per_session};
    q->tail = &q->head;
}

/* --- lanes --- */

static fwd_lane **bucket_of(fwd_queue *q, fw_session_id session)
{
    /* The lower half of an id counts generations, the upper has the index. */
    return &q->lanes[(session.local ^ session.local >> 32) % FWD_LANE_BUCKETS];
}

/* NULL: out of memory. */
static fwd_lane *lane_of(fwd_queue *q, fw_session_id session)
{
    fwd_lane **bucket = bucket_of(q, session);
    fwd_lane *lane = *bucket;
    while (lane != NULL && !fw_session_id_equal(lane->session, session)) {
        lane = lane->next;
    }
    if (lane == NULL && (lane = calloc(1, sizeof *lane)) != NULL) {
        lane->session = session;
        lane->tail = &lane->head;
        lane->next = *bucket;
        *bucket = lane;
    }
    return lane;
}

static void drop_if_unused(fwd_queue *q, fwd_lane *lane)
{
    fwd_lane **p = bucket_of(q, lane->session);
    if (lane->n > 0) {
        return;
    }
    while (*p != lane) {
        p = &(*p)->next;
    }
    *p = lane->next;
    free(lane);
}

/* --- the line --- */

static void append(fwd_queue *q, fwd_request *r)
{
    r->next = NULL;
    *q->tail = r;
    q->tail = &r->next;
    q->n_line++;
}

bool fwd_queue_push(fwd_queue *q, fwd_request *r)
{
    fwd_lane *lane = lane_of(q, r->session);
    if (lane == NULL) {
        return false;
    }
    r->lane = lane;
    if (lane->n == q->per_session) {
        r->next = NULL;
        *lane->tail = r;
        lane->tail = &r->next;
    } else if (q->n_line < q->max) {
        lane->n++;
        append(q, r);
    } else {
        drop_if_unused(q, lane);
        return false;
    }
    q->n++;
    return true;
}

fwd_request *fwd_queue_pop(fwd_queue *q)
{
    fwd_request *r = q->head;
    if (r != NULL) {
        q->head = r->next;
        if (q->head == NULL) {
            q->tail = &q->head;
        }
        q->n--;
        q->n_line--;
    }
    return r;
}

fwd_request *fwd_queue_pop_late(fwd_queue *q, int64_t now_ms)
{
    return fwd_queue_next_late_ms(q) <= now_ms ? fwd_queue_pop(q) : NULL;
}

int64_t fwd_queue_next_late_ms(const fwd_queue *q)
{
    return q->head != NULL ? q->head->wait_until_ms : INT64_MAX;
}

void fwd_queue_ended(fwd_queue *q, const fwd_request *r)
{
    fwd_lane *lane = r->lane;
    fwd_request *up = lane->head;
    if (up == NULL) {
        lane->n--;
        drop_if_unused(q, lane);
        return;
    }
    lane->head = up->next;
    if (lane->head == NULL) {
        lane->tail = &lane->head;
    }
    append(q, up);
}
