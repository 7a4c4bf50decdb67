/*
 * The clients of the load generator; see crowd.h. Nothing is allocated while it runs but
 * for a frame that came in pieces: the generator must cost less than what it measures.
 */
#include "crowd.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* In flight a sender; serials beyond wait. */
enum { WINDOW = 1024, READ_SIZE = 256 * 1024, CONNECTING_AT_ONCE = 64, EVENTS = 512 };

typedef enum { STATE_NONE, STATE_CONNECTING, STATE_OPEN, STATE_CLOSED } state;

typedef struct member {
    int fd;
    state state;
    uint8_t *rest; /* a frame whose end hasn't come */
    uint32_t rest_len, rest_size;
} member;

typedef struct sender {
    uint32_t serial;    /* the next */
    uint32_t completed; /* messages that all their hearers have */
    uint32_t missing[WINDOW];
    uint8_t *out;
    size_t out_start, out_end, out_size;
    bool waits; /* for EPOLLOUT */
} sender;

struct crowd {
    crowd_options o;
    struct addrinfo *address;
    int epoll;
    unsigned started, open, connecting;
    member *members;
    sender *senders;
    sequence *sequences; /* [member][sender], or of an echo [member] */
    uint8_t *buffer;     /* room for a rest in front of what is read */
    size_t buffer_size;
    uint8_t *frame;
    size_t frame_len, frame_mark;
    uint64_t missing, turn_ns;
    crowd_figures figures;
};

/* The frame of every message: masked with 0, so that only the mark has to be filled in.
 */
static bool make_frame(crowd *c)
{
    size_t size = c->o.size, n = 0;
    c->frame = calloc(1, size + 14);
    if (!c->frame) {
        return false;
    }
    c->frame[n++] = c->o.hearers == HEARD_BY_NOBODY ? 0x81 : 0x82;
    if (size < 126) {
        c->frame[n++] = (uint8_t)(0x80 | size);
    } else {
        unsigned bytes = size < 65536 ? 2 : 8;
        c->frame[n++] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (unsigned i = 0; i < bytes; i++) {
            c->frame[n++] = (uint8_t)((uint64_t)size >> (8 * (bytes - 1 - i)));
        }
    }
    c->frame_mark = n + 4;
    c->frame_len = n + 4 + size;
    memset(c->frame + c->frame_mark, 'x', size);
    return true;
}

crowd *crowd_new(const crowd_options *options)
{
    crowd *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    c->o = *options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->members = calloc(options->members, sizeof *c->members);
    c->senders = calloc(options->senders + 1, sizeof *c->senders);
    size_t heard = options->hearers == HEARD_BY_ALL ? options->senders + 1 : 1;
    c->sequences = calloc(options->members * heard, sizeof *c->sequences);
    c->buffer_size = options->size + 64 + READ_SIZE;
    c->buffer = malloc(c->buffer_size);
    if (c->epoll < 0 || !c->members || !c->senders || !c->sequences || !c->buffer ||
        !make_frame(c) ||
        getaddrinfo(options->host, options->port, &hints, &c->address)) {
        fprintf(stderr, "fanwire-bench: can't set up for %s:%s\n", options->host,
                options->port);
        crowd_free(c);
        return NULL;
    }
    return c;
}

void crowd_free(crowd *c)
{
    for (unsigned i = 0; c->members && i < c->started; i++) {
        if (c->members[i].state != STATE_CLOSED) {
            close(c->members[i].fd);
        }
        free(c->members[i].rest);
    }
    for (unsigned i = 0; c->senders && i < c->o.senders; i++) {
        free(c->senders[i].out);
    }
    if (c->address) {
        freeaddrinfo(c->address);
    }
    if (c->epoll >= 0) {
        close(c->epoll);
    }
    free(c->members);
    free(c->senders);
    free(c->sequences);
    free(c->buffer);
    free(c->frame);
    free(c);
}

static bool start_member(crowd *c)
{
    unsigned index = c->started;
    member *m = &c->members[index];
    m->fd = socket(c->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (m->fd < 0) {
        perror("fanwire-bench: socket");
        return false;
    }
    int on = 1;
    setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(m->fd, c->address->ai_addr, c->address->ai_addrlen) != 0 &&
        errno != EINPROGRESS) {
        perror("fanwire-bench: connect");
        close(m->fd);
        return false;
    }
    m->state = STATE_CONNECTING;
    struct epoll_event e = {.events = EPOLLOUT, .data.u32 = index};
    epoll_ctl(c->epoll, EPOLL_CTL_ADD, m->fd, &e);
    c->started++;
    c->connecting++;
    return true;
}

