/*
 * What test_transport.c stands on: a transport on a real loop with a real listener, a
 * core made of stubs (a shard that counts, sessions that do as they are told), and a
 * client that is a blocking socket with a deadline on every read.
 *
 * The stubs run on the loop's thread. The test's thread reads counters (atomic) and has
 * something done over there by rig_do().
 */
#ifndef TESTS_TRANSPORT_RIG_H
#define TESTS_TRANSPORT_RIG_H

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "core/error.h"
#include "core/session.h"
#include "io/guest_uv.h"
#include "io/loop_uv.h"
#include "support/again.h"
#include "transport/transport_lws.h"
#include "transport_stub_core.h"
#include "wire/ws_codec.h"

enum { DEADLINE_MS = 60000 };

/* --- the rig --- */

typedef struct rig {
    fwi_loop *loop;
    fwi_transport *transport;
    fwi_transport_config config;
    fwi_log log;
    fwi_door door;
    fwi_shard shard;
    fwi_listener *listener;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t done, turned;
    void (*task)(struct rig *);
    atomic_int turns;
} rig;

static rig R;

static inline void rig_on_wake(void *user)
{
    rig *r = user;
    pthread_mutex_lock(&r->lock);
    if (r->task != NULL) {
        r->task(r);
        r->task = NULL;
        pthread_cond_signal(&r->done);
    }
    pthread_mutex_unlock(&r->lock);
}

static inline void rig_on_turn_end(void *user)
{
    rig *r = user;
    atomic_fetch_add(&r->turns, 1);
    pthread_mutex_lock(&r->lock);
    pthread_cond_broadcast(&r->turned);
    pthread_mutex_unlock(&r->lock);
}

static const fwi_loop_events rig_loop_events = {rig_on_wake, rig_on_turn_end};

/* Has it done on the loop's thread, and waits. */
static inline void rig_do(void (*task)(rig *))
{
    pthread_mutex_lock(&R.lock);
    R.task = task;
    R.loop->ops->wake(R.loop);
    while (R.task != NULL) {
        pthread_cond_wait(&R.done, &R.lock);
    }
    pthread_mutex_unlock(&R.lock);
}

static inline void rig_on_accept(void *user, int fd, const char *peer)
{
    rig *r = user;
    fwi_transport_adopt(r->transport, fd, &r->door, peer);
}

static inline void rig_on_starved(void *user)
{
    (void)user;
}

static const fwi_listener_events rig_listener_events = {rig_on_accept, rig_on_starved};

static inline void rig_log(void *user, int level, const char *component,
                           const char *message)
{
    (void)user;
    fprintf(stderr, "%d %s: %s\n", level, component, message);
}

/* Everything may be changed between prepare and start. */
static inline void rig_prepare(void)
{
    memset(&R, 0, sizeof R);
    pthread_mutex_init(&R.lock, NULL);
    pthread_cond_init(&R.done, NULL);
    pthread_cond_init(&R.turned, NULL);
    R.log = (fwi_log){.fn = getenv("RIG_LOG") ? rig_log : NULL, .level = FWI_LOG_TRACE};
    size_t bad = 0;
    static const char *const networks[] = {"127.0.0.0/8"};
    R.config = (fwi_transport_config){
        .log = &R.log,
        .handshake_timeout_ms = 5000,
        .request_timeout_ms = 5000,
        .idle_timeout_ms = 5000,
        .http_max = 100,
        .message_max = 4 << 20,
        .trusted = fwi_networks_new(networks, 1, &bad),
        .guests = &fwi_guest_uv,
    };
    R.door.path = "/ws";
    R.loop = fwi_loop_uv_new(&rig_loop_events, &R);
    ck_assert_ptr_nonnull(R.loop);
    R.shard.loop = R.loop;
}

