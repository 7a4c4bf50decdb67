/*
 * Masters with their slots, replicas, one Cluster. See the header.
 */
#include "support/redis_cluster.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEADLINE_S = 60, TEXT = 32, KEYS_MAX = 65536 };

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "redis_cluster: %s: %s\n", what, detail);
    exit(1);
}

/* Asks until the answer holds `want`; there is no event to wait for. */
static void await(redis_server *r, const char *a, const char *b, const char *want)
{
    char out[8192] = "";
    time_t until = time(NULL) + DEADLINE_S;
    do {
        redis_server_cli(r, out, sizeof out, a, b, NULL);
        if (strstr(out, want) != NULL) {
            return;
        }
        poll(NULL, 0, 20);
    } while (time(NULL) < until);
    fprintf(stderr, "redis_cluster: %s %s: no \"%s\" in: %s\n", a, b, want, out);
    exit(1);
}

static redis_server *start_node(void)
{
    static const char *const args[] = {"--cluster-enabled",
                                       "yes",
                                       "--cluster-node-timeout",
                                       "2000",
                                       "--repl-diskless-sync-delay",
                                       "0",
                                       NULL};
    return redis_server_start(
        &(redis_server_options){.tcp = true, .cluster = true, .args = args});
}

static const char *number(char out[TEXT], int n)
{
    snprintf(out, TEXT, "%d", n);
    return out;
}

static void expect_ok(const char *what, const char *out)
{
    if (strncmp(out, "OK", 2) != 0) {
        fail(what, out);
    }
}

static void give_slots(redis_cluster *c, int i)
{
    char first[TEXT], last[TEXT], out[512];
    number(first, REDIS_CLUSTER_SLOTS * i / c->masters);
    number(last, REDIS_CLUSTER_SLOTS * (i + 1) / c->masters - 1);
    redis_server_cli(c->node[i], out, sizeof out, "CLUSTER", "ADDSLOTSRANGE", first, last,
                     NULL);
    expect_ok("ADDSLOTSRANGE", out);
}

/* Everybody is told of everybody, which is quicker than to wait for gossip. */
static void meet(const redis_cluster *c, int i)
{
    char port[TEXT], bus[TEXT], out[512];
    for (int k = 0; k < c->nodes; k++) {
        if (k != i) {
            number(port, redis_server_port(c->node[k]));
            number(bus, redis_server_bus_port(c->node[k]));
            redis_server_cli(c->node[i], out, sizeof out, "CLUSTER", "MEET", "127.0.0.1",
                             port, bus, NULL);
            expect_ok("MEET", out);
        }
    }
}

static void follow(redis_cluster *c, int i)
{
    char out[512];
    int master = (i - c->masters) % c->masters;
    redis_server_cli(c->node[i], out, sizeof out, "CLUSTER", "REPLICATE", c->id[master],
                     NULL);
    expect_ok("REPLICATE", out);
}

void redis_cluster_start(redis_cluster *c, int masters, int replicas_each)
{
    char epoch[TEXT], out[512], known[64];
    memset(c, 0, sizeof *c);
    c->masters = masters;
    c->nodes = masters * (1 + replicas_each);
    for (int i = 0; i < c->nodes; i++) {
        c->node[i] = start_node();
        redis_server_cli(c->node[i], c->id[i], sizeof c->id[i], "CLUSTER", "MYID", NULL);
        /* Distinct from the beginning: no conflict is to be solved later. */
        redis_server_cli(c->node[i], out, sizeof out, "CLUSTER", "SET-CONFIG-EPOCH",
                         number(epoch, i + 1), NULL);
        expect_ok("SET-CONFIG-EPOCH", out);
    }
    for (int i = 0; i < masters; i++) {
        give_slots(c, i);
    }
    for (int i = 0; i < c->nodes; i++) {
        meet(c, i);
    }
    snprintf(known, sizeof known, "cluster_known_nodes:%d", c->nodes);
    for (int i = 0; i < c->nodes; i++) {
        await(c->node[i], "CLUSTER", "INFO", "cluster_state:ok");
        await(c->node[i], "CLUSTER", "INFO", known);
    }
    for (int i = masters; i < c->nodes; i++) {
        follow(c, i);
    }
    for (int i = masters; i < c->nodes; i++) {
        await(c->node[i], "INFO", "replication", "master_link_status:up");
    }
    size_t n = (size_t)snprintf(c->url, sizeof c->url, "redis+cluster://");
    for (int i = 0; i < masters; i++) {
        n += (size_t)snprintf(c->url + n, sizeof c->url - n, "%s127.0.0.1:%d",
                              i > 0 ? "," : "", redis_server_port(c->node[i]));
    }
}

