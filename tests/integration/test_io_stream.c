/*
 * Client streams of the real loop against real peers: blocking servers, each a thread, of
 * sockets and of OpenSSL. Certificates are made anew by the openssl command.
 */
#include <arpa/inet.h>
#include <check.h>
#include <openssl/ssl.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/loop_uv.h"
#include "support/loop_rig.h"

static rig r;
static rig_stream rs;
static char folder[64];

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
} peer;

static void wait_at_gate(peer *p)
{
    if (p->gated) {
        sem_wait(&p->gate);
    }
}

static void *peer_main(void *arg)
{
    peer *p = arg;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    int fd = accept(p->fd, NULL, NULL);
    if (fd >= 0) {
        p->serve(p, fd);
        close(fd);
    }
    return NULL;
}

static void peer_start(peer *p, struct sockaddr *a, socklen_t len,
                       void (*serve)(peer *p, int fd))
{
    p->serve = serve;
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

static void peer_tcp(peer *p, void (*serve)(peer *p, int fd))
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer_start(p, (struct sockaddr *)&a, sizeof a, serve);
}

static void peer_end(peer *p)
{
    shutdown(p->fd, SHUT_RDWR); /* if nobody came */
    pthread_join(p->thread, NULL);
    close(p->fd);
    SSL_CTX_free(p->ctx);
}

static void echo(peer *p, int fd)
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

static void say_goodbye(peer *p, int fd)
{
    (void)p;
    ck_assert_int_eq(write(fd, "bye", 3), 3);
}

static void reset_after_a_byte(peer *p, int fd)
{
    (void)p;
    char c;
    ck_assert_int_eq(read(fd, &c, 1), 1);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void say_nothing(peer *p, int fd)
{
    (void)p;
    char c[512];
    while (read(fd, c, sizeof c) > 0) {
    }
}

/* --- a test's stream --- */

static void setup(void)
{
    memset(&rs, 0, sizeof rs);
    rig_new(&r);
    rig_run(&r);
}

static void teardown(void)
{
    rig_halt(&r);
    ck_assert_uint_eq(rs.after_end, 0); /* after the end nothing comes */
    rig_free(&r);
    rig_stream_fini(&rs);
}

static void open_to(fwi_stream_target to)
{
    rig_stream_open(&rs, &r, &to);
}

static void open_port(int port)
{
    open_to((fwi_stream_target){
        .host = "127.0.0.1", .port = port, .connect_timeout_us = 10000000});
}

static void expect_end(const char *fmt, int port)
{
    char want[512];
    snprintf(want, sizeof want, fmt, port); // NOLINT: formats of this file
    ck_assert(rig_stream_wait_closed(&rs));
    ck_assert_str_eq(rs.why, want);
    ck_assert_uint_eq(rs.closed, 1);
}

/* --- connecting --- */

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

START_TEST(a_refusal_says_where_and_why)
{
    int port = free_port();
    open_port(port);
    expect_end("connect 127.0.0.1:%d: connection refused", port);
    ck_assert_uint_eq(rs.opened, 0);
}
END_TEST

START_TEST(a_refusal_of_all_addresses_of_a_name)
{
    int port = free_port();
    open_to((fwi_stream_target){.host = "localhost", .port = port});
    expect_end("connect localhost:%d: connection refused", port);
}
END_TEST

START_TEST(a_missing_unix_socket)
{
    open_to((fwi_stream_target){.path = "/nonexistent/redis.sock"});
    expect_end("connect /nonexistent/redis.sock: no such file or directory", 0);
}
END_TEST

START_TEST(a_unix_path_too_long_is_not_cut_off)
{
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[199] = '\0';
    open_to((fwi_stream_target){.path = path});
    ck_assert(rig_stream_wait_closed(&rs));
    ck_assert_ptr_nonnull(strstr(rs.why, "name too long"));
}
END_TEST

START_TEST(a_name_that_nobody_has)
{
    open_to((fwi_stream_target){.host = "no..name", .port = 1});
    expect_end("resolve no..name:1: unknown node or service", 0);
}
END_TEST

START_TEST(a_bad_port)
{
    open_to((fwi_stream_target){.host = "127.0.0.1", .port = 700000});
    ck_assert(rig_stream_wait_closed(&rs));
}
END_TEST

START_TEST(an_address_that_swallows_is_given_up)
{
    /* A full queue of newcomers, where the kernel drops the SYN. */
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof a;
    int full = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(full, (struct sockaddr *)&a, len), 0);
    ck_assert_int_eq(listen(full, 0), 0);
    getsockname(full, (struct sockaddr *)&a, &len);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&a, len);
    }
    open_to((fwi_stream_target){
        .host = "127.0.0.1", .port = ntohs(a.sin_port), .connect_timeout_us = 200000});
    expect_end("connect 127.0.0.1:%d: connection timed out", ntohs(a.sin_port));
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    close(full);
}
END_TEST

