/*
 * Who comes into a room with history is let in at a position: what it has missed up to
 * there is given to it by this file, what comes behind it as a member. Loop 0 decides,
 * since what it hands to a loop arrives there in that order: first the answer, then the
 * messages behind it. Nobody reads for itself: what one read brings serves all.
 * @thread loop 0, but for fwi_history_ask and _unask
 */
#include <string.h>

#include "core/history.h"
#include "core/session_inside.h"

/* What is read of the past begins so much earlier: who lost his connection a little
 * before the others is served by the same read. With it a page is usually enough. */
enum { MARGIN = 256 };

/* --- the answer --- */

static void run_admit(fwi_shard *shard, fwi_item *item)
{
    fwi_admission a = {.at = item->at, .recovered = item->code != 0, .missed = item->ptr};
    fwi_room_admit(shard, item->id, item->text, (uint32_t)item->ref, &a);
    fwi_item_free(item);
}

static void run_turn_away(fwi_shard *shard, fwi_item *item)
{
    fwi_room_turn_away(shard, item->id, item->text, (uint32_t)item->ref);
    fwi_item_free(item);
}

/* There is no memory for who has asked. asked is taken. */
static void turn_away(fwi_hub *hub, fwi_item *asked)
{
    unsigned loop = fwi_id_loop(asked->id);
    asked->run = run_turn_away;
    if (loop == 0) {
        run_turn_away(hub->shard[0], asked);
    } else {
        fwi_shard_post(hub->shard[loop], asked, false);
    }
}

static void joiner_free(fwi_joiner *j)
{
    fwi_item_free(j->asked);
    free(j);
}

/* missed is taken. The answer takes no memory: it is what was asked by. */
static void admit(fwi_history *h, fwi_joiner *j, bool recovered,
                  fwi_history_slice *missed)
{
    fwi_hub *hub = h->hub;
    unsigned loop = fwi_id_loop(j->id);
    if (j->since.epoch != 0 && !j->quiet) {
        fwi_shard_count(hub->shard[0],
                        recovered ? FWI_STAT_RECOVERED : FWI_STAT_UNRECOVERABLE);
    }
    if (loop == 0) {
        fwi_admission a = {.at = h->at, .recovered = recovered, .missed = missed};
        fwi_room_admit(hub->shard[0], j->id, h->route->channel, j->ticket, &a);
        fwi_history_slice_free(missed);
        return;
    }
    fwi_item *item = j->asked;
    j->asked = NULL;
    item->run = run_admit;
    item->at = h->at;
    item->code = recovered;
    item->ptr = missed;
    item->ptr_free = fwi_history_slice_free;
    fwi_shard_post(hub->shard[loop], item, false);
}

/* With what came behind an offset that the log covers. */
static void admit_from(fwi_history *h, fwi_joiner *j, uint64_t offset)
{
    fwi_history_slice *missed = NULL;
    if (fwi_history_log_fits(&h->log, offset, h->hub->set.outbox_max)) {
        missed = fwi_history_log_slice(&h->log, offset);
    }
    admit(h, j, missed != NULL && !j->quiet, missed);
}

/* --- where --- */

static bool is_newest(const fwi_joiner *j)
{
    return j->since.epoch == 0 && j->since.offset > 0;
}

/* The offset behind which it wants everything, of this epoch. */
static uint64_t wanted(const fwi_history *h, const fwi_joiner *j)
{
    uint64_t n = j->since.offset;
    if (!is_newest(j)) {
        return n;
    }
    n = FWI_MIN(n, h->options->history_size);
    return FWI_MAX(h->at.offset > n ? h->at.offset - n : 0, h->log.gone);
}

static void forget_what_is_too_old(fwi_history *h)
{
    uint64_t now_ms = fwi_loop_now_ms(h->hub->shard[0]->loop);
    if (now_ms - h->said_ms > h->options->history_ttl_ms &&
        h->log.base.offset != h->at.offset) {
        fwi_history_log_start(&h->log, h->at);
        h->log.gone = h->at.offset;
    }
}

/* Loop 0's own word for a join that came by it: from there on, if that is possible. */
static void admit_quietly(fwi_history *h, fwi_joiner *j)
{
    if (j->since.epoch == 0) {
        j->since = h->born;
    }
    if (j->since.epoch == h->at.epoch &&
        fwi_history_log_covers(&h->log, j->since.offset)) {
        admit_from(h, j, j->since.offset);
    } else {
        admit(h, j, false, NULL);
    }
}

/* It knows of something that we haven't heard of: are we late, or is it of the past? A
 * read since we stand says so. */
static bool must_look(fwi_history *h, fwi_joiner *j)
{
    if (j->looked || j->since.epoch == h->refuted) {
        return h->behind;
    }
    if (h->ref != 0 && h->for_position) {
        return true; /* what is on its way may be older than what it knows */
    }
    j->looked = true;
    h->behind = true;
    return true;
}

/* true: it has its answer. */
static bool serve(fwi_history *h, fwi_joiner *j)
{
    /* A reset that members are still to be told isn't for who comes now. */
    if (h->at.epoch == 0 || h->reset) {
        return false;
    }
    if (j->quiet) {
        admit_quietly(h, j);
        return true;
    }
    if (j->since.epoch == 0 && !is_newest(j)) {
        admit(h, j, false, NULL);
        return true;
    }
    if (!is_newest(j) &&
        (j->since.epoch != h->at.epoch || j->since.offset > h->at.offset)) {
        if (must_look(h, j)) {
            return false;
        }
        if (j->since.epoch != h->at.epoch) {
            h->refuted = j->since.epoch;
        }
        admit(h, j, false, NULL);
        return true;
    }
    uint64_t from = wanted(h, j);
    if (fwi_history_log_covers(&h->log, from)) {
        admit_from(h, j, from);
        return true;
    }
    if (j->tried ? !h->filling : from < h->log.gone) {
        admit(h, j, false, NULL);
        return true;
    }
    return false;
}

