/*
 * The WebSocket client of the tests, see ws_client.h. One buffer takes what comes; frames
 * are cut from its front. It checks what a client must check (accept key, no mask,
 * reserved bits, whole control frames) and fails the test where the server is wrong.
 */
#include "support/ws_client.h"

#include <check.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "support/again.h"

#define KEY      "dGhlIHNhbXBsZSBub25jZQ=="
#define GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define HEAD_MAX 16384

struct ws_client {
    int fd;
    SSL_CTX *tls_context;
    SSL *tls;
    bool show_pings;
    int ended; /* 0, WS_EOF or WS_RESET */
    uint8_t *in;
    size_t in_start, in_end, in_size;
    uint8_t *message; /* the message being put together, or the last one given */
    size_t message_len, message_size;
    int message_opcode; /* 0: none begun */
    uint32_t mask;
    char answer[HEAD_MAX];
    char host[300];
    char path[1024];
};

/* Where a URL leads. */
typedef struct target {
    bool tls, local;
    char host[256], port[8], path[1024];
} target;

uint64_t ws_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t ws_now_ms(void)
{
    return ws_now_us() / 1000u;
}

static void *grow(void *old, size_t *size, size_t need)
{
    if (need <= *size && old != NULL) {
        return old;
    }
    size_t want = *size < 4096 ? 4096 : *size;
    while (want < need) {
        want *= 2;
    }
    void *p = realloc(old, want);
    ck_assert_ptr_nonnull(p);
    *size = want;
    return p;
}

static void copy_text(char *to, size_t size, const char *from, size_t len)
{
    ck_assert_msg(len < size, "too long for a test: %.*s", (int)len, from);
    memcpy(to, from, len);
    to[len] = 0;
}

static void parse_local(const char *rest, target *t)
{
    const char *colon = strchr(rest, ':');
    t->local = true;
    copy_text(t->host, sizeof t->host, rest,
              colon ? (size_t)(colon - rest) : strlen(rest));
    copy_text(t->path, sizeof t->path, colon ? colon + 1 : "/",
              colon ? strlen(colon + 1) : 1);
}

static void parse_url(const char *url, target *t)
{
    memset(t, 0, sizeof *t);
    if (strncmp(url, "unix:", 5) == 0) {
        parse_local(url + 5, t);
        return;
    }
    t->tls = strncmp(url, "wss://", 6) == 0;
    ck_assert_msg(t->tls || strncmp(url, "ws://", 5) == 0, "not a URL: %s", url);
    const char *host = url + (t->tls ? 6 : 5);
    const char *end = host + strcspn(host, "/");
    const char *colon = end;
    while (colon > host && *colon != ':' && *colon != ']') {
        colon--;
    }
    ck_assert_msg(*colon == ':', "no port: %s", url);
    copy_text(t->port, sizeof t->port, colon + 1, (size_t)(end - colon - 1));
    if (*host == '[') {
        copy_text(t->host, sizeof t->host, host + 1, (size_t)(colon - host - 2));
    } else {
        copy_text(t->host, sizeof t->host, host, (size_t)(colon - host));
    }
    copy_text(t->path, sizeof t->path, *end ? end : "/", *end ? strlen(end) : 1);
}

