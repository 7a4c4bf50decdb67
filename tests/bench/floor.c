/*
 * floor: the least that a server can do to give every member of a room what any member
 * says. One thread, one epoll, a handshake without checks, a frame that is made once a
 * message. What fanwired costs is told as a ratio to it, since both pay the same kernel.
 *
 *   floor PORT send    one send() a member and message
 *   floor PORT joined  one send() a member and loop turn, with all that came in it
 *   floor PORT echo    each client gets its own messages back, one send() a read
 *   --ping SECONDS     each client is pinged so often; those that are due within 50 ms
 *                      are pinged together
 *
 * The room is what stands behind `room=` in the request, up to the next blank or &. Not a
 * server for anybody: it believes its clients every byte.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 65536, MOST = 8 * 1024 * 1024, EVENTS = 1024, ROOMS = 4096 };
enum { TICK_MS = 50 };

struct client;

/* Clients in an array; each knows its place. */
typedef struct crowd {
    struct client **of;
    unsigned n, size;
} crowd;

typedef struct room {
    struct room *same_hash, *next_loud;
    crowd members;
    uint8_t *batch; /* what was said in this turn */
    size_t batch_len, batch_size;
    bool loud; /* it is in the list of those that have said something */
    char name[];
} room;

typedef struct client {
    int fd;
    unsigned place, place_in_room;
    room *room;  /* NULL until its head came */
    uint8_t *in; /* what came of a head or frame so far */
    uint32_t in_len;
    uint8_t *out; /* what the kernel didn't take */
    size_t out_len;
} client;

static int epoll_fd;
static enum { SEND, JOINED, ECHO } mode;
static crowd everybody;
static room *rooms[ROOMS], *loud;
static uint8_t said[MOST + 16]; /* the frame, or of an echo all frames, to be sent */
static size_t said_len;
static double ping_s;

static void *not_null(void *p)
{
    if (!p) {
        perror("floor");
        exit(1); // NOLINT(concurrency-mt-unsafe): one thread
    }
    return p;
}

static void want(client *c, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void keep_unsent(client *c, const uint8_t *p, size_t len)
{
    c->out = not_null(realloc(c->out, c->out_len + len));
    memcpy(c->out + c->out_len, p, len);
    if (c->out_len == 0) {
        want(c, EPOLLIN | EPOLLOUT);
    }
    c->out_len += len;
}

static void send_all(client *c, const uint8_t *p, size_t len)
{
    ssize_t n = c->out_len > 0 ? 0 : send(c->fd, p, len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        return; /* reading will find out */
    }
    if (n < 0) {
        n = 0;
    }
    if ((size_t)n < len) {
        keep_unsent(c, p + n, len - (size_t)n);
    }
}

static void send_kept(client *c)
{
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (n <= 0) {
        return;
    }
    c->out_len -= (size_t)n;
    memmove(c->out, c->out + n, c->out_len);
    if (c->out_len == 0) {
        free(c->out);
        c->out = NULL;
        want(c, EPOLLIN);
    }
}

static void to_all(const crowd *members, const uint8_t *p, size_t len)
{
    for (unsigned i = 0; i < members->n; i++) {
        send_all(members->of[i], p, len);
    }
}

static void end_turn(void)
{
    for (room *r = loud; r; r = r->next_loud) {
        to_all(&r->members, r->batch, r->batch_len);
        r->batch_len = 0;
        r->loud = false;
    }
    loud = NULL;
}

/* Where the next frame of this room is to be made. */
static uint8_t *room_for_frame(room *r, size_t len)
{
    if (r->batch_len + len > r->batch_size) {
        r->batch_size = 2 * (r->batch_len + len);
        r->batch = not_null(realloc(r->batch, r->batch_size));
    }
    if (!r->loud) {
        r->loud = true;
        r->next_loud = loud;
        loud = r;
    }
    return r->batch + r->batch_len;
}

static size_t make_frame(uint8_t *f, unsigned opcode, const uint8_t *payload, size_t len,
                         const uint8_t *mask)
{
    size_t n = 0;
    f[n++] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        f[n++] = (uint8_t)len;
    } else {
        unsigned bytes = len < 65536 ? 2 : 8;
        f[n++] = bytes == 2 ? 126 : 127;
        for (unsigned i = 0; i < bytes; i++) {
            f[n++] = (uint8_t)((uint64_t)len >> (8 * (bytes - 1 - i)));
        }
    }
    uint32_t four;
    uint64_t eight;
    memcpy(&four, mask, sizeof four);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&eight, payload + i, 8);
        eight ^= (uint64_t)four << 32 | four;
        memcpy(f + n + i, &eight, 8);
    }
    for (; i < len; i++) {
        f[n + i] = payload[i] ^ mask[i & 3];
    }
    return n + len;
}

