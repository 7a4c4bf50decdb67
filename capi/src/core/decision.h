/*
 * Questions to the application: may this client come in, may this session enter that
 * room, what is the answer to this call. Each has a token; the first answer counts,
 * whoever gives it: a handler, another thread, the time-out, or the client by leaving.
 */
#ifndef FWI_CORE_DECISION_H
#define FWI_CORE_DECISION_H

#include "core/shard.h"

typedef struct fwi_decision {
    fwi_list link; /* its session's */
    fwi_timer timer;
    fwi_shard *shard;
    fwi_session *s; /* NULL: it has gone, the answer doesn't matter */
    uint32_t index, generation;
    uint64_t ref;       /* of a join: for its RESULT; of an RPC: the client's number */
    fwi_position since; /* of a join: see fwi_join */
    fwi_decision_kind kind;
    char name[]; /* of a join: the room; of CONNECT: the user by its token, or "" */
} fwi_decision;

/* name: "" if there is none. NULL: out of memory. @thread loop */
fwi_decision *fwi_decision_new(fwi_session *s, fwi_decision_kind kind, const char *name,
                               uint64_t ref);
uint64_t fwi_decision_token(const fwi_decision *d);

/* Its session ends. @thread loop */
void fwi_decision_cancel(fwi_decision *d);

/* Those that were claimed by an answer which never arrived: the loop has ended, and with
 * it all its sessions. */
void fwi_decisions_fini(fwi_shard *shard);

#endif
