/*
 * The connections of the load generator; see crowd.h. Nothing is allocated while it runs
 * but for buffers that grow: a frame that came in pieces, output that waits. One recv()
 * a readable client and turn, one send() a client that has something to say: the
 * generator must cost less than what it measures.
 */
#include "crowd_inside.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

enum {
    READ_SIZE = 256 * 1024,
    EVENTS = 512,
    GUEST_EVENTS = 16,
    GUESTS_NS = 500 * 1000 /* of a turn */
};
#define GUESTS_READY UINT32_MAX /* in epoll_event.data.u32: some guests have events */

static unsigned all_of(const crowd *c)
{
    return c->o.members + c->o.guests;
}

static bool resolve(crowd *c)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    for (unsigned i = 0; i < c->o.n_targets; i++) {
        const target *t = &c->o.targets[i];
        int err = getaddrinfo(t->host, t->port, &hints, &c->addresses[i]);
        if (err) {
            c->addresses[i] = NULL;
            fprintf(stderr, "fanwire-bench: %s: %s\n", t->host, gai_strerror(err));
            return false;
        }
        if (t->tls && !c->tls && !(c->tls = stream_tls_new())) {
            return false;
        }
    }
    return true;
}

static bool make_epolls(crowd *c)
{
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->guests_epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = GUESTS_READY};
    return c->epoll >= 0 && c->guests_epoll >= 0 &&
           epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->guests_epoll, &e) == 0;
}

crowd *crowd_new(const crowd_options *options)
{
    crowd *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    c->o = *options;
    c->epoll = c->guests_epoll = -1;
    c->clients = calloc(all_of(c), sizeof *c->clients);
    c->unflushed = calloc(all_of(c), sizeof *c->unflushed);
    c->addresses = calloc(options->n_targets, sizeof *c->addresses);
    c->inflater = inflater_new(options->most);
    c->buffer_size = options->most + HANDSHAKE_SIZE + READ_SIZE;
    c->buffer = malloc(c->buffer_size + FORM_MARK_END);
    if (!c->clients || !c->unflushed || !c->addresses || !c->inflater || !c->buffer ||
        !make_epolls(c)) {
        perror("fanwire-bench");
        crowd_free(c);
        return NULL;
    }
    if (!resolve(c)) {
        crowd_free(c);
        return NULL;
    }
    return c;
}

void crowd_free(crowd *c)
{
    for (unsigned i = 0; c->clients && i < all_of(c); i++) {
        if (c->clients[i].state != STATE_NONE && c->clients[i].state != STATE_CLOSED) {
            stream_close(&c->clients[i].s);
        }
        free(c->clients[i].rest);
        free(c->clients[i].out);
    }
    for (unsigned i = 0; c->addresses && i < c->o.n_targets; i++) {
        if (c->addresses[i]) {
            freeaddrinfo(c->addresses[i]);
        }
    }
    if (c->epoll >= 0) {
        close(c->epoll);
    }
    if (c->guests_epoll >= 0) {
        close(c->guests_epoll);
    }
    stream_tls_free(c->tls);
    inflater_free(c->inflater);
    free(c->addresses);
    free(c->clients);
    free(c->unflushed);
    free(c->buffer);
    free(c);
}

/* --- one client: watching and ending
 * ---------------------------------------------------*/

void crowd_watch(crowd *c, unsigned n, int how, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.u32 = n};
    epoll_ctl(n < c->o.members ? c->epoll : c->guests_epoll, how, c->clients[n].s.fd, &e);
}

static uint32_t reading(const client *m)
{
    return m->muted ? 0 : EPOLLIN;
}

void crowd_end(crowd *c, unsigned n)
{
    client *m = &c->clients[n];
    bool opened = m->state == STATE_OPEN;
    if (opened) {
        c->open--;
        c->figures.closed++;
    } else {
        c->connecting--;
        c->figures.refused++;
    }
    stream_close(&m->s);
    m->state = STATE_CLOSED;
    if (m->cut != NO_CUT) {
        c->resets_left--;
    } else {
        c->o.events.on_close(c->o.events.user, n, opened);
    }
}

/* --- one client: writing
 * ---------------------------------------------------------------*/

