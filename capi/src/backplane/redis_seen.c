/*
 * "Drop what isn't newer than the last one of its node": why that is right.
 *
 * A node sends its PUBLISHes over one link in the order of their serials, whatever the
 * channels; Redis executes a link's commands in order and writes to a subscribed link in
 * the order of execution. So serials of one node rise on the subscribe link, and a
 * channel that we aren't subscribed to leaves only a gap. Interleaving with other nodes
 * doesn't matter, since each node has an entry of its own.
 *
 * When a node has lost its link it sends again what had no answer, again in serial order
 * and before anything newer. Redis may still be working off the old link's input then:
 * two sequences interleave. But the later one repeats, from its first unanswered message
 * on, exactly what the earlier one holds, and both rise. If some s' > s has arrived by
 * one of them, then s has passed on that one before; so a message is dropped only if it
 * has been here, or if its node had given it up (queue full or too late) before the
 * return.
 *
 * A node that restarts has a new random number, so its serials begin anew in a new entry.
 * Entries are forgotten after ten minutes of silence, or twice the deadline of a node's
 * queue if that is longer: repetitions come within the deadline.
 */
#include "backplane/redis_seen.h"

/*
 * Messages of rooms with history, which come with a position, neither ask here nor are
 * noted down. Whoever delivers them judges by their positions: the next one is new, what
 * isn't newer is a repetition, and what is missing between is read. They come once each,
 * since Redis itself refuses a repetition (redis_script.c). Asking here would lose some:
 * what its node has given up as too late may be carried out by the old link's rest after
 * newer ones were by the new link, and has its place in the history all the same. That
 * they are left out changes nothing for the others: of a sequence that rises every part
 * rises, and what is said above of a message holds for those that are noted down.
 */

typedef struct fwi_redis_seen_node {
    UT_hash_handle hh;
    fwi_list by_age;
    uint64_t node, serial, heard_ms;
} seen_node;

void fwi_redis_seen_init(fwi_redis_seen *s, uint64_t queue_deadline_ms)
{
    s->table = NULL;
    s->count = 0;
    s->keep_ms = FWI_MAX((uint64_t)FWI_REDIS_SEEN_MS, 2 * queue_deadline_ms);
    fwi_list_init(&s->by_age);
}

static void forget_oldest(fwi_redis_seen *s)
{
    seen_node *n = fwi_list_entry(s->by_age.next, seen_node, by_age);
    HASH_DEL(s->table, n);
    s->count--;
    fwi_list_remove(&n->by_age);
    free(n);
}

void fwi_redis_seen_fini(fwi_redis_seen *s)
{
    while (!fwi_list_is_empty(&s->by_age)) {
        forget_oldest(s);
    }
}

static void forget_silent(fwi_redis_seen *s, uint64_t now_ms)
{
    while (!fwi_list_is_empty(&s->by_age)) {
        const seen_node *n = fwi_list_entry(s->by_age.next, seen_node, by_age);
        if (s->count < FWI_REDIS_SEEN_MAX && now_ms - n->heard_ms < s->keep_ms) {
            return;
        }
        forget_oldest(s);
    }
}

static seen_node *find(fwi_redis_seen *s, uint64_t node)
{
    /* Messages come in bursts: mostly it is the node that spoke last. */
    seen_node *n = fwi_list_entry(s->by_age.prev, seen_node, by_age);
    if (fwi_list_is_empty(&s->by_age) || n->node != node) {
        HASH_FIND(hh, s->table, &node, sizeof node, n);
    }
    return n;
}

bool fwi_redis_seen_is_new(fwi_redis_seen *s, uint64_t node, uint64_t serial,
                           uint64_t now_ms)
{
    seen_node *n = find(s, node);
    if (n == NULL) {
        forget_silent(s, now_ms);
        n = calloc(1, sizeof *n);
        if (n == NULL) {
            return true;
        }
        n->node = node;
        HASH_ADD(hh, s->table, node, sizeof n->node, n);
        if (!FWI_HASH_ADDED(n)) {
            free(n);
            return true;
        }
        fwi_list_init(&n->by_age);
        s->count++;
    } else if (serial <= n->serial) {
        return false;
    }
    n->serial = serial;
    n->heard_ms = now_ms;
    fwi_list_remove(&n->by_age);
    fwi_list_append(&s->by_age, &n->by_age);
    return true;
}
