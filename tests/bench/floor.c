/*
 * floor: the least that a server can do to give every member what any member says. One
 * thread, one epoll, a handshake without checks, a frame that is made once a message.
 * What fanwired costs is told as a ratio to it, since both pay the same kernel.
 *
 *   floor PORT send    one send() a member and message
 *   floor PORT joined  one send() a member and loop turn, with all that came in it
 *
 * Not a server for anybody: it believes its clients every byte.
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
#include <unistd.h>

enum { READ_SIZE = 65536, BATCH_SIZE = 8 * 1024 * 1024, EVENTS = 1024 };

typedef struct client {
    int fd;
    unsigned index; /* its place among the members */
    bool open;
    uint8_t *in; /* what came of a head or frame so far */
    uint32_t in_len;
    uint8_t *out; /* what the kernel didn't take */
    size_t out_len;
} client;

static int epoll_fd;
static client **members;
static unsigned n_members, size_members;
static bool joined;
static uint8_t batch[BATCH_SIZE]; /* of this turn */
static size_t batch_len;

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

static void to_everybody(const uint8_t *p, size_t len)
{
    for (unsigned i = 0; i < n_members; i++) {
        send_all(members[i], p, len);
    }
}

static void end_turn(void)
{
    if (batch_len > 0) {
        to_everybody(batch, batch_len);
        batch_len = 0;
    }
}

/* A message: its frame is made once, in place at the end of the batch. */
static void say(unsigned opcode, const uint8_t *payload, size_t len, const uint8_t *mask)
{
    if (batch_len + len + 10 > sizeof batch) {
        end_turn();
    }
    uint8_t *f = batch + batch_len;
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
    for (size_t i = 0; i < len; i++) {
        f[n + i] = payload[i] ^ mask[i & 3];
    }
    if (joined) {
        batch_len += n + len;
    } else {
        to_everybody(f, n + len);
    }
}

static void end_client(client *c)
{
    if (c->open) {
        members[c->index] = members[--n_members];
        members[c->index]->index = c->index;
    }
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

/* How many bytes of the front were a whole frame; 0: not there yet. */
static size_t take_frame(const uint8_t *p, size_t len)
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
    if (payload > BATCH_SIZE / 2 || len - 6 - more < payload) {
        return 0;
    }
    unsigned opcode = p[0] & 0x0f;
    if (opcode <= 2) {
        say(opcode, p + 6 + more, (size_t)payload, p + 2 + more);
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
    if (n_members == size_members) {
        size_members = size_members ? size_members * 2 : 1024;
        members = not_null(realloc(members, size_members * sizeof *members));
    }
    c->open = true;
    c->index = n_members;
    members[n_members++] = c;
    send_all(c, (const uint8_t *)answer, (size_t)n);
    return (size_t)(end - p) + 4;
}

static void read_client(client *c)
{
    static uint8_t buffer[BATCH_SIZE + READ_SIZE];
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
        step = c->open ? take_frame(buffer + at, len - at) : take_head(c, buffer, len);
        at += step;
    } while (step > 0);
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

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[2], "send") != 0 && strcmp(argv[2], "joined") != 0)) {
        fputs("floor PORT send|joined\n", stderr);
        return 2;
    }
    joined = strcmp(argv[2], "joined") == 0;
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
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
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
}