/* A message: its frame is made once. */
static void say(client *c, unsigned opcode, const uint8_t *payload, size_t len,
                const uint8_t *mask)
{
    if (mode == JOINED) {
        uint8_t *f = room_for_frame(c->room, len + 10);
        c->room->batch_len += make_frame(f, opcode, payload, len, mask);
        return;
    }
    if (said_len + len + 10 > sizeof said) { /* echo */
        send_all(c, said, said_len);
        said_len = 0;
    }
    said_len += make_frame(said + said_len, opcode, payload, len, mask);
    if (mode == SEND) {
        to_all(&c->room->members, said, said_len);
        said_len = 0;
    }
}

static unsigned enter(crowd *w, client *c)
{
    if (w->n == w->size) {
        w->size = w->size ? w->size * 2 : 4;
        w->of = not_null(realloc(w->of, w->size * sizeof *w->of));
    }
    w->of[w->n] = c;
    return w->n++;
}

static room *room_named(const char *name, size_t len)
{
    unsigned hash = 5381;
    for (size_t i = 0; i < len; i++) {
        hash = hash * 33 + (uint8_t)name[i];
    }
    room **first = &rooms[hash % ROOMS];
    for (room *r = *first; r; r = r->same_hash) {
        if (strlen(r->name) == len && memcmp(r->name, name, len) == 0) {
            return r;
        }
    }
    room *r = not_null(calloc(1, sizeof *r + len + 1));
    memcpy(r->name, name, len);
    r->same_hash = *first;
    *first = r;
    return r;
}

static void end_client(client *c)
{
    if (c->room) {
        crowd *w = &c->room->members;
        w->of[c->place_in_room] = w->of[--w->n];
        w->of[c->place_in_room]->place_in_room = c->place_in_room;
        everybody.of[c->place] = everybody.of[--everybody.n];
        everybody.of[c->place]->place = c->place;
    }
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

/* How many bytes of the front were a whole frame; 0: not there yet. */
static size_t take_frame(client *c, const uint8_t *p, size_t len)
{
    if (len < 6) {
        return 0;
    }
    unsigned more = (p[1] & 0x7f) == 126 ? 2 : (p[1] & 0x7f) == 127 ? 8 : 0;
    if (len < 6 + more) {
        return 0;
    }
    uint64_t payload = more ? 0 : p[1] & 0x7fu;
    for (unsigned i = 0; i < more; i++) {
        payload = payload << 8 | p[2 + i];
    }
    if (payload > MOST / 2 || len - 6 - more < payload) {
        return 0;
    }
    unsigned opcode = p[0] & 0x0f;
    if (opcode <= 2) {
        say(c, opcode, p + 6 + more, (size_t)payload, p + 2 + more);
    }
    return 6 + more + (size_t)payload;
}

static size_t take_head(client *c, const uint8_t *p, size_t len)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const uint8_t *end = memmem(p, len, "\r\n\r\n", 4);
    const uint8_t *key = memmem(p, len, "Sec-WebSocket-Key: ", 19);
    if (!end || !key || end < key + 19 + 24) {
        return 0;
    }
    char text[24 + sizeof guid], accept[64], answer[256];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    memcpy(text, key + 19, 24);
    memcpy(text + 24, guid, sizeof guid);
    EVP_Digest(text, 24 + sizeof guid - 1, digest, &digest_len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)digest_len);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    const uint8_t *name = memmem(p, (size_t)(end - p), "room=", 5);
    name = name ? name + 5 : end;
    c->room = room_named((const char *)name, strcspn((const char *)name, " &\r"));
    c->place_in_room = enter(&c->room->members, c);
    c->place = enter(&everybody, c);
    send_all(c, (const uint8_t *)answer, (size_t)n);
    return (size_t)(end - p) + 4;
}

