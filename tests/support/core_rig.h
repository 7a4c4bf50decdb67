/*
 * A whole hub without threads, sockets or clock: shards on fake loops, the memory
 * backplane, and connections whose peers the test plays. For unit tests of core.
 */
#ifndef TESTS_SUPPORT_CORE_RIG_H
#define TESTS_SUPPORT_CORE_RIG_H

#include "backplane/backplanes.h"
#include "core/session_inside.h"
#include "support/fake_loop.h"

typedef struct core_rig {
    fw_options *options;
    fw_options *own; /* the same, if they are the rig's own */
    fwi_hub hub;
    unsigned loops;
    fwi_loop *loop[4];
    fwi_shard shard[4];
} core_rig;

/* A connection: the transport's side, as the test sees it. */
struct fwi_conn {
    core_rig *rig;
    fwi_session *s; /* NULL: the tie is cut */
    fw_session_id id;
    bool accepted, finished, aborted, paused, blocked;
    int refused; /* HTTP status */
    unsigned writes;
    uint32_t taken; /* what the port says of the peer */
    bool behind;    /* likewise: it hasn't taken everything */
    fwi_buf out;    /* frames as written */
};

/* What makes the backplane of the rigs to come; at first fwi_backplane_memory_new. */
extern fwi_backplane *(*core_rig_backplane)(fwi_loop *loop,
                                            const fwi_backplane_sink *sink, void *user);

/* The number of the nodes to come; at first 7. */
extern uint64_t core_rig_node;

/* options: name, value, ..., NULL. Without CONNECT handler everybody is let in. */
void core_rig_init(core_rig *rig, unsigned loops, ...);
/* The same with the options of somebody who makes many rigs of them; borrowed. */
void core_rig_init_with(core_rig *rig, unsigned loops, fw_options *options);
/* Before the first session. */
void core_rig_on(core_rig *rig, fw_event_type type, fw_handler fn, void *user);
void core_rig_fini(core_rig *rig);

/* Everything that is on its way arrives: turns until no loop has been woken any more. */
void core_rig_settle(core_rig *rig);
void core_rig_advance(core_rig *rig, uint64_t ms);

/* A handshake on this loop; to be given to core_conn_free. */
fwi_conn *core_connect(core_rig *rig, unsigned loop, const char *query);
fwi_conn *core_connect_as(core_rig *rig, unsigned loop, const char *query,
                          fwi_protocol_id protocol);
/* The same with headers: name, value ..., n pairs. */
fwi_conn *core_connect_with(core_rig *rig, unsigned loop, const char *query,
                            fwi_protocol_id protocol, const char *const *headers,
                            size_t n);
void core_conn_free(fwi_conn *c);
/* The peer hangs up without a word. */
void core_conn_lose(fwi_conn *c);
void core_conn_say(fwi_conn *c, const char *text);
void core_conn_unblock(fwi_conn *c);

/* Takes the next frame out of what was written: its opcode (-1: none), its payload as
 * text into out. */
int core_conn_next(fwi_conn *c, char *out, size_t cap);
/* How many data frames there are with this text; takes all out. */
unsigned core_conn_count(fwi_conn *c, const char *text);

uint64_t core_rig_stat(const core_rig *rig, fwi_stat which);

/* As an application on another thread. */
int core_publish(core_rig *rig, const char *channel, const char *text);

#endif
