/*
 * Requests to one hook that wait for their turn: in a line, first in, first out, and
 * bounded. Of one session only so many stand there or are made at a time, so that nobody
 * takes all the turns, nor all the places; where that is one, its requests keep their
 * order. The others wait in the session's lane, and join the end of the line one by one.
 * How many these may be is not for the line to say: a session that has too many
 * unfinished events isn't read.
 *
 * Pure: knows no clock and no HTTP. One thread.
 */
#ifndef FANWIRED_HOOK_QUEUE_H
#define FANWIRED_HOOK_QUEUE_H

#include "hook_config.h"

typedef struct fwd_request fwd_request;
typedef struct fwd_lane fwd_lane;

struct fwd_request {
    fwd_hook_kind kind;
    fw_session_id session;
    fw_event *event;       /* given back when the request has ended */
    int64_t wait_until_ms; /* then it isn't made any more */
    int64_t began_us;      /* when it was made */
    /* The queue's own. */
    fwd_request *next; /* in the line, or in its lane */
    fwd_lane *lane;
};

enum { FWD_LANE_BUCKETS = 256 };

typedef struct fwd_queue {
    size_t max, per_session;
    size_t n;                          /* that wait, in the line or in lanes */
    size_t n_line;                     /* in the line */
    fwd_request *head, **tail;         /* the line */
    fwd_lane *lanes[FWD_LANE_BUCKETS]; /* of sessions that have requests */
} fwd_queue;

/* max: in the line. per_session: 1 and up. */
void fwd_queue_init(fwd_queue *q, size_t max, size_t per_session);

/* false: the line is full, or there is no memory. The queue doesn't own requests, but has
 * them until they are popped. */
bool fwd_queue_push(fwd_queue *q, fwd_request *r);

/* The next one to make, NULL: none. */
fwd_request *fwd_queue_pop(fwd_queue *q);

/* The next one if its time to wait is over, NULL: it isn't. As popped. */
fwd_request *fwd_queue_pop_late(fwd_queue *q, int64_t now_ms);

/* When that is; INT64_MAX: never. Behind the first may be some that are late before it:
 * those who have waited in their lanes. */
int64_t fwd_queue_next_late_ms(const fwd_queue *q);

/* A request that was popped has ended: who waits for it in its lane joins the line, even
 * if that is full. */
void fwd_queue_ended(fwd_queue *q, const fwd_request *r);

#endif
