/*
 * See sim_faults.h. __wrap_NAME is called instead of NAME, and __real_NAME is the one
 * that was meant (the linker's --wrap; tests/CMakeLists.txt says which are).
 */
#include "sim_faults.h"

#include <string.h>

#include "backplane/redis_backplane.h"
#include "core/history.h"
#include "core/hub.h"
#include "core/route.h"
#include "core/shard.h"

static fwi_rand rand_of_seed;

#ifdef FW_SIM_FAULT_SWAP
static fw_message *swapped;
#endif

uint64_t __wrap_fwi_rand_secure(void);

uint64_t __wrap_fwi_rand_secure(void)
{
    return fwi_rand_next(&rand_of_seed);
}

void sim_faults_begin(uint64_t seed)
{
    fwi_rand_init(&rand_of_seed, (seed + 7) * 0x2545f4914f6cdd1dull);
#ifdef FW_SIM_FAULT_SWAP
    fw_message_unref(swapped);
    swapped = NULL;
#endif
}

#ifdef FW_SIM_FAULT_GAP
/* A hole isn't read: what comes behind it is delivered as if it were the next. */
void __real_fwi_history_came(fwi_history *h, fw_message *m);
void __wrap_fwi_history_came(fwi_history *h, fw_message *m);

void __wrap_fwi_history_came(fwi_history *h, fw_message *m)
{
    if (h->at.epoch == m->at.epoch && m->at.offset > h->at.offset + 1) {
        h->at.offset = m->at.offset - 1;
        h->behind = false;
        fwi_history_log_start(&h->log, h->at);
    }
    __real_fwi_history_came(h, m);
}
#endif

#ifdef FW_SIM_FAULT_RETURN
/* Back from an outage, rooms aren't read: what was said last is missed. */
void __wrap_fwi_histories_returned(fwi_hub *hub);

void __wrap_fwi_histories_returned(fwi_hub *hub)
{
    fwi_loop_timer_clear(hub->shard[0]->loop, &hub->histories.retry);
    hub->histories.paused = false;
    for (fwi_route *r = hub->routes.map; r != NULL; r = r->hh.next) {
        if (r->history != NULL) { /* what is asked for otherwise is read */
            fwi_list_remove(&r->history->to_read);
            fwi_history_settle(r->history);
        }
    }
}
#endif

#ifdef FW_SIM_FAULT_TWICE
/* What is sent again gets another number, so that Redis can't know it. */
void __real_fwi_redis_pending_link_down(fwi_redis_pending *p);
void __wrap_fwi_redis_pending_link_down(fwi_redis_pending *p);

void __wrap_fwi_redis_pending_link_down(fwi_redis_pending *p)
{
    __real_fwi_redis_pending_link_down(p);
    fwi_redis_publish *e = fwi_redis_pending_oldest(p);
    if (e != NULL && fwi_redis_publish_is_kept(e)) {
        fwi_redis_pending_renumber(p, e);
    }
}
#endif

#ifdef FW_SIM_FAULT_RESUBSCRIBE
/* The first room isn't subscribed to again. */
void __real_fwi_redis_channels_link_up(fwi_redis_channels *cs);
void __wrap_fwi_redis_channels_link_up(fwi_redis_channels *cs);

void __wrap_fwi_redis_channels_link_up(fwi_redis_channels *cs)
{
    __real_fwi_redis_channels_link_up(cs);
    for (fwi_redis_channel *c = cs->table; c != NULL; c = c->hh.next) {
        if (strncmp(c->name, "r:", 2) == 0 && c->awaited) {
            fwi_list_remove(&c->dirty);
            c->awaited = false;
            c->asked = c->confirmed = true;
            cs->awaited--;
            return;
        }
    }
}
#endif

#ifdef FW_SIM_FAULT_SWEEP
/* A dead node's life isn't swept: its sessions stay as ghosts. */
void __wrap_fwi_redis_sweep_begin(fwi_redis_backplane *rb, uint64_t node, uint64_t life,
                                  bool loud);

void __wrap_fwi_redis_sweep_begin(fwi_redis_backplane *rb, uint64_t node, uint64_t life,
                                  bool loud)
{
    (void)rb;
    (void)node;
    (void)life;
    (void)loud;
}
#endif

#ifdef FW_SIM_FAULT_SWAP
/* Two messages in a row change places on their way to the members. */
void __real_fwi_hub_deliver(fwi_hub *hub, const fwi_route *r, fw_message *m);
void __wrap_fwi_hub_deliver(fwi_hub *hub, const fwi_route *r, fw_message *m);

void __wrap_fwi_hub_deliver(fwi_hub *hub, const fwi_route *r, fw_message *m)
{
    if (swapped == NULL) {
        swapped = fw_message_ref(m);
        return;
    }
    fw_message *first = swapped;
    swapped = NULL;
    __real_fwi_hub_deliver(hub, r, m);
    __real_fwi_hub_deliver(hub, r, first);
    fw_message_unref(first);
}
#endif