static inline void rig_start(void)
{
    ck_assert_msg(fwi_transport_new(&R.transport, R.loop, &R.shard, &R.config) == FW_OK,
                  "%s", fw_error_detail());
    const fwi_listen_at at = {.host = "127.0.0.1"};
    ck_assert_int_eq(
        fwi_listener_open(&R.listener, R.loop, &at, &rig_listener_events, &R), FW_OK);
    R.port = fwi_listener_port(R.listener);
    ck_assert_int_eq(fwi_loop_uv_start(R.loop, 0), FW_OK);
}

static inline void rig_task_stop(rig *r)
{
    /* As the contract says: sessions end before their connections. */
    fwi_listener_close(r->listener);
    if (r->shard.last != NULL) {
        r->shard.last->tp->abort(r->shard.last->c);
        session_end(r->shard.last);
    }
    fwi_transport_close(r->transport);
    fwi_loop_uv_stop(r->loop);
}

static inline void rig_stop(void)
{
    rig_do(rig_task_stop);
    fwi_loop_uv_join(R.loop);
    fwi_transport_free(R.transport);
    fwi_loop_uv_free(R.loop);
    fwi_networks_free((fwi_networks *)(uintptr_t)R.config.trusted);
    ck_assert_int_eq(atomic_load(&R.shard.admits),
                     atomic_load(&R.shard.unadmits) + atomic_load(&R.shard.sessions));
    ck_assert_int_eq(atomic_load(&R.shard.ended), atomic_load(&R.shard.sessions));
    pthread_mutex_destroy(&R.lock);
    pthread_cond_destroy(&R.done);
    pthread_cond_destroy(&R.turned);
}

/* Waits until a counter of the other thread has got that far. */
static inline void wait_for(atomic_int *counter, int value, const char *what)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += DEADLINE_MS / 1000;
    int late = 0;
    pthread_mutex_lock(&R.lock);
    while (atomic_load(counter) < value && late == 0) {
        late = pthread_cond_timedwait(&R.turned, &R.lock, &end);
    }
    pthread_mutex_unlock(&R.lock);
    ck_assert_msg(late == 0, "%s: %d of %d", what, atomic_load(counter), value);
}
#define WAIT_FOR(counter, value) wait_for(&R.shard.counter, (value), #counter)

static inline int open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* --- the client --- */

typedef struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
} client;

static inline client client_open(int rcvbuf)
{
    client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ck_assert_int_ge(c.fd, 0);
    if (rcvbuf > 0) {
        setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    }
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)R.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(connect(c.fd, (struct sockaddr *)&to, sizeof to), 0);
    const struct timeval limit = {.tv_sec = DEADLINE_MS / 1000};
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return c;
}

static inline void client_tls(client *c)
{
    static const unsigned char alpn[] = "\x02h2\x08http/1.1";
    c->ctx = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->ctx);
    SSL_set_alpn_protos(c->ssl, alpn, sizeof alpn - 1);
    SSL_set_fd(c->ssl, c->fd);
    int result;
    AGAIN(result, SSL_connect(c->ssl));
    ck_assert_int_eq(result, 1);
}

static inline void client_close(client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

static inline void client_reset(client *c)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client_close(c);
}

static inline void client_send(client *c, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n;
        AGAIN(n, c->ssl ? SSL_write(c->ssl, at, (int)FWI_MIN(len, (size_t)65536))
                        : send(c->fd, at, len, MSG_NOSIGNAL));
        ck_assert_msg(n > 0, "send: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
}

/* Bytes; 0: end; -1: reset. A deadline passed is a failure. */
static inline ssize_t client_recv(client *c, void *data, size_t len)
{
    ssize_t n;
    AGAIN(n, c->ssl ? SSL_read(c->ssl, data, (int)len) : recv(c->fd, data, len, 0));
    if (c->ssl != NULL && n <= 0) {
        /* The end without close_notify: what carries WebSocket needs none. */
        return 0;
    }
    ck_assert_msg(n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK), "nothing came");
    return n;
}

static inline void client_recv_all(client *c, void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = client_recv(c, (char *)data + at, len - at);
        ck_assert_msg(n > 0, "ended after %zu of %zu bytes", at, len);
        at += (size_t)n;
    }
}

