/*
 * Where a hub listens: several addresses, Unix sockets, TLS, and what is said when an
 * address or a certificate can't be used.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

/* A directory of the test's own, with a certificate and two keys, one of which fits. */
typedef struct files {
    char dir[64], cert[96], key[96], other_key[96], garbage[96], socket[96];
} files;

static EVP_PKEY *write_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    ck_assert_ptr_nonnull(key);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    return key;
}

static void write_certificate(const char *path, EVP_PKEY *key)
{
    X509 *x = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(PEM_write_X509(f, x), 1);
    fclose(f);
    X509_free(x);
}

static void make_files(files *f)
{
    strcpy(f->dir, "/tmp/fanwire-listen-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->dir));
    snprintf(f->cert, sizeof f->cert, "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);
    snprintf(f->other_key, sizeof f->other_key, "%s/other.pem", f->dir);
    snprintf(f->garbage, sizeof f->garbage, "%s/garbage.pem", f->dir);
    snprintf(f->socket, sizeof f->socket, "%s/hub.sock", f->dir);
    EVP_PKEY *key = write_key(f->key);
    write_certificate(f->cert, key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(write_key(f->other_key));
    FILE *g = fopen(f->garbage, "w");
    fputs("-----BEGIN CERTIFICATE-----\nnonsense\n", g);
    fclose(g);
}

static void remove_files(const files *f)
{
    unlink(f->cert);
    unlink(f->key);
    unlink(f->other_key);
    unlink(f->garbage);
    unlink(f->socket);
    ck_assert_int_eq(rmdir(f->dir), 0);
}

/* Says something both ways. */
static void talk(test_hub *h, const char *url)
{
    ws_client *c = ws_client_open(url, NULL);
    const test_event *open = test_hub_wait(h, FW_EVENT_OPEN, fw_session_none());
    ws_client_text(c, "up");
    ck_assert_str_eq((char *)test_hub_wait(h, FW_EVENT_MESSAGE, open->session)->data,
                     "up");
    ck_assert_int_eq(fw_session_send(h->hub, open->session, TEXT("down")), FW_OK);
    ws_client_expect_text(c, "down");
    ws_client_close(c, 1000, "");
    ws_client_expect_close(c, 1000, NULL);
    ws_client_expect_end(c);
    test_hub_wait(h, FW_EVENT_CLOSE, open->session);
    ws_client_free(c);
}

START_TEST(all_of_several_addresses_serve)
{
    files f;
    char local[160];
    make_files(&f);
    snprintf(local, sizeof local, "unix:%s:/chat", f.socket);
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "tls.cert", f.cert);
    test_hub_set(h, "tls.key", f.key);
    test_hub_set(h, "listen", "ws://127.0.0.1:0/a,ws://127.0.0.1:0/b");
    test_hub_set(h, "listen", local);
    test_hub_set(h, "listen", "wss://127.0.0.1:0/secure");
    test_hub_start(h);
    ck_assert_ptr_null(fw_hub_listen_url(h->hub, 4));
    ck_assert_str_eq(fw_hub_listen_url(h->hub, 2), local);
    for (size_t k = 0; k < 4; k++) {
        talk(h, fw_hub_listen_url(h->hub, k));
    }
    ws_client *c = ws_client_start(fw_hub_listen_url(h->hub, 0),
                                   &(ws_client_options){.path = "/elsewhere"});
    ck_assert_int_eq(ws_client_answer(c), 404);
    ws_client_free(c);
    test_hub_close(h);
    ck_assert_int_ne(access(f.socket, F_OK), 0);
    remove_files(&f);
}
END_TEST

START_TEST(tls_carries_large_messages_whole)
{
    enum { SIZE = 1000000 };
    files f;
    make_files(&f);
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "tls.cert", f.cert);
    test_hub_set(h, "tls.key", f.key);
    test_hub_set(h, "listen", "wss://127.0.0.1:0/ws");
    test_hub_set(h, "outbox.max_bytes", "16MiB");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    uint8_t *data = malloc(SIZE);
    for (size_t k = 0; k < SIZE; k++) {
        data[k] = (uint8_t)(k * 131 >> 3);
    }
    for (int k = 0; k < 5; k++) {
        ck_assert(ws_client_send(c.ws, WS_BINARY, data, SIZE));
        const test_event *e = test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
        ck_assert_uint_eq(e->len, SIZE);
        ck_assert_mem_eq(e->data, data, SIZE);
        ck_assert_int_eq(fw_session_send(h->hub, c.id, data, SIZE, FW_BINARY), FW_OK);
        /* Who isn't read by its client doesn't read it either, once the kernel is full.
         */
        ws_client_expect(c.ws, WS_BINARY, data, SIZE);
    }
    free(data);
    test_client_close(&c);
    test_hub_close(h);
    remove_files(&f);
}
END_TEST

START_TEST(a_plain_client_on_a_tls_port_harms_nobody)
{
    files f;
    make_files(&f);
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "tls.cert", f.cert);
    test_hub_set(h, "tls.key", f.key);
    test_hub_set(h, "listen", "wss://127.0.0.1:0/ws");
    test_hub_start(h);
    char plain[64];
    snprintf(plain, sizeof plain, "ws:%s", test_hub_url(h) + 4);
    ws_client *c = ws_client_start(plain, NULL);
    ws_client_expect_end(c);
    ws_client_free(c);
    talk(h, test_hub_url(h));
    test_hub_close(h);
    remove_files(&f);
}
END_TEST

