/*
 * Questions to the application: may this client come in, may this session enter that
 * room, or say that there, may it stay, what is the answer to this call. Each has a
 * token; the first answer counts, whoever gives it: a handler, another thread, the
 * time-out, or the client by leaving.
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
    uint64_t ref; /* of a join: for its RESULT; of an RPC or publish: the client's */
    fwi_position since; /* of a join: see fwi_join */
    fw_message *m;      /* of a publish: what is to be said; else NULL */
    fwi_decision_kind kind;
    char name[]; /* of CONNECT: the user by its token, or ""; of what has one: the room */
} fwi_decision;

/* name: "" if there is none. NULL: out of memory. @thread loop */
fwi_decision *fwi_decision_new(fwi_session *s, fwi_decision_kind kind, const char *name,
                               uint64_t ref);
uint64_t fwi_decision_token(const fwi_decision *d);

/* A publish: may s say m in this room? Asks, and the answer comes by the protocol's
 * `published`, perhaps from inside. false: out of memory. @thread loop */
bool fwi_decision_ask_publish(fwi_session *s, const char *room, uint64_t ref,
                              fw_message *m);

/* Is that to be asked in this room ("r:ROOM")? @thread loop */
bool fwi_decision_asks_publish(const fwi_session *s, const char *channel);

/* May s stay, or with a room: may it stay there? The answer comes by the protocol's
 * `stays`. false: out of memory. @thread loop */
bool fwi_decision_ask_refresh(fwi_session *s, const char *room);

/* Its session ends. @thread loop */
void fwi_decision_cancel(fwi_decision *d);

/* Those that were claimed by an answer which never arrived: the loop has ended, and with
 * it all its sessions. */
void fwi_decisions_fini(fwi_shard *shard);

#endif
