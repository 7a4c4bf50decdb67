/*
 * What the backplane of one process keeps of rooms with history: the newest messages of
 * each, where it stands, and the keys of publishes, so that one that is repeated happens
 * once. It answers at once; backplane_memory.c says when what is told.
 *
 * Used on loop 0's thread. Knows neither subscriptions nor the hub.
 */
#ifndef FWI_BACKPLANE_MEMORY_HISTORY_H
#define FWI_BACKPLANE_MEMORY_HISTORY_H

#include "base/list.h"
#include "core/backplane.h"
#include "core/loop.h"

typedef struct fwi_memory_history {
    fwi_loop *loop;
    struct fwi_memory_room *rooms;
    struct fwi_memory_key *keys;
    fwi_list keys_by_age; /* the oldest first */
    size_t key_count;
    uint64_t kept, reads, repeated; /* publishes, pages, publishes of a key again */
} fwi_memory_history;

void fwi_memory_history_init(fwi_memory_history *h, fwi_loop *loop);
void fwi_memory_history_fini(fwi_memory_history *h);

/* Keeps m as the channel's next message. *kept is what is to be delivered, with its
 * position, one reference of which is the caller's; NULL: m's key was there before.
 * false: out of memory, and nothing has happened. */
bool fwi_memory_history_keep(fwi_memory_history *h, const char *channel, fw_message *m,
                             const fwi_terms *terms, fw_message **kept, fwi_position *at);

/* Fills in the page, whose messages are to be given back by page_fini. */
void fwi_memory_history_read(fwi_memory_history *h, const char *channel,
                             const fwi_history_query *query, fwi_history_page *page);
void fwi_memory_history_page_fini(fwi_history_page *page);

/* *at: where the channel begins anew. false: out of memory. */
bool fwi_memory_history_forget(fwi_memory_history *h, const char *channel,
                               fwi_position *at);

#endif
