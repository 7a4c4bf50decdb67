/*
 * What `fanwired top` knows of the nodes: their facts as they came, and what has happened
 * from one to the next. Pure: no clock, no terminal. One thread at a time.
 */
#ifndef FANWIRED_TOP_NODES_H
#define FANWIRED_TOP_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A node is late if it hasn't said anything new for so long. */
enum { FWD_LATE_MS = 10000 };

/* What is known of a node as numbers; NAN: it isn't known. */
typedef enum {
    FWD_UPTIME, /* seconds */
    FWD_SESSIONS,
    FWD_ROOMS,
    FWD_MEMBERS,
    FWD_IN,      /* a second, as the next two */
    FWD_OUT,     /* deliveries */
    FWD_DROPPED, /* wherever a message may be lost */
    FWD_WAITING, /* bytes, for slow readers */
    FWD_LAG,     /* seconds: the longest turn of a loop */
    FWD_BUSY,    /* 1: as much as one loop can do */
    FWD_LOST,    /* how often Redis has been lost */
    FWD_QUEUE,   /* bytes that wait for Redis */
    FWD_FIGURES
} fwd_figure;

/* What only grows, from which rates are made. */
typedef enum { FWD_TOTAL_IN, FWD_TOTAL_OUT, FWD_TOTAL_DROPPED, FWD_TOTAL_BUSY } fwd_total;
enum { FWD_TOTALS = FWD_TOTAL_BUSY + 1 };

typedef struct fwd_node {
    uint64_t number;
    char name[64], version[24]; /* without control characters */
    double figure[FWD_FIGURES];
    bool is_late;
    bool is_there; /* in the list that is being taken */
    double at_s, total[FWD_TOTALS];
    uint64_t news_ms; /* when it last said something new */
} fwd_node;

typedef struct fwd_nodes {
    fwd_node *node;
    size_t n, cap;
} fwd_nodes;

void fwd_nodes_fini(fwd_nodes *nodes);

/* A list of nodes: begin, take each, end, which forgets those that weren't in it. facts
 * is the JSON that fw_event_member_info has, now_ms any clock that only goes on. false:
 * out of memory. */
void fwd_nodes_begin(fwd_nodes *nodes);
bool fwd_nodes_take(fwd_nodes *nodes, uint64_t number, const char *name,
                    const char *facts, size_t len, uint64_t now_ms);
void fwd_nodes_end(fwd_nodes *nodes);

/* Has each of them been heard twice, so that it has rates? Who tells none counts, too. */
bool fwd_nodes_have_rates(const fwd_nodes *nodes);

/* Of all nodes of which it is known. */
double fwd_nodes_sum(const fwd_nodes *nodes, fwd_figure which);

/* The largest first, what isn't known last, equal ones by their names; which -1: by their
 * names. */
void fwd_nodes_sort(fwd_nodes *nodes, int which, bool the_other_way);

#endif
