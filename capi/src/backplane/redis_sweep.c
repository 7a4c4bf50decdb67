/*
 * See the header. One life after the other; of one up to a hundred channels at a time; of
 * a channel about a thousand entries a step, so that Redis isn't held up.
 *
 * A life is looked for in the lists of those before it, too: a node that began others and
 * died before they were swept may have left something of each.
 */
#include "backplane/redis_sweep.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_backplane.h"
#include "backplane/redis_presence_scripts.h"

enum { FORMER_LISTS = 15 }; /* a question each; and a life is whatever Redis says */

typedef struct sweep {
    fwi_list link;
    uint64_t node, life;
    uint64_t list, lowest; /* whose channels are swept now, and at last */
    uint64_t removed;
    unsigned channels; /* under way */
    bool begun, asking, loud, failed;
    bool progress; /* a channel has left the list since it was asked for */
} sweep;

typedef struct step {
    sweep *of;
    uint64_t cursor;
    char channel[];
} step;

static void ask_channels(fwi_redis_backplane *rb, sweep *sw);

void fwi_redis_sweeps_go_on(fwi_redis_backplane *rb)
{
    sweep *first = fwi_list_is_empty(&rb->lease.sweeps)
                       ? NULL
                       : fwi_list_entry(rb->lease.sweeps.next, sweep, link);
    if (first != NULL && !first->begun) {
        first->begun = true;
        ask_channels(rb, first);
    }
}

/* An answer of it doesn't come any more; when none is waited for, it is over. */
static void lost(sweep *sw)
{
    sw->failed = true;
    if (sw->channels == 0 && !sw->asking) {
        fwi_list_remove(&sw->link);
        free(sw);
    }
}

/* Whoever couldn't finish leaves the claim to end, and another node begins anew. */
static void end_sweep(fwi_redis_backplane *rb, sweep *sw)
{
    if (!sw->failed) {
        fwi_redis_forget_node(rb, sw->node, sw->life);
        if (sw->node == rb->config.node && sw->life + 1 == rb->lease.life) {
            rb->lease.unswept = 0;
        }
    }
    if (sw->loud) {
        FWI_LOG(rb->config.log, FWI_LOG_INFO, "redis",
                "node %016" PRIx64 " is dead: %" PRIu64 " entries of it removed%s",
                sw->node, sw->removed, sw->failed ? ", the rest can't be" : "");
        rb->counts.sweeps++;
    }
    fwi_list_remove(&sw->link);
    free(sw);
    fwi_redis_sweeps_go_on(rb);
}

/* --- a channel --- */

static void step_over(fwi_redis_backplane *rb, step *st)
{
    sweep *sw = st->of;
    free(st);
    if (--sw->channels > 0) {
        return;
    }
    if (sw->failed || !sw->progress) {
        sw->failed = true; /* else the same channels would come again and again */
        end_sweep(rb, sw);
    } else {
        ask_channels(rb, sw);
    }
}

static void step_lost(step *st)
{
    sweep *sw = st->of;
    free(st);
    sw->channels--;
    lost(sw);
}

static void on_unlisted(fwi_redis_backplane *rb, void *about,
                        const fwi_redis_reply *reply)
{
    step *st = about;
    if (reply == NULL) {
        step_lost(st);
        return;
    }
    fwi_redis_answer_ignored(rb, NULL, reply);
    st->of->progress |= reply->whole.integer > 0;
    step_over(rb, st);
}

static bool unlist_channel(fwi_redis_backplane *rb, step *st)
{
    fwi_buf *key = &rb->presence.key;
    fwi_redis_words w = {0};
    if (!fwi_redis_channels_key(rb, key, st->of->node, st->of->list)) {
        return false;
    }
    fwi_redis_word(&w, "SREM", 4);
    fwi_redis_word(&w, key->data, key->len);
    fwi_redis_word(&w, st->channel, strlen(st->channel));
    return fwi_redis_call(rb, &w, on_unlisted, st);
}

static bool send_step(fwi_redis_backplane *rb, step *st);

static void on_step(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    step *st = about;
    if (reply == NULL) {
        step_lost(st);
        return;
    }
    if (!fwi_redis_answer_is_text(rb, "a dead node's entries can't be removed", reply)) {
        st->of->failed = true;
        step_over(rb, st);
        return;
    }
    char *at;
    st->cursor = strtoull(reply->whole.str, &at, 10);
    uint64_t removed = strtoull(at, &at, 10);
    st->of->removed += removed;
    rb->counts.swept += st->of->loud ? removed : 0;
    if (st->cursor != 0 ? !send_step(rb, st) : !unlist_channel(rb, st)) {
        st->of->failed = true;
        step_over(rb, st);
    }
}

