/*
 * How other threads enter a loop: they push an item, the loop runs it. Many writers, one
 * reader; one lock, held for a few instructions; the reader takes all there is at once.
 *
 * An item says itself what is to be done with it (`run`, on the loop's thread). What one
 * thread pushes is run in that order.
 */
#ifndef FWI_CORE_INBOX_H
#define FWI_CORE_INBOX_H

#include <pthread.h>

#include <fanwire/session.h>

#include "core/message.h"

struct fwi_shard;

typedef struct fwi_item fwi_item;
typedef void (*fwi_item_fn)(struct fwi_shard *shard, fwi_item *item);

struct fwi_item {
    fwi_item *next;
    fwi_item_fn run;
    fwi_item_fn then; /* what to run at its end, for one that is being forwarded */
    size_t cost;      /* bytes, for the limit */
    fw_session_id id; /* the fields mean what `run` makes of them */
    uint64_t ref;
    int code;
    unsigned count;
    fwi_position at;
    void *ptr;
    void (*ptr_free)(void *ptr); /* NULL: ptr is nobody's of the item's */
    fw_message *m;               /* owned by the item */
    bool lent;                   /* its memory stays its maker's when it is freed */
    char text[];
};

/* For an item without text: a whole number of the alignment that malloc gives. */
enum { FWI_ITEM_ROOM = (sizeof(fwi_item) + 16) / 16 * 16 };

typedef struct fwi_inbox {
    pthread_mutex_t lock;
    fwi_item *head, **tail;
    size_t bytes, max_bytes;
    bool closed;
    /* Called under the lock for the first item; so nobody is in it, or comes to it, once
     * the inbox is closed, and what it wakes may be freed. NULL: nobody is woken. */
    void (*wake)(void *user);
    void *user;
} fwi_inbox;

void fwi_inbox_init(fwi_inbox *in, size_t max_bytes);
/* Frees what was never run. */
void fwi_inbox_fini(fwi_inbox *in);

/* text is copied (NULL is ""), m referenced (may be NULL). NULL: out of memory. */
fwi_item *fwi_item_new(fwi_item_fn run, const char *text, fw_message *m);
/* In memory that is lent, aligned as malloc's, which it needs until it is freed. For what
 * can't be left undone for want of memory. */
fwi_item *fwi_item_in(void *room, fwi_item_fn run);
void fwi_item_free(fwi_item *item);

typedef enum {
    FWI_INBOX_FIRST,
    FWI_INBOX_MORE,
    FWI_INBOX_BUSY,
    FWI_INBOX_CLOSED
} fwi_inbox_result;

/* Takes the item, but for BUSY (limited, and over max_bytes) and CLOSED. FIRST: it was
 * empty, so the loop has been woken. @thread any */
fwi_inbox_result fwi_inbox_push(fwi_inbox *in, fwi_item *item, bool limited);

/* All that waits, in order; the items are the caller's. @thread loop */
fwi_item *fwi_inbox_take(fwi_inbox *in);

/* Nothing is taken any more. @thread loop, or any when that has ended */
void fwi_inbox_close(fwi_inbox *in);

size_t fwi_inbox_bytes(fwi_inbox *in); /* @thread any */

#endif