static int connect_local(const char *file)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    copy_text(sa.sun_path, sizeof sa.sun_path, file, strlen(file));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int connect_tcp(const target *t, int receive_buffer)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    ck_assert_int_eq(getaddrinfo(t->host, t->port, &hints, &list), 0);
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (receive_buffer > 0) {
        /* Before connect, since the window is agreed on in the handshake. */
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    int result = connect(fd, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    if (result != 0) {
        close(fd);
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static bool start_tls(ws_client *c)
{
    c->tls_context = SSL_CTX_new(TLS_client_method());
    ck_assert_ptr_nonnull(c->tls_context);
    SSL_CTX_set_verify(c->tls_context, SSL_VERIFY_NONE, NULL);
    /* Session tickets would let the socket look readable when no data has come. */
    SSL_CTX_set_session_cache_mode(c->tls_context, SSL_SESS_CACHE_OFF);
    c->tls = SSL_new(c->tls_context);
    ck_assert_ptr_nonnull(c->tls);
    SSL_set_fd(c->tls, c->fd);
    int result;
    AGAIN(result, SSL_connect(c->tls));
    return result == 1;
}

ws_client *ws_client_try_connect(const char *url, const ws_client_options *options)
{
    static const ws_client_options none;
    const ws_client_options *o = options ? options : &none;
    target t;
    parse_url(url, &t);
    int fd = t.local ? connect_local(t.host) : connect_tcp(&t, o->receive_buffer);
    if (fd < 0) {
        return NULL;
    }
    /* A server that has stopped reading or answering must fail the test, not hang it. */
    struct timeval limit = {.tv_sec = WS_DEADLINE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ws_client *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    c->fd = fd;
    c->mask = 0x9e3779b9u;
    const char *path = o->path ? o->path : t.path;
    snprintf(c->path, sizeof c->path, "%s%s%s", path, o->query ? "?" : "",
             o->query ? o->query : "");
    bool six = strchr(t.host, ':') != NULL;
    snprintf(c->host, sizeof c->host, "%s%s%s%s%s", six ? "[" : "",
             t.local ? "localhost" : t.host, six ? "]" : "", t.local ? "" : ":", t.port);
    if (o->host) {
        copy_text(c->host, sizeof c->host, o->host, strlen(o->host));
    }
    if (t.tls && !start_tls(c)) {
        ws_client_free(c);
        return NULL;
    }
    return c;
}

ws_client *ws_client_connect(const char *url, const ws_client_options *options)
{
    ws_client *c = ws_client_try_connect(url, options);
    ck_assert_msg(c != NULL, "connect to %s: %s", url, strerror(errno));
    return c;
}

ws_client *ws_client_start(const char *url, const ws_client_options *options)
{
    ws_client *c = ws_client_connect(url, options);
    char head[4096];
    int n =
        snprintf(head, sizeof head,
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
                 "Sec-WebSocket-Version: 13\r\n%s\r\n",
                 c->path, c->host, options && options->headers ? options->headers : "");
    ck_assert_int_lt(n, (int)sizeof head);
    ws_client_raw(c, head, (size_t)n);
    return c;
}

static void close_and_free(ws_client *c, bool reset)
{
    if (c->tls) {
        SSL_free(c->tls);
    }
    SSL_CTX_free(c->tls_context);
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(c->fd);
    free(c->in);
    free(c->message);
    free(c);
}

void ws_client_free(ws_client *c)
{
    if (c) {
        close_and_free(c, false);
    }
}

void ws_client_reset(ws_client *c)
{
    close_and_free(c, true);
}

int ws_client_fd(const ws_client *c)
{
    return c->fd;
}

void ws_client_show_pings(ws_client *c, bool show)
{
    c->show_pings = show;
}

bool ws_client_raw(ws_client *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n;
        AGAIN(n, c->tls ? SSL_write(c->tls, p, (int)len)
                        : send(c->fd, p, len, MSG_NOSIGNAL));
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= (size_t)n;
    }
    return true;
}

bool ws_client_send(ws_client *c, int opcode, const void *data, size_t len)
{
    uint8_t *frame = malloc(len + 14);
    ck_assert_ptr_nonnull(frame);
    size_t n = 0;
    frame[n++] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        frame[n++] = (uint8_t)(0x80 | len);
    } else {
        unsigned bytes = len < 65536 ? 2 : 8;
        frame[n++] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (unsigned i = 0; i < bytes; i++) {
            frame[n++] = (uint8_t)((uint64_t)len >> (8 * (bytes - 1 - i)));
        }
    }
    c->mask = c->mask * 1664525u + 1013904223u;
    uint8_t key[4];
    memcpy(key, &c->mask, 4);
    memcpy(frame + n, key, 4);
    n += 4;
    for (size_t i = 0; i < len; i++) {
        frame[n + i] = ((const uint8_t *)data)[i] ^ key[i & 3];
    }
    bool ok = ws_client_raw(c, frame, n + len);
    free(frame);
    return ok;
}

bool ws_client_text(ws_client *c, const char *text)
{
    return ws_client_send(c, WS_TEXT, text, strlen(text));
}

bool ws_client_close(ws_client *c, unsigned code, const char *reason)
{
    char body[128];
    size_t len = strlen(reason);
    ck_assert_uint_le(len, 123);
    body[0] = (char)(code >> 8);
    body[1] = (char)(code & 0xff);
    memcpy(body + 2, reason, len);
    return ws_client_send(c, WS_CLOSE, body, len + 2);
}

/* Reads what there is into the buffer. 0, WS_NOTHING, WS_EOF or WS_RESET. */
static int fill(ws_client *c, uint64_t until_ms)
{
    if (c->ended) {
        return c->ended;
    }
    if (!c->tls || SSL_pending(c->tls) == 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        uint64_t now;
        int ready;
        AGAIN(ready,
              poll(&p, 1, (now = ws_now_ms()) < until_ms ? (int)(until_ms - now) : 0));
        if (ready <= 0) {
            return WS_NOTHING;
        }
    }
    if (c->in_start > 0) {
        memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
        c->in_end -= c->in_start;
        c->in_start = 0;
    }
    c->in = grow(c->in, &c->in_size, c->in_end + 65536);
    ssize_t n;
    AGAIN(n, c->tls ? SSL_read(c->tls, c->in + c->in_end, 65536)
                    : recv(c->fd, c->in + c->in_end, 65536, 0));
    if (n > 0) {
        c->in_end += (size_t)n;
        return 0;
    }
    c->ended = n < 0 && errno == ECONNRESET ? WS_RESET : WS_EOF;
    return c->ended;
}

static void check_accept_key(const char *head)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char want[64];
    const char *text = KEY GUID;
    EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)want, digest, (int)len);
    const char *line = strcasestr(head, "\r\nSec-WebSocket-Accept:");
    ck_assert_msg(line != NULL, "no accept key in: %s", head);
    line += strlen("\r\nSec-WebSocket-Accept:");
    line += strspn(line, " ");
    ck_assert_msg(strncmp(line, want, strlen(want)) == 0, "wrong accept key in: %s",
                  head);
}

