/*
 * See publish.h. A publish waits on loop 0 until its channel is heard, where this node
 * has members; then it is the backplane's, which says what becomes of it if that is
 * asked. So every question has one answer as long as the hub runs.
 * @thread loop 0, but for the functions of core/hub.h
 */
#include "core/publish.h"

#include <string.h>

#include "core/error.h"
#include "core/history.h"
#include "core/shard.h"

/* --- answers --- */

static void tell_result(fwi_hub *hub, const char *channel, const fwi_asker *who,
                        const fwi_published *what)
{
    fw_event e = {.type = FW_EVENT_RESULT,
                  .room = channel[0] == 'r' ? channel + 2 : NULL,
                  .code = what->err,
                  .reason = what->why,
                  .at = what->at};
    fwi_asker_tell(hub, who, &e);
}

static void tell_history(fwi_hub *hub, const char *channel, const fwi_asker *who,
                         const fwi_history_page *page)
{
    fwi_members *list = fwi_members_new(page->messages, page->n);
    fw_event e = {.type = FW_EVENT_HISTORY,
                  .room = channel + 2,
                  .code = list ? page->err : FW_ERR_MEMORY,
                  .reason = list ? page->why : "out of memory",
                  .at = page->top,
                  .messages = list};
    fwi_asker_tell(hub, who, &e);
    fwi_members_unref(list);
}

void fwi_publish_on_published(void *user, uint64_t number, const fwi_published *what)
{
    fwi_hub *hub = user;
    fwi_ask *a = fwi_ask_take(hub, number);
    if (a == NULL) {
        return;
    }
    const fwi_route *r =
        a->kind == FWI_ASK_FORGET ? fwi_route_find(&hub->routes, a->channel) : NULL;
    if (r != NULL && r->history != NULL && what->err == FW_OK) {
        fwi_history_forgotten(r->history, what->at);
    }
    tell_result(hub, a->channel, &a->who, what);
    free(a);
}

void fwi_publish_on_history(void *user, uint64_t number, const fwi_history_page *page)
{
    fwi_hub *hub = user;
    fwi_ask *a = fwi_ask_take(hub, number);
    if (a == NULL) {
        return;
    }
    if (a->kind == FWI_ASK_HISTORY) {
        tell_history(hub, a->channel, &a->who, page);
    } else {
        const fwi_route *r = fwi_route_find(&hub->routes, a->channel);
        bool theirs = r != NULL && r->history != NULL && r->history->ref == number;
        fwi_history_read_done(hub, theirs ? r->history : NULL, page);
    }
    free(a);
}

static void failed(fwi_hub *hub, uint64_t number, int err, const char *why)
{
    fwi_shard_count(hub->shard[0], FWI_STAT_INBOX_DROPPED);
    fwi_publish_on_published(hub, number, &(fwi_published){.err = err, .why = why});
}

/* --- publishing --- */

void fwi_publish_send_off(fwi_hub *hub, const char *channel, fw_message *m,
                          uint64_t number)
{
    const fwi_room_options *o = fwi_room_options_of(hub, channel);
    bool kept = o->history_size > 0 && m->kind == FWI_MSG_DATA && !m->passing;
    fwi_terms terms = {.history_size = kept ? o->history_size : 0,
                       .history_ttl_ms = o->history_ttl_ms,
                       .ref = number};
    const fwi_terms *asked = kept || number != 0 ? &terms : NULL;
    if (!hub->bp->ops->publish(hub->bp, channel, m, asked)) {
        failed(hub, number, FW_ERR_MEMORY, "out of memory");
    }
}

static void trace(fwi_hub *hub, const char *channel, const fw_message *m,
                  fwi_trace_what what)
{
    if (hub->traces.n > 0) {
        fwi_trace_note(hub, channel, m, what);
    }
}

