/*
 * The facts of a handshake: what the client asked for and who it is. One block of memory,
 * immutable, counted, shared by the session and its events on any thread.
 */
#ifndef FWI_CORE_FACTS_H
#define FWI_CORE_FACTS_H

#include <stdatomic.h>

#include "base/base.h"

typedef struct fwi_facts {
    atomic_uint refs;
    bool secure; /* wss */
    uint16_t n_headers;
    const char *path, *query;   /* "" if there is no query */
    const char *address, *peer; /* client's; socket's other end ("" for Unix) */
    const char *host, *origin;  /* NULL if absent */
    const char *protocol;       /* the sub-protocol agreed on; NULL: none */
    const char **headers;       /* name, value, name, value ... names in lower case */
} fwi_facts;

/* What to make it of; all borrowed, NULL where absent. headers as above, n pairs. */
typedef struct fwi_facts_source {
    bool secure;
    const char *path, *query, *address, *peer, *host, *origin, *protocol;
    const char *const *headers;
    size_t n_headers;
} fwi_facts_source;

/* One reference, owned by caller; NULL: out of memory. @thread any */
fwi_facts *fwi_facts_new(const fwi_facts_source *from);
fwi_facts *fwi_facts_ref(fwi_facts *f);
void fwi_facts_unref(fwi_facts *f);

#endif