int ws_client_answer_within(ws_client *c, int timeout_ms)
{
    uint64_t until = ws_now_ms() + (uint64_t)timeout_ms;
    for (;;) {
        size_t have = c->in_end - c->in_start;
        const uint8_t *end =
            have ? memmem(c->in + c->in_start, have, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t len = (size_t)(end - (c->in + c->in_start)) + 4;
            copy_text(c->answer, sizeof c->answer, (const char *)c->in + c->in_start,
                      len);
            c->in_start += len;
            break;
        }
        int got = fill(c, until);
        if (got != 0) {
            return got;
        }
    }
    int status = 0;
    ck_assert_msg(sscanf(c->answer, "HTTP/1.1 %d", &status) == 1, "not HTTP: %s",
                  c->answer);
    if (status == 101) {
        check_accept_key(c->answer);
    }
    return status;
}

int ws_client_answer(ws_client *c)
{
    int status = ws_client_answer_within(c, WS_DEADLINE_MS);
    ck_assert_msg(status != WS_NOTHING, "no HTTP answer");
    return status;
}

const char *ws_client_answer_text(ws_client *c)
{
    uint64_t until = ws_now_ms() + WS_DEADLINE_MS;
    while (fill(c, until) == 0) {
    }
    size_t have = strlen(c->answer), more = c->in_end - c->in_start;
    if (more > sizeof c->answer - 1 - have) {
        more = sizeof c->answer - 1 - have;
    }
    if (more > 0) {
        memcpy(c->answer + have, c->in + c->in_start, more);
        c->answer[have + more] = 0;
        c->in_start += more;
    }
    return c->answer;
}

ws_client *ws_client_open_with(const char *url, const ws_client_options *options)
{
    ws_client *c = ws_client_start(url, options);
    int status = ws_client_answer(c);
    ck_assert_msg(status == 101, "%s: answered %d: %s", url, status, c->answer);
    return c;
}

ws_client *ws_client_open(const char *url, const char *query)
{
    ws_client_options options = {.query = query};
    return ws_client_open_with(url, &options);
}

/* The header of the frame in front of the buffer; false: not all there yet. */
static bool frame_header(const ws_client *c, size_t *header, uint64_t *payload)
{
    size_t have = c->in_end - c->in_start;
    if (have < 2) {
        return false;
    }
    const uint8_t *p = c->in + c->in_start;
    bool may_deflate = (p[0] & 0x0f) != 0 && (p[0] & 0x08) == 0 &&
                       strstr(c->answer, "permessage-deflate") != NULL;
    ck_assert_msg((p[0] & (may_deflate ? 0x30 : 0x70)) == 0,
                  "reserved bits in a frame of the server");
    ck_assert_msg((p[1] & 0x80) == 0, "masked frame of the server");
    unsigned more = (p[1] & 0x7f) == 126 ? 2 : (p[1] & 0x7f) == 127 ? 8 : 0;
    if (have < 2 + more) {
        return false;
    }
    *header = 2 + more;
    *payload = more ? 0 : p[1] & 0x7fu;
    for (unsigned i = 0; i < more; i++) {
        *payload = *payload << 8 | p[2 + i];
    }
    return have - *header >= *payload;
}

/* A control frame may stand between the fragments of a message, so it goes into a place
 * of its own: the buffer, where it stays until the next fill. */
static void give_control(ws_client *c, ws_message *m, int opcode, size_t at, size_t len)
{
    static _Thread_local uint8_t body[126];
    ck_assert_uint_le(len, 125);
    memcpy(body, c->in + at, len);
    body[len] = 0;
    *m = (ws_message){.opcode = opcode, .data = body, .len = len};
    if (opcode == WS_CLOSE) {
        ck_assert_msg(len != 1, "Close frame with one byte");
        m->code = len ? (unsigned)(body[0] << 8 | body[1]) : 1005;
        m->data += len ? 2 : 0;
        m->len -= len ? 2 : 0;
    }
}

