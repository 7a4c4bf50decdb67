/*
 * TLS for client streams: OpenSSL between two memory BIOs. A context is made for each
 * connection, so that a certificate that was replaced on disk is seen at the next one;
 * streams that need it are few and long.
 *
 * Called by stream_uv.c. Knows no socket and no loop. OpenSSL's error queue belongs to
 * the thread: it is emptied before each call whose errors are looked at. @thread the
 * stream's
 */
#include "io/stream_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

struct fwi_tls {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    char why[160];
};

/* The oldest error of the queue is the cause; later ones say who passed it on. */
static const char *openssl_reason(void)
{
    unsigned long e = ERR_peek_error();
    if (e == 0) {
        return "unknown error";
    }
    if (ERR_SYSTEM_ERROR(e)) {
        return strerror(ERR_GET_REASON(e)); // NOLINT(concurrency-mt-unsafe): glibc's is
    }
    const char *reason = ERR_reason_error_string(e);
    return reason != NULL ? reason : "unknown error";
}

/* A key with a passphrase would make OpenSSL ask at the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return -1;
}

static bool load_own_certificate(SSL_CTX *ctx, const fwi_stream_target *target, char *why,
                                 size_t cap)
{
    const char *cert = target->tls_cert;
    const char *key = target->tls_key != NULL ? target->tls_key : cert;
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        snprintf(why, cap, "certificate %s: %s", cert, openssl_reason());
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        snprintf(why, cap, "key %s: %s", key, openssl_reason());
        return false;
    }
    return true;
}

static bool load_trusted(SSL_CTX *ctx, const fwi_stream_target *target, char *why,
                         size_t cap)
{
    if (target->tls_insecure) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (target->tls_ca == NULL) {
        SSL_CTX_set_default_verify_paths(ctx);
        return true;
    }
    if (SSL_CTX_load_verify_locations(ctx, target->tls_ca, NULL) != 1) {
        snprintf(why, cap, "CA %s: %s", target->tls_ca, openssl_reason());
        return false;
    }
    return true;
}

static SSL_CTX *make_context(const fwi_stream_target *target, char *why, size_t cap)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        snprintf(why, cap, "%s", openssl_reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* Without renegotiation a write never waits for a read. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    /* Idle links give their 34 KB of record buffers back. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    if (!load_trusted(ctx, target, why, cap) ||
        (target->tls_cert != NULL && !load_own_certificate(ctx, target, why, cap))) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

bool fwi_tls_files_are_good(const char *cert, const char *key, char *why, size_t cap)
{
    const fwi_stream_target files = {
        .tls_cert = cert, .tls_key = key, .tls_insecure = true};
    SSL_CTX *ctx = make_context(&files, why, cap);
    SSL_CTX_free(ctx);
    return ctx != NULL;
}

/* An address is looked for among the certificate's addresses, and is no server name
 * (RFC 6066 3). */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 ||
        inet_pton(AF_INET6, host, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

fwi_tls *fwi_tls_new(const fwi_stream_target *target, char *why, size_t cap)
{
    if (target->host == NULL) {
        snprintf(why, cap, "a Unix socket has no name to check a certificate against");
        return NULL;
    }
    fwi_tls *t = calloc(1, sizeof *t);
    if (t == NULL) {
        snprintf(why, cap, "out of memory");
        return NULL;
    }
    t->ctx = make_context(target, why, cap);
    if (t->ctx == NULL) {
        free(t);
        return NULL;
    }
    t->ssl = SSL_new(t->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
        BIO_free(t->in);
        BIO_free(t->out);
        snprintf(why, cap, "out of memory");
        fwi_tls_free(t);
        return NULL;
    }
    BIO_set_mem_eof_return(t->in, -1); /* empty means "later", not "end" */
    BIO_set_mem_eof_return(t->out, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_connect_state(t->ssl);
    if (!expect_host(t->ssl, target->host)) {
        snprintf(why, cap, "%s is not a name that a certificate could have",
                 target->host);
        fwi_tls_free(t);
        return NULL;
    }
    return t;
}

void fwi_tls_free(fwi_tls *t)
{
    if (t != NULL) {
        SSL_free(t->ssl);
        SSL_CTX_free(t->ctx);
        free(t);
    }
}

bool fwi_tls_feed(fwi_tls *t, const void *data, size_t len)
{
    size_t written;
    return len <= INT_MAX && BIO_write_ex(t->in, data, len, &written) == 1 &&
           written == len;
}

/* OpenSSL says "certificate verify failed" for all that can be wrong with one; the
 * verification's own result says what it was. */
static fwi_tls_result result_of(fwi_tls *t, int ret)
{
    switch (SSL_get_error(t->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return FWI_TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return FWI_TLS_CLOSED;
    default:
        break;
    }
    long verify = SSL_get_verify_result(t->ssl);
    if (verify != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE) {
        snprintf(t->why, sizeof t->why, "the server's certificate: %s",
                 X509_verify_cert_error_string(verify));
    } else {
        snprintf(t->why, sizeof t->why, "%s", openssl_reason());
    }
    return FWI_TLS_FAILED;
}

fwi_tls_result fwi_tls_handshake(fwi_tls *t)
{
    ERR_clear_error();
    int ret = SSL_do_handshake(t->ssl);
    return ret == 1 ? FWI_TLS_DONE : result_of(t, ret);
}

fwi_tls_result fwi_tls_read(fwi_tls *t, void *out, size_t cap, size_t *len)
{
    ERR_clear_error();
    int ret = SSL_read_ex(t->ssl, out, cap, len);
    return ret == 1 ? FWI_TLS_DONE : result_of(t, ret);
}

bool fwi_tls_write(fwi_tls *t, const void *data, size_t len)
{
    if (len == 0) {
        return true;
    }
    size_t written;
    ERR_clear_error();
    int ret = SSL_write_ex(t->ssl, data, len, &written);
    if (ret == 1) {
        return true;
    }
    result_of(t, ret);
    return false;
}

void fwi_tls_bye(fwi_tls *t)
{
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

size_t fwi_tls_output(fwi_tls *t, const char **data)
{
    char *p = NULL;
    long len = BIO_get_mem_data(t->out, &p);
    *data = p;
    return len > 0 ? (size_t)len : 0;
}

void fwi_tls_sent(fwi_tls *t)
{
    (void)BIO_reset(t->out);
}

const char *fwi_tls_why(const fwi_tls *t)
{
    return t->why;
}
