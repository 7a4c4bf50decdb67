/*
 * See history.h. A page and the messages that come meanwhile are put together by their
 * positions alone: between the two no order is promised.
 * @thread loop 0
 */
#include "core/history.h"

#include <string.h>

#include "core/shard.h"

enum {
    READS_MAX = 256, /* on their way at a time, of all rooms whose position is known */
    RETRY_MS = 1000, /* the backplane had no answer for a room */
    FILL_MIN = 64
};

/* --- life --- */

static void retry_over(fwi_timer *t);

void fwi_histories_init(fwi_hub *hub, size_t cache_max)
{
    fwi_histories *all = &hub->histories;
    fwi_history_cache_init(&all->cache, cache_max);
    fwi_list_init(&all->to_read);
    fwi_list_init(&all->failed);
    fwi_timer_init(&all->retry, retry_over);
}

fwi_history *fwi_history_new(fwi_hub *hub, fwi_route *route,
                             const fwi_room_options *options)
{
    fwi_history *h = calloc(1, sizeof *h);
    if (h != NULL) {
        h->hub = hub;
        h->route = route;
        h->options = options;
        h->held_tail = &h->held;
        fwi_list_init(&h->to_read);
        fwi_history_log_init(&h->log, &hub->histories.cache, options->history_size);
    }
    return h;
}

static fw_message *unhold(fwi_history *h)
{
    fwi_history_held *e = h->held;
    fw_message *m = e->m;
    h->held = e->next;
    if (h->held == NULL) {
        h->held_tail = &h->held;
    }
    h->hub->histories.held_bytes -= fwi_message_cost(m);
    h->held_before -= h->held_before > 0;
    free(e);
    return m;
}

static void drop_fill(fwi_history *h)
{
    for (size_t i = 0; i < h->fill_n; i++) {
        fw_message_unref(h->fill[i]);
    }
    h->fill_n = 0;
    h->fill_bytes = 0;
}

static void end_fill(fwi_history *h)
{
    drop_fill(h);
    free(h->fill);
    h->fill = NULL;
    h->fill_cap = 0;
    h->filling = false;
}

static void drop_held(fwi_history *h)
{
    while (h->held != NULL) {
        fw_message_unref(unhold(h));
    }
}

void fwi_history_free(fwi_history *h)
{
    if (h == NULL) {
        return;
    }
    drop_held(h);
    end_fill(h);
    fwi_history_free_joiners(h);
    fwi_history_log_fini(&h->log);
    fwi_list_remove(&h->to_read);
    free(h);
}

static void count(const fwi_history *h, fwi_stat which)
{
    fwi_shard_count(h->hub->shard[0], which);
}

static void trace(const fwi_history *h, const fw_message *m, fwi_trace_what what)
{
    if (h->hub->traces.n > 0) {
        fwi_trace_note(h->hub, h->route->channel, m, what);
    }
}

static void trim_cache(fwi_hub *hub)
{
    fwi_history_cache_trim(&hub->histories.cache);
    fwi_stat_set(&hub->shard[0]->stats, FWI_STAT_HISTORY_CACHE,
                 hub->histories.cache.bytes);
}

/* --- reading --- */

static bool needs_read(const fwi_history *h)
{
    fwi_position since;
    return h->route->subscribed && (h->at.epoch == 0 || h->behind || h->filling ||
                                    fwi_history_past_is_wanted(h, &since));
}

static bool is_busy(const fwi_hub *hub)
{
    return hub->histories.reading >= READS_MAX;
}

static bool start_read(fwi_history *h)
{
    fwi_hub *hub = h->hub;
    /* Who waits to be let in may have spoken: the room's position is one before that. */
    fwi_history_query q = {.history_ttl_ms = h->options->history_ttl_ms,
                           .ahead = h->late};
    h->for_position = h->at.epoch == 0 || h->behind;
    h->looks_back = false;
    if (h->at.epoch != 0 && h->behind) {
        h->looks_back = h->doubted && h->last.local != 0;
        h->doubted = false;
        q.since = (fwi_position){h->at.epoch, h->at.offset - h->looks_back};
        q.limit = h->options->history_size + h->looks_back;
    } else if (!is_busy(hub) &&
               (h->filling || fwi_history_past_is_wanted(h, &h->fill_at))) {
        if (!h->filling) {
            h->filling = true;
            fwi_history_mark_tried(h);
        }
        q.since = h->fill_at;
        q.limit = h->at.epoch == 0
                      ? h->options->history_size
                      : (uint32_t)FWI_MIN(h->log.base.offset - h->fill_at.offset,
                                          (uint64_t)h->options->history_size);
    }
    h->asked = q.since;
    h->held_before = 0;
    for (const fwi_history_held *e = h->held; e != NULL; e = e->next) {
        h->held_before++;
    }
    h->ref = fwi_hub_read_room(hub, h->route->channel, &q);
    if (h->ref == 0) {
        return false;
    }
    hub->histories.reading++;
    count(h, FWI_STAT_HISTORY_READS);
    return true;
}

