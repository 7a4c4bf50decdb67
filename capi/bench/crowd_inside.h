/*
 * What crowd.c and crowd_connect.c share, and nobody else includes: the clients, and how
 * one is watched and ended. crowd.c has what is done all the time, crowd_connect.c what
 * is done once a client, until it is open.
 */
#ifndef BENCH_CROWD_INSIDE_H
#define BENCH_CROWD_INSIDE_H

#include "crowd.h"
#include "inflate.h"
#include "stream.h"

#define NO_CUT UINT16_MAX

typedef enum {
    STATE_NONE,
    STATE_TCP,     /* connecting */
    STATE_TLS,     /* shaking hands */
    STATE_HEAD,    /* has asked, waits for the 101 */
    STATE_JOINING, /* of a dialect: has the 101, isn't where it talks */
    STATE_OPEN,
    STATE_CLOSED
} state;

typedef struct client {
    stream s;
    uint8_t *rest; /* a frame whose end hasn't come */
    uint8_t *out;  /* what is to be sent, from out_start to out_end */
    uint32_t rest_len, rest_size, out_start, out_end, out_size;
    uint16_t cut; /* reset it after so many bytes of its request; NO_CUT: don't */
    uint8_t state;
    bool waits, listed, muted, deflate; /* listed: among those to be flushed */
} client;

struct crowd {
    crowd_options o;
    struct addrinfo **addresses;
    struct ssl_ctx_st *tls;
    inflater *inflater;
    int epoll, guests_epoll;
    bool refusal_said;
    unsigned open, connecting, resets_left;
    client *clients;
    uint32_t *unflushed; /* a stack */
    unsigned n_unflushed;
    uint8_t *buffer; /* room for a rest in front of what is read */
    size_t buffer_size;
    uint64_t now_ns;
    crowd_figures figures;
};

/* In crowd.c. `how`: EPOLL_CTL_ADD or _MOD. */
void crowd_watch(crowd *c, unsigned n, int how, uint32_t events);
void crowd_end(crowd *c, unsigned n);

/* In crowd_connect.c. EPOLLOUT of one that connects: it has, or it can't. */
void crowd_go_on_connecting(crowd *c, unsigned n);
void crowd_go_on_with_tls(crowd *c, unsigned n);
/* The end of the 101's head, 0 if it isn't all there, SIZE_MAX if it is something else.
 */
size_t crowd_take_answer(crowd *c, unsigned n, const uint8_t *p, size_t len);
void crowd_become_open(crowd *c, unsigned n);

#endif
