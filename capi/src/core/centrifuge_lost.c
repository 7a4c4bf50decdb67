/*
 * Clients that count on hearing everything of a room whose history is lost: each is taken
 * out of it at once, so that it hears nothing that doesn't follow, and is told to come
 * again (2500) as fast as limit.resubscribe_rate allows. Until then its subscription is
 * kept, since the client still believes in it. @thread loop
 */
#include <string.h>

#include "core/centrifuge.h"
#include "core/limits.h"

enum { LOST_ITS_PLACE = 2500, LOOK_AGAIN_MS = 10 };

struct fwi_cf_loss {
    fwi_list link;
    fwi_session *s;
    fwi_cf_sub *sub;
};

static const char why[] = "insufficient state";

static bool may_tell(fwi_shard *shard)
{
    return fwi_rate_allow(&shard->losses.tat, fwi_loop_now_us(shard->loop),
                          shard->hub->set.limit_resubscribe);
}

static void tell(struct fwi_cf_loss *loss)
{
    char channel[FWI_NAME_MAX + 1];
    fwi_session *s = loss->s;
    snprintf(channel, sizeof channel, "%s", loss->sub->channel);
    fwi_cf_sub_drop(s, loss->sub);
    if (s->state == FWI_SESSION_OPEN) {
        fwi_cf_push_unsubscribe(s, channel, LOST_ITS_PLACE, why);
    }
}

static void on_timer(fwi_timer *t)
{
    fwi_losses *l = fwi_container_of(t, fwi_losses, timer);
    fwi_shard *shard = fwi_container_of(l, fwi_shard, losses);
    while (!fwi_list_is_empty(&l->waiting) && may_tell(shard)) {
        tell(fwi_list_entry(l->waiting.next, struct fwi_cf_loss, link));
    }
    if (!fwi_list_is_empty(&l->waiting)) {
        fwi_loop_timer_set(shard->loop, t, LOOK_AGAIN_MS);
    }
}

void fwi_losses_init(fwi_losses *l)
{
    fwi_list_init(&l->waiting);
    fwi_timer_init(&l->timer, on_timer);
    l->tat = 0;
}

void fwi_cf_loss_forget(struct fwi_cf_loss *loss)
{
    if (loss != NULL) {
        fwi_list_remove(&loss->link);
        free(loss);
    }
}

/* false: out of memory. */
static bool wait_to_tell(fwi_session *s, fwi_cf_sub *sub)
{
    fwi_losses *l = &s->shard->losses;
    struct fwi_cf_loss *loss = malloc(sizeof *loss);
    if (loss == NULL) {
        return false;
    }
    *loss = (struct fwi_cf_loss){.s = s, .sub = sub};
    fwi_list_init(&loss->link);
    fwi_list_append(&l->waiting, &loss->link);
    if (!fwi_timer_is_set(&l->timer)) {
        fwi_loop_timer_set(s->shard->loop, &l->timer, LOOK_AGAIN_MS);
    }
    sub->loss = loss;
    sub->expires_s = 0; /* it is over already */
    fwi_shard_count(s->shard, FWI_STAT_LIMIT_RESUBSCRIBE);
    return true;
}

void fwi_cf_lose_place(fwi_session *s, fwi_cf_sub *sub)
{
    char channel[FWI_NAME_MAX + 1];
    /* Who can't ask for the room comes again by its connection, after a pause of its own
     * making. */
    bool now = sub->given ||
               (fwi_list_is_empty(&s->shard->losses.waiting) && may_tell(s->shard));
    if (now || !wait_to_tell(s, sub)) {
        fwi_cf_sub_lose(s, sub, LOST_ITS_PLACE, why);
        return;
    }
    snprintf(channel, sizeof channel, "%s", sub->channel);
    fwi_session_leave(s, channel);
}

bool fwi_cf_drop_lost(fwi_session *s, const char *channel)
{
    fwi_cf_sub *sub = fwi_cf_sub_find(s, channel);
    if (sub == NULL || sub->loss == NULL) {
        return false;
    }
    fwi_cf_sub_drop(s, sub);
    return true;
}