/* Reads until the end; true: an orderly one. */
static inline bool client_recv_text(client *c, char *text, size_t cap)
{
    size_t at = 0;
    ssize_t n;
    while ((n = client_recv(c, text + at, cap - 1 - at)) > 0) {
        at += (size_t)n;
        ck_assert_uint_lt(at, cap - 1);
    }
    text[at] = '\0';
    return n == 0;
}

#define HANDSHAKE_WITH(path, more)                                                       \
    "GET " path " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"                 \
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"             \
    "Sec-WebSocket-Version: 13\r\n" more "\r\n"
#define HANDSHAKE HANDSHAKE_WITH("/ws", "")

/* Reads a head, byte by byte so that what follows stays where it is. */
static inline void client_recv_head(client *c, char *head, size_t cap)
{
    size_t at = 0;
    do {
        ck_assert_uint_lt(at, cap - 1);
        client_recv_all(c, head + at, 1);
        head[++at] = '\0';
    } while (at < 4 || strcmp(head + at - 4, "\r\n\r\n") != 0);
}

static inline void client_expect_101(client *c)
{
    char head[1024];
    client_recv_head(c, head, sizeof head);
    ck_assert_msg(strncmp(head, "HTTP/1.1 101 ", 13) == 0, "%s", head);
    ck_assert_ptr_nonnull(strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

static inline client client_shaken(void)
{
    client c = client_open(0);
    client_send(&c, HANDSHAKE, strlen(HANDSHAKE));
    client_expect_101(&c);
    return c;
}

/* Appends a masked frame. */
static inline void put_frame(fwi_buf *out, unsigned opcode, const void *data, size_t len)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t header[FWI_WS_HEADER_MAX];
    size_t n = fwi_ws_header(header, opcode, len);
    header[1] |= 0x80;
    ck_assert(fwi_buf_append(out, header, n) && fwi_buf_append(out, mask, 4) &&
              fwi_buf_reserve(out, len));
    for (size_t i = 0; i < len; i++) {
        out->data[out->len++] = (char)(((const uint8_t *)data)[i] ^ mask[i % 4]);
    }
}

static inline void client_send_frame(client *c, unsigned opcode, const void *data,
                                     size_t len)
{
    fwi_buf b;
    fwi_buf_init(&b);
    put_frame(&b, opcode, data, len);
    client_send(c, b.data, b.len);
    fwi_buf_fini(&b);
}

/* Reads a frame into b (replacing what is there); returns its opcode. */
static inline unsigned client_recv_frame(client *c, fwi_buf *b)
{
    uint8_t h[10];
    client_recv_all(c, h, 2);
    uint64_t len = h[1];
    if (len >= 126) {
        size_t n = len == 126 ? 2 : 8;
        client_recv_all(c, h + 2, n);
        len = 0;
        for (size_t i = 0; i < n; i++) {
            len = len << 8 | h[2 + i];
        }
    }
    b->len = 0;
    ck_assert(fwi_buf_reserve(b, (size_t)len + 1));
    client_recv_all(c, b->data, (size_t)len);
    b->len = (size_t)len;
    return h[0] & 15u;
}

static inline void client_expect_close(client *c, unsigned code)
{
    fwi_buf b;
    fwi_buf_init(&b);
    ck_assert_uint_eq(client_recv_frame(c, &b), FWI_WS_CLOSE);
    const uint8_t *d = (const uint8_t *)b.data;
    ck_assert_uint_eq((unsigned)d[0] << 8 | d[1], code);
    fwi_buf_fini(&b);
    char byte;
    ck_assert_msg(client_recv(c, &byte, 1) == 0, "no FIN behind the Close frame");
}

/* --- exchanges that more than one test has --- */

static inline void expect_echoes(client *c)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 1 << 20};
    uint8_t *data = malloc(1 << 20);
    fwi_buf b;
    fwi_buf_init(&b);
    for (size_t i = 0; i < 1 << 20; i++) {
        data[i] = pattern(i);
    }
    for (size_t i = 0; i < FWI_ARRAY_LEN(sizes); i++) {
        client_send_frame(c, FWI_WS_BINARY, data, sizes[i]);
        ck_assert_uint_eq(client_recv_frame(c, &b), FWI_WS_BINARY);
        ck_assert_uint_eq(b.len, sizes[i]);
        ck_assert_int_eq(memcmp(b.data, data, sizes[i]), 0);
    }
    fwi_buf_fini(&b);
    free(data);
}

