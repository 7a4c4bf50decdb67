/*
 * Rooms with history on Redis: publishes that are kept, pages that are read, histories
 * that are forgotten, and what became of each. A part of the Redis backplane; loop 0's
 * thread. The steps that Redis takes are in redis_script.c.
 *
 * A kept publish is an entry of redis_pending like any other, and goes out in the order
 * of the serials. But no echo is waited for (what comes back is decoded like another
 * node's), and nothing is delivered here before it has its position.
 */
#ifndef FWI_BACKPLANE_REDIS_HISTORY_H
#define FWI_BACKPLANE_REDIS_HISTORY_H

#include "backplane/redis_pending.h"
#include "backplane/redis_reply.h"
#include "backplane/redis_script.h"
#include "core/backplane.h"

struct fwi_redis_backplane;

typedef struct fwi_redis_history {
    fwi_redis_scripts scripts;
    fwi_list questions, unanswered; /* to be sent; to be told that they failed */
    bool stuck; /* Redis keeps nothing for want of replicas: one publish tries for all */
    uint64_t trial; /* its serial while it is on its way; 0: none is */
} fwi_redis_history;

void fwi_redis_history_init(fwi_redis_history *h);
void fwi_redis_history_fini(fwi_redis_history *h);

/* Operations of the port. */
bool fwi_redis_read_history(fwi_backplane *bp, const char *channel,
                            const fwi_history_query *query, uint64_t ref);
bool fwi_redis_forget_history(fwi_backplane *bp, const char *channel, uint64_t ref);

/* May it not be sent now? */
bool fwi_redis_history_must_wait(const struct fwi_redis_backplane *rb,
                                 const fwi_redis_publish *e);
/* To be sent are now those that were refused and may be accepted. */
void fwi_redis_history_resume(struct fwi_redis_backplane *rb);
/* Writes a kept publish. false: out of memory. */
bool fwi_redis_history_send(struct fwi_redis_backplane *rb, fwi_redis_publish *e);
/* Its answer. */
void fwi_redis_history_answered(struct fwi_redis_backplane *rb, fwi_redis_publish *e,
                                const fwi_redis_reply *reply);

/* At the flush: writes the questions, each ahead of all publishes that were called behind
 * it, and behind those before it that needn't wait; tells those that can't be answered,
 * and publishes up to that serial which found the queue full. */
bool fwi_redis_history_ask(struct fwi_redis_backplane *rb);
void fwi_redis_history_tell(struct fwi_redis_backplane *rb, uint64_t up_to_serial);

/* Tells what became of a publish, if somebody asks (ref isn't 0). Calls the hub. */
void fwi_redis_tell_published(struct fwi_redis_backplane *rb, uint64_t ref, int err,
                              const char *why, fwi_position at);

/* The link is gone: what was to be asked by it can't be had. */
void fwi_redis_history_link_down(struct fwi_redis_backplane *rb);

/* The backplane is stopped: whoever waits is told. */
void fwi_redis_history_stop(struct fwi_redis_backplane *rb);

#endif