START_TEST(a_certificate_that_cannot_be_used_is_named)
{
    files f;
    make_files(&f);
    char missing[96];
    snprintf(missing, sizeof missing, "%s/missing.pem", f.dir);
    const struct {
        const char *name, *cert, *key, *names;
    } cases[] = {
        {"no such certificate", missing, f.key, missing},
        {"no such key", f.cert, missing, missing},
        {"a certificate of nonsense", f.garbage, f.key, f.garbage},
        {"a key of nonsense", f.cert, f.garbage, f.garbage},
        {"another's key", f.cert, f.other_key, f.other_key},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        test_hub *h = test_hub_new((unsigned)_i);
        test_hub_set(h, "listen", "wss://127.0.0.1:0/ws");
        test_hub_set(h, "tls.cert", cases[k].cert);
        test_hub_set(h, "tls.key", cases[k].key);
        test_hub_make(h);
        int err = fw_hub_start(h->hub);
        ck_assert_msg(err == FW_ERR_TLS, "%s: %s", cases[k].name, fw_err_name(err));
        ck_assert_msg(strstr(fw_error_detail(), cases[k].names) != NULL, "%s: %s",
                      cases[k].name, fw_error_detail());
        test_hub_close(h);
    }
    remove_files(&f);
}
END_TEST

START_TEST(a_certificate_that_got_lost_is_named_by_a_reload_and_the_old_one_serves)
{
    files f;
    make_files(&f);
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "listen", "wss://127.0.0.1:0/ws");
    test_hub_set(h, "tls.cert", f.cert);
    test_hub_set(h, "tls.key", f.key);
    test_hub_start(h);
    ck_assert_int_eq(rename(f.garbage, f.cert), 0);
    ck_assert_int_eq(fw_hub_reload(h->hub, h->options), FW_ERR_TLS);
    ck_assert_msg(strstr(fw_error_detail(), "tls.cert: ") != NULL &&
                      strstr(fw_error_detail(), f.cert) != NULL,
                  "%s", fw_error_detail());
    talk(h, test_hub_url(h));
    test_hub_close(h);
    remove_files(&f);
}
END_TEST

START_TEST(wss_without_a_certificate_is_a_contradiction)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "listen", "wss://127.0.0.1:0/ws");
    ck_assert_int_eq(fw_hub_new(&h->hub, h->options), FW_ERR_OPTION);
    ck_assert_ptr_nonnull(strstr(fw_error_detail(), "tls.cert"));
    h->hub = NULL;
    test_hub_close(h);
}
END_TEST

START_TEST(a_port_in_use_is_named_and_the_hub_may_try_again)
{
    test_hub *first = test_hub_open((unsigned)_i);
    char url[128];
    snprintf(url, sizeof url, "%s", test_hub_url(first));
    test_hub *second = test_hub_new((unsigned)_i);
    test_hub_set(second, "listen", "ws://127.0.0.1:0/ws");
    test_hub_set(second, "listen", url);
    test_hub_make(second);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(fw_hub_start(second->hub), FW_ERR_LISTEN);
        ck_assert_msg(strstr(fw_error_detail(), url) != NULL, "%s", fw_error_detail());
        ck_assert_msg(strstr(fw_error_detail(), "in use") != NULL, "%s",
                      fw_error_detail());
        ck_assert_int_eq(fw_hub_send_all(second->hub, TEXT("x")), FW_ERR_CLOSED);
    }
    test_hub_close(first);
    test_hub_start(second);
    ck_assert_str_eq(fw_hub_listen_url(second->hub, 1), url);
    talk(second, url);
    test_hub_close(second);
}
END_TEST

START_TEST(a_port_is_free_again_as_soon_as_the_hub_is)
{
    char url[128];
    test_hub *h = test_hub_open((unsigned)_i);
    snprintf(url, sizeof url, "%s", test_hub_url(h));
    for (int k = 0; k < 5; k++) {
        talk(h, url);
        ws_client *left = ws_client_open(url, NULL);
        test_hub_close(h);
        ws_client_free(left);
        h = test_hub_new((unsigned)_i);
        test_hub_set(h, "listen", url);
        test_hub_start(h);
    }
    test_hub_close(h);
}
END_TEST

