/*
 * Nodes of the simulated cluster: a core_rig each, on the real Redis backplane, and the
 * network between its streams and the model of Redis.
 */
#include "world_inside.h"

#include <string.h>

static fwi_redis_config config;
static const fwi_log silent;

/* For core_rig, which asks for a backplane by this alone. */
static fwi_backplane *redis_of_node(fwi_loop *loop, const fwi_backplane_sink *sink,
                                    void *user)
{
    return fwi_backplane_redis_new(loop, &config, sink, user);
}

void world_node_start(world *w, unsigned i)
{
    world_node *n = &w->nodes[i];
    memset(n, 0, sizeof *n);
    memset(&config, 0, sizeof config);
    FWI_ASSERT(fwi_redis_url_parse("redis://127.0.0.1", &config.url) == NULL);
    config.log = &silent;
    config.prefix = "fanwire";
    config.node = 1 + fwi_rand_next(&w->rand) / 2;
    config.seed = fwi_rand_next(&w->rand);
    config.queue_max_bytes = 1u << 20;
    config.queue_deadline_ms = 30000;
    config.lease_ms = LEASE_MS;
    core_rig_backplane = redis_of_node;
    core_rig_node = config.node;
    core_rig_init(&n->rig, 1 + i % 2, "raw.mode", "rooms", "raw.format", "json",
                  "heartbeat.interval", "0s", "namespace.kept.history.size", "60",
                  "namespace.kept.join_leave", "on", "room.join_leave", "on", NULL);
    n->alive = true;
}

static void forget_link(world_link *l)
{
    if (l->at != NULL) {
        model_link_free(l->at);
    }
    *l = (world_link){NULL, NULL};
}

void world_node_kill(world *w, unsigned i)
{
    world_node *n = &w->nodes[i];
    WORLD_TRACE(w, "node %u is killed", i);
    for (unsigned k = 0; k < MEMBERS; k++) {
        if (w->members[k].conn != NULL && w->members[k].node == i) {
            world_member_go(w, k);
        }
    }
    truth_excuse(&w->said, i);
    /* The links first: what it writes while it is taken apart reaches nobody. */
    for (unsigned k = 0; k < LINKS_MAX; k++) {
        forget_link(&n->links[k]);
    }
    core_rig_fini(&n->rig);
    n->alive = false;
}

void world_node_settle(world *w, unsigned i)
{
    if (w->nodes[i].alive) {
        core_rig_settle(&w->nodes[i].rig);
    }
}

static void forget_rest(world_rest *rest)
{
    if (rest->at != NULL) {
        model_link_free(rest->at);
        fwi_buf_fini(&rest->in);
        *rest = (world_rest){.at = NULL};
    }
}

void world_rests_forget(world *w)
{
    for (unsigned i = 0; i < RESTS_MAX; i++) {
        forget_rest(&w->rests[i]);
    }
}

bool world_rest_work(world *w, unsigned i)
{
    world_rest *rest = &w->rests[i];
    if (rest->at == NULL) {
        return false;
    }
    bool worked = model_link_step(rest->at, &rest->in);
    model_link_out(rest->at)->len = 0; /* nobody hears its answers */
    if (!worked) {
        forget_rest(rest);
    }
    return worked;
}

/* Some of what was written to a link that is cut now, and reaches the server. */
static void leave_rest(world *w, world_link *l)
{
    unsigned i = 0;
    while (i < RESTS_MAX && w->rests[i].at != NULL) {
        i++;
    }
    const fwi_buf *written = fake_stream_written(l->stream);
    if (i == RESTS_MAX || l->at == NULL || written->len == 0 || w->redis_down ||
        world_draw(w, 2) == 0) {
        return;
    }
    world_rest *rest = &w->rests[i];
    *rest = (world_rest){.at = l->at, .until_ms = w->now_ms + REST_MS};
    fwi_buf_init(&rest->in);
    FWI_ASSERT(fwi_buf_append(&rest->in, written->data,
                              1 + world_draw(w, (unsigned)written->len)));
    model_link_deafen(rest->at);
    l->at = NULL;
}