static void end_member(crowd *c, member *m)
{
    if (m->state == STATE_OPEN) {
        c->open--;
    } else {
        c->connecting--;
    }
    close(m->fd);
    m->state = STATE_CLOSED;
    c->figures.closed++;
}

static void want(crowd *c, unsigned index, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.u32 = index};
    epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->members[index].fd, &e);
}

static void send_head(crowd *c, unsigned index)
{
    char head[1024];
    int n = snprintf(head, sizeof head,
                     "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                     c->o.path, c->o.host, c->o.port);
    if (send(c->members[index].fd, head, (size_t)n, MSG_NOSIGNAL) != n) {
        end_member(c, &c->members[index]);
        return;
    }
    want(c, index, EPOLLIN);
}

static void flush_sender(crowd *c, unsigned index)
{
    sender *s = &c->senders[index];
    while (s->out_start < s->out_end) {
        ssize_t n = send(c->members[index].fd, s->out + s->out_start,
                         s->out_end - s->out_start, MSG_NOSIGNAL);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN && !s->waits) {
                s->waits = true;
                want(c, index, EPOLLIN | EPOLLOUT);
            }
            return;
        }
        s->out_start += (size_t)n;
    }
    s->out_start = s->out_end = 0;
    if (c->o.hearers == HEARD_BY_NOBODY) {
        s->completed = s->serial;
    }
    if (s->waits) {
        s->waits = false;
        want(c, index, EPOLLIN);
    }
}

bool crowd_say(crowd *c, unsigned index, uint64_t when_ns)
{
    sender *s = &c->senders[index];
    if (s->serial - s->completed >= WINDOW || c->members[index].state != STATE_OPEN) {
        return false;
    }
    if (s->out_end + c->frame_len > s->out_size) {
        size_t size = (s->out_end + c->frame_len) * 2;
        uint8_t *out = realloc(s->out, size);
        if (!out) {
            return false;
        }
        s->out = out;
        s->out_size = size;
    }
    if (c->o.hearers != HEARD_BY_NOBODY) {
        unsigned hearers = c->o.hearers == HEARD_BY_ALL ? c->open : 1;
        mark k = {.magic = MARK_MAGIC,
                  .sender = index,
                  .serial = s->serial,
                  .when_ns = when_ns};
        memcpy(c->frame + c->frame_mark, &k, sizeof k);
        s->missing[s->serial % WINDOW] = hearers;
        c->missing += hearers;
    }
    memcpy(s->out + s->out_end, c->frame, c->frame_len);
    s->out_end += c->frame_len;
    s->serial++;
    c->figures.sent++;
    return true;
}

unsigned crowd_outstanding(const crowd *c, unsigned index)
{
    return c->senders[index].serial - c->senders[index].completed;
}

/* One delivery less is missing of this message. */
static void count_off(crowd *c, const mark *k)
{
    sender *s = &c->senders[k->sender];
    uint32_t *missing = &s->missing[k->serial % WINDOW];
    if (s->serial - k->serial > WINDOW || *missing == 0) {
        return;
    }
    c->missing--;
    if (--*missing == 0) {
        histogram_add(&c->figures.last,
                      c->turn_ns > k->when_ns ? c->turn_ns - k->when_ns : 0);
    }
    while (s->completed < s->serial && s->missing[s->completed % WINDOW] == 0) {
        s->completed++;
    }
}

static void take_message(crowd *c, unsigned index, const uint8_t *data, size_t len)
{
    mark k;
    if (len != c->o.size) {
        return;
    }
    memcpy(&k, data, sizeof k);
    bool echo = c->o.hearers == HEARD_BY_SENDER;
    if (k.magic != MARK_MAGIC || k.sender >= c->o.senders ||
        (echo && k.sender != index)) {
        return; /* and what should have come instead will be found missing */
    }
    uint32_t skipped;
    sequence *q = &c->sequences[echo ? index : (size_t)index * c->o.senders + k.sender];
    sequence_verdict verdict = sequence_take(q, k.serial, &skipped);
    if (verdict == SEQUENCE_DUPLICATE) {
        c->figures.duplicated++;
        return;
    }
    c->figures.lost += skipped;
    if (verdict == SEQUENCE_LATE) {
        c->figures.late++;
        c->figures.lost--;
    }
    c->figures.delivered++;
    histogram_add(&c->figures.latency,
                  c->turn_ns > k.when_ns ? c->turn_ns - k.when_ns : 0);
    count_off(c, &k);
}

