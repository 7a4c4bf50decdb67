/*
 * What waits for a slow reader and what it loses. Pure lists: no socket, no clock, no
 * session; the policies can be read and tested here alone.
 * @thread loop
 */
#include "core/outbox.h"

#include <string.h>

#include "core/options.h"

/* 4096 nodes of 24 bytes: enough that steady traffic never calls malloc. */
enum { POOL_MAX = 4096 };

/* The tag of a Close frame, which is no message and isn't counted as one. */
#define NOT_A_MESSAGE UINT64_MAX

static fwi_outnode *node_new(fwi_outpool *pool, fwi_frame *f, uint64_t tag)
{
    fwi_outnode *n = pool->free;
    if (n != NULL) {
        pool->free = n->next;
        pool->count--;
    } else {
        n = malloc(sizeof *n);
        if (n == NULL) {
            return NULL;
        }
    }
    n->next = NULL;
    n->frame = f;
    n->tag = tag;
    return n;
}

static void node_free(fwi_outpool *pool, fwi_outnode *n)
{
    fwi_frame_unref(n->frame);
    if (pool->count < POOL_MAX) {
        n->next = pool->free;
        pool->free = n;
        pool->count++;
    } else {
        free(n);
    }
}

void fwi_outpool_fini(fwi_outpool *pool)
{
    for (fwi_outnode *n = pool->free, *next; n != NULL; n = next) {
        next = n->next;
        free(n);
    }
    pool->free = NULL;
    pool->count = 0;
}

void fwi_outbox_init(fwi_outbox *ob)
{
    memset(ob, 0, sizeof *ob);
}

/* A frame comes and goes by these two alone: no frame is empty, so where there are no
 * bytes nothing waits. */
static void grow(fwi_outbox *ob, fwi_outpool *pool, const fwi_outnode *n)
{
    pool->waiting += ob->bytes == 0;
    pool->bytes += n->frame->len;
    ob->bytes += n->frame->len;
}

static void shrink(fwi_outbox *ob, fwi_outpool *pool, const fwi_outnode *n)
{
    ob->bytes -= n->frame->len;
    pool->bytes -= n->frame->len;
    pool->waiting -= ob->bytes == 0;
}

static void append(fwi_outbox *ob, fwi_outpool *pool, fwi_outnode *n)
{
    if (ob->tail != NULL) {
        ob->tail->next = n;
    } else {
        ob->head = n;
    }
    ob->tail = n;
    grow(ob, pool, n);
    ob->frames += n->tag != NOT_A_MESSAGE;
}

/* Takes out the node behind prev (NULL: the first). */
static void drop_after(fwi_outbox *ob, fwi_outpool *pool, fwi_outnode *prev)
{
    fwi_outnode *n = prev ? prev->next : ob->head;
    if (prev != NULL) {
        prev->next = n->next;
    } else {
        ob->head = n->next;
    }
    if (ob->tail == n) {
        ob->tail = prev;
    }
    shrink(ob, pool, n);
    ob->frames -= n->tag != NOT_A_MESSAGE;
    node_free(pool, n);
}

static void drop_control(fwi_outbox *ob, fwi_outpool *pool)
{
    fwi_outnode *n = ob->control;
    ob->control = n->next;
    ob->control_bytes -= (uint32_t)n->frame->len;
    shrink(ob, pool, n);
    node_free(pool, n);
}

/* Leaves one message of each room, the newest; `tag` has a newer one coming. Quadratic,
 * in rooms and not in messages: after the first pass there is at most one of each. */
static unsigned keep_latest(fwi_outbox *ob, fwi_outpool *pool, uint64_t tag)
{
    unsigned dropped = 0;
    fwi_outnode *prev = NULL;
    for (fwi_outnode *n = ob->head; n != NULL; n = prev ? prev->next : ob->head) {
        bool room = n->tag != 0 && !(n->tag & FWI_OUTBOX_KEPT);
        bool newer = room && n->tag == tag;
        for (fwi_outnode *o = n->next; !newer && room && o != NULL; o = o->next) {
            newer = o->tag == n->tag;
        }
        if (newer) {
            drop_after(ob, pool, prev);
            dropped++;
        } else {
            prev = n;
        }
    }
    return dropped;
}

static unsigned drop_oldest(fwi_outbox *ob, fwi_outpool *pool, size_t len, size_t max)
{
    unsigned dropped = 0;
    fwi_outnode *prev = NULL;
    for (fwi_outnode *n; ob->bytes + len > max; dropped++) {
        while ((n = prev ? prev->next : ob->head) != NULL && n->tag & FWI_OUTBOX_KEPT) {
            prev = n;
        }
        if (n == NULL) {
            break;
        }
        drop_after(ob, pool, prev);
    }
    return dropped;
}

