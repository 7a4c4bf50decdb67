/*
 * What the files of the simulator's world share; see world.h.
 */
#ifndef TESTS_SIM_WORLD_INSIDE_H
#define TESTS_SIM_WORLD_INSIDE_H

#include "base/rand.h"
#include "model_redis.h"
#include "support/core_rig.h"
#include "truth.h"
#include "world.h"

enum {
    NODES = 3,
    ROOMS = 4, /* the first two have history */
    KEPT_ROOMS = 2,
    MEMBERS = 12,
    SESSIONS = MEMBERS * 64, /* of a run */
    LEASE_MS = 10000,
    LINKS_MAX = 4, /* of a node at a time: old ones are closed before new ones come */
    RESTS_MAX = 8,
    REST_MS = 1000
};

/* A link as the server and the network between have it. */
typedef struct world_link {
    fake_stream *stream; /* NULL: none */
    model_link *at;      /* NULL: not connected yet, or cut there already */
} world_link;

/* What the server has still to take from a link that is lost: it is carried out later,
 * and between it what comes by new links, but not much later. */
typedef struct world_rest {
    model_link *at; /* NULL: none */
    fwi_buf in;
    uint64_t until_ms;
} world_rest;

typedef struct world_node {
    core_rig rig;
    bool alive;
    size_t seen; /* streams of its loop that have been looked at */
    world_link links[LINKS_MAX];
} world_node;

typedef struct world_member {
    fwi_conn *conn; /* NULL: nobody there */
    unsigned node, room;
    uint64_t serial; /* of this connection: who speaks */
    uint64_t said;   /* how many messages by it */
    bool joined, asked, must_recover;
    fwi_position at;          /* of a kept room: the last it has heard */
    char text[48];            /* what that was; "": it wasn't heard by this connection */
    uint64_t heard[SESSIONS]; /* of a plain room: the last number of each speaker */
    unsigned joins[SESSIONS], leaves[SESSIONS]; /* that it heard of, by serial */
    unsigned owed[SESSIONS];                    /* leaves that it must have heard of */
} world_member;

typedef struct world_session {
    fw_session_id id;
    unsigned room;
    bool is_here;
    unsigned swept; /* how often others have taken its node for dead */
} world_session;

typedef struct world {
    const world_plan *plan;
    fwi_rand rand;
    unsigned step;
    uint64_t now_ms;
    model_redis *redis;
    world_rest rests[RESTS_MAX];
    bool redis_down, calm;
    unsigned lost_memory;
    world_node nodes[NODES];
    world_member members[MEMBERS];
    uint64_t last_serial;
    world_session sessions[SESSIONS]; /* by serial */
    uint64_t up_since_ms;             /* since when all nodes reach Redis, at the end */
    truth said;
    char why[512];
} world;

#define WORLD_TRACE(w, ...)                                                              \
    do {                                                                                 \
        if ((w)->plan->trace) {                                                          \
            fprintf(stderr, "%5u ", (w)->step);                                          \
            fprintf(stderr, __VA_ARGS__);                                                \
            fputc('\n', stderr);                                                         \
        }                                                                                \
    } while (0)

static inline unsigned world_draw(world *w, unsigned below)
{
    return (unsigned)fwi_rand_between(&w->rand, 0, below - 1);
}

/* The first promise that was broken. */
void world_broken(world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- world_nodes.c: nodes and their links --- */

void world_node_start(world *w, unsigned i);
/* Without a farewell: what it had not sent is gone. */
void world_node_kill(world *w, unsigned i);
/* Everything that is on its way in it arrives. */
void world_node_settle(world *w, unsigned i);
void world_advance(world *w, uint64_t ms);
/* Streams that are new are connected or refused; those that it has closed are cut. */
void world_look_at_streams(world *w, unsigned i);
/* One piece of work of the network: commands to the model, or answers to the node. */
bool world_link_work(world *w, unsigned i, unsigned k);
/* The server has taken some of what was sent; of the rest it takes nothing, or some of it
 * later. */
void world_link_cut(world *w, unsigned i, unsigned k);
/* One command of that. false: there is none. */
bool world_rest_work(world *w, unsigned i);
/* The server dies: nobody takes it any more. */
void world_rests_forget(world *w);

/* --- world_members.c: clients and what they are promised --- */

void world_member_come(world *w, unsigned k);
void world_member_go(world *w, unsigned k);
void world_member_say(world *w, unsigned k);
/* Takes what it was sent, and checks it. */
void world_member_hear(world *w, unsigned k);
void world_member_check_end(world *w, unsigned k);
/* The hub's name of a room. */
void world_channel_of(unsigned room, char out[16]);

/* --- world_presence.c: who is there, and who is told --- */

void world_session_begins(world *w, unsigned k);
void world_session_ends(world *w, unsigned k);
/* Its entry in Redis was removed for its node. */
void world_session_swept(world *w, const char *session);
/* false: it is no news of somebody who comes or goes. */
bool world_hear_news(world *w, unsigned k, const char *json);
/* While all is well: does Redis know who is there, once it had time enough? */
void world_presence_watch(world *w);
void world_presence_check(world *w);
void world_presence_check_end(world *w);

#endif
