/*
 * Facts of a handshake in one block of memory, so that keeping them costs one
 * allocation and freeing them one free. Immutable once made.
 * @thread any
 */
#include "core/facts.h"

#include <string.h>

static size_t text_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

/* Copies s to *at and moves that on; NULL stays NULL. */
static const char *put(char **at, const char *s)
{
    if (s == NULL) {
        return NULL;
    }
    size_t n = strlen(s) + 1;
    char *to = memcpy(*at, s, n);
    *at += n;
    return to;
}

fwi_facts *fwi_facts_new(const fwi_facts_source *from)
{
    size_t n = sizeof(fwi_facts) + 2 * from->n_headers * sizeof(char *);
    size_t texts = text_size(from->path) + text_size(from->query) +
                   text_size(from->address) + text_size(from->peer) +
                   text_size(from->host) + text_size(from->origin) +
                   text_size(from->protocol);
    for (size_t i = 0; i < 2 * from->n_headers; i++) {
        texts += text_size(from->headers[i]);
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
    f->path = put(&at, from->path);
    f->query = put(&at, from->query);
    f->address = put(&at, from->address);
    f->peer = put(&at, from->peer);
    f->host = put(&at, from->host);
    f->origin = put(&at, from->origin);
    f->protocol = put(&at, from->protocol);
    for (size_t i = 0; i < 2 * from->n_headers; i++) {
        f->headers[i] = put(&at, from->headers[i]);
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
