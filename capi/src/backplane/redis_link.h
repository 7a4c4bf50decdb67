/*
 * One connection to Redis: a stream of the loop, a reader of replies, and the greeting.
 * It carries commands and replies and doesn't know what they mean.
 *
 * Opened, closed and opened again by its owner, the Redis backplane; all on loop 0.
 * Every failure passes through fwi_redis_link_disconnect().
 */
#ifndef FWI_BACKPLANE_REDIS_LINK_H
#define FWI_BACKPLANE_REDIS_LINK_H

#include "backplane/backplanes.h"
#include "backplane/redis_reply.h"

typedef enum {
    FWI_REDIS_LINK_IDLE,       /* never opened */
    FWI_REDIS_LINK_CONNECTING, /* the stream is on its way */
    FWI_REDIS_LINK_GREETING,   /* AUTH, SELECT, CLIENT SETNAME, INFO, PING are out */
    FWI_REDIS_LINK_LIVE,       /* commands may be sent */
    FWI_REDIS_LINK_CLOSED,     /* may be opened again */
    FWI_REDIS_LINK_STATES
} fwi_redis_link_state;

/* Called from the loop's callbacks or from fwi_redis_link_disconnect, never from send,
 * flush, open or close. The link may be disconnected or closed inside, not freed. */
typedef struct fwi_redis_link_events {
    void (*on_live)(void *user);
    void (*on_reply)(void *user,
                     const fwi_redis_reply *reply); /* borrowed for the call */
    void (*on_down)(void *user, const char *why);
} fwi_redis_link_events;

typedef struct fwi_redis_link fwi_redis_link;

/* config is borrowed for the life of the link; name is for the log, static. */
fwi_redis_link *fwi_redis_link_new(fwi_loop *loop, const fwi_redis_config *config,
                                   const char *name, const fwi_redis_link_events *events,
                                   void *user);
void fwi_redis_link_free(fwi_redis_link *l);

/* From idle or closed only. false: out of memory, still closed. */
bool fwi_redis_link_open(fwi_redis_link *l);

/* Silently. Harmless in any state. */
void fwi_redis_link_close(fwi_redis_link *l);

/* Closes and tells why; harmless when closed. */
void fwi_redis_link_disconnect(fwi_redis_link *l, const char *why);

/* Appends a command to what flush writes. false: out of memory, nothing appended. */
bool fwi_redis_link_send(fwi_redis_link *l, int argc, const char *const *argv,
                         const size_t *lens);
/* All that was appended, in one write. */
void fwi_redis_link_flush(fwi_redis_link *l);
uint64_t fwi_redis_link_writes(const fwi_redis_link *l);

/* Bytes that the kernel hasn't got yet. */
size_t fwi_redis_link_backlog(const fwi_redis_link *l);

fwi_redis_link_state fwi_redis_link_get_state(const fwi_redis_link *l);

/* May a link go from one state to the other? */
bool fwi_redis_link_may(fwi_redis_link_state from, fwi_redis_link_state to);

#endif
