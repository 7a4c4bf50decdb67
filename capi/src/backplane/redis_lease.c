/*
 * Beats, and the book of the other nodes. See the header. What is done about a dead one
 * is in redis_sweep.c.
 */
#include "backplane/redis_lease.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_backplane.h"
#include "backplane/redis_presence_scripts.h"

enum {
    /* All find the end of a lease at the same moment; they needn't ask at the same. */
    LOOK_MIN_MS = 5,
    LOOK_MAX_MS = 100,
    LEASE_HAD_ENDED = 2 /* what a beat says of its node */
};

/* What the scripts can tell of: Lua writes larger numbers in another form. */
#define LIFE_MAX UINT64_C(99999999999999)

void fwi_redis_lease_fini(fwi_redis_backplane *rb)
{
    fwi_redis_calls_fini(&rb->calls);
    fwi_redis_presence_fini(&rb->presence);
    fwi_redis_node *n, *next;
    HASH_ITER(hh, rb->lease.nodes, n, next)
    {
        HASH_DEL(rb->lease.nodes, n);
        free(n);
    }
    fwi_redis_sweeps_drop(rb);
}

static uint64_t third(const fwi_redis_backplane *rb)
{
    return rb->config.lease_ms / 3;
}

/* Was the last answer so long ago that something may have been overlooked? */
static bool has_gap(const fwi_redis_backplane *rb)
{
    uint64_t since_ms = fwi_loop_now_ms(rb->loop) - rb->lease.answered_ms;
    return since_ms > 2 * third(rb) + LOOK_MAX_MS;
}

/* A node that has overlooked a part of what happened mustn't judge: it was Redis that
 * was away, or itself. */
static bool may_judge(const fwi_redis_backplane *rb)
{
    uint64_t since_ms = rb->lease.watching_ms;
    return since_ms != 0 && !has_gap(rb) &&
           fwi_loop_now_ms(rb->loop) - since_ms >= rb->config.lease_ms;
}

/* had_ended: by Redis' clock this node's own lease. Who beats in time learns by that that
 * the clock was put forward: then everybody's has ended, and says nothing. */
static void watch(fwi_redis_backplane *rb, bool had_ended)
{
    fwi_redis_lease *l = &rb->lease;
    uint64_t now_ms = fwi_loop_now_ms(rb->loop);
    bool slow = now_ms - l->sent_ms > third(rb);
    if (l->watching_ms == 0 || slow || had_ended || has_gap(rb)) {
        l->watching_ms = now_ms;
    }
    l->answered_ms = now_ms;
}

/* --- a beat --- */

static void on_beat(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply);

/* "{P:nodes}:WHAT" */
static bool put_key(fwi_redis_backplane *rb, fwi_buf *out, const char *what)
{
    return fwi_buf_printf(out, "{%s:nodes}:%s", rb->config.prefix, what);
}

bool fwi_redis_lease_key(fwi_redis_backplane *rb, fwi_buf *out)
{
    out->len = 0;
    return put_key(rb, out, "leases");
}

bool fwi_redis_lease_can_ask(fwi_redis_backplane *rb)
{
    fwi_buf *key = &rb->presence.key;
    return fwi_redis_lease_key(rb, key) &&
           fwi_redis_call_reaches(rb, key->data, key->len);
}

/* Keys one behind the other in one buffer, and words that lead into it. */
static bool put_keys(fwi_redis_backplane *rb, fwi_redis_words *w,
                     const char *const *names, size_t n)
{
    fwi_buf *keys = &rb->presence.key;
    size_t ends[4];
    keys->len = 0;
    for (size_t i = 0; i < n; i++) {
        if (!put_key(rb, keys, names[i])) {
            return false;
        }
        ends[i] = keys->len;
    }
    for (size_t i = 0, from = 0; i < n; from = ends[i++]) {
        fwi_redis_word(w, keys->data + from, ends[i] - from);
    }
    return true;
}

static void put_text(fwi_redis_words *w, const char *text)
{
    fwi_redis_word(w, text, strlen(text));
}

/* The envelope that describes this node, into presence.value. */
static bool describe(fwi_redis_backplane *rb)
{
    fwi_buf *value = &rb->presence.value;
    fw_message *self = rb->base.sink->describe(rb->base.sink_user);
    value->len = 0;
    bool ok = self != NULL && fwi_message_encode(self, 0, 0, value);
    fw_message_unref(self);
    return ok;
}

