/*
 * A Redis Cluster for a test: masters, each with the same number of replicas, all real,
 * on free ports of 127.0.0.1. Ready when every node says that the Cluster is ok and every
 * replica follows. What goes wrong here ends the test with a sentence.
 * @thread one at a time
 */
#ifndef FANWIRE_TESTS_REDIS_CLUSTER_H
#define FANWIRE_TESTS_REDIS_CLUSTER_H

#include "support/redis_server.h"

enum { REDIS_CLUSTER_MAX = 8, REDIS_CLUSTER_SLOTS = 16384 };

typedef struct redis_cluster {
    int masters, nodes;
    redis_server *node[REDIS_CLUSTER_MAX]; /* masters first; [masters + i] follows [i] */
    char id[REDIS_CLUSTER_MAX][41];
    char url[256]; /* redis+cluster://..., of the masters */
} redis_cluster;

void redis_cluster_start(redis_cluster *c, int masters, int replicas_each);
void redis_cluster_stop(redis_cluster *c);

/* The slot of a key or channel, and which node serves it as its master, by the word of
 * the node `asked`. */
int redis_cluster_slot(const redis_cluster *c, const char *key);
int redis_cluster_owner(const redis_cluster *c, int slot, int asked);

/* Moves a slot with all its keys from one master to another. begin leaves it half way:
 * the keys lie on both sides, or still on one. */
void redis_cluster_begin_move(const redis_cluster *c, int slot, int from, int to);
void redis_cluster_move(const redis_cluster *c, int slot, int from, int to);

/* Returns when the node is a master. */
void redis_cluster_await_master(const redis_cluster *c, int node);

#endif
