/*
 * What test_io_stream.c and test_io_tls.c share: peers, which are blocking servers with a
 * thread of their own for one connection, and the one stream that a test has. The stream
 * lives on the rig's loop; the test's thread looks at what it noted down after waiting
 * for it.
 */
#ifndef TESTS_IO_STREAM_RIG_H
#define TESTS_IO_STREAM_RIG_H

#include <arpa/inet.h>
#include <check.h>
#include <openssl/ssl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/loop_uv.h"
#include "support/loop_rig.h"

static rig r;
static rig_stream rs;

/* --- peers --- */

typedef struct peer {
    int fd, port;
    pthread_t thread;
    void (*serve)(struct peer *p, int fd);
    SSL_CTX *ctx;
    SSL *ssl;
    char name[64]; /* the server name that a TLS client asked for */
    bool gated;    /* it doesn't read before the test opens the gate */
    sem_t gate;
    sem_t came;   /* posted when it has been connected to */
    int answered; /* how often it could answer */
    ssize_t heard;
} peer;

static inline void wait_at_gate(peer *p)
{
    if (p->gated) {
        sem_wait(&p->gate);
    }
}

static inline void *peer_main(void *arg)
{
    peer *p = arg;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    int fd = accept(p->fd, NULL, NULL);
    if (fd >= 0) {
        sem_post(&p->came);
        p->serve(p, fd);
        close(fd);
    }
    return NULL;
}

static inline void peer_start(peer *p, struct sockaddr *a, socklen_t len,
                              void (*serve)(peer *p, int fd))
{
    p->serve = serve;
    sem_init(&p->came, 0, 0);
    p->fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(p->fd, 0);
    ck_assert_int_eq(bind(p->fd, a, len), 0);
    ck_assert_int_eq(listen(p->fd, 8), 0);
    struct sockaddr_in in = {.sin_port = 0};
    socklen_t in_len = sizeof in;
    getsockname(p->fd, (struct sockaddr *)&in, &in_len);
    p->port = ntohs(in.sin_port);
    pthread_create(&p->thread, NULL, peer_main, p);
}

static inline void peer_tcp(peer *p, void (*serve)(peer *p, int fd))
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer_start(p, (struct sockaddr *)&a, sizeof a, serve);
}

static inline void peer_end(peer *p)
{
    shutdown(p->fd, SHUT_RDWR); /* if nobody came */
    pthread_join(p->thread, NULL);
    close(p->fd);
    SSL_CTX_free(p->ctx);
}

static inline void echo(peer *p, int fd)
{
    wait_at_gate(p);
    char b[65536];
    for (ssize_t n; (n = read(fd, b, sizeof b)) > 0;) {
        for (ssize_t at = 0; at < n;) {
            ssize_t w = write(fd, b + at, (size_t)(n - at));
            if (w <= 0) {
                return;
            }
            at += w;
        }
    }
}

static inline void say_nothing(peer *p, int fd)
{
    (void)p;
    char c[512];
    while (read(fd, c, sizeof c) > 0) {
    }
}

/* --- a test's stream --- */

static inline void setup(void)
{
    memset(&rs, 0, sizeof rs);
    rig_new(&r);
    rig_run(&r);
}

static inline void teardown(void)
{
    rig_halt(&r);
    ck_assert_uint_eq(rs.after_end, 0); /* after the end nothing comes */
    rig_free(&r);
    rig_stream_fini(&rs);
}

static inline void open_to(fwi_stream_target to)
{
    rig_stream_open(&rs, &r, &to);
}

static inline void expect_end(const char *fmt, int port)
{
    char want[512];
    snprintf(want, sizeof want, fmt, port); // NOLINT: formats of this file
    ck_assert(rig_stream_wait_closed(&rs));
    ck_assert_str_eq(rs.why, want);
    ck_assert_uint_eq(rs.closed, 1);
}

/* --- more than the kernel takes --- */

enum { LARGE = 32 << 20 };

static inline char *large_bytes(void)
{
    char *bytes = malloc(LARGE);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < LARGE; i++) {
        bytes[i] = (char)(i * 31 + (i >> 13));
    }
    return bytes;
}

static inline void write_large_and_compare(peer *p)
{
    char *bytes = large_bytes();
    rig_stream_write(&rs, bytes, LARGE / 2);
    ck_assert_uint_gt(rs.pending, 0); /* the kernel doesn't take that much */
    rig_stream_write(&rs, bytes + LARGE / 2, LARGE / 2);
    sem_post(&p->gate);
    ck_assert(rig_stream_wait_bytes(&rs, LARGE));
    ck_assert_uint_eq(rs.data.len, LARGE);
    ck_assert_int_eq(memcmp(rs.data.data, bytes, LARGE), 0);
    rig_stream_write(&rs, "", 0);
    ck_assert_uint_eq(rs.pending, 0);
    free(bytes);
}

#endif
