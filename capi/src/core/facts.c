/*
 * Facts of a handshake in one block of memory, so that keeping them costs one
 * allocation and freeing them one free. Immutable once made.
 * @thread any
 */
#include "core/facts.h"

#include <string.h>

#include "base/pack.h"

fwi_facts *fwi_facts_new(const fwi_facts_source *from)
{
    size_t n = sizeof(fwi_facts) + 2 * from->n_headers * sizeof(char *);
    size_t texts = fwi_pack_size(from->path) + fwi_pack_size(from->query) +
                   fwi_pack_size(from->address) + fwi_pack_size(from->peer) +
                   fwi_pack_size(from->host) + fwi_pack_size(from->origin) +
                   fwi_pack_size(from->protocol);
    for (size_t i = 0; i < 2 * from->n_headers; i++) {
        texts += fwi_pack_size(from->headers[i]);
    }
    fwi_facts *f = malloc(n + texts);
    if (f == NULL) {
        return NULL;
    }
    char *at = (char *)f + n;
    atomic_init(&f->refs, 1);
    f->secure = from->secure;
    f->n_headers = (uint16_t)from->n_headers;
    f->headers = (const char **)(void *)(f + 1);
    f->path = fwi_pack_put(&at, from->path);
    f->query = fwi_pack_put(&at, from->query);
    f->address = fwi_pack_put(&at, from->address);
    f->peer = fwi_pack_put(&at, from->peer);
    f->host = fwi_pack_put(&at, from->host);
    f->origin = fwi_pack_put(&at, from->origin);
    f->protocol = fwi_pack_put(&at, from->protocol);
    for (size_t i = 0; i < 2 * from->n_headers; i++) {
        f->headers[i] = fwi_pack_put(&at, from->headers[i]);
    }
    return f;
}

fwi_facts *fwi_facts_ref(fwi_facts *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void fwi_facts_unref(fwi_facts *f)
{
    if (f != NULL && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        free(f);
    }
}
