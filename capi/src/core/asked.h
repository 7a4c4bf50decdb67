/*
 * What a session's protocol has asked the hub for its client (publish, history, presence)
 * and hasn't been told yet. Such a question has a ref of its own kind, so that its answer
 * finds the session's loop instead of the application; it is no event to anybody.
 */
#ifndef FWI_CORE_ASKED_H
#define FWI_CORE_ASKED_H

#include "base/hashmap.h"
#include "base/list.h"
#include "core/event.h"
#include "core/session.h"

struct fwi_hub;

typedef struct fwi_asked fwi_asked;

/* The answer; a is freed behind this unless it was asked once more. */
typedef void (*fwi_asked_fn)(fwi_session *s, fwi_asked *a, const fw_event *e);

struct fwi_asked {
    UT_hash_handle hh; /* the loop's */
    fwi_list link;     /* its session's */
    fwi_session *s;
    uint64_t ref;
    fwi_asked_fn fn;
    bool again;      /* another answer is to come, by the same ref */
    uint32_t number; /* the client's, of the command; the rest is what fn makes of it */
    uint32_t limit;
    bool reverse, stats;
    fwi_position since, top;
    size_t n, cap, bytes;
    fw_message **found; /* n of these, or ... */
    uint64_t *numbers;  /* ... of these */
    char channel[];
};

/* The application's refs are below. */
#define FWI_ASKED_BIT (1ull << 63)

/* One more in the list `all`. NULL: out of memory. @thread loop */
fwi_asked *fwi_asked_new(fwi_session *s, fwi_list *all, fwi_asked_fn fn,
                         const char *channel);

/* Nobody waits for it any more. @thread loop */
void fwi_asked_free(fwi_asked *a);

/* Keeps a reference of m, until it is freed. false: out of memory. @thread loop */
bool fwi_asked_keep(fwi_asked *a, fw_message *m);
/* Likewise a number, where messages aren't kept. */
bool fwi_asked_keep_number(fwi_asked *a, uint64_t number);

/* A RESULT, HISTORY or PRESENCE goes to who has asked: to the session, or as an event to
 * the application. @thread loop 0 */
void fwi_asked_tell(struct fwi_hub *hub, fw_event *e);

#endif
