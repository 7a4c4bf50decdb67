/*
 * What a room with history has said lately, as far as this node has seen it: a run of
 * messages without a hole, bounded in number and, over all rooms, in bytes. Whoever comes
 * back is served from it. Pure: it reads no history and knows no members.
 * @thread loop 0
 */
#ifndef FWI_CORE_HISTORY_LOG_H
#define FWI_CORE_HISTORY_LOG_H

#include "base/list.h"
#include "core/message.h"

/* What all logs of a node hold together. */
typedef struct fwi_history_cache {
    size_t bytes, max_bytes;
    fwi_list used; /* the log that was written longest ago first */
} fwi_history_cache;

typedef struct fwi_history_log {
    fwi_history_cache *cache;
    fwi_list link;
    fw_message **ring; /* cap is a power of two */
    uint32_t cap, first, n, max;
    fwi_position base; /* of what comes before the first; epoch 0: not begun */
    uint64_t gone;     /* up to this offset nothing is kept anywhere any more */
} fwi_history_log;

/* Messages that somebody has missed, each with a reference. */
typedef struct fwi_history_slice {
    size_t n, bytes; /* bytes: of their frames */
    fw_message *m[];
} fwi_history_slice;

void fwi_history_cache_init(fwi_history_cache *cache, size_t max_bytes);
/* Drops the oldest of the logs that were written longest ago until it fits. */
void fwi_history_cache_trim(fwi_history_cache *cache);

/* max: messages. */
void fwi_history_log_init(fwi_history_log *log, fwi_history_cache *cache, uint32_t max);
void fwi_history_log_fini(fwi_history_log *log);

/* Empty, and begins behind `at`. */
void fwi_history_log_start(fwi_history_log *log, fwi_position at);

/* m comes next. Out of memory the log begins anew behind it. The cache isn't trimmed. */
void fwi_history_log_append(fwi_history_log *log, fw_message *m);

/* n messages without a hole, the last of which is the one at `base`. Takes their
 * references. As many as max allows, the newest. */
void fwi_history_log_prepend(fwi_history_log *log, fw_message **m, size_t n);

/* The position of its newest message. */
static inline fwi_position fwi_history_log_top(const fwi_history_log *log)
{
    return (fwi_position){log->base.epoch, log->base.offset + log->n};
}

/* Has it everything that came behind this offset? */
static inline bool fwi_history_log_covers(const fwi_history_log *log, uint64_t offset)
{
    return offset >= log->base.offset && offset <= log->base.offset + log->n;
}

/* What came behind an offset that it covers. NULL: out of memory. */
fwi_history_slice *fwi_history_log_slice(const fwi_history_log *log, uint64_t offset);
/* Have its frames no more bytes than that? */
bool fwi_history_log_fits(const fwi_history_log *log, uint64_t offset, size_t max);

/* slice is a fwi_history_slice; NULL is allowed. */
void fwi_history_slice_free(void *slice);

#endif