START_TEST(two_hubs_share_a_port_if_they_are_told_to)
{
    test_hub *first = test_hub_new((unsigned)_i), *second = test_hub_new((unsigned)_i);
    test_hub_set(first, "listen.shared", "on");
    test_hub_start(first);
    test_hub_set(second, "listen.shared", "on");
    test_hub_set(second, "listen", test_hub_url(first));
    test_hub_start(second);
    ws_client *c[64];
    for (int k = 0; k < 64; k++) {
        c[k] = ws_client_open(test_hub_url(first), NULL);
    }
    /* The last client may hear of its session before it is counted. */
    double a, b;
    uint64_t deadline = ws_now_ms() + WS_DEADLINE_MS;
    do {
        a = test_hub_stat(first, "fanwire_sessions");
        b = test_hub_stat(second, "fanwire_sessions");
    } while (a + b < 64 && ws_now_ms() < deadline);
    ck_assert_double_eq(a + b, 64);
    ck_assert(a > 0 && b > 0);
    for (int k = 0; k < 64; k++) {
        ws_client_free(c[k]);
    }
    test_hub_close(first);
    test_hub_close(second);
}
END_TEST

/* What a process that was killed leaves behind: a socket's file that nobody listens on.
 */
static void leave_stale_socket(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    strcpy(sa.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    close(fd);
}

START_TEST(a_unix_socket_is_taken_from_the_dead_and_not_from_the_living)
{
    files f;
    char url[160];
    make_files(&f);
    snprintf(url, sizeof url, "unix:%s:/ws", f.socket);
    leave_stale_socket(f.socket);
    test_hub *first = test_hub_new((unsigned)_i), *second = test_hub_new((unsigned)_i);
    test_hub_set(first, "listen", url);
    test_hub_set(second, "listen", url);
    test_hub_start(first);
    test_hub_make(second);
    ck_assert_int_eq(fw_hub_start(second->hub), FW_ERR_LISTEN);
    ck_assert_msg(strstr(fw_error_detail(), f.socket) != NULL, "%s", fw_error_detail());
    test_hub_close(second);
    talk(first, url);
    test_hub_close(first);
    /* A file that is no socket is never removed. */
    FILE *file = fopen(f.socket, "w");
    fclose(file);
    test_hub *third = test_hub_new((unsigned)_i);
    test_hub_set(third, "listen", url);
    test_hub_make(third);
    ck_assert_int_eq(fw_hub_start(third->hub), FW_ERR_LISTEN);
    test_hub_close(third);
    ck_assert_int_eq(access(f.socket, F_OK), 0);
    remove_files(&f);
}
END_TEST

START_TEST(health_and_metrics_have_an_address_of_their_own)
{
    static const struct {
        const char *path, *want;
        int status;
    } cases[] = {
        {"/health", "", 200},
        {"/ready", "", 200},
        {"/metrics", "\nfanwire_sessions 0\n", 200},
        {"/ws", "", 404},
        {"/nonsense", "", 404},
    };
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "http.listen", "127.0.0.1:0");
    test_hub_start(h);
    ck_assert_ptr_nonnull(fw_hub_http_address(h->hub));
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        char url[96], request[160];
        snprintf(url, sizeof url, "ws://%s/", fw_hub_http_address(h->hub));
        ws_client *c = ws_client_connect(url, NULL);
        int n = snprintf(request, sizeof request,
                         "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                         cases[k].path);
        ws_client_raw(c, request, (size_t)n);
        int status = ws_client_answer(c);
        ck_assert_msg(status == cases[k].status, "%s: %d", cases[k].path, status);
        ck_assert_ptr_nonnull(strstr(ws_client_answer_text(c), cases[k].want));
        ws_client_free(c);
    }
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("listeners");
    test_add(s, all_of_several_addresses_serve, 0, HUB_KINDS);
    test_add(s, tls_carries_large_messages_whole, 0, HUB_KINDS);
    test_add(s, a_plain_client_on_a_tls_port_harms_nobody, 0, HUB_KINDS);
    test_add(s, a_certificate_that_cannot_be_used_is_named, 0, 1);
    test_add(s, a_certificate_that_got_lost_is_named_by_a_reload_and_the_old_one_serves,
             0, 2);
    test_add(s, wss_without_a_certificate_is_a_contradiction, 0, 1);
    test_add(s, a_port_in_use_is_named_and_the_hub_may_try_again, 0, HUB_KINDS);
    test_add(s, a_port_is_free_again_as_soon_as_the_hub_is, 0, HUB_KINDS);
    test_add(s, two_hubs_share_a_port_if_they_are_told_to, 0, 2);
    test_add(s, a_unix_socket_is_taken_from_the_dead_and_not_from_the_living, 0, 2);
    test_add(s, health_and_metrics_have_an_address_of_their_own, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
