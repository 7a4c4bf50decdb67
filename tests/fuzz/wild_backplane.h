/*
 * A backplane that the input plays: it keeps what was asked of it until the input
 * answers, and says whatever the input likes. What it promises by core/backplane.h it
 * keeps: each question has one answer, and each subscription is reported once.
 *
 * For core_rig_backplane.
 */
#ifndef TESTS_FUZZ_WILD_BACKPLANE_H
#define TESTS_FUZZ_WILD_BACKPLANE_H

#include <fanwire/error.h>

#include "core/backplane.h"
#include "core/loop.h"
#include "fuzz.h"
#include "wire/name.h"

enum { WILD_EPOCH = 1 }; /* of what it keeps itself */

typedef struct wild_item {
    fwi_list link;
    uint64_t ref;
    fw_message *m;
    char channel[FWI_CHANNEL_CAP];
} wild_item;

typedef struct wild_backplane {
    fwi_backplane base;
    fwi_loop *loop;
    bool told;
    uint64_t offset;
    fwi_list fresh;                     /* subscriptions to be reported */
    fwi_list echoes;                    /* messages to be heard again */
    fwi_list published, pages, members; /* questions */
} wild_backplane;

static wild_backplane *wild;
static bool wild_is_slow; /* subscriptions are reported by wild_report alone */
static bool wild_is_deaf; /* what is published isn't heard */

static inline void wild_add(fwi_list *to, const char *channel, fw_message *m,
                            uint64_t ref)
{
    wild_item *item = calloc(1, sizeof *item);
    MUST(item != NULL && strlen(channel) < sizeof item->channel);
    item->ref = ref;
    item->m = m;
    memcpy(item->channel, channel, strlen(channel) + 1);
    fwi_list_init(&item->link);
    fwi_list_append(to, &item->link);
    wild->loop->ops->wake(wild->loop);
}

/* The caller's; NULL: there is none. */
static inline wild_item *wild_take(fwi_list *from)
{
    fwi_list *e = fwi_list_pop(from);
    return e != NULL ? fwi_list_entry(e, wild_item, link) : NULL;
}

static inline void wild_free(wild_item *item)
{
    fw_message_unref(item->m);
    free(item);
}

/* --- what it says; each returns without a word if nobody has asked --- */

static inline void wild_report(void)
{
    wild_item *item = wild_take(&wild->fresh);
    if (item != NULL) {
        wild->base.sink->on_subscribed(wild->base.sink_user, item->channel);
        wild_free(item);
    }
}

static inline void wild_answer_published(const fwi_published *what)
{
    wild_item *item = wild_take(&wild->published);
    if (item != NULL) {
        wild->base.sink->on_published(wild->base.sink_user, item->ref, what);
        wild_free(item);
    }
}

static inline void wild_answer_page(const fwi_history_page *page)
{
    wild_item *item = wild_take(&wild->pages);
    if (item != NULL) {
        wild->base.sink->on_history(wild->base.sink_user, item->ref, page);
        wild_free(item);
    }
}

static inline void wild_answer_members(const fwi_member_page *page)
{
    wild_item *item = wild_take(&wild->members);
    if (item != NULL) {
        wild->base.sink->on_members(wild->base.sink_user, item->ref, page);
        wild_free(item);
    }
}

/* --- the port --- */

static int wild_start(fwi_backplane *bp)
{
    (void)bp;
    return 0;
}

static bool wild_subscribe(fwi_backplane *bp, const char *channel)
{
    (void)bp;
    wild_add(&wild->fresh, channel, NULL, 0);
    return true;
}

static void wild_unsubscribe(fwi_backplane *bp, const char *channel)
{
    (void)bp;
    for (fwi_list *e = wild->fresh.next; e != &wild->fresh; e = e->next) {
        wild_item *item = fwi_list_entry(e, wild_item, link);
        if (strcmp(item->channel, channel) == 0) {
            fwi_list_remove(e);
            wild_free(item);
            return;
        }
    }
}

static bool wild_publish(fwi_backplane *bp, const char *channel, fw_message *m,
                         const fwi_terms *terms)
{
    (void)bp;
    bool kept = terms != NULL && terms->history_size > 0;
    fw_message *heard =
        kept ? fwi_message_at(m, (fwi_position){WILD_EPOCH, ++wild->offset})
             : fw_message_ref(m);
    MUST(heard != NULL);
    wild_add(&wild->echoes, channel, heard, 0);
    if (terms != NULL && terms->ref != 0) {
        wild_add(&wild->published, channel, NULL, terms->ref);
    }
    return true;
}

