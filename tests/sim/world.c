/*
 * The scheduler: draws what happens next, lets it happen, looks whether all promises
 * hold; and at the end heals everything and looks whether anything is missing.
 */
#include "world_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { CALM_STEP_MS = 100, CALM_STEPS = 250 };

static world the_world;

void world_broken(world *w, const char *format, ...)
{
    if (w->why[0] == '\0') {
        int n = snprintf(w->why, sizeof w->why, "step %u: ", w->step);
        va_list ap;
        va_start(ap, format);
        vsnprintf(w->why + n, sizeof w->why - (size_t)n, format, ap);
        va_end(ap);
    }
}

static void on_said(void *user, const char *channel, fwi_position at, const char *text,
                    size_t len)
{
    world *w = user;
    WORLD_TRACE(w, "redis: %s %" PRIx64 "/%" PRIu64 " %.*s", channel, at.epoch, at.offset,
                (int)len, text);
    if (at.epoch != 0 &&
        !truth_add(&w->said, (unsigned)(channel[strlen(channel) - 1] - '0'), at, text,
                   len)) {
        world_broken(w, "\"%.*s\" is twice in a history", (int)len, text);
    }
}

static void on_swept(void *user, const char *session)
{
    world_session_swept(user, session);
}

/* --- what can happen --- */

static void work(world *w)
{
    unsigned i = world_draw(w, NODES), k = world_draw(w, LINKS_MAX);
    for (unsigned n = 0; n < LINKS_MAX && w->nodes[i].alive; n++) {
        if (world_link_work(w, i, (k + n) % LINKS_MAX)) {
            return;
        }
    }
}

static void talk(world *w)
{
    unsigned k = world_draw(w, MEMBERS);
    if (w->members[k].conn != NULL) {
        world_member_say(w, k);
    }
}

static void come(world *w)
{
    unsigned k = world_draw(w, MEMBERS);
    if (w->members[k].conn == NULL) {
        world_member_come(w, k);
    }
}

static void go(world *w)
{
    unsigned k = world_draw(w, MEMBERS);
    if (w->members[k].conn != NULL) {
        world_member_go(w, k);
    }
}

static void wait_a_little(world *w)
{
    world_advance(w, 1 + world_draw(w, 60));
}

static void wait_long(world *w)
{
    world_advance(w, 500 + world_draw(w, 3000));
}

static void cut(world *w)
{
    unsigned i = world_draw(w, NODES);
    if (w->nodes[i].alive) {
        world_link_cut(w, i, world_draw(w, LINKS_MAX));
    }
}

static void carry_out_rest(world *w)
{
    unsigned k = world_draw(w, RESTS_MAX);
    for (unsigned n = 0; n < RESTS_MAX; n++) {
        if (world_rest_work(w, (k + n) % RESTS_MAX)) {
            return;
        }
    }
}

static void deafen(world *w)
{
    const world_node *n = &w->nodes[world_draw(w, NODES)];
    const world_link *l = &n->links[world_draw(w, LINKS_MAX)];
    if (n->alive && l->at != NULL) {
        WORLD_TRACE(w, "a link is deaf");
        model_link_deafen(l->at);
    }
}

static void replicate(world *w)
{
    if (!w->redis_down) {
        model_redis_replicate(w->redis);
    }
}

static void fail_over(world *w)
{
    fwi_position top[KEPT_ROOMS];
    WORLD_TRACE(w, "redis fails over");
    model_redis_fail_over(w->redis);
    for (unsigned room = 0; room < KEPT_ROOMS; room++) {
        char channel[16];
        uint64_t oldest;
        world_channel_of(room, channel);
        top[room] = model_redis_top(w->redis, channel, &oldest);
    }
    truth_lose(&w->said, top, KEPT_ROOMS);
}

/* It may have forgotten everything when it comes, or what it was told last. */
static void redis_goes(world *w)
{
    WORLD_TRACE(w, "redis is down");
    w->redis_down = true;
    for (unsigned i = 0; i < NODES; i++) {
        for (unsigned k = 0; w->nodes[i].alive && k < LINKS_MAX; k++) {
            world_link_cut(w, i, k);
        }
    }
    world_rests_forget(w);
    unsigned how = world_draw(w, 4);
    if (how == 0) {
        WORLD_TRACE(w, "redis has lost its memory");
        model_redis_forget(w->redis);
    } else if (how == 1) {
        fail_over(w);
    }
}

