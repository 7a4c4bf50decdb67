/*
 * Heartbeat: a ping when an interval is over, and an end with a session that has said
 * nothing since a ping for longer than the time-out. One timer a session does both.
 * Called by session; knows no sockets.
 * @thread loop
 */
#include "core/session_inside.h"

/* Beats fall on a grid: sessions that are due within such a step share a turn, so that
 * the loop wakes up some twenty times a second however many they are, and not for each. A
 * two-hundredth of the shorter time is nothing that anybody could notice, and divides
 * what people set. */
enum { GRID_MS = 50, GRID_SHARE = 200 };

/* Both may change at any time: what is decided together is read once. */
typedef struct pace {
    uint64_t interval_ms, timeout_ms;
} pace;

static pace pace_of(const fwi_session *s)
{
    const fwi_settings *set = &s->shard->hub->set;
    return (pace){set->heartbeat_interval_ms, set->heartbeat_timeout_ms};
}

static uint64_t on_grid(const pace *p, uint64_t due_ms)
{
    uint64_t shorter = FWI_MIN(p->interval_ms, p->timeout_ms);
    uint64_t step = FWI_MIN(FWI_MAX(shorter / GRID_SHARE, 1u), (uint64_t)GRID_MS);
    return (due_ms + step / 2) / step * step;
}

/* What is counted is the delay that was asked for; it is off by half a step at most. */
static void set_heartbeat(fwi_session *s, const pace *p, uint64_t delay_ms)
{
    fwi_loop *loop = s->shard->loop;
    s->beat_ms = (uint32_t)delay_ms;
    fwi_wheel_set(&loop->wheel, &s->timer, on_grid(p, fwi_loop_now_ms(loop) + delay_ms));
}

void fwi_heartbeat_start(fwi_session *s)
{
    const pace p = pace_of(s);
    if (p.interval_ms > 0 && !s->tp->watches_itself) {
        /* The first at a random moment, so that a thousand who came back together aren't
         * pinged together. */
        uint64_t first =
            fwi_rand_between(&s->shard->jitter, p.interval_ms / 2, p.interval_ms);
        s->since_ping_ms = (uint32_t)(p.interval_ms - first);
        set_heartbeat(s, &p, first);
    }
}

void fwi_heartbeat_restart(fwi_session *s)
{
    s->awaiting_pong = false;
    fwi_loop_timer_clear(s->shard->loop, &s->timer);
    fwi_heartbeat_start(s);
}

/* What it says isn't read at the moment, and that is our doing. */
static bool is_unread(const fwi_session *s)
{
    return s->paused || s->held;
}

static void send_ping(fwi_session *s)
{
    fwi_frame *ping = fwi_session_protocol(s)->ping(s);
    if (ping == NULL || !fwi_outbox_push_control(&s->ob, &s->shard->pool, ping,
                                                 s->shard->hub->set.outbox_max)) {
        return; /* nobody is to be closed for want of our memory */
    }
    fwi_session_mark_dirty(s);
    if (!s->awaiting_pong) {
        s->awaiting_pong = true;
        s->unanswered_ms = 0;
    }
}

/* Who only listens answers a ping by taking it. */
static bool has_taken_it(const fwi_session *s)
{
    return s->awaiting_pong && fwi_session_protocol(s)->only_listens && s->conn != NULL &&
           s->tp->has_taken_all(s->conn);
}

/* While output waits in front of the kernel the transport doesn't read, so no answer can
 * come; but then a living peer takes some of that output, be it slowly. One that died is
 * found after two time-outs instead of one. */
static bool takes_output(fwi_session *s)
{
    if (s->conn == NULL) {
        return false;
    }
    if (!fwi_session_protocol(s)->only_listens && s->tp->can_write(s->conn)) {
        return false;
    }
    uint32_t before = s->taken;
    s->taken = s->tp->taken(s->conn);
    return s->taken != before;
}

/* One timer for both: the next ping, and the end of patience with the first that wasn't
 * answered. Either may come first. */
void fwi_heartbeat_beat(fwi_session *s)
{
    const pace p = pace_of(s);
    if (p.interval_ms == 0) {
        return; /* it was switched off since */
    }
    s->since_ping_ms += s->beat_ms;
    s->unanswered_ms += s->beat_ms;
    if (is_unread(s) || has_taken_it(s)) {
        s->awaiting_pong = false; /* unread: its pong may lie where we don't read */
    }
    if (s->awaiting_pong && s->unanswered_ms >= p.timeout_ms && takes_output(s)) {
        s->unanswered_ms = 0;
    }
    if (s->awaiting_pong && s->unanswered_ms >= p.timeout_ms) {
        fwi_shard_count(s->shard, FWI_STAT_HEARTBEAT_TIMEOUTS);
        fwi_session_end(s, FWI_END_SILENT);
        return;
    }
    if (s->since_ping_ms >= p.interval_ms && !is_unread(s)) {
        s->since_ping_ms = 0;
        send_ping(s);
    }
    uint64_t delay = p.interval_ms - s->since_ping_ms;
    if (is_unread(s)) {
        s->since_ping_ms = 0;
        delay = p.interval_ms;
    }
    if (s->awaiting_pong) {
        delay = FWI_MIN(delay, p.timeout_ms - s->unanswered_ms);
    }
    set_heartbeat(s, &p, delay);
}
