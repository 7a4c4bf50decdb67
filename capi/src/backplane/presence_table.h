/*
 * Which sessions of this node are in which channels: what a backplane must know to say it
 * again. Used by both backplanes on loop 0's thread. Pure bookkeeping.
 */
#ifndef FWI_BACKPLANE_PRESENCE_TABLE_H
#define FWI_BACKPLANE_PRESENCE_TABLE_H

#include "base/hashmap.h"
#include "base/list.h"
#include "core/message.h"

typedef struct fwi_presence_channel {
    UT_hash_handle hh;
    struct fwi_present *present; /* in the order in which they came */
    bool indexed; /* Redis: it was put into the list of this node's channels */
    bool listed;  /* ... and Redis has said so */
    char name[];
} fwi_presence_channel;

/* A session in a channel. */
typedef struct fwi_present {
    UT_hash_handle hh;
    fwi_presence_channel *channel;
    fw_session_id session;
    uint64_t serial; /* later ones have greater ones */
    fw_message *member;
    bool tell;
    /* Redis alone: */
    bool gone;      /* it has left, and Redis hasn't confirmed that yet */
    bool was_taken; /* by Redis; or nobody knows whether it was */
    bool doubtful;  /* Redis may still carry out what was sent by a link that is lost */
    unsigned asked; /* commands about it that aren't answered */
    uint64_t over;  /* the first life that has ended since Redis took it; 0: none */
    uint64_t beat;  /* how many beats of the lease had been confirmed when it was sent */
    fwi_list todo;  /* to be sent; or in another list of redis_presence.h */
} fwi_present;

typedef struct fwi_presence_table {
    fwi_presence_channel *channels;
    uint64_t serial;
    size_t n; /* entries */
} fwi_presence_table;

void fwi_presence_table_init(fwi_presence_table *t);
void fwi_presence_table_fini(fwi_presence_table *t);

/* NULL: not there. */
fwi_presence_channel *fwi_presence_channel_find(fwi_presence_table *t,
                                                const char *channel);
fwi_present *fwi_presence_find(fwi_presence_table *t, const char *channel,
                               fw_session_id session);

/* Puts member in, or in the place of what its session was there before. NULL: out of
 * memory. */
fwi_present *fwi_presence_put(fwi_presence_table *t, const char *channel,
                              fw_message *member, bool tell);

/* Frees it, and its channel if that is empty now. */
void fwi_presence_remove(fwi_presence_table *t, fwi_present *p);

#endif