static inline void put_numbers(fwi_buf *out, int n)
{
    for (int i = 0; i < n; i++) {
        char text[16];
        put_frame(out, FWI_WS_TEXT, text, (size_t)snprintf(text, sizeof text, "%d", i));
    }
}

static inline void expect_numbers(client *c, int n)
{
    fwi_buf b;
    fwi_buf_init(&b);
    for (int i = 0; i < n; i++) {
        ck_assert_uint_eq(client_recv_frame(c, &b), FWI_WS_TEXT);
        ck_assert_int_eq(atoi(fwi_buf_text(&b)), i);
    }
    fwi_buf_fini(&b);
}

static inline void send_head_and_numbers(client *c, int n)
{
    fwi_buf b;
    fwi_buf_init(&b);
    fwi_buf_puts(&b, HANDSHAKE);
    put_numbers(&b, n);
    client_send(c, b.data, b.len);
    fwi_buf_fini(&b);
}

enum { POUR_BYTES = 10 << 20 };

/* Reads what RIG_POUR pours. */
static inline void expect_pour(client *c)
{
    fwi_buf b;
    fwi_buf_init(&b);
    size_t at = 0;
    unsigned opcode;
    while ((opcode = client_recv_frame(c, &b)) == FWI_WS_BINARY) {
        size_t i = 0;
        while (i < b.len && (uint8_t)b.data[i] == pattern(at + i)) {
            i++;
        }
        ck_assert_msg(i == b.len, "byte %zu is wrong", at + i);
        at += b.len;
    }
    ck_assert_uint_eq(opcode, FWI_WS_CLOSE);
    ck_assert_uint_eq(at, POUR_BYTES);
    char byte;
    ck_assert_int_eq(client_recv(c, &byte, 1), 0);
    fwi_buf_fini(&b);
}

/* --- certificates --- */

static inline void write_key_pair(const char *cert, const char *key)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, k);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"localhost", -1,
                               -1, 0);
    X509_set_issuer_name(x, name);
    FWI_ASSERT(X509_sign(x, k, EVP_sha256()) > 0);
    FILE *f = fopen(cert, "w");
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(key, "w");
    PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(k);
}

static char cert[64], key[64], other_key[64];

static inline void with_tls(void)
{
    R.config.tls_cert = cert;
    R.config.tls_key = key;
    R.door.tls = true;
}

/* The program: makes key pairs for TLS, runs the suite, tidies up. */
static inline int rig_main(Suite *suite)
{
    char dir[] = "/tmp/fanwire-transport-XXXXXX";
    if (mkdtemp(dir) == NULL) {
        return 2;
    }
    snprintf(cert, sizeof cert, "%s/transport-cert.pem", dir);
    snprintf(key, sizeof key, "%s/key.pem", dir);
    snprintf(other_key, sizeof other_key, "%s/other.pem", dir);
    char unused[64];
    snprintf(unused, sizeof unused, "%s/unused.pem", dir);
    write_key_pair(cert, key);
    write_key_pair(unused, other_key);
    SRunner *sr = srunner_create(suite);
    srunner_set_fork_status(sr, CK_NOFORK);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    const char *files[] = {cert, key, other_key, unused};
    for (size_t i = 0; i < FWI_ARRAY_LEN(files); i++) {
        unlink(files[i]);
    }
    rmdir(dir);
    return failed > 0;
}

#endif