static void flush(crowd *c, unsigned n)
{
    client *m = &c->clients[n];
    while (m->out_start < m->out_end) {
        ssize_t sent =
            stream_send(&m->s, m->out + m->out_start, m->out_end - m->out_start);
        if (sent <= 0) {
            if (sent == STREAM_LATER && !m->waits) {
                m->waits = true;
                crowd_watch(c, n, EPOLL_CTL_MOD, reading(m) | EPOLLOUT);
            }
            return; /* of an end reading will find out */
        }
        m->out_start += (uint32_t)sent;
    }
    m->out_start = m->out_end = 0;
    if (m->waits) {
        m->waits = false;
        crowd_watch(c, n, EPOLL_CTL_MOD, reading(m));
    }
}

static bool grow_out(client *m, size_t len)
{
    size_t size = ((size_t)m->out_end + len) * 2;
    uint8_t *out = size < UINT32_MAX ? realloc(m->out, size) : NULL;
    if (out) {
        m->out = out;
        m->out_size = (uint32_t)size;
    }
    return out != NULL;
}

uint8_t *crowd_put(crowd *c, unsigned n, size_t len)
{
    client *m = &c->clients[n];
    if (m->state != STATE_OPEN || (m->out_end + len > m->out_size && !grow_out(m, len))) {
        return NULL;
    }
    if (!m->listed && !m->waits) {
        m->listed = true;
        c->unflushed[c->n_unflushed++] = n;
    }
    uint8_t *place = m->out + m->out_end;
    m->out_end += (uint32_t)len;
    return place;
}

size_t crowd_unsent(const crowd *c, unsigned n)
{
    return c->clients[n].out_end - c->clients[n].out_start;
}

static void flush_all(crowd *c)
{
    while (c->n_unflushed > 0) {
        unsigned n = c->unflushed[--c->n_unflushed];
        c->clients[n].listed = false;
        if (c->clients[n].state == STATE_OPEN && !c->clients[n].waits) {
            flush(c, n);
        }
    }
}

/* --- one client: reading
 * ---------------------------------------------------------------*/

static void take_message(crowd *c, unsigned n, const frame *f)
{
    const uint8_t *data = f->data;
    size_t len = f->len;
    c->figures.wire_bytes += len;
    if (f->compressed) {
        c->figures.compressed_frames++;
        len = c->clients[n].deflate ? inflater_take(c->inflater, data, len, &data)
                                    : SIZE_MAX;
        if (len == SIZE_MAX) {
            return; /* and what should have come instead will be found missing */
        }
    }
    c->figures.payload_bytes += len;
    c->o.events.on_message(c->o.events.user, n, data, len);
}

static void answer(crowd *c, unsigned n, const uint8_t *pong, size_t len)
{
    uint8_t *place = crowd_put(c, n, len);
    c->figures.pings++;
    if (place) {
        memcpy(place, pong, len);
    }
}

/* Packets of the dialect that are no messages. */
static void take_packet(crowd *c, unsigned n, const frame *f)
{
    uint8_t pong[DIALECT_FRAME];
    switch (c->o.dialect->read(f->data, f->len)) {
    case DIALECT_PING:
        answer(c, n, pong, dialect_put(pong, c->o.dialect->pong));
        break;
    case DIALECT_JOINED:
        if (c->clients[n].state == STATE_JOINING) {
            crowd_become_open(c, n);
        }
        break;
    default:
        break;
    }
}

/* Takes whole frames from the front; returns how many bytes they were. */
static size_t take_frames(crowd *c, unsigned n, const uint8_t *p, size_t len)
{
    size_t at = 0, step;
    frame f;
    while ((step = frame_read(&f, p + at, len - at)) > 0) {
        at += step;
        if (f.opcode == 9) {
            uint8_t pong[FRAME_PONG_MOST];
            answer(c, n, pong, frame_pong(pong, &f));
        } else if (f.opcode <= 2) {
            if (c->o.dialect) {
                take_packet(c, n, &f);
            }
            if (c->clients[n].state == STATE_OPEN) {
                take_message(c, n, &f);
            }
        }
    }
    return at;
}

static bool keep_rest(client *m, const uint8_t *p, size_t len)
{
    if (len > m->rest_size) {
        uint8_t *rest = realloc(m->rest, len);
        if (!rest) {
            return false;
        }
        m->rest = rest;
        m->rest_size = (uint32_t)len;
    }
    memcpy(m->rest, p, len);
    m->rest_len = (uint32_t)len;
    return true;
}

