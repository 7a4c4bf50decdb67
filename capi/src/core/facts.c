/*
 * Facts of a handshake in one block of memory, so that keeping them costs one allocation
 * and freeing them one free. Immutable once made.
 *
 * The texts are path, query, address, then peer and protocol if `has` says so, then name
 * and value of each header, all with their NUL. A name that is in `usual` is one byte,
 * its place there counted from 1: no name begins with such a byte.
 * @thread any
 */
#include "core/facts.h"

#include <string.h>
#include <strings.h>

#include "base/pack.h"

enum { HAS_PEER = 1, HAS_PROTOCOL = 2 };

/* What browsers, other clients and proxies send. The order doesn't matter: numbers don't
 * leave the process. */
static const char *const usual[] = {
    "host",
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "origin",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "cookie",
    "forwarded",
    "pragma",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
};
_Static_assert(FWI_ARRAY_LEN(usual) <= ' ', "no header's name begins with a number");

/* Its number; 0: none. */
static unsigned number_of(const char *name)
{
    for (unsigned i = 0; i < FWI_ARRAY_LEN(usual); i++) {
        if (usual[i][0] == name[0] && strcmp(usual[i], name) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static bool peer_differs(const fwi_facts_source *from)
{
    return strcmp(from->peer, from->address) != 0;
}

static size_t size_of_texts(const fwi_facts_source *from)
{
    size_t n = fwi_pack_size(from->path) + fwi_pack_size(from->query) +
               fwi_pack_size(from->address) + fwi_pack_size(from->protocol);
    if (peer_differs(from)) {
        n += fwi_pack_size(from->peer);
    }
    for (size_t i = 0; i < 2 * from->n_headers; i += 2) {
        n += number_of(from->headers[i]) != 0 ? 1 : fwi_pack_size(from->headers[i]);
        n += fwi_pack_size(from->headers[i + 1]);
    }
    return n;
}

fwi_facts *fwi_facts_new(const fwi_facts_source *from)
{
    fwi_facts *f = malloc(sizeof *f + size_of_texts(from));
    if (f == NULL) {
        return NULL;
    }
    atomic_init(&f->refs, 1);
    f->secure = from->secure;
    f->has = 0;
    f->n_headers = (uint16_t)from->n_headers;
    char *at = f->texts;
    (void)fwi_pack_put(&at, from->path);
    (void)fwi_pack_put(&at, from->query);
    (void)fwi_pack_put(&at, from->address);
    if (peer_differs(from)) {
        f->has |= HAS_PEER;
        (void)fwi_pack_put(&at, from->peer);
    }
    if (from->protocol != NULL) {
        f->has |= HAS_PROTOCOL;
        (void)fwi_pack_put(&at, from->protocol);
    }
    for (size_t i = 0; i < 2 * from->n_headers; i += 2) {
        unsigned number = number_of(from->headers[i]);
        if (number != 0) {
            *at++ = (char)number;
        } else {
            (void)fwi_pack_put(&at, from->headers[i]);
        }
        (void)fwi_pack_put(&at, from->headers[i + 1]);
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

/* --- reading --- */

static const char *behind(const char *text)
{
    return text + strlen(text) + 1;
}

const char *fwi_facts_path(const fwi_facts *f)
{
    return f->texts;
}

const char *fwi_facts_query(const fwi_facts *f)
{
    return behind(fwi_facts_path(f));
}

const char *fwi_facts_address(const fwi_facts *f)
{
    return behind(fwi_facts_query(f));
}

const char *fwi_facts_peer(const fwi_facts *f)
{
    const char *address = fwi_facts_address(f);
    return (f->has & HAS_PEER) != 0 ? behind(address) : address;
}

const char *fwi_facts_protocol(const fwi_facts *f)
{
    return (f->has & HAS_PROTOCOL) != 0 ? behind(fwi_facts_peer(f)) : NULL;
}

const char *fwi_facts_header(const fwi_facts *f, const char *name)
{
    const char *last = fwi_facts_protocol(f);
    const char *at = behind(last != NULL ? last : fwi_facts_peer(f));
    for (unsigned i = 0; i < f->n_headers; i++) {
        unsigned number = (unsigned char)*at;
        bool known = number - 1 < FWI_ARRAY_LEN(usual);
        const char *value = known ? at + 1 : behind(at);
        if (strcasecmp(known ? usual[number - 1] : at, name) == 0) {
            return value;
        }
        at = behind(value);
    }
    return NULL;
}
