/*
 * Client streams of the real loop over TLS: whom they trust, what they show, what they
 * say when a handshake fails. Peers are threads of OpenSSL (io_stream_rig.h);
 * certificates are made anew by the openssl command.
 */
#include "io_stream_rig.h"
#include "support/again.h"

static char folder[64];

/* --- certificates --- */

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

/* --- peers --- */

/* A peer reads and writes by calls of its own, and goes on when one is interrupted:
 * OpenSSL's blocking ones end the handshake then, and the test is about the other side.
 */
static int peer_read(BIO *bio, char *to, int len)
{
    ssize_t n;
    AGAIN(n, read((int)(intptr_t)BIO_get_data(bio), to, (size_t)len));
    return (int)n;
}

static int peer_write(BIO *bio, const char *from, int len)
{
    ssize_t n;
    AGAIN(n, write((int)(intptr_t)BIO_get_data(bio), from, (size_t)len));
    return (int)n;
}

static long peer_ctrl(BIO *bio, int command, long number, void *with)
{
    (void)bio;
    (void)number;
    (void)with;
    return command == BIO_CTRL_FLUSH; /* nothing waits */
}

static BIO_METHOD *peer_bio; /* one for all tests */

static void make_peer_bio(void)
{
    peer_bio = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "peer");
    ck_assert_ptr_nonnull(peer_bio);
    BIO_meth_set_read(peer_bio, peer_read);
    BIO_meth_set_write(peer_bio, peer_write);
    BIO_meth_set_ctrl(peer_bio, peer_ctrl);
}

static void free_peer_bio(void)
{
    BIO_meth_free(peer_bio);
}

/* A thread of a peer asserts nothing: a failed assertion jumps back into the test, which
 * is on another stack. */
static bool accept_tls(peer *p, int fd)
{
    BIO *bio = BIO_new(peer_bio);
    p->ssl = SSL_new(p->ctx);
    if (bio == NULL || p->ssl == NULL) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(p->ssl, bio, bio);
    return SSL_accept(p->ssl) == 1;
}

static void serve_tls(peer *p, int fd)
{
    if (accept_tls(p, fd)) {
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
    if (accept_tls(p, fd)) {
        SSL_write(p->ssl, "bye", 3);
        SSL_shutdown(p->ssl);
    }
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

/* --- tests --- */

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
    Suite *suite = suite_create("io_tls");
    TCase *tc = tcase_create("tls");
    tcase_add_unchecked_fixture(tc, make_certificates, remove_certificates);
    tcase_add_unchecked_fixture(tc, make_peer_bio, free_peer_bio);
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
