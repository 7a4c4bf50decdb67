/*
 * Presence of the backplane of one process: who is there is known here, and what is asked
 * is answered at the next flush. A part of backplane_memory.c, on loop 0's thread.
 */
#ifndef FWI_BACKPLANE_MEMORY_PRESENCE_H
#define FWI_BACKPLANE_MEMORY_PRESENCE_H

#include "backplane/presence_table.h"
#include "core/backplane.h"

typedef struct fwi_memory_presence {
    fwi_backplane *bp; /* whose sink is told */
    fwi_presence_table table;
    fwi_list reads; /* questions, oldest first */
} fwi_memory_presence;

void fwi_memory_presence_init(fwi_memory_presence *mp, fwi_backplane *bp);
void fwi_memory_presence_fini(fwi_memory_presence *mp);

bool fwi_memory_presence_enter(fwi_memory_presence *mp, const char *channel,
                               fw_message *member, bool tell);
void fwi_memory_presence_leave(fwi_memory_presence *mp, const char *channel,
                               fw_session_id session);

/* channel NULL: the nodes are asked for. false: out of memory. */
bool fwi_memory_presence_read(fwi_memory_presence *mp, const char *channel,
                              uint64_t cursor, uint32_t limit, uint64_t ref);

/* Answers what was asked before this call. */
void fwi_memory_presence_flush(fwi_memory_presence *mp);

/* The backplane is stopped: whoever waits is told. */
void fwi_memory_presence_stop(fwi_memory_presence *mp);

#endif
