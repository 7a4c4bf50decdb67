/*
 * Questions to the backplane that are on their way: what becomes of a publish, what is
 * kept of a room, who is there. Each has a number of its own, so that the application's
 * may be whatever it likes; and parts of this node may ask without the application being
 * told. The questions themselves are in publish.c and presence.c. @thread loop 0
 */
#ifndef FWI_CORE_ASK_H
#define FWI_CORE_ASK_H

#include <fanwire/event.h>

#include "base/base.h"
#include "base/hashmap.h"

struct fwi_hub;

/* Who wants to know: the application, which gets an event with its ref, or a session by
 * one of its own (asked.h); or, where
 * on_answer isn't NULL, a part of this node, which is called with that event, once,
 * perhaps before the question's function has returned. All zero: nobody. */
typedef struct fwi_asker {
    uint64_t ref;
    void (*on_answer)(void *user, const fw_event *e);
    void *user;
} fwi_asker;

typedef enum {
    FWI_ASK_PUBLISH,  /* RESULT */
    FWI_ASK_FORGET,   /* RESULT */
    FWI_ASK_HISTORY,  /* HISTORY */
    FWI_ASK_PRESENCE, /* PRESENCE */
    FWI_ASK_ROOM      /* core/history.h has asked */
} fwi_ask_kind;

/* A question on its way. */
typedef struct fwi_ask {
    UT_hash_handle hh;
    uint64_t number;
    fwi_ask_kind kind;
    fwi_asker who;
    char channel[];
} fwi_ask;

static inline bool fwi_asker_is_somebody(const fwi_asker *who)
{
    return who->ref != 0 || who->on_answer != NULL;
}

/* Its number, for the backplane; 0: out of memory. */
uint64_t fwi_ask_new(struct fwi_hub *hub, fwi_ask_kind kind, const char *channel,
                     const fwi_asker *who);

/* The caller's now, by free(); NULL: there is none of that number. */
fwi_ask *fwi_ask_take(struct fwi_hub *hub, uint64_t number);

/* The answer. e is borrowed, and gets the ref. */
void fwi_asker_tell(struct fwi_hub *hub, const fwi_asker *who, fw_event *e);

/* When the hub ends: nobody is told any more. */
void fwi_asks_fini(struct fwi_hub *hub);

#endif
