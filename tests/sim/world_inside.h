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
    LINKS_MAX = 4 /* of a node at a time: old ones are closed before new ones come */
};

/* A link as the server and the network between have it. */
typedef struct world_link {
    fake_stream *stream; /* NULL: none */
    model_link *at;      /* NULL: not connected yet, or cut there already */
} world_link;

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
    fwi_position at;              /* of a kept room: the last it has heard */
    uint64_t heard[MEMBERS * 64]; /* of a plain room: the last number of each speaker */
} world_member;

typedef struct world {
    const world_plan *plan;
    fwi_rand rand;
    unsigned step;
    uint64_t now_ms;
    model_redis *redis;
    bool redis_down, calm;
    unsigned lost_memory;
    world_node nodes[NODES];
    world_member members[MEMBERS];
    uint64_t last_serial;
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
/* The server has taken some of what was sent, and nothing of the rest. */
void world_link_cut(world *w, unsigned i, unsigned k);

/* --- world_members.c: clients and what they are promised --- */

void world_member_come(world *w, unsigned k);
void world_member_go(world *w, unsigned k);
void world_member_say(world *w, unsigned k);
/* Takes what it was sent, and checks it. */
void world_member_hear(world *w, unsigned k);
void world_member_check_end(world *w, unsigned k);

#endif
