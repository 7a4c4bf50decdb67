/*
 * PING and probe, in rounds. See the header.
 */
#include "backplane/redis_health.h"

enum {
    /* When the loop itself was late, what has arrived meanwhile must be read before
     * anybody is judged. */
    LOOP_LATE_MS = 500,
    SECOND_LOOK_MS = 500
};

static void begin_round(fwi_redis_health *h)
{
    h->waiting = true;
    h->lenient = false;
    h->answered[FWI_REDIS_COMMAND] = h->answered[FWI_REDIS_SUBSCRIBER] = false;
    h->echoed = false;
    h->probe++;
    h->probed_us = fwi_loop_now_us(h->loop);
    fwi_loop_timer_set(h->loop, &h->timer, FWI_REDIS_PROBE_TIMEOUT_MS);
    h->events->on_round(h->user, h->probe);
}

static void end_round(fwi_redis_health *h)
{
    const char *why = NULL;
    if (!h->answered[FWI_REDIS_COMMAND] || !h->answered[FWI_REDIS_SUBSCRIBER]) {
        why = "no answer to PING";
    } else if (!h->echoed) {
        why = "deaf: it answers, but what is published doesn't come back";
    }
    h->waiting = false;
    if (why != NULL) {
        h->events->on_failed(h->user, why);
        return;
    }
    fwi_loop_timer_set(h->loop, &h->timer,
                       FWI_REDIS_PROBE_EVERY_MS - FWI_REDIS_PROBE_TIMEOUT_MS);
}

static void on_timer(fwi_timer *t)
{
    fwi_redis_health *h = fwi_container_of(t, fwi_redis_health, timer);
    if (!h->waiting) {
        begin_round(h);
        return;
    }
    bool loop_was_late = fwi_loop_now_ms(h->loop) > t->due_ms + LOOP_LATE_MS;
    if (loop_was_late && !h->lenient) {
        h->lenient = true;
        fwi_loop_timer_set(h->loop, &h->timer, SECOND_LOOK_MS);
        return;
    }
    end_round(h);
}

void fwi_redis_health_init(fwi_redis_health *h, fwi_loop *loop,
                           const fwi_redis_health_events *events, void *user)
{
    *h = (fwi_redis_health){.loop = loop, .events = events, .user = user};
    fwi_timer_init(&h->timer, on_timer);
}

void fwi_redis_health_start(fwi_redis_health *h)
{
    begin_round(h);
}

void fwi_redis_health_stop(fwi_redis_health *h)
{
    h->waiting = false;
    fwi_loop_timer_clear(h->loop, &h->timer);
}

void fwi_redis_health_heard(fwi_redis_health *h, fwi_redis_which link)
{
    h->answered[link] = true;
}

void fwi_redis_health_echoed(fwi_redis_health *h)
{
    h->echoed = true;
    h->came_at_us = fwi_loop_now_us(h->loop);
}

void fwi_redis_health_probed(fwi_redis_health *h)
{
    fwi_redis_health_echoed(h);
    fwi_histogram_add(&h->round_trips, fwi_bounds_us, h->came_at_us - h->probed_us);
}