void world_advance(world *w, uint64_t ms)
{
    w->now_ms += ms;
    for (unsigned i = 0; i < RESTS_MAX; i++) {
        while (w->rests[i].until_ms <= w->now_ms && world_rest_work(w, i)) {
        }
    }
    model_redis_set_time(w->redis, w->now_ms);
    for (unsigned i = 0; i < NODES; i++) {
        if (w->nodes[i].alive) {
            core_rig_advance(&w->nodes[i].rig, ms);
        }
    }
}

static void take_stream(world *w, unsigned i, fake_stream *s)
{
    for (unsigned k = 0; k < LINKS_MAX; k++) {
        world_link *l = &w->nodes[i].links[k];
        if (l->stream == NULL) {
            l->stream = s;
            return;
        }
    }
    FWI_ASSERT(false); /* a node has more links than there are */
}

void world_look_at_streams(world *w, unsigned i)
{
    world_node *n = &w->nodes[i];
    fwi_loop *loop = n->rig.loop[0];
    for (unsigned k = 0; k < LINKS_MAX; k++) {
        if (n->links[k].stream != NULL && fake_stream_is_closed(n->links[k].stream)) {
            forget_link(&n->links[k]);
        }
    }
    for (; n->seen < fake_loop_stream_count(loop); n->seen++) {
        fake_stream *s = fake_loop_stream(loop, n->seen);
        if (!fake_stream_is_closed(s)) {
            take_stream(w, i, s);
        }
    }
}

static void connect_link(world *w, unsigned i, world_link *l)
{
    if (w->redis_down) {
        fake_stream_fail(l->stream, "connection refused");
    } else {
        l->at = model_link_new(w->redis);
        fake_stream_open(l->stream);
    }
    world_node_settle(w, i);
}

/* Answers arrive in pieces of any length. */
static void give_answers(world *w, unsigned i, world_link *l)
{
    fwi_buf *out = model_link_out(l->at);
    size_t n = w->calm ? out->len : 1 + world_draw(w, (unsigned)FWI_MIN(out->len, 4000u));
    fwi_buf piece;
    fwi_buf_init(&piece);
    FWI_ASSERT(fwi_buf_append(&piece, out->data, FWI_MIN(n, out->len)));
    fwi_buf_consume(out, piece.len);
    fake_stream_feed(l->stream, piece.data, piece.len);
    fwi_buf_fini(&piece);
    world_node_settle(w, i);
}

bool world_link_work(world *w, unsigned i, unsigned k)
{
    world_link *l = &w->nodes[i].links[k];
    if (l->stream == NULL || fake_stream_is_closed(l->stream)) {
        return false;
    }
    if (l->at == NULL) {
        connect_link(w, i, l);
        return true;
    }
    bool worked = false;
    unsigned most = w->calm ? 1000 : 1 + world_draw(w, 4);
    if (w->calm || world_draw(w, 2) == 0) {
        while (most-- > 0 && model_link_step(l->at, fake_stream_written(l->stream))) {
            worked = true;
        }
    }
    if (model_link_out(l->at)->len > 0 && (w->calm || world_draw(w, 2) == 0)) {
        give_answers(w, i, l);
        worked = true;
    }
    return worked;
}

void world_link_cut(world *w, unsigned i, unsigned k)
{
    world_link *l = &w->nodes[i].links[k];
    if (l->stream == NULL || fake_stream_is_closed(l->stream)) {
        return;
    }
    WORLD_TRACE(w, "node %u: link %u is cut", i, k);
    unsigned most = world_draw(w, 8);
    while (l->at != NULL && most-- > 0 &&
           model_link_step(l->at, fake_stream_written(l->stream))) {
    }
    fake_stream *s = l->stream;
    leave_rest(w, l);
    forget_link(l);
    fake_stream_fail(s, "connection reset by peer");
    world_node_settle(w, i);
}