static void retry(fwi_hub *hub)
{
    fwi_timer *t = &hub->histories.retry;
    if (!fwi_timer_is_set(t)) {
        fwi_loop_timer_set(hub->shard[0]->loop, t, RETRY_MS);
    }
}

/* It may be this room alone that can't be read, or those of one server of many: the
 * others go on. */
static void read_failed(fwi_history *h)
{
    h->doubted = h->doubted || h->looks_back;
    h->late = h->at.epoch == 0;
    fwi_list_append(&h->hub->histories.failed, &h->to_read);
    retry(h->hub);
}

static void read_now(fwi_history *h)
{
    if (needs_read(h) && !start_read(h)) {
        read_failed(h);
    }
}

static void pump(fwi_hub *hub)
{
    fwi_histories *all = &hub->histories;
    for (fwi_list *e; !is_busy(hub) && (e = fwi_list_pop(&all->to_read)) != NULL;) {
        read_now(fwi_list_entry(e, fwi_history, to_read));
    }
}

/* Where a room stands is asked before anything is published to it: else who waits to be
 * let in there would not hear its own words. So that doesn't wait for its turn. */
static void enqueue(fwi_history *h)
{
    if (h->at.epoch == 0) {
        read_now(h);
    } else {
        fwi_list_append(&h->hub->histories.to_read, &h->to_read);
    }
}

static void retry_over(fwi_timer *t)
{
    fwi_histories *all = fwi_container_of(t, fwi_histories, retry);
    fwi_hub *hub = fwi_container_of(all, fwi_hub, histories);
    /* Not all at once: there may be a reason that holds for every room. */
    for (unsigned i = 0; i < READS_MAX && !fwi_list_is_empty(&all->failed); i++) {
        fwi_list_append(&all->to_read, fwi_list_pop(&all->failed));
    }
    if (!fwi_list_is_empty(&all->failed)) {
        retry(hub);
    }
    pump(hub);
}

void fwi_history_settle(fwi_history *h)
{
    if (h->ref == 0 && !fwi_list_is_linked(&h->to_read) && needs_read(h)) {
        enqueue(h);
        pump(h->hub);
    }
}

void fwi_history_expect(fwi_history *h, fwi_position since)
{
    bool lower = since.epoch == h->expected.epoch && since.offset < h->expected.offset;
    if (since.epoch != 0 && (h->expected.epoch == 0 || lower)) {
        h->expected = since;
    }
}

/* What is held may be of a Redis that isn't there any more, and fit all the same: the
 * read brings what is true. */
void fwi_history_missed(fwi_history *h)
{
    drop_held(h);
    h->behind = h->doubted = h->at.epoch != 0;
    h->held_lost = h->held_lost || h->ref != 0; /* that read may be too old */
    fwi_list_remove(&h->to_read);               /* it may be among those that failed */
    fwi_history_settle(h);
}

void fwi_histories_returned(fwi_hub *hub)
{
    fwi_histories *all = &hub->histories;
    fwi_loop_timer_clear(hub->shard[0]->loop, &all->retry);
    fwi_list again;
    fwi_list_init(&again);
    fwi_list_splice(&again, &all->failed);
    for (fwi_list *e; (e = fwi_list_pop(&again)) != NULL;) {
        enqueue(fwi_list_entry(e, fwi_history, to_read));
    }
    pump(hub);
}

/* --- where it stands --- */

/* A read that had to be made again may be behind what was said meanwhile, which is for
 * who has waited all along: it comes in ahead of that. */
