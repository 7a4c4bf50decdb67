/*
 * Limits that need more than a counter of one loop: sessions of an address or a user
 * (shared by all loops, so under a lock), and the rate of messages (one number a
 * session).
 * @thread any
 */
#include "core/limits.h"

#include <string.h>

#include "base/hashmap.h"

struct fwi_limit_count {
    UT_hash_handle hh;
    int64_t n;
    char whose[];
};

void fwi_limits_init(fwi_limits *l)
{
    FWI_ASSERT(pthread_mutex_init(&l->lock, NULL) == 0);
    l->counts = NULL;
}

void fwi_limits_fini(fwi_limits *l)
{
    struct fwi_limit_count *c, *next;
    HASH_ITER(hh, l->counts, c, next)
    {
        HASH_DEL(l->counts, c);
        free(c);
    }
    pthread_mutex_destroy(&l->lock);
}

static struct fwi_limit_count *find_or_add(fwi_limits *l, const char *whose)
{
    struct fwi_limit_count *c = NULL;
    size_t n = strlen(whose);
    HASH_FIND(hh, l->counts, whose, n, c);
    if (c == NULL) {
        c = calloc(1, sizeof *c + n + 1);
        if (c == NULL) {
            return NULL;
        }
        memcpy(c->whose, whose, n + 1);
        HASH_ADD_KEYPTR(hh, l->counts, c->whose, n, c);
        if (!FWI_HASH_ADDED(c)) {
            free(c);
            return NULL;
        }
    }
    return c;
}

bool fwi_limits_take(fwi_limits *l, const char *whose, int64_t max)
{
    pthread_mutex_lock(&l->lock);
    struct fwi_limit_count *c = find_or_add(l, whose);
    bool ok = c != NULL && c->n < max;
    if (ok) {
        c->n++;
    }
    pthread_mutex_unlock(&l->lock);
    return ok;
}

void fwi_limits_give(fwi_limits *l, const char *whose)
{
    struct fwi_limit_count *c = NULL;
    pthread_mutex_lock(&l->lock);
    HASH_FIND(hh, l->counts, whose, strlen(whose), c);
    FWI_ASSERT(c != NULL && c->n > 0);
    if (--c->n == 0) {
        HASH_DEL(l->counts, c);
        free(c);
    }
    pthread_mutex_unlock(&l->lock);
}

bool fwi_rate_allow(uint64_t *tat, uint64_t now_us, int64_t rate)
{
    uint64_t step = 1000000u / (uint64_t)rate;
    uint64_t from = FWI_MAX(*tat, now_us);
    if (from + step > now_us + 1000000u) {
        return false;
    }
    *tat = from + step;
    return true;
}
