/*
 * See ask.h.
 */
#include "core/ask.h"

#include <string.h>

#include "core/asked.h"
#include "core/shard.h"

uint64_t fwi_ask_new(fwi_hub *hub, fwi_ask_kind kind, const char *channel,
                     const fwi_asker *who)
{
    size_t n = strlen(channel);
    fwi_ask *a = calloc(1, sizeof *a + n + 1);
    if (a == NULL) {
        return 0;
    }
    a->number = ++hub->last_ask;
    a->kind = kind;
    a->who = *who;
    memcpy(a->channel, channel, n + 1);
    HASH_ADD(hh, hub->asks, number, sizeof a->number, a);
    if (!FWI_HASH_ADDED(a)) {
        free(a);
        return 0;
    }
    return a->number;
}

fwi_ask *fwi_ask_take(fwi_hub *hub, uint64_t number)
{
    fwi_ask *a = NULL;
    HASH_FIND(hh, hub->asks, &number, sizeof number, a);
    if (a != NULL) {
        HASH_DEL(hub->asks, a);
    }
    return a;
}

void fwi_asker_tell(fwi_hub *hub, const fwi_asker *who, fw_event *e)
{
    e->token = who->ref;
    if (who->on_answer != NULL) {
        who->on_answer(who->user, e);
    } else {
        fwi_asked_tell(hub, e);
    }
}

void fwi_asks_fini(fwi_hub *hub)
{
    for (fwi_ask *a; (a = hub->asks) != NULL;) {
        HASH_DEL(hub->asks, a);
        free(a);
    }
}