void redis_cluster_stop(redis_cluster *c)
{
    for (int i = 0; i < c->nodes; i++) {
        redis_server_stop(c->node[i]);
    }
    memset(c, 0, sizeof *c);
}

int redis_cluster_slot(const redis_cluster *c, const char *key)
{
    char out[64];
    redis_server_cli(c->node[0], out, sizeof out, "CLUSTER", "KEYSLOT", key, NULL);
    return atoi(out);
}

int redis_cluster_owner(const redis_cluster *c, int slot, int asked)
{
    char out[16384];
    redis_server_cli(c->node[asked], out, sizeof out, "CLUSTER", "NODES", NULL);
    for (char *line = strtok(out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *slots = strstr(line, "connected");
        int first, last;
        for (slots = slots != NULL ? strchr(slots, ' ') : NULL; slots != NULL;
             slots = strchr(slots + 1, ' ')) {
            int got = sscanf(slots, " %d-%d", &first, &last);
            if ((got == 1 && first == slot) ||
                (got == 2 && first <= slot && slot <= last)) {
                for (int i = 0; i < c->nodes; i++) {
                    if (strncmp(c->id[i], line, 40) == 0) {
                        return i;
                    }
                }
            }
        }
    }
    return -1;
}

static void set_slot(const redis_cluster *c, int on, const char *slot, const char *how,
                     int whom)
{
    char out[512];
    redis_server_cli(c->node[on], out, sizeof out, "CLUSTER", "SETSLOT", slot, how,
                     c->id[whom], NULL);
    expect_ok(how, out);
}

void redis_cluster_begin_move(const redis_cluster *c, int slot, int from, int to)
{
    char text[TEXT];
    set_slot(c, to, number(text, slot), "IMPORTING", from);
    set_slot(c, from, text, "MIGRATING", to);
}

static void move_key(const redis_cluster *c, const char *key, int from, int to)
{
    char port[TEXT], out[512];
    redis_server_cli(c->node[from], out, sizeof out, "MIGRATE", "127.0.0.1",
                     number(port, redis_server_port(c->node[to])), key, "0", "5000",
                     NULL);
    if (strncmp(out, "OK", 2) != 0 && strncmp(out, "NOKEY", 5) != 0) {
        fail("MIGRATE", out);
    }
}

void redis_cluster_move(const redis_cluster *c, int slot, int from, int to)
{
    static char keys[KEYS_MAX];
    char text[TEXT];
    redis_cluster_begin_move(c, slot, from, to);
    number(text, slot);
    for (;;) {
        redis_server_cli(c->node[from], keys, sizeof keys, "CLUSTER", "GETKEYSINSLOT",
                         text, "100", NULL);
        if (keys[0] == '\0') {
            break;
        }
        for (char *key = strtok(keys, "\n"); key != NULL; key = strtok(NULL, "\n")) {
            move_key(c, key, from, to);
        }
    }
    set_slot(c, to, text, "NODE", to);
    set_slot(c, from, text, "NODE", to);
}

void redis_cluster_await_master(const redis_cluster *c, int node)
{
    await(c->node[node], "INFO", "replication", "role:master");
    await(c->node[node], "CLUSTER", "INFO", "cluster_state:ok");
}