START_TEST(a_name_leads_to_the_address_that_answers)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo); /* 127.0.0.1; ::1 comes first where it is known */
    open_to((fwi_stream_target){
        .host = "localhost", .port = p.port, .connect_timeout_us = 10000000});
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

START_TEST(giving_up_while_connecting_is_silent)
{
    for (int i = 0; i < 20; i++) {
        rig_stream one = {.s = NULL};
        const char *host = i % 2 ? "localhost" : "127.0.0.1";
        fwi_stream_target to = {.host = host, .port = 1, .connect_timeout_us = 1};
        rig_stream_open(&one, &r, &to);
        rig_stream_close(&one);
        ck_assert_uint_eq(one.opened + one.after_end, 0);
    }
}
END_TEST

/* --- bytes --- */

START_TEST(bytes_go_both_ways)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_write(&rs, "PING", 4);
    ck_assert(rig_stream_wait_bytes(&rs, 4));
    ck_assert_mem_eq(rs.data.data, "PING", 4);
    ck_assert_uint_eq(rs.opened, 1);
    rig_stream_close(&rs);
    peer_end(&p);
    ck_assert_uint_eq(rs.closed, 0);
}
END_TEST

START_TEST(what_is_written_early_goes_first)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    rs.early = "HELLO ";
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_write(&rs, "world", 5);
    ck_assert(rig_stream_wait_bytes(&rs, 11));
    ck_assert_mem_eq(rs.data.data, "HELLO world", 11);
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

typedef struct unix_peer {
    peer p;
    char dir[32], path[64];
} unix_peer;

static void peer_unix(unix_peer *u, void (*serve)(peer *p, int fd))
{
    strcpy(u->dir, "/tmp/fw-io-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(u->dir));
    snprintf(u->path, sizeof u->path, "%s/s.sock", u->dir);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, u->path);
    peer_start(&u->p, (struct sockaddr *)&a, sizeof a, serve);
    open_to((fwi_stream_target){.path = u->path, .connect_timeout_us = 10000000});
    ck_assert(rig_stream_wait_open(&rs));
}

static void peer_unix_remove(unix_peer *u)
{
    unlink(u->path);
    rmdir(u->dir);
}

START_TEST(a_unix_socket_carries_bytes)
{
    unix_peer u = {.path = ""};
    peer_unix(&u, echo);
    rig_stream_write(&rs, "PING", 4);
    ck_assert(rig_stream_wait_bytes(&rs, 4));
    rig_stream_close(&rs);
    peer_end(&u.p);
    peer_unix_remove(&u);
}
END_TEST

enum { LARGE = 32 << 20 };

static char *large_bytes(void)
{
    char *bytes = malloc(LARGE);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < LARGE; i++) {
        bytes[i] = (char)(i * 31 + (i >> 13));
    }
    return bytes;
}

static void write_large_and_compare(peer *p)
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

START_TEST(what_the_kernel_does_not_take_waits_in_order)
{
    peer p = {.gated = true};
    sem_init(&p.gate, 0, 0);
    peer_tcp(&p, echo);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    write_large_and_compare(&p);
    sem_destroy(&p.gate);
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

START_TEST(a_stream_closed_with_bytes_waiting_forgets_them)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    char *bytes = large_bytes();
    rig_stream_write(&rs, bytes, LARGE);
    rig_stream_close(&rs);
    free(bytes);
    peer_end(&p);
}
END_TEST

