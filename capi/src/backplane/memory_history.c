/*
 * Rings of messages, by room, and keys. See the header.
 *
 * A room outlives its messages, so that its offsets go on when a talk is taken up again
 * after they have expired; when it has been silent for much longer it goes, too, and the
 * next message begins a new epoch. The times are those of the Redis backplane's keys.
 */
#include "backplane/memory_history.h"

#include <string.h>

#include <fanwire/error.h>

#include "backplane/backplanes.h"
#include "base/hashmap.h"
#include "base/rand.h"

enum {
    RING_MIN = 16,
    KEYS_MAX = 65536,      /* a flood of keys doesn't take all memory */
    KEY_MS = 5 * 60 * 1000 /* who tries again does so within that */
};

typedef struct fwi_memory_room {
    UT_hash_handle hh;
    fwi_memory_history *owner;
    fwi_timer timer; /* first for the messages, then for the room */
    uint64_t ttl_ms, epoch;
    uint64_t first, top; /* offsets of the oldest and the newest; first > top: none */
    fw_message **ring;   /* by offset & (cap - 1) */
    size_t cap;
    char channel[];
} room;

typedef struct fwi_memory_key {
    UT_hash_handle hh;
    fwi_list by_age;
    uint64_t due_ms;
    fwi_position at;
    size_t len;
    char bytes[]; /* channel, NUL, key */
} key;

void fwi_memory_history_init(fwi_memory_history *h, fwi_loop *loop)
{
    memset(h, 0, sizeof *h);
    h->loop = loop;
    fwi_list_init(&h->keys_by_age);
}

/* --- rooms --- */

static fw_message **place_of(const room *r, uint64_t offset)
{
    return &r->ring[offset & (r->cap - 1)];
}

static void drop_before(room *r, uint64_t first)
{
    for (; r->first < first; r->first++) {
        fw_message_unref(*place_of(r, r->first));
    }
}

static void empty(room *r)
{
    drop_before(r, r->top + 1);
    free(r->ring);
    r->ring = NULL;
    r->cap = 0;
}

static void free_room(room *r)
{
    empty(r);
    fwi_loop_timer_clear(r->owner->loop, &r->timer);
    HASH_DEL(r->owner->rooms, r);
    free(r);
}

static void on_expired(fwi_timer *t)
{
    room *r = fwi_container_of(t, room, timer);
    if (r->first > r->top) {
        free_room(r);
        return;
    }
    empty(r);
    fwi_loop_timer_set(r->owner->loop, t, fwi_kept_position_ms(r->ttl_ms) - r->ttl_ms);
}

static room *find_room(fwi_memory_history *h, const char *channel)
{
    room *r;
    HASH_FIND_STR(h->rooms, channel, r);
    return r;
}

static void remember(room *r, uint64_t ttl_ms)
{
    r->ttl_ms = ttl_ms;
    fwi_loop_timer_set(r->owner->loop, &r->timer,
                       r->first > r->top ? fwi_kept_position_ms(ttl_ms) : ttl_ms);
}

static void begin_epoch(room *r)
{
    r->epoch = fwi_rand_secure();
    r->first = 1;
    r->top = 0;
}

/* With an epoch of its own if there was none. NULL: out of memory. */
static room *make_room(fwi_memory_history *h, const char *channel, uint64_t ttl_ms)
{
    room *r = find_room(h, channel);
    if (r != NULL) {
        return r;
    }
    size_t len = strlen(channel);
    r = calloc(1, sizeof *r + len + 1);
    if (r == NULL) {
        return NULL;
    }
    memcpy(r->channel, channel, len + 1);
    HASH_ADD_STR(h->rooms, channel, r);
    if (!FWI_HASH_ADDED(r)) {
        free(r);
        return NULL;
    }
    r->owner = h;
    fwi_timer_init(&r->timer, on_expired);
    begin_epoch(r);
    remember(r, ttl_ms);
    return r;
}