fwi_outbox_result fwi_outbox_push(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f,
                                  uint64_t tag, int policy, size_t max, unsigned *dropped)
{
    *dropped = 0;
    if (ob->head != NULL && ob->bytes + f->len > max) {
        switch (tag & FWI_OUTBOX_KEPT ? FWI_POLICY_CLOSE : policy) {
        case FWI_POLICY_CLOSE:
            return FWI_OUTBOX_FULL;
        case FWI_POLICY_DROP_NEWEST:
            *dropped = 1;
            return FWI_OUTBOX_DROPPED;
        case FWI_POLICY_LATEST:
            *dropped = keep_latest(ob, pool, tag);
            break;
        default:
            break;
        }
        *dropped += drop_oldest(ob, pool, f->len, max);
        if (ob->head != NULL && ob->bytes + f->len > max) {
            return FWI_OUTBOX_FULL;
        }
    }
    fwi_outnode *n = node_new(pool, f, tag);
    if (n == NULL) {
        return FWI_OUTBOX_MEMORY;
    }
    fwi_frame_ref(f);
    append(ob, pool, n);
    return *dropped ? FWI_OUTBOX_DROPPED : FWI_OUTBOX_TAKEN;
}

bool fwi_outbox_push_control(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f, size_t max)
{
    fwi_outnode *n = node_new(pool, f, 0);
    if (n == NULL) {
        fwi_frame_unref(f);
        return false;
    }
    /* Nothing is walked here: thousands may wait, and each ping brings another. */
    if (ob->control != NULL) {
        ob->control_tail->next = n;
    } else {
        ob->control = n;
    }
    ob->control_tail = n;
    ob->control_bytes += (uint32_t)f->len;
    grow(ob, pool, n);
    /* A flood of pings may take a sixteenth of the outbox, and at least one pong. */
    while (ob->control_bytes - f->len > max / 16 && ob->control != n) {
        drop_control(ob, pool);
    }
    return true;
}

bool fwi_outbox_push_first(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f)
{
    fwi_outnode *n = node_new(pool, f, FWI_OUTBOX_KEPT);
    if (n == NULL) {
        fwi_frame_unref(f);
        return false;
    }
    n->next = ob->head;
    ob->head = n;
    if (ob->tail == NULL) {
        ob->tail = n;
    }
    grow(ob, pool, n);
    ob->frames++;
    return true;
}

bool fwi_outbox_push_last(fwi_outbox *ob, fwi_outpool *pool, fwi_frame *f)
{
    fwi_outnode *n = node_new(pool, f, NOT_A_MESSAGE);
    if (n == NULL) {
        fwi_frame_unref(f);
        return false;
    }
    append(ob, pool, n);
    return true;
}

size_t fwi_outbox_gather(const fwi_outbox *ob, uint8_t *scratch, size_t cap,
                         const uint8_t **data, unsigned *nodes, unsigned *frames)
{
    const fwi_outnode *n = ob->control ? ob->control : ob->head;
    bool is_data = ob->control == NULL;
    size_t len = 0;
    *nodes = *frames = 0;
    *data = scratch;
    while (n != NULL) {
        const fwi_frame *f = n->frame;
        if (len + f->len > cap) {
            break;
        }
        const fwi_outnode *next = n->next;
        if (next == NULL && !is_data && ob->head != NULL) {
            next = ob->head;
        }
        if (next == NULL && *nodes == 0) {
            break; /* the only one: no need to copy it */
        }
        memcpy(scratch + len, f->bytes, f->len);
        len += f->len;
        (*nodes)++;
        *frames += is_data && n->tag != NOT_A_MESSAGE;
        if (n->next == NULL) {
            is_data = true;
        }
        n = next;
    }
    if (*nodes == 0 && n != NULL) {
        *data = n->frame->bytes;
        *nodes = 1;
        *frames = is_data && n->tag != NOT_A_MESSAGE;
        return n->frame->len;
    }
    return len;
}

void fwi_outbox_consume(fwi_outbox *ob, fwi_outpool *pool, unsigned nodes)
{
    for (; nodes > 0 && ob->control != NULL; nodes--) {
        drop_control(ob, pool);
    }
    for (; nodes > 0; nodes--) {
        FWI_ASSERT(ob->head != NULL);
        drop_after(ob, pool, NULL);
    }
}

unsigned fwi_outbox_clear(fwi_outbox *ob, fwi_outpool *pool)
{
    unsigned frames = ob->frames;
    while (ob->control != NULL) {
        fwi_outbox_consume(ob, pool, 1);
    }
    while (ob->head != NULL) {
        drop_after(ob, pool, NULL);
    }
    return frames;
}
