/*
 * See hook_queue.h. A lane is there as long as its session has a request in the line or
 * being made: these are counted. The others hang on the lane, and one moves up when one
 * of those has ended.
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

static void lane_free(fwd_queue *q, fwd_lane *lane)
{
    fwd_lane **p = bucket_of(q, lane->session);
    while (*p != lane) {
        p = &(*p)->next;
    }
    *p = lane->next;
    free(lane);
}

/* --- the line --- */

bool fwd_queue_push(fwd_queue *q, fwd_request *r)
{
    fwd_lane *lane = q->n < q->max ? lane_of(q, r->session) : NULL;
    if (lane == NULL) {
        return false;
    }
    r->lane = lane;
    r->next = NULL;
    q->n++;
    if (lane->n < q->per_session) {
        lane->n++;
        *q->tail = r;
        q->tail = &r->next;
    } else {
        *lane->tail = r;
        lane->tail = &r->next;
    }
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
    }
    return r;
}

fwd_request *fwd_queue_pop_late(fwd_queue *q, int64_t now_ms)
{
    return fwd_queue_next_late_ms(q) <= now_ms ? fwd_queue_pop(q) : NULL;
}

/* Who came first is late first, but for those who moved up, and they are in front. */
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
        if (lane->n == 0) {
            lane_free(q, lane);
        }
        return;
    }
    lane->head = up->next;
    if (lane->head == NULL) {
        lane->tail = &lane->head;
    }
    up->next = q->head;
    if (q->head == NULL) {
        q->tail = &up->next;
    }
    q->head = up;
}
