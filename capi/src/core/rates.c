/*
 * See rates.h. A bucket is one number (fwi_rate_allow), and an idle one says as much as
 * none: so their number follows what is going on, and no timer looks after them.
 */
#include "core/rates.h"

#include <string.h>

#include "base/hashmap.h"
#include "core/session_inside.h"
#include "wire/name.h"

struct fwi_bucket {
    UT_hash_handle hh;
    fwi_list link;
    uint64_t tat;
    char key[];
};

void fwi_rates_init(fwi_rates *r)
{
    FWI_ASSERT(pthread_mutex_init(&r->lock, NULL) == 0);
    r->buckets = NULL;
    fwi_list_init(&r->used);
    r->n = 0;
}

static void drop(fwi_rates *r, struct fwi_bucket *b)
{
    HASH_DEL(r->buckets, b);
    fwi_list_remove(&b->link);
    r->n--;
    free(b);
}

static struct fwi_bucket *longest_idle(const fwi_rates *r)
{
    return fwi_list_is_empty(&r->used)
               ? NULL
               : fwi_list_entry(r->used.next, struct fwi_bucket, link);
}

void fwi_rates_fini(fwi_rates *r)
{
    for (struct fwi_bucket *b; (b = longest_idle(r)) != NULL;) {
        drop(r, b);
    }
    pthread_mutex_destroy(&r->lock);
}

enum { USER, ADDRESS, ROOM, WHOSE };

/* Room for those that are looked for next. More that are idle go than come, so they can't
 * pile up. */
static void make_room(fwi_rates *r, fwi_shard *shard, uint64_t now_us)
{
    struct fwi_bucket *b;
    for (int i = 0; i < 2 * WHOSE && (b = longest_idle(r)) != NULL && b->tat <= now_us;
         i++) {
        drop(r, b);
    }
    while (r->n + WHOSE > FWI_RATES_MAX) {
        drop(r, longest_idle(r));
        fwi_shard_count(shard, FWI_STAT_LIMIT_RATES);
    }
}

/* NULL: out of memory. */
static struct fwi_bucket *find_or_add(fwi_rates *r, const char *key)
{
    struct fwi_bucket *b = NULL;
    size_t n = strlen(key);
    HASH_FIND(hh, r->buckets, key, n, b);
    if (b != NULL) {
        fwi_list_remove(&b->link);
        fwi_list_append(&r->used, &b->link);
        return b;
    }
    b = calloc(1, sizeof *b + n + 1);
    if (b == NULL) {
        return NULL;
    }
    memcpy(b->key, key, n + 1);
    HASH_ADD_KEYPTR(hh, r->buckets, b->key, n, b);
    if (!FWI_HASH_ADDED(b)) {
        free(b);
        return NULL;
    }
    fwi_list_init(&b->link);
    fwi_list_append(&r->used, &b->link);
    r->n++;
    return b;
}

/* --- whose limits --- */

static const fwi_rate_limit limits[][WHOSE] = {
    [FWI_RATE_PUBLISH] = {[USER] = {"limit.publish_rate_per_user", false,
                                    FWI_STAT_LIMIT_PUBLISH_USER},
                          [ADDRESS] = {"limit.publish_rate_per_address", false,
                                       FWI_STAT_LIMIT_PUBLISH_ADDRESS},
                          [ROOM] = {"room.publish_rate", true,
                                    FWI_STAT_LIMIT_PUBLISH_ROOM}},
    [FWI_RATE_JOIN] = {[USER] = {"limit.join_rate_per_user", false,
                                 FWI_STAT_LIMIT_JOIN_USER},
                       [ADDRESS] = {"limit.join_rate_per_address", false,
                                    FWI_STAT_LIMIT_JOIN_ADDRESS},
                       [ROOM] = {"room.join_rate", true, FWI_STAT_LIMIT_JOIN_ROOM}},
};

/* One of them that holds for somebody. */
typedef struct holding {
    const fwi_rate_limit *limit;
    int64_t rate;
    char key[2 + FWI_NAME_MAX + 1];
    struct fwi_bucket *bucket;
    uint64_t tat; /* what its bucket's is to be */
} holding;