/* Takes whole frames from the front; returns how many bytes they were. */
static size_t take_frames(crowd *c, unsigned index, const uint8_t *p, size_t len)
{
    size_t at = 0;
    while (len - at >= 2) {
        const uint8_t *f = p + at;
        unsigned more = (f[1] & 0x7f) == 126 ? 2 : (f[1] & 0x7f) == 127 ? 8 : 0;
        if (len - at < 2 + more) {
            break;
        }
        uint64_t payload = more ? 0 : f[1] & 0x7fu;
        for (unsigned i = 0; i < more; i++) {
            payload = payload << 8 | f[2 + i];
        }
        if (len - at - 2 - more < payload) {
            break;
        }
        unsigned opcode = f[0] & 0x0f;
        if (opcode == 9) {
            uint8_t pong[6 + 125] = {0x8a, (uint8_t)(0x80 | payload)};
            memcpy(pong + 6, f + 2, (size_t)payload);
            if (send(c->members[index].fd, pong, 6 + (size_t)payload, MSG_NOSIGNAL) < 0) {
                return len;
            }
        } else if (opcode <= 2) {
            take_message(c, index, f + 2 + more, (size_t)payload);
        }
        at += 2 + more + (size_t)payload;
    }
    return at;
}

/* The end of the 101's head, 0 if it isn't all there, SIZE_MAX if it is something else.
 */
static size_t take_answer(crowd *c, unsigned index, const uint8_t *p, size_t len)
{
    const uint8_t *end = memmem(p, len, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    if (memcmp(p, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "fanwire-bench: refused: %.*s\n",
                (int)strcspn((const char *)p, "\r"), (const char *)p);
        return SIZE_MAX;
    }
    c->members[index].state = STATE_OPEN;
    c->connecting--;
    c->open++;
    return (size_t)(end - p) + 4;
}

static bool keep_rest(member *m, const uint8_t *p, size_t len)
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

static void read_member(crowd *c, unsigned index)
{
    member *m = &c->members[index];
    size_t have = m->rest_len;
    memcpy(c->buffer, m->rest ? m->rest : (const uint8_t *)"", have);
    ssize_t n = recv(m->fd, c->buffer + have, c->buffer_size - have, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            end_member(c, m);
        }
        return;
    }
    size_t len = have + (size_t)n, at = 0;
    if (m->state == STATE_CONNECTING) {
        at = take_answer(c, index, c->buffer, len);
        if (at == SIZE_MAX) {
            end_member(c, m);
            return;
        }
    } else {
        c->figures.reads++;
    }
    if (m->state == STATE_OPEN) {
        at += take_frames(c, index, c->buffer + at, len - at);
    }
    m->rest_len = 0;
    if (at < len && !keep_rest(m, c->buffer + at, len - at)) {
        end_member(c, m);
    }
}

void crowd_turn(crowd *c, int timeout_ms)
{
    for (unsigned i = 0; i < c->o.senders; i++) {
        if (!c->senders[i].waits && c->senders[i].out_end > 0) {
            flush_sender(c, i);
        }
    }
    struct epoll_event events[EVENTS];
    int n = epoll_wait(c->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        unsigned index = events[i].data.u32;
        member *m = &c->members[index];
        c->turn_ns = now_ns();
        if (m->state == STATE_CONNECTING && events[i].events & EPOLLOUT) {
            send_head(c, index);
        } else if (m->state != STATE_CLOSED) {
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                read_member(c, index);
            }
            if (events[i].events & EPOLLOUT && m->state == STATE_OPEN) {
                flush_sender(c, index);
            }
        }
    }
}

bool crowd_connect(crowd *c, unsigned members)
{
    uint64_t progress_ns = now_ns();
    unsigned open = c->open;
    while (c->open < members) {
        while (c->started < members && c->connecting < CONNECTING_AT_ONCE) {
            if (!start_member(c)) {
                return false;
            }
        }
        crowd_turn(c, 100);
        if (c->open != open) {
            open = c->open;
            progress_ns = now_ns();
        }
        if (c->figures.closed > 0 || now_ns() - progress_ns > 10000000000u) {
            fprintf(stderr, "fanwire-bench: %u of %u connected, %llu ended\n", c->open,
                    members, (unsigned long long)c->figures.closed);
            return false;
        }
    }
    return true;
}

uint64_t crowd_missing(const crowd *c)
{
    return c->missing;
}

const crowd_figures *crowd_figures_of(const crowd *c)
{
    return &c->figures;
}

void crowd_reset_figures(crowd *c)
{
    memset(&c->figures, 0, sizeof c->figures);
}