START_TEST(the_end_of_the_peer_comes_after_its_bytes)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, say_goodbye);
    open_port(p.port);
    expect_end("127.0.0.1:%d: closed by the server", p.port);
    ck_assert_uint_eq(rs.data.len, 3);
    peer_end(&p);
}
END_TEST

START_TEST(a_reset_is_named)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, reset_after_a_byte);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_write(&rs, "x", 1);
    expect_end("read 127.0.0.1:%d: connection reset by peer", p.port);
    peer_end(&p);
}
END_TEST

/* The peer has gone and the loop hasn't looked yet: an error, never SIGPIPE. */
static void write_past_the_end(void *arg)
{
    peer *p = arg;
    ck_assert(r.loop->ops->stream_write(rs.s, "x", 1));
    pthread_join(p->thread, NULL);
    for (int i = 0; i < 3; i++) {
        ck_assert(r.loop->ops->stream_write(rs.s, "x", 1));
    }
}

START_TEST(a_failed_write_is_told_later_and_kills_nobody)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, reset_after_a_byte);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_do(&r, write_past_the_end, &p);
    expect_end("write 127.0.0.1:%d: connection reset by peer", p.port);
    close(p.fd);
}
END_TEST

START_TEST(a_broken_pipe_is_told_later_and_kills_nobody)
{
    unix_peer u = {.path = ""};
    peer_unix(&u, reset_after_a_byte);
    rig_do(&r, write_past_the_end, &u.p);
    ck_assert(rig_stream_wait_closed(&rs));
    ck_assert_ptr_nonnull(strstr(rs.why, "broken pipe"));
    close(u.p.fd);
    peer_unix_remove(&u);
}
END_TEST

START_TEST(a_stream_may_be_closed_in_on_open)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    rs.close_in_open = true;
    rs.early = "x";
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    peer_end(&p); /* sees the end */
}
END_TEST

START_TEST(a_stream_may_be_closed_in_on_data)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    rs.close_in_data = true;
    rs.early = "x";
    open_port(p.port);
    ck_assert(rig_stream_wait_bytes(&rs, 1));
    peer_end(&p);
}
END_TEST

START_TEST(a_loop_may_be_freed_with_streams_in_every_state)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, say_nothing);
    rig x;
    rig_new(&x);
    rig_run(&x);
    rig_stream many[6];
    memset(many, 0, sizeof many);
    fwi_stream_target to[6] = {
        {.host = "127.0.0.1", .port = p.port},
        {.host = "127.0.0.1", .port = p.port, .tls = true},
        {.host = "127.0.0.1", .port = 1},
        {.host = "localhost", .port = 1},
        {.path = "/nonexistent"},
        {.host = "127.0.0.1", .port = 1, .tls = true, .tls_ca = "/nonexistent"},
    };
    for (int i = 0; i < 6; i++) {
        rig_stream_open(&many[i], &x, &to[i]);
    }
    rig_halt(&x);
    rig_free(&x);
    peer_end(&p);
}
END_TEST

/* --- TLS --- */

static void run(const char *command)
{
    ck_assert_int_eq(system(command), 0); // NOLINT: the openssl command, paths are ours
}