static void establish(fwi_history *h, fwi_position top)
{
    fwi_position at = top;
    if (h->late && h->early.epoch == top.epoch && h->early.offset - 1 < top.offset) {
        at.offset = h->early.offset - 1;
        h->behind = true;
    }
    h->at = h->born = at;
    h->last = (fwi_envelope_id){0, 0};
    h->late = false;
    h->said_ms = fwi_loop_now_ms(h->hub->shard[0]->loop);
    fwi_history_log_start(&h->log, at);
}

/* What follows isn't what came before: members are told when it is clear where it goes
 * on. */
static void renumber(fwi_history *h, fwi_position at)
{
    h->at = at;
    h->last = (fwi_envelope_id){0, 0};
    h->reset = true;
    fwi_history_log_start(&h->log, at);
    end_fill(h);
    fwi_history_unmark_tried(
        h); /* the log they were to be joined to isn't there any more */
}

static void tell_reset(fwi_history *h)
{
    h->reset = false;
    count(h, FWI_STAT_HISTORY_RESETS);
    fwi_hub_tell_reset(h->hub, h->route, h->at);
}

/* m is the next, or what lies between can't be had any more. */
static void follow(fwi_history *h, fw_message *m)
{
    if (m->at.epoch != h->at.epoch || m->at.offset <= h->at.offset) {
        return;
    }
    if (m->at.offset != h->at.offset + 1) {
        renumber(h, (fwi_position){m->at.epoch, m->at.offset - 1});
        h->log.gone = h->at.offset;
    }
    if (h->reset) {
        tell_reset(h);
    }
    h->at = m->at;
    h->last = m->id;
    h->said_ms = fwi_loop_now_ms(h->hub->shard[0]->loop);
    fwi_history_log_append(&h->log, m);
    fwi_hub_deliver(h->hub, h->route, m);
}

/* Redis has lost writes, and was given others until we looked: where we stand is another
 * message than the one that was heard. */
static bool has_another_past(const fwi_history *h, const fwi_history_page *page)
{
    const fw_message *m = page->n > 0 ? page->messages[0] : NULL;
    return h->looks_back && m != NULL && m->at.offset == h->at.offset &&
           (m->id.node != h->last.node || m->id.local != h->last.local);
}

/* A page that was read since h->asked: where it stood, or one before that. */
static void catch_up(fwi_history *h, const fwi_history_page *page)
{
    bool same = page->top.epoch == h->asked.epoch;
    if (!same) {
        renumber(h, (fwi_position){page->top.epoch, 0});
    } else if (page->top.offset < h->at.offset) {
        renumber(h, page->top); /* a Redis that has lost what it had */
    } else if (has_another_past(h, page)) {
        renumber(h, h->asked);
    }
    for (size_t i = 0; i < page->n; i++) {
        follow(h, page->messages[i]);
    }
    if (same && page->n == 0 && h->at.offset < page->top.offset) {
        renumber(h, page->top); /* nothing of what was missed is kept */
        h->log.gone = h->at.offset;
    }
    h->behind = h->at.offset < page->top.offset;
    if (h->reset && !h->behind) {
        tell_reset(h);
    }
}

/* Until now held back. What a read should have explained and hasn't is of a past that
 * isn't this room's any more. */
static void let_go(fwi_history *h)
{
    while (h->held != NULL && !h->behind) {
        fw_message *m = h->held->m;
        bool fits = m->at.epoch == h->at.epoch && m->at.offset <= h->at.offset + 1;
        if (!fits && h->held_before == 0) {
            h->behind = true;
            return;
        }
        m = unhold(h);
        if (fits) {
            follow(h, m);
        }
        fw_message_unref(m);
    }
    if (h->held == NULL && h->held_lost) {
        h->held_lost = false;
        h->behind = true;
    }
}

static bool hold(fwi_history *h, fw_message *m)
{
    fwi_hub *hub = h->hub;
    if (hub->histories.held_bytes + fwi_message_cost(m) > hub->set.held_max) {
        return false;
    }
    fwi_history_held *e = malloc(sizeof *e);
    if (e == NULL) {
        return false;
    }
    *e = (fwi_history_held){NULL, fw_message_ref(m)};
    *h->held_tail = e;
    h->held_tail = &e->next;
    hub->histories.held_bytes += fwi_message_cost(m);
    return true;
}

