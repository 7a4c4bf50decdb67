/*
 * What waits for one session's socket: references to frames, in order, bounded. It
 * decides what a slow reader loses, and nothing else: it knows neither who reads nor
 * sockets.
 *
 * Control frames (pings, pongs) go ahead of everything else. Nothing is allocated while
 * it is empty; nodes come from the loop's pool. @thread loop
 */
#ifndef FWI_CORE_OUTBOX_H
#define FWI_CORE_OUTBOX_H

#include "core/frame.h"

typedef struct fwi_outnode {
    struct fwi_outnode *next;
    fwi_frame *frame;
    uint64_t tag; /* which room it is of, for `latest`; 0: none. See FWI_OUTBOX_KEPT */
} fwi_outnode;

/* In a tag: of a room with history, where nothing is ever dropped. Where that would have
 * to be, the outbox is full. */
#define FWI_OUTBOX_KEPT (1ull << 63)

/* Of a loop: free nodes, bounded, so that a burst's memory is given back; and what all
 * its outboxes hold. */
typedef struct fwi_outpool {
    fwi_outnode *free;
    size_t count;
    size_t bytes;   /* of frames that wait */
    size_t waiting; /* outboxes that aren't empty */
} fwi_outpool;

typedef struct fwi_outbox {
    fwi_outnode *head, *tail; /* data */
    /* Ahead of data, oldest first; the end of it, valid while there is one. */
    fwi_outnode *control, *control_tail;
    size_t bytes;           /* of data and control */
    uint32_t control_bytes; /* of these, control */
    uint32_t frames;        /* of data */
} fwi_outbox;

typedef enum {
    FWI_OUTBOX_TAKEN,
    FWI_OUTBOX_DROPPED, /* something was dropped: *dropped says how many */
    FWI_OUTBOX_FULL,    /* policy close, or what may not be dropped: not taken */
    FWI_OUTBOX_MEMORY   /* not taken */
} fwi_outbox_result;

void fwi_outpool_fini(fwi_outpool *pool);

void fwi_outbox_init(fwi_outbox *ob);

/* Puts a reference of its own behind what waits. policy: FWI_POLICY_; max: bytes. A frame
 * larger than max is taken by an empty outbox: message.max_bytes has let it in. */
fwi_outbox_result fwi_outbox_push(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f,
                                  uint64_t tag, int policy, size_t max,
                                  unsigned *dropped);

/* Ahead of data. Over max the oldest control frame goes: RFC 6455 5.5.3 lets a pong
 * answer only the latest ping. The frame is taken. false: out of memory. */
bool fwi_outbox_push_control(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f, size_t max);

/* Ahead of all data, whatever the limit, and never dropped: what must come first. The
 * frame is taken. */
bool fwi_outbox_push_first(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f);

/* Behind everything, whatever the limit: a Close frame. The frame is taken. */
bool fwi_outbox_push_last(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f);

static inline bool fwi_outbox_is_empty(const fwi_outbox *ob)
{
    return ob->head == NULL && ob->control == NULL;
}

/* The next bytes to write: one frame as it lies, or several small ones put together in
 * scratch. Returns how many, *data where; *frames is how many data frames are in it. They
 * leave the outbox at fwi_outbox_consume. */
size_t fwi_outbox_gather(const fwi_outbox *ob, uint8_t *scratch, size_t cap,
                         const uint8_t **data, unsigned *nodes, unsigned *frames);
void fwi_outbox_consume(fwi_outbox *ob, fwi_outpool *pool, unsigned nodes);

/* Throws everything away; returns how many data frames that were. */
unsigned fwi_outbox_clear(fwi_outbox *ob, fwi_outpool *pool);

#endif