void fwi_publish_now(fwi_hub *hub, const char *channel, fw_message *m,
                     const fwi_asker *who)
{
    fwi_shard_count(hub->shard[0], FWI_STAT_PUBLISHED);
    fwi_route *r = fwi_route_find(&hub->routes, channel);
    bool asked = fwi_asker_is_somebody(who);
    uint64_t number = asked ? fwi_ask_new(hub, FWI_ASK_PUBLISH, channel, who) : 0;
    if (asked && number == 0) {
        fwi_published what = {.err = FW_ERR_MEMORY, .why = "out of memory"};
        tell_result(hub, channel, who, &what);
    } else if (r == NULL || r->subscribed) {
        trace(hub, channel, m, FWI_TRACE_PUBLISHED);
        fwi_publish_send_off(hub, channel, m, number);
    } else if (!fwi_route_hold(r, m, number, hub->set.held_max)) {
        trace(hub, channel, m, FWI_TRACE_REFUSED);
        failed(hub, number, FW_ERR_BUSY, "too much waits already");
    } else {
        trace(hub, channel, m, FWI_TRACE_WAITS);
    }
}

static void run_publish(fwi_shard *shard, fwi_item *item)
{
    fwi_publish_now(shard->hub, item->text, item->m, &(fwi_asker){.ref = item->ref});
    fwi_item_free(item);
}

int fwi_hub_publish_ref(fwi_hub *hub, const char *channel, fw_message *m, uint64_t ref)
{
    fwi_shard *here = fwi_shard_here(hub);
    if (here != NULL && here->index == 0) {
        fwi_publish_now(hub, channel, m, &(fwi_asker){.ref = ref});
        return FW_OK;
    }
    fwi_item *item = fwi_item_new(run_publish, channel, m);
    if (item != NULL) {
        item->ref = ref;
    }
    return fwi_shard_post(hub->shard[0], item, true);
}

int fwi_hub_publish(fwi_hub *hub, const char *channel, fw_message *m)
{
    return fwi_hub_publish_ref(hub, channel, m, 0);
}

/* --- histories --- */

uint64_t fwi_hub_read_room(fwi_hub *hub, const char *channel, const fwi_history_query *q)
{
    uint64_t number = fwi_ask_new(hub, FWI_ASK_ROOM, channel, &(fwi_asker){0});
    if (number != 0 && !hub->bp->ops->read_history(hub->bp, channel, q, number)) {
        free(fwi_ask_take(hub, number));
        number = 0;
    }
    return number;
}

void fwi_ask_history(fwi_hub *hub, const char *channel, const fwi_history_query *q,
                     const fwi_asker *who)
{
    uint64_t number = fwi_ask_new(hub, FWI_ASK_HISTORY, channel, who);
    if (number == 0 || !hub->bp->ops->read_history(hub->bp, channel, q, number)) {
        free(fwi_ask_take(hub, number));
        tell_history(hub, channel, who,
                     &(fwi_history_page){.err = FW_ERR_MEMORY, .why = "out of memory"});
    }
}

void fwi_ask_forget(fwi_hub *hub, const char *channel, const fwi_asker *who)
{
    uint64_t number = fwi_ask_new(hub, FWI_ASK_FORGET, channel, who);
    if (number == 0 || !hub->bp->ops->forget_history(hub->bp, channel, number)) {
        free(fwi_ask_take(hub, number));
        fwi_published what = {.err = FW_ERR_MEMORY, .why = "out of memory"};
        tell_result(hub, channel, who, &what);
    }
}

/* count: the limit; code: reverse. */
static void run_read(fwi_shard *shard, fwi_item *item)
{
    fwi_history_query q = {
        .since = item->at,
        .limit = item->count,
        .reverse = item->code != 0,
        .history_ttl_ms = fwi_room_options_of(shard->hub, item->text)->history_ttl_ms};
    fwi_ask_history(shard->hub, item->text, &q, &(fwi_asker){.ref = item->ref});
    fwi_item_free(item);
}

static void run_forget(fwi_shard *shard, fwi_item *item)
{
    fwi_ask_forget(shard->hub, item->text, &(fwi_asker){.ref = item->ref});
    fwi_item_free(item);
}

int fwi_hub_read_history(fwi_hub *hub, const char *channel, fwi_position since,
                         uint32_t limit, bool reverse, uint64_t ref)
{
    fwi_item *item = fwi_item_new(run_read, channel, NULL);
    if (item != NULL) {
        item->at = since;
        item->count = limit;
        item->code = reverse;
        item->ref = ref;
    }
    return fwi_shard_post(hub->shard[0], item, true);
}

int fwi_hub_forget_history(fwi_hub *hub, const char *channel, uint64_t ref)
{
    fwi_item *item = fwi_item_new(run_forget, channel, NULL);
    if (item != NULL) {
        item->ref = ref;
    }
    return fwi_shard_post(hub->shard[0], item, true);
}
