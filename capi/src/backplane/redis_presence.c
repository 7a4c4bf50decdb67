/*
 * Presence on Redis, so far of this node's own sessions.
 */
#include "backplane/redis_backplane.h"

static fwi_redis_backplane *redis_of(fwi_backplane *bp)
{
    return fwi_container_of(bp, fwi_redis_backplane, base);
}

bool fwi_redis_presence_enter(fwi_backplane *bp, const char *channel, fw_message *member,
                              bool tell)
{
    return fwi_memory_presence_enter(&redis_of(bp)->presence, channel, member, tell);
}

void fwi_redis_presence_leave(fwi_backplane *bp, const char *channel,
                              fw_session_id session)
{
    fwi_memory_presence_leave(&redis_of(bp)->presence, channel, session);
}

bool fwi_redis_read_presence(fwi_backplane *bp, const char *channel, uint64_t cursor,
                             uint32_t limit, uint64_t ref)
{
    fwi_redis_backplane *rb = redis_of(bp);
    rb->loop->ops->wake(rb->loop);
    return fwi_memory_presence_read(&rb->presence, channel, cursor, limit, ref);
}

bool fwi_redis_read_nodes(fwi_backplane *bp, uint64_t ref)
{
    return fwi_redis_read_presence(bp, NULL, 0, 0, ref);
}