static void read_client(client *c)
{
    static uint8_t buffer[MOST + READ_SIZE];
    size_t len = c->in_len;
    memcpy(buffer, c->in ? c->in : (const uint8_t *)"", len);
    ssize_t n = recv(c->fd, buffer + len, READ_SIZE, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            end_client(c);
        }
        return;
    }
    len += (size_t)n;
    size_t at = 0, step;
    do {
        step = c->room ? take_frame(c, buffer + at, len - at) : take_head(c, buffer, len);
        at += step;
    } while (step > 0);
    if (said_len > 0) {
        send_all(c, said, said_len);
        said_len = 0;
    }
    free(c->in);
    c->in = NULL;
    c->in_len = (uint32_t)(len - at);
    if (c->in_len > 0) {
        c->in = not_null(malloc(c->in_len));
        memcpy(c->in, buffer + at, c->in_len);
    }
}

static void accept_some(int listener)
{
    for (int i = 0; i < 32; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        client *c = not_null(calloc(1, sizeof *c));
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

static int listen_on(const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 4096) != 0) {
        perror("floor: listen");
        return -1;
    }
    return fd;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Pings those whose turn has come since the last tick; returns how long to wait. */
static int ping_some(void)
{
    static uint64_t next_ms;
    static double due; /* of everybody.of: fractions add up */
    static unsigned at;
    static const uint8_t ping[] = {0x89, 0};
    uint64_t now = now_ms();
    if (next_ms == 0) {
        next_ms = now + TICK_MS;
    }
    while (next_ms <= now) {
        next_ms += TICK_MS;
        due += everybody.n * ((double)TICK_MS / 1000) / ping_s;
        for (; due >= 1; due--) {
            at = at < everybody.n ? at : 0;
            send_all(everybody.of[at++], ping, sizeof ping);
        }
    }
    return (int)(next_ms - now);
}

static bool take_arguments(int argc, char **argv)
{
    static const char *const names[] = {"send", "joined", "echo"};
    bool known = false;
    for (unsigned i = 0; argc >= 3 && i < 3; i++) {
        if (strcmp(argv[2], names[i]) == 0) {
            mode = i;
            known = true;
        }
    }
    if (argc == 5 && strcmp(argv[3], "--ping") == 0) {
        ping_s = strtod(argv[4], NULL);
        return known && ping_s > 0;
    }
    return known && argc == 3;
}

static void serve(int listener, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        client *c = events[i].data.ptr;
        if (!c) {
            accept_some(listener);
            continue;
        }
        if (events[i].events & EPOLLOUT && c->out_len > 0) {
            send_kept(c);
        }
        if (events[i].events & ~(uint32_t)EPOLLOUT) {
            read_client(c);
        }
    }
    end_turn();
}

int main(int argc, char **argv)
{
    if (!take_arguments(argc, argv)) {
        fputs("floor PORT send|joined|echo [--ping SECONDS]\n", stderr);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int listener = listen_on(argv[1]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || epoll_fd < 0) {
        return 1;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        static struct epoll_event events[EVENTS];
        int wait_ms = ping_s > 0 ? ping_some() : -1;
        serve(listener, events, epoll_wait(epoll_fd, events, EVENTS, wait_ms));
    }
}
