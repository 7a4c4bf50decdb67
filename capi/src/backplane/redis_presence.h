/*
 * Presence on Redis: a hash a channel, a field a session. Written when a session comes or
 * goes and never refreshed; that an entry is true its node's lease says (redis_lease.h),
 * which also decides when entries have to be written anew. Loop 0's thread.
 *
 *   {C}:p             hash: session id -> "TELL LIFE " and the envelope of a LEFT message
 *   {C}:gone:NODE     hash: session id -> the life with which it was swept; for a day
 *   P:n:NODE:LIFE:c   set: the channels in which a life of the node has entries
 *
 * where P is the prefix and C the channel's name. So what tells of a member's end lies
 * ready there, and a script can publish it.
 */
#ifndef FWI_BACKPLANE_REDIS_PRESENCE_H
#define FWI_BACKPLANE_REDIS_PRESENCE_H

#include "backplane/presence_table.h"
#include "backplane/redis_call.h"
#include "core/backplane.h"

struct fwi_redis_backplane;

typedef struct fwi_redis_presence {
    fwi_presence_table table;
    size_t n;          /* sessions that are present */
    fwi_list todo;     /* entries to be sent */
    fwi_list departed; /* gone, and Redis has said so: but a failover may undo it */
    fwi_list refused;  /* Redis wouldn't take them; behind a beat they are sent again */
    fwi_list questions,
        unanswered;     /* to be sent; to be told that they can't be answered */
    fwi_buf key, value; /* scratch */
} fwi_redis_presence;

void fwi_redis_presence_init(fwi_redis_presence *rp);
void fwi_redis_presence_fini(fwi_redis_presence *rp);

/* Operations of the port. */
bool fwi_redis_presence_enter(fwi_backplane *bp, const char *channel, fw_message *member,
                              bool tell);
void fwi_redis_presence_leave(fwi_backplane *bp, const char *channel,
                              fw_session_id session);

/* Sends what is to be sent, if the lease allows it. */
void fwi_redis_presence_send(struct fwi_redis_backplane *rb);

/* The link is gone: what it may not have done is done again. */
void fwi_redis_presence_link_down(struct fwi_redis_backplane *rb);

/* The same of one server of a Cluster: whatever lies there is written again, since the
 * lease, by which one server's entries are known to be safe, may be on another. */
void fwi_redis_presence_server_lost(struct fwi_redis_backplane *rb,
                                    const struct fwi_redis_backplane *lost);

/* A beat that was sent behind so many others is confirmed: what was confirmed before it
 * was sent is safe. */
void fwi_redis_presence_settle(struct fwi_redis_backplane *rb, uint64_t beat);

/* Everything is written again, in a new life. over: the life that others have ended, 0 if
 * it wasn't they; those whose end was told then are told to be back. */
void fwi_redis_presence_rewrite(struct fwi_redis_backplane *rb, uint64_t over);

/* --- redis_questions.c --- */

/* Operations of the port. */
bool fwi_redis_read_presence(fwi_backplane *bp, const char *channel, uint64_t cursor,
                             uint32_t limit, uint64_t ref);
bool fwi_redis_read_nodes(fwi_backplane *bp, uint64_t ref);

void fwi_redis_questions_fini(fwi_redis_presence *rp);

/* The backplane is stopped: whoever waits is told. Calls the hub. */
void fwi_redis_questions_stop(struct fwi_redis_backplane *rb);

/* false: out of memory. */
bool fwi_redis_questions_send(struct fwi_redis_backplane *rb);

/* Tells those who asked in vain. Calls the hub. */
void fwi_redis_presence_tell(struct fwi_redis_backplane *rb);

/* --- redis_members.c --- */

/* The page that a script has put together (redis_presence_scripts.h); to be given to
 * free. */
void fwi_redis_members_read(const char *data, size_t len, fwi_member_page *page);
void fwi_redis_members_free(fwi_member_page *page);

/* --- redis_presence.c --- */

/* Keys, into out. false: out of memory. */
bool fwi_redis_presence_key(struct fwi_redis_backplane *rb, fwi_buf *out,
                            const char *channel);
bool fwi_redis_channels_key(struct fwi_redis_backplane *rb, fwi_buf *out, uint64_t node,
                            uint64_t life);

/* Both of a script, one behind the other: the channel's, and that of the node's who are
 * told as gone. out holds them. */
bool fwi_redis_presence_keys(struct fwi_redis_backplane *rb, fwi_redis_words *w,
                             fwi_buf *out, const char *channel, uint64_t node);

#endif