/* A CA; certificates for server.test, for 127.0.0.1 and for a client; another CA. */
static void make_certificates(void)
{
    snprintf(folder, sizeof folder, "/tmp/fw-tls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char command[4096];
    snprintf(
        command, sizeof command,
        "cd %s && exec 2>/dev/null && new='openssl req -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes' && "
        "$new -x509 -subj /CN=ca -keyout ca.key -out ca.pem && "
        "$new -x509 -subj /CN=other -keyout other.key -out other.pem && "
        "sign() { $new -subj /CN=$1 -keyout $1.key -out $1.csr && "
        "echo \"subjectAltName=$2\" > $1.ext && openssl x509 -req -in $1.csr -CA ca.pem "
        "-CAkey ca.key -CAcreateserial -days $3 -extfile $1.ext -out $1.pem; } && "
        "sign name DNS:server.test,DNS:localhost 9 && sign ip IP:127.0.0.1 9 && "
        "sign client DNS:client 9 && cat client.key >> client.pem",
        folder);
    run(command);
}

static void remove_certificates(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    run(command);
}

static char *in_folder(const char *name)
{
    static char path[8][128];
    static unsigned next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void serve_tls(peer *p, int fd)
{
    p->ssl = SSL_new(p->ctx);
    SSL_set_fd(p->ssl, fd);
    if (SSL_accept(p->ssl) == 1) {
        const char *name = SSL_get_servername(p->ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(p->name, sizeof p->name, "%s", name != NULL ? name : "");
        wait_at_gate(p);
        char b[16384];
        for (int n; (n = SSL_read(p->ssl, b, sizeof b)) > 0;) {
            if (SSL_write(p->ssl, b, n) <= 0) {
                break;
            }
        }
        SSL_shutdown(p->ssl);
    }
    SSL_free(p->ssl);
}

static void say_goodbye_tls(peer *p, int fd)
{
    p->ssl = SSL_new(p->ctx);
    SSL_set_fd(p->ssl, fd);
    ck_assert_int_eq(SSL_accept(p->ssl), 1);
    SSL_write(p->ssl, "bye", 3);
    SSL_shutdown(p->ssl);
    SSL_free(p->ssl);
}

static void peer_tls(peer *p, const char *who, void (*serve)(peer *p, int fd))
{
    char cert[16], key[16];
    snprintf(cert, sizeof cert, "%s.pem", who);
    snprintf(key, sizeof key, "%s.key", who);
    p->ctx = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate_file(p->ctx, in_folder(cert), 1), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(p->ctx, in_folder(key), 1), 1);
    peer_tcp(p, serve);
}

static fwi_stream_target tls_target(const peer *p, const char *host)
{
    return (fwi_stream_target){.host = host,
                               .port = p->port,
                               .tls = true,
                               .tls_ca = in_folder("ca.pem"),
                               .connect_timeout_us = 10000000};
}

static const struct {
    const char *name, *cert, *host, *server_name;
    int max_version;
} good_tls[] = {
    {"by address", "ip", "127.0.0.1", "", 0},
    {"by name", "name", "localhost", "localhost", 0},
    {"TLS 1.2", "ip", "127.0.0.1", "", TLS1_2_VERSION},
};

START_TEST(tls_carries_bytes)
{
    peer p = {.ctx = NULL};
    peer_tls(&p, good_tls[_i].cert, serve_tls);
    if (good_tls[_i].max_version != 0) {
        SSL_CTX_set_max_proto_version(p.ctx, good_tls[_i].max_version);
    }
    rs.early = "HELLO";
    open_to(tls_target(&p, good_tls[_i].host));
    bool came = rig_stream_wait_bytes(&rs, 5) || rs.closed == 0;
    ck_assert_msg(came && rs.closed == 0, "%s: %s", good_tls[_i].name, rs.why);
    ck_assert_mem_eq(rs.data.data, "HELLO", 5);
    rig_stream_close(&rs);
    peer_end(&p);
    ck_assert_str_eq(p.name, good_tls[_i].server_name);
}
END_TEST

START_TEST(tls_carries_a_lot_in_order)
{
    peer p = {.gated = true};
    sem_init(&p.gate, 0, 0);
    peer_tls(&p, "ip", serve_tls);
    open_to(tls_target(&p, "127.0.0.1"));
    ck_assert(rig_stream_wait_open(&rs));
    write_large_and_compare(&p);
    sem_destroy(&p.gate);
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

static const struct {
    const char *name, *cert, *host, *ca, *why;
    int max_version;
} bad_tls[] = {
    {"unknown CA", "ip", "127.0.0.1", "other.pem",
     "tls 127.0.0.1:%d: the server's certificate: unable to get local issuer certificate",
     0},
    {"system's CAs", "ip", "127.0.0.1", NULL,
     "tls 127.0.0.1:%d: the server's certificate: unable to get local issuer certificate",
     0},
    {"another name", "ip", "localhost", "ca.pem",
     "tls localhost:%d: the server's certificate: hostname mismatch", 0},
    {"another address", "name", "127.0.0.1", "ca.pem",
     "tls 127.0.0.1:%d: the server's certificate: IP address mismatch", 0},
    {"TLS 1.1", "ip", "127.0.0.1", "ca.pem", "tls 127.0.0.1:%d: ", TLS1_1_VERSION},
};

START_TEST(a_server_that_is_not_trusted_is_named)
{
    peer p = {.ctx = NULL};
    peer_tls(&p, bad_tls[_i].cert, serve_tls);
    if (bad_tls[_i].max_version != 0) {
        SSL_CTX_set_security_level(p.ctx, 0);
        SSL_CTX_set_min_proto_version(p.ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(p.ctx, bad_tls[_i].max_version);
    }
    fwi_stream_target to = tls_target(&p, bad_tls[_i].host);
    to.tls_ca = bad_tls[_i].ca != NULL ? in_folder(bad_tls[_i].ca) : NULL;
    open_to(to);
    ck_assert(rig_stream_wait_closed(&rs));
    char want[256];
    snprintf(want, sizeof want, bad_tls[_i].why, p.port); // NOLINT: of the table above
    ck_assert_msg(strncmp(rs.why, want, strlen(want)) == 0, "%s: %s", bad_tls[_i].name,
                  rs.why);
    ck_assert_uint_eq(rs.opened, 0);
    peer_end(&p);
}
END_TEST

START_TEST(an_insecure_target_is_not_checked)
{
    peer p = {.ctx = NULL};
    peer_tls(&p, "name", serve_tls);
    fwi_stream_target to = tls_target(&p, "127.0.0.1");
    to.tls_ca = NULL;
    to.tls_insecure = true;
    open_to(to);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

START_TEST(a_client_certificate_is_shown)
{
    peer p = {.ctx = NULL};
    peer_tls(&p, "ip", serve_tls);
    SSL_CTX_load_verify_locations(p.ctx, in_folder("ca.pem"), NULL);
    SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    fwi_stream_target to = tls_target(&p, "127.0.0.1");
    if (_i != 0) {
        to.tls_cert = in_folder("client.pem");
        to.tls_key = _i == 1 ? in_folder("client.key") : NULL; /* in the same file */
    }
    /* Unread bytes would make the server's close a reset that overtakes its alert. */
    rs.early = _i != 0 ? "x" : NULL;
    open_to(to);
    if (_i != 0) {
        ck_assert(rig_stream_wait_bytes(&rs, 1));
        rig_stream_close(&rs);
    } else { /* TLS 1.3: the server says so after our side of the handshake */
        ck_assert(rig_stream_wait_closed(&rs));
        ck_assert_msg(strstr(rs.why, "certificate required") != NULL, "%s", rs.why);
    }
    peer_end(&p);
}
END_TEST

static const struct {
    const char *name, *ca, *cert, *key, *why;
} bad_files[] = {
    {"no CA", "none", NULL, NULL, "CA %s/none: No such file or directory"},
    {"no PEM", "name.ext", NULL, NULL, "CA %s/name.ext: no certificate or crl found"},
    {"no certificate", "ca.pem", "none", NULL,
     "certificate %s/none: No such file or directory"},
    {"no key", "ca.pem", "client.pem", "none", "key %s/none: No such file or directory"},
    {"another's key", "ca.pem", "client.pem", "ip.key",
     "key %s/ip.key: key values mismatch"},
};

START_TEST(a_bad_file_is_named)
{
    fwi_stream_target to = {.host = "127.0.0.1", .port = 1, .tls = true};
    to.tls_ca = in_folder(bad_files[_i].ca);
    to.tls_cert = bad_files[_i].cert ? in_folder(bad_files[_i].cert) : NULL;
    to.tls_key = bad_files[_i].key ? in_folder(bad_files[_i].key) : NULL;
    open_to(to);
    ck_assert(rig_stream_wait_closed(&rs));
    char end[256], want[300];
    snprintf(end, sizeof end, bad_files[_i].why, folder); // NOLINT: of the table above
    snprintf(want, sizeof want, "tls 127.0.0.1:1: %s", end);
    ck_assert_str_eq(rs.why, want);
}
END_TEST

START_TEST(a_server_without_tls_is_seen)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    open_to(tls_target(&p, "127.0.0.1"));
    ck_assert(rig_stream_wait_closed(&rs));
    ck_assert_ptr_nonnull(strstr(rs.why, "tls 127.0.0.1"));
    peer_end(&p);
}
END_TEST

START_TEST(a_server_that_never_shakes_hands_is_given_up)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, say_nothing);
    fwi_stream_target to = tls_target(&p, "127.0.0.1");
    to.connect_timeout_us = 200000;
    open_to(to);
    expect_end("tls 127.0.0.1:%d: connection timed out", p.port);
    peer_end(&p);
}
END_TEST

START_TEST(the_end_of_a_tls_peer_comes_after_its_bytes)
{
    peer p = {.ctx = NULL};
    peer_tls(&p, "ip", say_goodbye_tls);
    open_to(tls_target(&p, "127.0.0.1"));
    expect_end("127.0.0.1:%d: closed by the server", p.port);
    ck_assert_uint_eq(rs.data.len, 3);
    peer_end(&p);
}
END_TEST

START_TEST(a_tls_stream_may_be_closed_in_its_callbacks)
{
    peer p = {.ctx = NULL};
    peer_tls(&p, "ip", serve_tls);
    rs.close_in_open = _i == 0;
    rs.close_in_data = _i == 1;
    rs.early = "x";
    open_to(tls_target(&p, "127.0.0.1"));
    ck_assert(_i == 0 ? rig_stream_wait_open(&rs) : rig_stream_wait_bytes(&rs, 1));
    peer_end(&p);
}
END_TEST

int main(void)
{
    signal(SIGPIPE, SIG_DFL); /* the peers block it; the library must be careful */
    Suite *suite = suite_create("io_stream");
    TCase *tc = tcase_create("stream");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_refusal_says_where_and_why);
    tcase_add_test(tc, a_refusal_of_all_addresses_of_a_name);
    tcase_add_test(tc, a_missing_unix_socket);
    tcase_add_test(tc, a_unix_path_too_long_is_not_cut_off);
    tcase_add_test(tc, a_name_that_nobody_has);
    tcase_add_test(tc, a_bad_port);
    tcase_add_test(tc, an_address_that_swallows_is_given_up);
    tcase_add_test(tc, a_name_leads_to_the_address_that_answers);
    tcase_add_test(tc, giving_up_while_connecting_is_silent);
    tcase_add_test(tc, bytes_go_both_ways);
    tcase_add_test(tc, what_is_written_early_goes_first);
    tcase_add_test(tc, a_unix_socket_carries_bytes);
    tcase_add_test(tc, what_the_kernel_does_not_take_waits_in_order);
    tcase_add_test(tc, a_stream_closed_with_bytes_waiting_forgets_them);
    tcase_add_test(tc, the_end_of_the_peer_comes_after_its_bytes);
    tcase_add_test(tc, a_reset_is_named);
    tcase_add_test(tc, a_failed_write_is_told_later_and_kills_nobody);
    tcase_add_test(tc, a_broken_pipe_is_told_later_and_kills_nobody);
    tcase_add_test(tc, a_stream_may_be_closed_in_on_open);
    tcase_add_test(tc, a_stream_may_be_closed_in_on_data);
    tcase_add_test(tc, a_loop_may_be_freed_with_streams_in_every_state);
    suite_add_tcase(suite, tc);
    tc = tcase_create("tls");
    tcase_add_unchecked_fixture(tc, make_certificates, remove_certificates);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, tls_carries_bytes, 0, (int)FWI_ARRAY_LEN(good_tls));
    tcase_add_test(tc, tls_carries_a_lot_in_order);
    tcase_add_loop_test(tc, a_server_that_is_not_trusted_is_named, 0,
                        (int)FWI_ARRAY_LEN(bad_tls));
    tcase_add_test(tc, an_insecure_target_is_not_checked);
    tcase_add_loop_test(tc, a_client_certificate_is_shown, 0, 3);
    tcase_add_loop_test(tc, a_bad_file_is_named, 0, (int)FWI_ARRAY_LEN(bad_files));
    tcase_add_test(tc, a_server_without_tls_is_seen);
    tcase_add_test(tc, a_server_that_never_shakes_hands_is_given_up);
    tcase_add_test(tc, the_end_of_a_tls_peer_comes_after_its_bytes);
    tcase_add_loop_test(tc, a_tls_stream_may_be_closed_in_its_callbacks, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