static void send_beat(fwi_redis_backplane *rb)
{
    static const char *const keys[] = {"leases", "facts", "over:", "claim:"};
    fwi_redis_lease *l = &rb->lease;
    fwi_redis_words w = {0};
    char id[17], lease[24], life[24], beat[24], least[24];
    snprintf(id, sizeof id, "%016" PRIx64, rb->config.node);
    snprintf(lease, sizeof lease, "%" PRIu64, rb->config.lease_ms);
    snprintf(life, sizeof life, "%" PRIu64, l->life);
    snprintf(beat, sizeof beat, "%" PRIu64, l->beats + 1);
    snprintf(least, sizeof least, "%" PRIu64, l->was_held ? l->confirmed : 0);
    fwi_redis_eval_words(&w, fwi_redis_script_beat, "4");
    if (!put_keys(rb, &w, keys, FWI_ARRAY_LEN(keys)) || !describe(rb)) {
        return; /* at the next beat, then */
    }
    put_text(&w, id);
    put_text(&w, lease);
    put_text(&w, life);
    put_text(&w, beat);
    fwi_redis_word(&w, rb->presence.value.data, rb->presence.value.len);
    put_text(&w, may_judge(rb) ? "1" : "0");
    put_text(&w, least);
    if (fwi_redis_call(rb, &w, on_beat, (void *)(uintptr_t)(l->beats + 1))) {
        l->beats++;
        l->waiting = true;
        l->sent_ms = fwi_loop_now_ms(rb->loop);
    }
}

static void beat_in(fwi_redis_backplane *rb, uint64_t ms)
{
    fwi_loop_timer_clear(rb->loop, &rb->lease.timer);
    fwi_loop_timer_set(rb->loop, &rb->lease.timer, ms);
}

static void on_timer(fwi_timer *t)
{
    fwi_redis_backplane *rb = fwi_container_of(t, fwi_redis_backplane, lease.timer);
    if (!rb->lease.waiting) {
        send_beat(rb);
    }
    beat_in(rb, third(rb)); /* a late answer is the health check's business */
}

void fwi_redis_lease_init(fwi_redis_backplane *rb)
{
    fwi_redis_lease *l = &rb->lease;
    fwi_redis_presence_init(&rb->presence);
    memset(l, 0, sizeof *l);
    fwi_timer_init(&l->timer, on_timer);
    fwi_list_init(&l->sweeps);
    l->life = 1;
}

void fwi_redis_lease_link_up(fwi_redis_backplane *rb)
{
    if (rb->base.sink->describe != NULL) {
        send_beat(rb);
        beat_in(rb, third(rb));
    }
}

void fwi_redis_lease_link_down(fwi_redis_backplane *rb)
{
    fwi_redis_lease *l = &rb->lease;
    if (rb->cluster == NULL) {
        fwi_redis_presence_link_down(rb);
    }
    l->waiting = l->is_held = false;
    l->watching_ms = 0;
    fwi_loop_timer_clear(rb->loop, &l->timer);
    fwi_redis_sweeps_drop(rb);
}

void fwi_redis_lease_figures(const fwi_redis_backplane *rb, fwi_backplane_figures *out)
{
    out->present = rb->presence.n;
    uint64_t age_ms = fwi_loop_now_ms(rb->loop) - rb->lease.answered_ms;
    out->lease_age_us = rb->lease.was_held ? age_ms * 1000 : 0;
}

void fwi_redis_lease_end(fwi_redis_backplane *rb)
{
    fwi_buf *key = &rb->presence.key;
    /* Who still has entries, or may have some of a former life, leaves them to those who
     * find it dead. */
    if (!rb->lease.is_held || rb->presence.n > 0 || rb->lease.unswept != 0 ||
        !fwi_list_is_empty(&rb->presence.todo) ||
        !fwi_list_is_empty(&rb->presence.refused) ||
        !fwi_redis_channels_key(rb, key, rb->config.node, rb->lease.life)) {
        return;
    }
    fwi_redis_words w = {0};
    put_text(&w, "DEL");
    fwi_redis_word(&w, key->data, key->len);
    if (fwi_redis_call(rb, &w, fwi_redis_answer_ignored, NULL)) {
        fwi_redis_forget_node(rb, rb->config.node, rb->lease.life);
    }
}