static bool wild_read_history(fwi_backplane *bp, const char *channel,
                              const fwi_history_query *query, uint64_t ref)
{
    (void)bp;
    (void)query;
    wild_add(&wild->pages, channel, NULL, ref);
    return true;
}

static bool wild_forget_history(fwi_backplane *bp, const char *channel, uint64_t ref)
{
    (void)bp;
    wild_add(&wild->published, channel, NULL, ref);
    return true;
}

static bool wild_enter(fwi_backplane *bp, const char *channel, fw_message *member,
                       bool tell)
{
    (void)bp;
    (void)channel;
    (void)tell;
    MUST(member->origin != NULL);
    return true;
}

static void wild_leave(fwi_backplane *bp, const char *channel, fw_session_id session)
{
    (void)bp;
    (void)channel;
    (void)session;
}

static bool wild_read_presence(fwi_backplane *bp, const char *channel, uint64_t cursor,
                               uint32_t limit, uint64_t ref)
{
    (void)bp;
    (void)cursor;
    (void)limit;
    wild_add(&wild->members, channel, NULL, ref);
    return true;
}

static bool wild_read_nodes(fwi_backplane *bp, uint64_t ref)
{
    (void)bp;
    wild_add(&wild->members, "", NULL, ref);
    return true;
}

static void wild_flush(fwi_backplane *bp)
{
    if (!wild->told) {
        wild->told = true;
        bp->sink->on_state(bp->sink_user, true, NULL);
    }
    while (!wild_is_slow && !fwi_list_is_empty(&wild->fresh)) {
        wild_report();
    }
    for (wild_item *item; (item = wild_take(&wild->echoes)) != NULL;) {
        if (!wild_is_deaf) {
            bp->sink->on_message(bp->sink_user, item->channel, item->m);
        }
        wild_free(item);
    }
}

static void wild_stop(fwi_backplane *bp)
{
    static const char why[] = "the hub is stopped";
    (void)bp;
    while (!fwi_list_is_empty(&wild->published)) {
        wild_answer_published(&(fwi_published){.err = FW_ERR_CLOSED, .why = why});
    }
    while (!fwi_list_is_empty(&wild->pages)) {
        wild_answer_page(&(fwi_history_page){.err = FW_ERR_CLOSED, .why = why});
    }
    while (!fwi_list_is_empty(&wild->members)) {
        wild_answer_members(&(fwi_member_page){.err = FW_ERR_CLOSED, .why = why});
    }
}

static void wild_free_all(fwi_backplane *bp)
{
    fwi_list *const lists[] = {&wild->fresh, &wild->echoes, &wild->published,
                               &wild->pages, &wild->members};
    (void)bp;
    for (size_t i = 0; i < FWI_ARRAY_LEN(lists); i++) {
        for (wild_item *item; (item = wild_take(lists[i])) != NULL;) {
            wild_free(item);
        }
    }
    free(wild);
    wild = NULL;
}

static const fwi_backplane_ops wild_ops = {
    .name = "wild",
    .start = wild_start,
    .subscribe = wild_subscribe,
    .unsubscribe = wild_unsubscribe,
    .publish = wild_publish,
    .read_history = wild_read_history,
    .forget_history = wild_forget_history,
    .enter = wild_enter,
    .leave = wild_leave,
    .read_presence = wild_read_presence,
    .read_nodes = wild_read_nodes,
    .flush = wild_flush,
    .stop = wild_stop,
    .free = wild_free_all,
};

static inline fwi_backplane *wild_new(fwi_loop *loop, const fwi_backplane_sink *sink,
                                      void *user)
{
    wild = calloc(1, sizeof *wild);
    MUST(wild != NULL);
    wild->base = (fwi_backplane){&wild_ops, sink, user};
    wild->loop = loop;
    fwi_list_init(&wild->fresh);
    fwi_list_init(&wild->echoes);
    fwi_list_init(&wild->published);
    fwi_list_init(&wild->pages);
    fwi_list_init(&wild->members);
    return &wild->base;
}

#endif