/* Room for one more behind the newest `size - 1`. */
static bool grow(room *r, uint32_t size)
{
    uint64_t held = r->top + 1 - r->first;
    if (held < r->cap || (held >= size && r->cap > 0)) {
        return true;
    }
    size_t cap = r->cap ? r->cap * 2 : RING_MIN;
    fw_message **ring = malloc(cap * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (uint64_t k = r->first; k <= r->top; k++) {
        ring[k & (cap - 1)] = *place_of(r, k);
    }
    free(r->ring);
    r->ring = ring;
    r->cap = cap;
    return true;
}

/* --- keys --- */

static void free_key(fwi_memory_history *h, key *k)
{
    HASH_DEL(h->keys, k);
    fwi_list_remove(&k->by_age);
    h->key_count--;
    free(k);
}

static void forget_old_keys(fwi_memory_history *h, size_t leave)
{
    uint64_t now_ms = fwi_loop_now_ms(h->loop);
    while (!fwi_list_is_empty(&h->keys_by_age)) {
        key *k = fwi_list_entry(h->keys_by_age.next, key, by_age);
        if (k->due_ms > now_ms && h->key_count <= leave) {
            return;
        }
        free_key(h, k);
    }
}

/* NULL: out of memory. */
static key *new_key(const char *channel, const char *name)
{
    size_t before = strlen(channel) + 1, len = before + strlen(name);
    key *k = calloc(1, sizeof *k + len);
    if (k != NULL) {
        k->len = len;
        memcpy(k->bytes, channel, before);
        memcpy(k->bytes + before, name, len - before);
        fwi_list_init(&k->by_age);
    }
    return k;
}

static const key *find_key(fwi_memory_history *h, const key *like)
{
    key *k;
    forget_old_keys(h, SIZE_MAX);
    HASH_FIND(hh, h->keys, like->bytes, like->len, k);
    return k;
}

/* Out of memory: the message was kept, only a repetition won't be known. */
static void add_key(fwi_memory_history *h, key *k, fwi_position at)
{
    forget_old_keys(h, KEYS_MAX - 1);
    k->at = at;
    k->due_ms = fwi_loop_now_ms(h->loop) + KEY_MS;
    HASH_ADD_KEYPTR(hh, h->keys, k->bytes, k->len, k);
    if (!FWI_HASH_ADDED(k)) {
        free(k);
        return;
    }
    fwi_list_append(&h->keys_by_age, &k->by_age);
    h->key_count++;
}

/* --- what is asked --- */

static fw_message *append(room *r, fw_message *m, const fwi_terms *terms)
{
    fw_message *copy = grow(r, terms->history_size)
                           ? fwi_message_at(m, (fwi_position){r->epoch, r->top + 1})
                           : NULL;
    if (copy == NULL) {
        return NULL;
    }
    if (r->top + 1 >= terms->history_size) {
        drop_before(r, r->top + 2 - terms->history_size);
    }
    *place_of(r, ++r->top) = copy;
    remember(r, terms->history_ttl_ms);
    return copy;
}

bool fwi_memory_history_keep(fwi_memory_history *h, const char *channel, fw_message *m,
                             const fwi_terms *terms, fw_message **kept, fwi_position *at)
{
    key *k = NULL;
    *kept = NULL;
    if (m->key != NULL) {
        k = new_key(channel, m->key);
        if (k == NULL) {
            return false;
        }
        const key *there = find_key(h, k);
        if (there != NULL) {
            *at = there->at;
            h->repeated++;
            free(k);
            return true;
        }
    }
    room *r = make_room(h, channel, terms->history_ttl_ms);
    fw_message *copy = r != NULL ? append(r, m, terms) : NULL;
    if (copy == NULL) {
        free(k);
        return false;
    }
    *at = copy->at;
    *kept = fw_message_ref(copy);
    h->kept++;
    if (k != NULL) {
        add_key(h, k, *at);
    }
    return true;
}

/* Which offsets the page has: from..to. */
static void choose(const room *r, const fwi_history_query *q, uint64_t *from,
                   uint64_t *to)
{
    uint64_t limit = FWI_MIN(q->limit, (uint32_t)FWI_HISTORY_PAGE_MAX);
    *from = r->first;
    *to = r->top;
    if (q->since.epoch != 0 && q->since.epoch != r->epoch) {
        *to = *from - 1;
    } else if (q->since.epoch != 0 && q->reverse) {
        *to = FWI_MIN(*to, FWI_MAX(q->since.offset, *from) - 1);
    } else if (q->since.epoch != 0) {
        *from = q->since.offset < *to ? FWI_MAX(*from, q->since.offset + 1) : *to + 1;
    }
    uint64_t n = *to + 1 - *from;
    if (n > limit && q->reverse) {
        *from = *to + 1 - limit;
    } else if (n > limit) {
        *to = *from + limit - 1;
    }
}

void fwi_memory_history_read(fwi_memory_history *h, const char *channel,
                             const fwi_history_query *query, fwi_history_page *page)
{
    *page = (fwi_history_page){.err = FW_ERR_MEMORY, .why = "out of memory"};
    room *r = make_room(h, channel, query->history_ttl_ms);
    if (r == NULL) {
        return;
    }
    uint64_t from, to;
    choose(r, query, &from, &to);
    size_t n = (size_t)(to + 1 - from);
    if (n > 0 && (page->messages = malloc(n * sizeof *page->messages)) == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t offset = query->reverse ? to - i : from + i;
        page->messages[i] = fw_message_ref(*place_of(r, offset));
    }
    page->err = FW_OK;
    page->why = "";
    page->n = n;
    page->top = (fwi_position){r->epoch, r->top};
    h->reads++;
}

void fwi_memory_history_page_fini(fwi_history_page *page)
{
    for (size_t i = 0; i < page->n; i++) {
        fw_message_unref(page->messages[i]);
    }
    free(page->messages);
}

bool fwi_memory_history_forget(fwi_memory_history *h, const char *channel,
                               fwi_position *at)
{
    room *r = make_room(h, channel, 0);
    if (r == NULL) {
        return false;
    }
    empty(r);
    begin_epoch(r);
    remember(r, r->ttl_ms);
    *at = (fwi_position){r->epoch, 0};
    return true;
}

void fwi_memory_history_fini(fwi_memory_history *h)
{
    room *r, *next;
    HASH_ITER(hh, h->rooms, r, next)
    {
        free_room(r);
    }
    while (!fwi_list_is_empty(&h->keys_by_age)) {
        free_key(h, fwi_list_entry(h->keys_by_age.next, key, by_age));
    }
}