/* true: there may be more that epoll doesn't know of, in what TLS has read ahead. */
static bool read_client(crowd *c, unsigned n, size_t most)
{
    client *m = &c->clients[n];
    size_t have = m->rest_len;
    if (have > 0) {
        memcpy(c->buffer, m->rest, have);
    }
    size_t room = c->buffer_size - have;
    ssize_t came = stream_receive(&m->s, c->buffer + have, room < most ? room : most);
    if (came <= 0) {
        if (came == STREAM_ENDED) {
            crowd_end(c, n);
        }
        return false;
    }
    size_t len = have + (size_t)came, at = 0;
    if (m->state != STATE_HEAD) {
        c->figures.reads++;
    } else {
        at = crowd_take_answer(c, n, c->buffer, len);
        if (at == SIZE_MAX) {
            crowd_end(c, n);
            return false;
        }
    }
    if (m->state == STATE_OPEN || m->state == STATE_JOINING) {
        at += take_frames(c, n, c->buffer + at, len - at);
    }
    m->rest_len = 0;
    /* Longer than anything that was said: it isn't for us, and would never fit. */
    size_t longest = c->o.most + 64 > HANDSHAKE_SIZE ? c->o.most + 64 : HANDSHAKE_SIZE;
    if (at < len && (len - at > longest || !keep_rest(m, c->buffer + at, len - at))) {
        crowd_end(c, n);
        return false;
    }
    return m->s.tls && (size_t)came == room;
}

void crowd_mute(crowd *c, unsigned n)
{
    c->clients[n].muted = true;
    crowd_watch(c, n, EPOLL_CTL_MOD, c->clients[n].waits ? EPOLLOUT : 0);
}

void crowd_sip(crowd *c, unsigned n, size_t most)
{
    if (c->clients[n].state == STATE_OPEN) {
        c->now_ns = now_ns();
        (void)read_client(c, n, most); /* what TLS has left comes the next time */
    }
}

/* --- a turn
 * ----------------------------------------------------------------------------*/

static void serve(crowd *c, unsigned n, uint32_t events)
{
    client *m = &c->clients[n];
    c->now_ns = now_ns();
    if (m->state == STATE_TCP) {
        crowd_go_on_connecting(c, n);
    } else if (m->state == STATE_TLS) {
        crowd_go_on_with_tls(c, n);
    } else if (m->state >= STATE_HEAD && m->state <= STATE_OPEN) {
        /* Of a muted one nothing is read; its end is told all the same. */
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            while (read_client(c, n, SIZE_MAX)) {
            }
        }
        if (events & EPOLLOUT && m->state == STATE_OPEN) {
            flush(c, n);
        }
    }
}

static void serve_guests(crowd *c)
{
    uint64_t begin = now_ns();
    struct epoll_event events[GUEST_EVENTS];
    int n;
    do {
        n = epoll_wait(c->guests_epoll, events, GUEST_EVENTS, 0);
        for (int i = 0; i < n; i++) {
            serve(c, events[i].data.u32, events[i].events);
        }
    } while (n == GUEST_EVENTS && now_ns() - begin < GUESTS_NS);
}

void crowd_turn(crowd *c, int timeout_ms)
{
    flush_all(c);
    struct epoll_event events[EVENTS];
    bool guests = false;
    int n = epoll_wait(c->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 == GUESTS_READY) {
            guests = true;
        } else {
            serve(c, events[i].data.u32, events[i].events);
        }
    }
    if (guests) {
        serve_guests(c);
    }
}

unsigned crowd_connecting(const crowd *c)
{
    return c->connecting;
}

unsigned crowd_open(const crowd *c)
{
    return c->open;
}

bool crowd_is_open(const crowd *c, unsigned n)
{
    return c->clients[n].state == STATE_OPEN;
}

uint64_t crowd_now_ns(const crowd *c)
{
    return c->now_ns;
}

const crowd_figures *crowd_figures_of(const crowd *c)
{
    return &c->figures;
}

void crowd_reset_figures(crowd *c)
{
    uint64_t closed = c->figures.closed, refused = c->figures.refused;
    c->figures = (crowd_figures){.closed = closed, .refused = refused};
}