bool fwi_redis_forget_node(fwi_redis_backplane *rb, uint64_t node, uint64_t life_over)
{
    static const char *const keys[] = {"leases", "facts", "claim:"};
    fwi_redis_words w = {0};
    char id[17], life[24];
    snprintf(id, sizeof id, "%016" PRIx64, node);
    snprintf(life, sizeof life, "%" PRIu64, life_over);
    fwi_redis_eval_words(&w, fwi_redis_script_forget, "3");
    if (!put_keys(rb, &w, keys, FWI_ARRAY_LEN(keys))) {
        return false;
    }
    put_text(&w, id);
    put_text(&w, life);
    return fwi_redis_call(rb, &w, fwi_redis_answer_ignored, NULL);
}

bool fwi_redis_lease_ask_nodes(fwi_redis_backplane *rb, fwi_redis_answer answer,
                               void *about)
{
    static const char *const keys[] = {"leases", "facts"};
    fwi_redis_words w = {0};
    fwi_redis_eval_words(&w, fwi_redis_script_nodes, "2");
    return put_keys(rb, &w, keys, FWI_ARRAY_LEN(keys)) &&
           fwi_redis_call(rb, &w, answer, about);
}

/* --- a life has ended --- */

/* over: the life that others have ended, 0 if it wasn't they. */
static void begin_life(fwi_redis_backplane *rb, uint64_t over)
{
    FWI_LOG(rb->config.log, FWI_LOG_WARN, "redis", "presence is written anew: %s",
            over > 0 ? "this node was taken for dead"
                     : "Redis has lost what it had been told");
    rb->lease.life = FWI_MAX(over, rb->lease.life) + 1;
    rb->lease.is_held = rb->lease.was_held = false;
    rb->counts.lives++;
    fwi_redis_presence_rewrite(rb, over);
    beat_in(rb, 0);
}

/* true: this life goes on. */
static bool check_life(fwi_redis_backplane *rb, uint64_t over, bool known, uint64_t beat)
{
    fwi_redis_lease *l = &rb->lease;
    if (over >= l->life) {
        begin_life(rb, over);
        return false;
    }
    uint64_t before = l->confirmed, former = l->life;
    l->confirmed = l->beats;
    if (!l->was_held || (known && beat >= before)) {
        return true;
    }
    begin_life(rb, 0);
    /* What it still has of the former may be of sessions that have left since: their end
     * was told, and it has lost the removal. */
    l->unswept = l->unswept != 0 ? l->unswept : former;
    return false;
}

/* --- the others --- */

static void tell(fwi_redis_backplane *rb, fwi_redis_node *n, bool up)
{
    n->told = up;
    if (rb->base.sink->on_node != NULL && rb->state != FWI_REDIS_STOPPED) {
        rb->base.sink->on_node(rb->base.sink_user, n->id, n->name, up);
    }
}

static fwi_redis_node *node_of(fwi_redis_lease *l, uint64_t id)
{
    fwi_redis_node *n = NULL;
    HASH_FIND(hh, l->nodes, &id, sizeof id, n);
    if (n != NULL) {
        return n;
    }
    n = calloc(1, sizeof *n);
    if (n == NULL) {
        return NULL;
    }
    n->id = id;
    HASH_ADD(hh, l->nodes, id, sizeof n->id, n);
    if (!FWI_HASH_ADDED(n)) {
        free(n);
        return NULL;
    }
    return n;
}

static void on_names(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    (void)about;
    rb->lease.names_wanted = false;
    if (!fwi_redis_answer_is_text(rb, "the nodes can't be read", reply)) {
        return;
    }
    fwi_member_page page;
    fwi_redis_members_read(reply->whole.str, reply->whole.len, &page);
    for (size_t i = 0; i < page.n; i++) {
        const fwi_origin *o = page.members[i]->origin;
        fwi_redis_node *n = NULL;
        HASH_FIND(hh, rb->lease.nodes, &o->session.node, sizeof n->id, n);
        if (n != NULL && !n->named) {
            snprintf(n->name, sizeof n->name, "%s", o->node_name);
            n->named = true;
        }
        if (n != NULL && n->alive && !n->told) {
            tell(rb, n, true);
        }
    }
    fwi_redis_members_free(&page);
}

