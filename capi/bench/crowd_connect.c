/*
 * Connecting: TCP, TLS, the opening handshake, and that of a dialect; see
 * crowd_inside.h. Or connecting and resetting at once.
 */
#include "crowd_inside.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    SLOW_RECEIVE_BYTES = 8 * 1024
}; /* or the kernel would do a slow client's reading */

static void say_refusal(crowd *c, const char *what, int len)
{
    if (!c->refusal_said) { /* the others are counted */
        c->refusal_said = true;
        fprintf(stderr, "fanwire-bench: refused: %.*s\n", len, what);
    }
}

static void reset_after(crowd *c, client *m, const char *request, size_t len)
{
    size_t bytes = m->cut < len ? m->cut : len;
    ssize_t sent = bytes > 0 ? stream_send(&m->s, request, bytes) : 1;
    if (sent == STREAM_LATER) {
        return; /* not connected yet */
    }
    c->figures.refused += sent == STREAM_ENDED;
    stream_reset(&m->s);
    m->state = STATE_CLOSED;
    c->connecting--;
    c->resets_left--;
}

/* Sends the request if the connection is there already. */
static void send_request(crowd *c, unsigned n)
{
    client *m = &c->clients[n];
    char request[HANDSHAKE_SIZE];
    target_names names = {.number = n};
    c->o.events.names(c->o.events.user, n, &names);
    size_t len = handshake_request(&c->o.handshake, &c->o.targets[n % c->o.n_targets],
                                   &names, request, sizeof request);
    if (len == 0) {
        static const char what[] = "its path and headers are too long";
        say_refusal(c, what, (int)sizeof what - 1);
        crowd_end(c, n);
        return;
    }
    if (m->cut != NO_CUT) {
        reset_after(c, m, request, len);
        return;
    }
    ssize_t sent = stream_send(&m->s, request, len);
    if (sent == (ssize_t)len) {
        m->state = STATE_HEAD;
    } else if (sent != STREAM_LATER) {        /* in pieces: never with so few bytes */
        say_refusal(c, strerror(errno), 100); // NOLINT(concurrency-mt-unsafe)
        crowd_end(c, n);
    }
}

void crowd_go_on_with_tls(crowd *c, unsigned n)
{
    client *m = &c->clients[n];
    uint32_t events;
    int result = stream_handshake(&m->s, &events);
    if (result == STREAM_LATER) {
        crowd_watch(c, n, EPOLL_CTL_MOD, events);
    } else if (result == STREAM_ENDED) {
        static const char what[] = "no TLS";
        say_refusal(c, what, (int)sizeof what - 1);
        crowd_end(c, n);
    } else {
        send_request(c, n);
        if (m->state == STATE_HEAD) {
            crowd_watch(c, n, EPOLL_CTL_MOD, EPOLLIN);
        }
    }
}

/* EPOLLOUT: the connection is there, or has failed. */
void crowd_go_on_connecting(crowd *c, unsigned n)
{
    client *m = &c->clients[n];
    if (c->o.targets[n % c->o.n_targets].tls && m->cut == NO_CUT) {
        m->state = STATE_TLS;
        crowd_go_on_with_tls(c, n);
        return;
    }
    send_request(c, n);
    if (m->state == STATE_HEAD) {
        crowd_watch(c, n, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static bool start(crowd *c, unsigned n, uint16_t cut)
{
    client *m = &c->clients[n];
    unsigned where = n % c->o.n_targets;
    bool slow = c->o.slow && n < c->o.members && c->o.slow[n];
    bool tls = c->o.targets[where].tls && cut == NO_CUT;
    m->cut = cut;
    m->state = STATE_TCP;
    c->connecting++;
    c->resets_left += cut != NO_CUT;
    if (!stream_open(&m->s, c->addresses[where], slow ? SLOW_RECEIVE_BYTES : 0) ||
        (tls && !stream_use_tls(&m->s, c->tls, c->o.targets[where].host))) {
        say_refusal(c, strerror(errno), 100); // NOLINT(concurrency-mt-unsafe)
        crowd_end(c, n);
        return false;
    }
    /* Over loopback the connection is there by now, which spares waiting for EPOLLOUT. */
    if (!tls) {
        send_request(c, n);
    }
    if (m->state != STATE_CLOSED) {
        crowd_watch(c, n, EPOLL_CTL_ADD, m->state == STATE_HEAD ? EPOLLIN : EPOLLOUT);
    }
    return m->state != STATE_CLOSED || cut != NO_CUT;
}

bool crowd_start(crowd *c, unsigned n)
{
    return start(c, n, NO_CUT);
}

bool crowd_start_and_reset(crowd *c, unsigned n, size_t bytes)
{
    return start(c, n, (uint16_t)(bytes < NO_CUT ? bytes : NO_CUT - 1));
}

unsigned crowd_resets_left(const crowd *c)
{
    return c->resets_left;
}

void crowd_become_open(crowd *c, unsigned n)
{
    c->clients[n].state = STATE_OPEN;
    c->connecting--;
    c->open++;
    c->o.events.on_open(c->o.events.user, n);
}

size_t crowd_take_answer(crowd *c, unsigned n, const uint8_t *p, size_t len)
{
    handshake_result result;
    size_t head = handshake_answer(&c->o.handshake, p, len, &result);
    if (head == SIZE_MAX) {
        say_refusal(c, result.refusal, result.refusal_len);
    } else if (head > 0) {
        c->clients[n].deflate = result.deflate;
        if (c->o.dialect) {
            uint8_t join[DIALECT_FRAME];
            size_t join_len = dialect_put(join, c->o.dialect->join);
            c->clients[n].state = STATE_JOINING;
            (void)stream_send(&c->clients[n].s, join, join_len);
        } else {
            crowd_become_open(c, n);
        }
    }
    return head;
}