static void node_dies_or_comes(world *w)
{
    unsigned i = world_draw(w, NODES);
    if (w->nodes[i].alive) {
        world_node_kill(w, i);
    } else {
        WORLD_TRACE(w, "node %u begins", i);
        world_node_start(w, i);
    }
}

static const struct {
    unsigned weight;
    void (*happens)(world *w);
} events[] = {
    {1200, work},
    {160, talk},
    {50, come},
    {12, go},
    {90, wait_a_little},
    {5, wait_long},
    {6, cut},
    {2, deafen},
    {3, redis_goes},
    {1, node_dies_or_comes},
    {40, replicate},
    {60, carry_out_rest},
};

static void step(world *w)
{
    unsigned all = 0, i = 0;
    for (size_t e = 0; e < FWI_ARRAY_LEN(events); e++) {
        all += events[e].weight;
    }
    if (w->redis_down && world_draw(w, 60) == 0) {
        WORLD_TRACE(w, "redis is up");
        w->redis_down = false;
    }
    unsigned drawn = world_draw(w, all);
    while (drawn >= events[i].weight) {
        drawn -= events[i++].weight;
    }
    events[i].happens(w);
}

/* --- what must hold --- */

static void look(world *w)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (w->nodes[i].alive) {
            world_look_at_streams(w, i);
        }
    }
    for (unsigned k = 0; k < MEMBERS; k++) {
        world_member_hear(w, k);
    }
}

static void work_all(world *w)
{
    for (bool worked = true; worked;) {
        worked = false;
        for (unsigned i = 0; i < RESTS_MAX; i++) {
            worked = world_rest_work(w, i) || worked;
        }
        for (unsigned i = 0; i < NODES; i++) {
            world_look_at_streams(w, i);
            for (unsigned k = 0; k < LINKS_MAX; k++) {
                worked = world_link_work(w, i, k) || worked;
            }
        }
        look(w);
    }
}

/* Everything works from now on, and there is time enough. */
static void heal(world *w)
{
    WORLD_TRACE(w, "from here on all is well");
    w->calm = true;
    w->redis_down = false;
    w->up_since_ms = w->now_ms;
    for (unsigned i = 0; i < NODES; i++) {
        if (!w->nodes[i].alive) {
            world_node_start(w, i);
        }
    }
    for (unsigned n = 0; n < CALM_STEPS && w->why[0] == '\0'; n++) {
        work_all(w);
        world_presence_watch(w);
        world_advance(w, CALM_STEP_MS);
    }
    work_all(w);
}

/* What nodes say themselves that they have dropped. */
static uint64_t dropped(world *w)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < NODES; i++) {
        fwi_backplane_figures f = {0};
        fwi_backplane *bp = w->nodes[i].rig.hub.bp;
        bp->ops->figures(bp, &f);
        sum += f.queue_dropped + core_rig_stat(&w->nodes[i].rig, FWI_STAT_UNROUTED) +
               core_rig_stat(&w->nodes[i].rig, FWI_STAT_INBOX_DROPPED);
    }
    return sum;
}

static void check_end(world *w)
{
    const char *example = "";
    for (unsigned k = 0; k < MEMBERS; k++) {
        world_member_check_end(w, k);
    }
    world_presence_check_end(w);
    size_t missing = truth_missing(&w->said, &example);
    if (missing > dropped(w)) {
        world_broken(
            w, "%zu messages are missing, \"%s\" for one, and %" PRIu64 " were dropped",
            missing, example, dropped(w));
    }
}

static void end(world *w)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (w->nodes[i].alive) {
            world_node_kill(w, i);
        }
    }
    world_rests_forget(w);
    model_redis_free(w->redis);
    truth_fini(&w->said);
}

bool world_run(const world_plan *plan, const char **why)
{
    world *w = &the_world;
    memset(w, 0, sizeof *w);
    w->plan = plan;
    /* Neighbouring seeds begin far from each other. */
    fwi_rand_init(&w->rand, (plan->seed + 1) * 0x9e3779b97f4a7c15ull);
    w->now_ms = 1000000;
    w->redis = model_redis_new(on_said, on_swept, w);
    model_redis_set_time(w->redis, w->now_ms);
    for (unsigned i = 0; i < NODES; i++) {
        world_node_start(w, i);
    }
    for (; w->step < plan->steps && w->why[0] == '\0'; w->step++) {
        step(w);
        look(w);
    }
    if (w->why[0] == '\0') {
        heal(w);
    }
    if (w->why[0] == '\0') {
        check_end(w);
    }
    end(w);
    *why = w->why;
    return w->why[0] == '\0';
}