/* Tells who has come and gone, by the beat just answered. */
static void tell_changes(fwi_redis_backplane *rb)
{
    fwi_redis_lease *l = &rb->lease;
    bool nameless = false;
    fwi_redis_node *n, *next;
    HASH_ITER(hh, l->nodes, n, next)
    {
        bool gone = n->seen != l->confirmed;
        if (n->told && (gone || !n->alive)) {
            tell(rb, n, false);
        } else if (!n->told && !gone && n->alive && n->named) {
            tell(rb, n, true);
        }
        if (gone) {
            HASH_DEL(l->nodes, n);
            free(n);
        } else {
            nameless = nameless || (n->alive && !n->named);
        }
    }
    if (nameless && !l->names_wanted) {
        l->names_wanted = fwi_redis_lease_ask_nodes(rb, on_names, NULL);
    }
}

/* "NODE LEFT CLAIM"; tells when to look again. */
static uint64_t on_other(fwi_redis_backplane *rb, uint64_t id, long long left_ms,
                         uint64_t claim)
{
    fwi_redis_lease *l = &rb->lease;
    fwi_redis_node *n = node_of(l, id);
    if (n != NULL) {
        n->seen = l->confirmed;
        n->alive = left_ms > 0 || !may_judge(rb);
    }
    if (claim > 0) {
        fwi_redis_sweep_begin(rb, id, claim, true);
    }
    uint64_t jitter_ms = fwi_rand_between(&rb->rand, LOOK_MIN_MS, LOOK_MAX_MS);
    if (left_ms > 0) {
        return (uint64_t)left_ms + jitter_ms;
    }
    if (may_judge(rb)) {
        return UINT64_MAX; /* somebody has claimed it */
    }
    uint64_t watched_ms = fwi_loop_now_ms(rb->loop) - l->watching_ms;
    return rb->config.lease_ms - watched_ms + jitter_ms;
}

static void read_others(fwi_redis_backplane *rb, const char *line)
{
    uint64_t next_ms = third(rb);
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *at;
        uint64_t id = strtoull(line, &at, 16);
        long long left_ms = strtoll(at, &at, 10);
        uint64_t claim = strtoull(at, &at, 10);
        if (at != end) {
            /* Somebody else has put it there; the others are alive all the same. */
            fwi_redis_complain(rb, "what is no node is among the nodes", line,
                               (size_t)(end - line));
            continue;
        }
        /* Our own isn't among them, unless somebody else has written it there in another
         * way: to be swept for dead by ourselves, say. */
        if (id != rb->config.node) {
            next_ms = FWI_MIN(next_ms, on_other(rb, id, left_ms, claim));
        }
    }
    beat_in(rb, next_ms);
    tell_changes(rb);
}

static void on_beat(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    fwi_redis_lease *l = &rb->lease;
    if ((uintptr_t)about != (uintptr_t)l->beats) {
        return; /* in a Cluster: of a server that has lost the lease's slot meanwhile */
    }
    l->waiting = false;
    if (!fwi_redis_answer_is_text(rb, "the lease can't be refreshed", reply)) {
        return;
    }
    char *at;
    uint64_t over = strtoull(reply->whole.str, &at, 10);
    uint64_t known = strtoull(at, &at, 10);
    uint64_t beat = strtoull(at, &at, 10);
    if (*at != '\n' || over > LIFE_MAX) {
        fwi_redis_complain(rb, "an unknown answer to a beat", reply->whole.str,
                           reply->whole.len);
        return;
    }
    watch(rb, known == LEASE_HAD_ENDED);
    if (!check_life(rb, over, known != 0, beat)) {
        return;
    }
    l->is_held = l->was_held = true;
    fwi_redis_presence_settle(rb, l->confirmed);
    fwi_redis_sweep_former(rb);
    read_others(rb, at + 1);
}

void fwi_redis_lease_tell_again(fwi_redis_backplane *rb, const fwi_present *p)
{
    fw_message *m = fwi_message_new(FWI_MSG_ENTERED, fwi_message_bytes(p->member),
                                    fwi_message_len(p->member), FW_BINARY);
    if (m == NULL) {
        return;
    }
    m->origin = fwi_origin_ref(p->member->origin);
    m->except = p->session;
    if (rb->cluster != NULL) {
        rb->cluster->publish(rb->cluster_user, p->channel->name, m);
    } else {
        rb->base.ops->publish(&rb->base, p->channel->name, m, NULL);
    }
    fw_message_unref(m);
}
