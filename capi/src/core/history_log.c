/*
 * A ring of messages whose offsets follow each other, so that a position is found without
 * looking. See history_log.h.
 * @thread loop 0
 */
#include "core/history_log.h"

#include <string.h>

enum { RING_MIN = 16 };

void fwi_history_cache_init(fwi_history_cache *cache, size_t max_bytes)
{
    cache->bytes = 0;
    cache->max_bytes = max_bytes;
    fwi_list_init(&cache->used);
}

static fw_message *at_index(const fwi_history_log *log, uint32_t i)
{
    return log->ring[(log->first + i) & (log->cap - 1)];
}

static void drop_oldest(fwi_history_log *log)
{
    fw_message *m = at_index(log, 0);
    log->cache->bytes -= fwi_message_cost(m);
    log->first++;
    log->n--;
    log->base.offset++;
    fw_message_unref(m);
}

void fwi_history_cache_trim(fwi_history_cache *cache)
{
    while (cache->bytes > cache->max_bytes) {
        fwi_history_log *log = fwi_list_entry(cache->used.next, fwi_history_log, link);
        if (log->n > 0) {
            drop_oldest(log);
        }
        if (log->n == 0) {
            fwi_list_remove(&log->link);
            free(log->ring);
            log->ring = NULL;
            log->cap = 0;
        }
    }
}

void fwi_history_log_init(fwi_history_log *log, fwi_history_cache *cache, uint32_t max)
{
    memset(log, 0, sizeof *log);
    log->cache = cache;
    log->max = max;
    fwi_list_init(&log->link);
}

void fwi_history_log_fini(fwi_history_log *log)
{
    fwi_history_log_start(log, (fwi_position){0, 0});
    fwi_list_remove(&log->link);
    free(log->ring);
    log->ring = NULL;
    log->cap = 0;
}

void fwi_history_log_start(fwi_history_log *log, fwi_position at)
{
    while (log->n > 0) {
        drop_oldest(log);
    }
    log->base = at;
    log->gone = 0;
}

static bool reserve(fwi_history_log *log, uint64_t n)
{
    uint32_t cap = log->cap ? log->cap : RING_MIN;
    while (cap < n) {
        cap *= 2; /* options allow a million */
    }
    if (cap == log->cap) {
        return true;
    }
    fw_message **ring = malloc(cap * sizeof(fw_message *));
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < log->n; i++) {
        ring[i] = at_index(log, i);
    }
    free(log->ring);
    log->ring = ring;
    log->cap = cap;
    log->first = 0;
    return true;
}

static void put(fwi_history_log *log, uint32_t i, fw_message *m)
{
    log->ring[(log->first + i) & (log->cap - 1)] = m;
    log->cache->bytes += fwi_message_cost(m);
}

static void touch(fwi_history_log *log)
{
    fwi_list_remove(&log->link);
    fwi_list_append(&log->cache->used, &log->link);
}

void fwi_history_log_append(fwi_history_log *log, fw_message *m)
{
    FWI_ASSERT(m->at.epoch == log->base.epoch &&
               m->at.offset == log->base.offset + log->n + 1);
    if (log->n == log->max) {
        drop_oldest(log);
    }
    if (!reserve(log, (uint64_t)log->n + 1)) {
        uint64_t gone = log->gone;
        fwi_history_log_start(log, m->at);
        log->gone = gone;
        return;
    }
    put(log, log->n++, fw_message_ref(m));
    touch(log);
}

void fwi_history_log_prepend(fwi_history_log *log, fw_message **m, size_t n)
{
    size_t room = log->max - log->n, take = FWI_MIN(n, room);
    if (take > 0 && !reserve(log, (uint64_t)log->n + take)) {
        take = 0;
    }
    for (size_t i = n; i-- > 0;) {
        if (i < n - take) {
            fw_message_unref(m[i]);
            continue;
        }
        FWI_ASSERT(m[i]->at.offset == log->base.offset);
        log->first--;
        log->n++;
        log->base.offset--;
        put(log, 0, m[i]);
    }
    if (take > 0) {
        touch(log);
    }
}

bool fwi_history_log_fits(const fwi_history_log *log, uint64_t offset, size_t max)
{
    size_t bytes = 0;
    /* A log may hold hundreds of thousands, and anybody may ask for all of them, again
     * and again: it isn't gone through any further than what an outbox takes. */
    for (uint64_t i = offset - log->base.offset; i < log->n && bytes <= max; i++) {
        bytes += at_index(log, (uint32_t)i)->frame->len;
    }
    return bytes <= max;
}

fwi_history_slice *fwi_history_log_slice(const fwi_history_log *log, uint64_t offset)
{
    FWI_ASSERT(fwi_history_log_covers(log, offset));
    uint32_t from = (uint32_t)(offset - log->base.offset);
    size_t n = log->n - from;
    fwi_history_slice *slice = malloc(sizeof *slice + n * sizeof(fw_message *));
    if (slice == NULL) {
        return NULL;
    }
    slice->n = n;
    slice->bytes = 0;
    for (size_t i = 0; i < n; i++) {
        slice->m[i] = fw_message_ref(at_index(log, from + (uint32_t)i));
        slice->bytes += slice->m[i]->frame->len;
    }
    return slice;
}

void fwi_history_slice_free(void *slice)
{
    fwi_history_slice *s = slice;
    if (s != NULL) {
        for (size_t i = 0; i < s->n; i++) {
            fw_message_unref(s->m[i]);
        }
        free(s);
    }
}
