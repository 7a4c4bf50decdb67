/*
 * The book of channels on loop 0: see route.h. It only keeps count; what follows from a
 * channel's coming and going is the hub's business.
 * @thread loop 0
 */
#include "core/route.h"

#include <string.h>

#include "core/history.h"

static void linger_over(fwi_timer *t)
{
    fwi_route *r = fwi_container_of(t, fwi_route, linger);
    r->routes->on_unused(r->routes, r);
}

fwi_route *fwi_route_find(fwi_routes *routes, const char *channel)
{
    fwi_route *r = NULL;
    HASH_FIND(hh, routes->map, channel, strlen(channel), r);
    return r;
}

fwi_route *fwi_route_new(fwi_routes *routes, const char *channel)
{
    size_t n = strlen(channel), counts = routes->n_loops * sizeof(unsigned);
    fwi_route *r = calloc(1, sizeof *r + counts + n + 1);
    if (r == NULL) {
        return NULL;
    }
    r->routes = routes;
    r->channel = (char *)r->interest + counts;
    memcpy(r->channel, channel, n + 1);
    r->held_tail = &r->held;
    fwi_timer_init(&r->linger, linger_over);
    HASH_ADD_KEYPTR(hh, routes->map, r->channel, n, r);
    if (!FWI_HASH_ADDED(r)) {
        free(r);
        return NULL;
    }
    return r;
}

void fwi_route_free(fwi_route *r)
{
    FWI_ASSERT(!fwi_timer_is_set(&r->linger));
    uint64_t ref;
    for (fw_message *m; (m = fwi_route_unhold(r, &ref)) != NULL;) {
        fw_message_unref(m);
    }
    fwi_history_free(r->history);
    HASH_DEL(r->routes->map, r);
    free(r);
}

void fwi_routes_fini(fwi_routes *routes)
{
    fwi_route *r, *next;
    HASH_ITER(hh, routes->map, r, next)
    {
        fwi_list_init(&r->linger.link); /* its wheel has gone with the loop */
        fwi_route_free(r);
    }
}

void fwi_route_add(fwi_route *r, unsigned loop)
{
    r->interest[loop]++;
    r->total++;
    r->loops |= 1ull << loop;
}

bool fwi_route_drop(fwi_route *r, unsigned loop, unsigned n)
{
    FWI_ASSERT(r->interest[loop] >= n);
    r->interest[loop] -= n;
    r->total -= n;
    if (r->interest[loop] == 0) {
        r->loops &= ~(1ull << loop);
    }
    return r->total == 0;
}

bool fwi_route_hold(fwi_route *r, fw_message *m, uint64_t ref, size_t max)
{
    if (r->routes->held_bytes + fwi_message_cost(m) > max) {
        return false;
    }
    fwi_held *h = malloc(sizeof *h);
    if (h == NULL) {
        return false;
    }
    h->next = NULL;
    h->m = fw_message_ref(m);
    h->ref = ref;
    *r->held_tail = h;
    r->held_tail = &h->next;
    r->routes->held_bytes += fwi_message_cost(m);
    return true;
}

fw_message *fwi_route_unhold(fwi_route *r, uint64_t *ref)
{
    fwi_held *h = r->held;
    if (h == NULL) {
        return NULL;
    }
    fw_message *m = h->m;
    *ref = h->ref;
    r->held = h->next;
    if (r->held == NULL) {
        r->held_tail = &r->held;
    }
    r->routes->held_bytes -= fwi_message_cost(m);
    free(h);
    return m;
}