static int64_t rate_of(const fwi_session *s, fwi_rate_kind kind, int whose,
                       const char *channel)
{
    const fwi_hub *hub = s->shard->hub;
    const fwi_room_options *room = fwi_room_options_of(hub, channel);
    bool publish = kind == FWI_RATE_PUBLISH;
    switch (whose) {
    case USER:
        return publish ? hub->set.limit_publish_user : hub->set.limit_join_user;
    case ADDRESS:
        return publish ? hub->set.limit_publish_address : hub->set.limit_join_address;
    default:
        return publish ? room->publish_rate : room->join_rate;
    }
}

/* Those that hold for s in this room; how many. */
static size_t find_limits(const fwi_session *s, fwi_rate_kind kind, const char *room,
                          holding held[WHOSE])
{
    char channel[FWI_CHANNEL_CAP];
    const char *const names[WHOSE] = {
        [USER] = s->user, [ADDRESS] = fwi_facts_address(s->facts), [ROOM] = room};
    size_t n = 0;
    fwi_channel_name('r', room, channel);
    for (int i = 0; i < WHOSE; i++) {
        int64_t rate = rate_of(s, kind, i, channel);
        if (rate > 0 && names[i] != NULL) {
            held[n] = (holding){.limit = &limits[kind][i], .rate = rate};
            snprintf(held[n].key, sizeof held[n].key, "%c%c%s", "pj"[kind], "uar"[i],
                     names[i]);
            n++;
        }
    }
    return n;
}

/* Under the lock. All of them are asked before any is counted. */
static const fwi_rate_limit *take(fwi_shard *shard, holding *held, size_t n)
{
    fwi_rates *r = &shard->hub->rates;
    uint64_t now_us = fwi_loop_now_us(shard->loop);
    make_room(r, shard, now_us);
    for (size_t i = 0; i < n; i++) {
        holding *h = &held[i];
        h->bucket = find_or_add(r, h->key);
        h->tat = h->bucket != NULL ? h->bucket->tat : 0;
        if (h->bucket == NULL || !fwi_rate_allow(&h->tat, now_us, h->rate)) {
            return h->limit;
        }
    }
    for (size_t i = 0; i < n; i++) {
        held[i].bucket->tat = held[i].tat;
    }
    return NULL;
}

const fwi_rate_limit *fwi_rates_take(fwi_session *s, fwi_rate_kind kind, const char *room)
{
    holding held[WHOSE];
    fwi_rates *r = &s->shard->hub->rates;
    size_t n = find_limits(s, kind, room, held);
    if (n == 0) {
        return NULL;
    }
    pthread_mutex_lock(&r->lock);
    const fwi_rate_limit *reached = take(s->shard, held, n);
    pthread_mutex_unlock(&r->lock);
    if (reached != NULL) {
        fwi_shard_count(s->shard, reached->stat);
    }
    return reached;
}

bool fwi_rates_take_request(fwi_shard *shard, const char *address)
{
    static const fwi_rate_limit limit = {"limit.emulation_rate_per_address", false,
                                         FWI_STAT_LIMIT_EMULATION};
    fwi_rates *r = &shard->hub->rates;
    holding h = {.limit = &limit, .rate = shard->hub->set.limit_emulation};
    if (h.rate == 0) {
        return true;
    }
    snprintf(h.key, sizeof h.key, "ea%s", address);
    pthread_mutex_lock(&r->lock);
    const fwi_rate_limit *reached = take(shard, &h, 1);
    pthread_mutex_unlock(&r->lock);
    if (reached != NULL) {
        fwi_shard_count(shard, reached->stat);
    }
    return reached == NULL;
}

const char *fwi_rate_limit_text(const fwi_rate_limit *limit, char text[FWI_RATE_TEXT])
{
    snprintf(text, FWI_RATE_TEXT, "over %s: try again later", limit->option);
    return text;
}
