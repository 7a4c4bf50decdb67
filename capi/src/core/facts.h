/*
 * The facts of a handshake: what the client asked for and who it is. One block of memory,
 * immutable, counted, shared by the session and its events on any thread.
 *
 * Each session carries one as long as it lives, and hardly anybody asks it anything after
 * the handshake. So it is as small as it can be made: texts one behind the other, without
 * pointers to them, nothing twice, and the usual names of headers as one byte.
 */
#ifndef FWI_CORE_FACTS_H
#define FWI_CORE_FACTS_H

#include <stdatomic.h>

#include "base/base.h"

typedef struct fwi_facts {
    atomic_uint refs;
    bool secure; /* wss */
    uint8_t has; /* which of the texts that may be absent are there */
    uint16_t n_headers;
    char texts[];
} fwi_facts;

/* What to make it of; all borrowed, protocol NULL where absent. headers: name, value,
 * name, value ... n pairs, names in lower case. */
typedef struct fwi_facts_source {
    bool secure;
    const char *path, *query, *address, *peer, *protocol;
    const char *const *headers;
    size_t n_headers;
} fwi_facts_source;

/* One reference, owned by caller; NULL: out of memory. @thread any */
fwi_facts *fwi_facts_new(const fwi_facts_source *from);
fwi_facts *fwi_facts_ref(fwi_facts *f);
void fwi_facts_unref(fwi_facts *f);

/* All are valid as long as f. */
const char *fwi_facts_path(const fwi_facts *f);
const char *fwi_facts_query(const fwi_facts *f);    /* "" if there is none */
const char *fwi_facts_address(const fwi_facts *f);  /* the client's */
const char *fwi_facts_peer(const fwi_facts *f);     /* socket's other end, "" for Unix */
const char *fwi_facts_protocol(const fwi_facts *f); /* agreed on; NULL: none */
/* By name, in any case; NULL if absent. */
const char *fwi_facts_header(const fwi_facts *f, const char *name);

#endif