static fwi_joiner *who_waits(const fwi_history *h, fw_session_id id)
{
    fwi_joiner *j = NULL;
    HASH_FIND(hh, h->joiners, &id.local, sizeof id.local, j);
    return j;
}

static void drop(fwi_history *h, fwi_joiner *j)
{
    if (j != NULL) {
        HASH_DEL(h->joiners, j);
        joiner_free(j);
    }
}

/* It waits, or is turned away: there is no memory for that. */
static void wait_on(fwi_history *h, fwi_joiner *j)
{
    HASH_ADD(hh, h->joiners, id.local, sizeof j->id.local, j);
    if (!FWI_HASH_ADDED(j)) {
        turn_away(h->hub, j->asked);
        free(j);
    }
}

void fwi_history_serve(fwi_history *h)
{
    /* Handlers of those who are let in may ask for others, or take back what they asked:
     * they find a list of their own. */
    fwi_joiner *all = h->joiners;
    h->joiners = NULL;
    if (all != NULL) {
        forget_what_is_too_old(h);
    }
    for (fwi_joiner *j; (j = all) != NULL;) {
        HASH_DEL(all, j);
        if (serve(h, j) || who_waits(h, j->id) != NULL) {
            joiner_free(j); /* it has its answer, or has asked anew meanwhile */
        } else {
            wait_on(h, j);
        }
    }
}

bool fwi_history_past_is_wanted(const fwi_history *h, fwi_position *since)
{
    fwi_position low = h->at.epoch == 0 ? h->expected : (fwi_position){0, 0};
    for (fwi_joiner *j = h->joiners; j != NULL; j = j->hh.next) {
        uint64_t epoch = is_newest(j) ? h->at.epoch : j->since.epoch;
        if (j->quiet || j->tried || epoch == 0 ||
            (h->at.epoch != 0 && epoch != h->at.epoch) ||
            (low.epoch != 0 && epoch != low.epoch)) {
            continue;
        }
        uint64_t from = wanted(h, j);
        if (h->at.epoch != 0 && from >= h->log.base.offset) {
            continue;
        }
        if (low.epoch == 0 || from < low.offset) {
            low = (fwi_position){epoch, from};
        }
    }
    if (low.epoch == 0) {
        return false;
    }
    uint64_t earlier = low.offset > MARGIN ? low.offset - MARGIN : 0;
    *since = (fwi_position){low.epoch, FWI_MAX(earlier, h->log.gone)};
    return true;
}

void fwi_history_mark_tried(fwi_history *h)
{
    for (fwi_joiner *j = h->joiners; j != NULL; j = j->hh.next) {
        j->tried = j->tried || is_newest(j) || j->since.epoch == h->fill_at.epoch;
    }
}

void fwi_history_unmark_tried(fwi_history *h)
{
    for (fwi_joiner *j = h->joiners; j != NULL; j = j->hh.next) {
        j->tried = false;
    }
}

void fwi_history_free_joiners(fwi_history *h)
{
    while (h->joiners != NULL) {
        drop(h, h->joiners);
    }
}

/* --- who asks --- */

/* asked is taken. */
static void join(fwi_history *h, fwi_item *asked)
{
    fwi_joiner *j = malloc(sizeof *j);
    if (j == NULL) {
        turn_away(h->hub, asked);
        return;
    }
    *j = (fwi_joiner){.id = asked->id,
                      .ticket = (uint32_t)asked->ref,
                      .quiet = asked->code != 0,
                      .since = asked->at,
                      .asked = asked};
    forget_what_is_too_old(h);
    drop(h, who_waits(h, j->id));
    if (serve(h, j)) {
        joiner_free(j);
    } else {
        wait_on(h, j);
    }
    fwi_history_settle(h);
}

static void run_ask(fwi_shard *shard, fwi_item *item)
{
    const fwi_route *r = fwi_route_find(&shard->hub->routes, item->text);
    if (r != NULL && r->history != NULL) {
        join(r->history, item);
    } else {
        fwi_item_free(item);
    }
}

static void run_unask(fwi_shard *shard, fwi_item *item)
{
    const fwi_route *r = fwi_route_find(&shard->hub->routes, item->text);
    if (r != NULL && r->history != NULL) {
        drop(r->history, who_waits(r->history, item->id));
    }
    fwi_item_free(item);
}

static bool to_loop_0(fwi_shard *shard, fwi_item *item)
{
    if (shard->index == 0 && item != NULL) {
        item->run(shard, item);
        return true;
    }
    return fwi_shard_post(shard->hub->shard[0], item, false) != FW_ERR_MEMORY;
}

bool fwi_history_ask(fwi_shard *shard, fw_session_id id, const char *channel,
                     uint32_t ticket, fwi_position since, bool quiet)
{
    fwi_item *item = fwi_item_new(run_ask, channel, NULL);
    if (item != NULL) {
        item->id = id;
        item->ref = ticket;
        item->at = since;
        item->code = quiet;
    }
    return to_loop_0(shard, item);
}

void fwi_history_unask(fwi_shard *shard, fw_session_id id, const char *channel)
{
    fwi_item *item = fwi_item_new(run_unask, channel, NULL);
    if (item != NULL) {
        item->id = id;
    }
    to_loop_0(shard, item);
}