static bool send_step(fwi_redis_backplane *rb, step *st)
{
    fwi_buf *key = &rb->presence.key;
    char node[17], life[24], cursor[24];
    fwi_redis_words w = {0};
    snprintf(node, sizeof node, "%016" PRIx64, st->of->node);
    snprintf(life, sizeof life, "%" PRIu64, st->of->life);
    snprintf(cursor, sizeof cursor, "%" PRIu64, st->cursor);
    fwi_redis_eval_words(&w, fwi_redis_script_sweep, "2");
    if (!fwi_redis_presence_keys(rb, &w, key, st->channel, st->of->node)) {
        return false;
    }
    fwi_redis_word(&w, key->data + 1,
                   w.lens[3] - strlen("{}:p")); /* the channel's name */
    fwi_redis_word(&w, node, 16);
    fwi_redis_word(&w, life, strlen(life));
    fwi_redis_word(&w, cursor, strlen(cursor));
    fwi_redis_word(&w, st->of->loud ? "1" : "0", 1);
    fwi_redis_word(&w, rb->verbs->publish, strlen(rb->verbs->publish));
    return fwi_redis_call(rb, &w, on_step, st);
}

/* --- the channels --- */

static void begin_channel(fwi_redis_backplane *rb, sweep *sw, const char *name,
                          size_t len)
{
    step *st = calloc(1, sizeof *st + len + 1);
    if (st == NULL) {
        sw->failed = true;
        return;
    }
    st->of = sw;
    memcpy(st->channel, name, len);
    if (send_step(rb, st)) {
        sw->channels++;
    } else {
        sw->failed = true;
        free(st);
    }
}

static void on_channels(fwi_redis_backplane *rb, void *about,
                        const fwi_redis_reply *reply)
{
    sweep *sw = about;
    sw->asking = false;
    if (reply == NULL || sw->failed) {
        lost(sw);
        return;
    }
    if (!fwi_redis_answer_is_text(rb, "a dead node's channels can't be read", reply)) {
        sw->failed = true;
        end_sweep(rb, sw);
        return;
    }
    if (reply->whole.len == 0) {
        if (sw->list > sw->lowest) {
            sw->list--;
            ask_channels(rb, sw);
        } else {
            end_sweep(rb, sw);
        }
        return;
    }
    sw->progress = false;
    const char *name = reply->whole.str;
    while (name != NULL && *name != '\0') {
        const char *end = strchr(name, '\n');
        size_t len = end != NULL ? (size_t)(end - name) : strlen(name);
        begin_channel(rb, sw, name, len);
        name = end != NULL ? end + 1 : NULL;
    }
    if (sw->channels == 0) {
        end_sweep(rb, sw);
    }
}

/* Without memory it ends; or it would hold up all behind it, and in a Cluster for ever.
 */
static void ask_channels(fwi_redis_backplane *rb, sweep *sw)
{
    fwi_buf *key = &rb->presence.key;
    fwi_redis_words w = {0};
    if (fwi_redis_channels_key(rb, key, sw->node, sw->list)) {
        fwi_redis_eval_words(&w, fwi_redis_script_channels, "1");
        fwi_redis_word(&w, key->data, key->len);
        sw->asking = fwi_redis_call(rb, &w, on_channels, sw);
    }
    if (!sw->asking) {
        sw->failed = true;
        end_sweep(rb, sw);
    }
}

static void begin(fwi_redis_backplane *rb, uint64_t node, uint64_t life, uint64_t lowest,
                  bool loud)
{
    sweep *sw = calloc(1, sizeof *sw);
    if (sw == NULL) {
        return; /* a claim ends, and somebody else begins; or at the next beat */
    }
    sw->node = node;
    sw->life = sw->list = life;
    sw->lowest = lowest;
    sw->loud = loud;
    fwi_list_append(&rb->lease.sweeps, &sw->link);
    fwi_redis_sweeps_go_on(rb);
}

/* Is a sweep of the node under way, or about to be, that takes this life, too? */
static bool is_swept(const fwi_redis_lease *l, uint64_t node, uint64_t life)
{
    for (const fwi_list *e = l->sweeps.next; e != &l->sweeps; e = e->next) {
        const sweep *sw = fwi_list_entry(e, sweep, link);
        if (sw->node == node && sw->life >= life && !sw->failed) {
            return true;
        }
    }
    return false;
}

void fwi_redis_sweep_begin(fwi_redis_backplane *rb, uint64_t node, uint64_t life,
                           bool loud)
{
    /* A claim lasts for a lease. What takes longer is claimed anew meanwhile, each time,
     * and all of that would be looked through in vain. */
    if (!is_swept(&rb->lease, node, life)) {
        begin(rb, node, life, life > FORMER_LISTS ? life - FORMER_LISTS : 1, loud);
    }
}

void fwi_redis_sweep_former(fwi_redis_backplane *rb)
{
    const fwi_redis_lease *l = &rb->lease;
    if (l->unswept != 0 && !is_swept(l, rb->config.node, 0)) {
        begin(rb, rb->config.node, l->life - 1, l->unswept, false);
    }
}

void fwi_redis_sweeps_drop(fwi_redis_backplane *rb)
{
    for (fwi_list *e; (e = fwi_list_pop(&rb->lease.sweeps)) != NULL;) {
        lost(fwi_list_entry(e, sweep, link)); /* of a Cluster answers may still come */
    }
}