/* Takes one frame. true: m is a whole message or a control frame. */
static bool take_frame(ws_client *c, ws_message *m, size_t header, uint64_t payload)
{
    const uint8_t *p = c->in + c->in_start;
    bool last = (p[0] & 0x80) != 0;
    int opcode = p[0] & 0x0f;
    size_t at = c->in_start + header, len = (size_t)payload;
    c->in_start = at + len;
    if (opcode >= 8) {
        ck_assert_msg(last, "control frame in fragments");
        give_control(c, m, opcode, at, len);
        return true;
    }
    if (c->message_opcode == 0) {
        ck_assert_msg(opcode == WS_TEXT || opcode == WS_BINARY, "opcode %d", opcode);
        c->message_opcode = opcode;
        c->message_len = 0;
    } else {
        ck_assert_msg(opcode == 0, "a new message inside of another");
    }
    c->message = grow(c->message, &c->message_size, c->message_len + len + 1);
    memcpy(c->message + c->message_len, c->in + at, len);
    c->message_len += len;
    c->message[c->message_len] = 0;
    if (!last) {
        return false;
    }
    *m = (ws_message){.opcode = c->message_opcode,
                      .data = c->message,
                      .len = c->message_len,
                      .compressed = (p[0] & 0x40) != 0};
    c->message_opcode = 0;
    return true;
}

int ws_client_receive(ws_client *c, ws_message *m, int timeout_ms)
{
    uint64_t until = ws_now_ms() + (uint64_t)timeout_ms;
    for (;;) {
        size_t header;
        uint64_t payload;
        while (frame_header(c, &header, &payload)) {
            if (!take_frame(c, m, header, payload)) {
                continue;
            }
            if (m->opcode == WS_PING && !c->show_pings) {
                ws_client_send(c, WS_PONG, m->data, m->len);
                continue;
            }
            return m->opcode;
        }
        int got = fill(c, until);
        if (got != 0) {
            *m = (ws_message){.opcode = got, .data = (const uint8_t *)""};
            return got;
        }
    }
}

void ws_client_expect(ws_client *c, int opcode, const void *data, size_t len)
{
    ws_message m;
    int got = ws_client_receive(c, &m, WS_DEADLINE_MS);
    ck_assert_msg(got == opcode, "wanted opcode %d \"%.*s\", got %d \"%.*s\" code %u",
                  opcode, (int)(len < 80 ? len : 80), (const char *)data, got,
                  (int)(m.len < 80 ? m.len : 80), (const char *)m.data, m.code);
    ck_assert_msg(m.len == len && memcmp(m.data, data, len) == 0,
                  "wanted %zu bytes \"%.*s\", got %zu \"%.*s\"", len,
                  (int)(len < 80 ? len : 80), (const char *)data, m.len,
                  (int)(m.len < 80 ? m.len : 80), (const char *)m.data);
}

void ws_client_expect_text(ws_client *c, const char *want)
{
    ws_client_expect(c, WS_TEXT, want, strlen(want));
}

void ws_client_expect_close(ws_client *c, unsigned code, const char *reason)
{
    ws_message m;
    int got = ws_client_receive(c, &m, WS_DEADLINE_MS);
    ck_assert_msg(got == WS_CLOSE, "wanted Close %u, got %d \"%.*s\"", code, got,
                  (int)(m.len < 80 ? m.len : 80), (const char *)m.data);
    ck_assert_msg(m.code == code, "wanted Close %u, got %u \"%s\"", code, m.code,
                  (const char *)m.data);
    if (reason) {
        ck_assert_str_eq((const char *)m.data, reason);
    }
}

void ws_client_expect_end(ws_client *c)
{
    ws_message m;
    uint64_t until = ws_now_ms() + WS_DEADLINE_MS;
    int got;
    do {
        uint64_t now = ws_now_ms();
        got = ws_client_receive(c, &m, until > now ? (int)(until - now) : 0);
        ck_assert_msg(got != WS_NOTHING, "the server doesn't end the stream");
    } while (got != WS_EOF && got != WS_RESET);
}

void ws_client_expect_closed(ws_client *c, unsigned code, const char *reason)
{
    ws_client_expect_close(c, code, reason);
    ws_client_close(c, code == 1005 ? 1000 : code, "");
    ws_client_expect_end(c);
}

void ws_client_expect_silence(ws_client *c, int timeout_ms)
{
    ws_message m;
    int got = ws_client_receive(c, &m, timeout_ms);
    ck_assert_msg(got == WS_NOTHING, "wanted nothing, got %d \"%.*s\" code %u", got,
                  (int)(m.len < 80 ? m.len : 80), (const char *)m.data, m.code);
}