static void note_early(fwi_history *h, fwi_position at)
{
    if (at.epoch != h->early.epoch || at.offset < h->early.offset) {
        h->early = at;
    }
}

void fwi_history_came(fwi_history *h, fw_message *m)
{
    bool same = m->at.epoch == h->at.epoch;
    if (same && m->at.offset <= h->at.offset) {
        count(h, FWI_STAT_HISTORY_REPEATED);
        trace(h, m, FWI_TRACE_REPEATED);
        return;
    }
    if (same && !h->behind && m->at.offset == h->at.offset + 1) {
        follow(h, m);
        trim_cache(h->hub);
        return;
    }
    if (h->at.epoch == 0) {
        note_early(h, m->at);
    } else if (!h->behind) {
        count(h, FWI_STAT_HISTORY_GAPS);
        h->behind = true;
    }
    trace(h, m, FWI_TRACE_HELD);
    if (!hold(h, m)) {
        h->held_lost = true; /* it is read when what is held has gone */
    }
    fwi_history_settle(h);
}

/* --- the past --- */

static bool fill_with(fwi_history *h, fw_message *m)
{
    if (h->fill_n == h->fill_cap) {
        size_t cap = h->fill_cap ? h->fill_cap * 2 : FILL_MIN;
        fw_message **fill = realloc(h->fill, cap * sizeof(fw_message *));
        if (fill == NULL) {
            return false;
        }
        h->fill = fill;
        h->fill_cap = cap;
    }
    h->fill[h->fill_n++] = fw_message_ref(m);
    h->fill_bytes += fwi_message_cost(m);
    return h->fill_bytes <= h->log.cache->max_bytes;
}

/* A page of what came before the log. */
static void fill(fwi_history *h, const fwi_history_page *page)
{
    uint64_t base = h->log.base.offset;
    /* Of a past that is over there is nothing, which says nothing of this epoch's. */
    bool ok =
        page->top.epoch == h->log.base.epoch && h->fill_at.epoch == h->log.base.epoch;
    for (size_t i = 0; ok && i < page->n && h->fill_at.offset < base; i++) {
        fw_message *m = page->messages[i];
        if (m->at.offset <= h->fill_at.offset) {
            continue;
        }
        if (m->at.offset > h->fill_at.offset + 1) {
            drop_fill(h);
            h->log.gone = FWI_MIN(m->at.offset - 1, base);
        }
        h->fill_at.offset = m->at.offset;
        ok = m->at.offset > base || fill_with(h, m);
    }
    if (ok && h->fill_at.offset < base && page->n > 0) {
        return; /* there is more */
    }
    if (ok && h->fill_at.offset >= base) {
        if (h->last.local == 0 && h->fill_n > 0 && base == h->at.offset) {
            h->last = h->fill[h->fill_n - 1]->id;
        }
        fwi_history_log_prepend(&h->log, h->fill, h->fill_n);
        h->fill_n = 0;
    } else if (ok) {
        h->log.gone = base;
    }
    end_fill(h);
}

/* --- answers --- */

void fwi_history_read_done(fwi_hub *hub, fwi_history *h, const fwi_history_page *page)
{
    hub->histories.reading--;
    if (h == NULL) {
        pump(hub);
        return;
    }
    h->ref = 0;
    if (page->err != FW_OK || page->top.epoch == 0) {
        read_failed(h);
        pump(hub);
        return;
    }
    if (h->at.epoch == 0) {
        establish(h, page->top);
    } else if (h->for_position) {
        catch_up(h, page);
    } else if (page->top.epoch != h->at.epoch) {
        h->behind = true;
        end_fill(h);
    }
    fwi_history_serve(h); /* before what was held is said: it is theirs, too */
    if (h->filling && h->asked.epoch == h->fill_at.epoch &&
        h->asked.offset == h->fill_at.offset) {
        fill(h, page);
    }
    let_go(h);
    fwi_history_serve(h);
    trim_cache(h->hub);
    fwi_history_settle(h);
    pump(hub);
}

void fwi_history_forgotten(fwi_history *h, fwi_position at)
{
    if (at.epoch != 0 && at.epoch != h->at.epoch && h->at.epoch != 0) {
        h->behind = true;
        fwi_history_settle(h);
    }
}
