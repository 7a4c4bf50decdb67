/*
 * A blocking connection with a deadline. See the header. Called by the emitter only.
 *
 * The socket never blocks; poll() waits. TLS goes through memory BIOs, so that every byte
 * passes send() with MSG_NOSIGNAL: a library must not let SIGPIPE end its process.
 */
#include "backplane/redis_blocking.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/error.h"

/* So many bytes are looked at between two questions: tickets of TLS are some hundred. */
enum { BETWEEN_BYTES = 4096 };

struct fwi_redis_blocking {
    int fd;
    SSL_CTX *context; /* NULL without TLS */
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

static int failed(const char *what, const char *why)
{
    return fwi_error(FW_ERR_BACKPLANE, "redis: %s: %s", what, why);
}

/* A call of the system, by errno. */
static int call_failed(const char *what)
{
    return fwi_error(FW_ERR_BACKPLANE, "redis: %s: %m", what);
}

/* --- the socket --- */

static int wait_for(int fd, short events, uint64_t deadline_us)
{
    for (;;) {
        uint64_t now_us = fwi_clock_us();
        if (now_us >= deadline_us) {
            return fwi_error(FW_ERR_TIMEOUT, "redis: no answer in time");
        }
        uint64_t left_ms =
            FWI_MIN((deadline_us - now_us + 999u) / 1000u, (uint64_t)60000);
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, (int)left_ms);
        if (n > 0) {
            return FW_OK;
        }
        if (n < 0 && errno != EINTR) {
            return call_failed("poll");
        }
    }
}

static int socket_write(int fd, const char *data, size_t len, uint64_t deadline_us)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            int err = wait_for(fd, POLLOUT, deadline_us);
            if (err != FW_OK) {
                return err;
            }
        } else if (errno != EINTR) {
            return call_failed("send");
        }
    }
    return FW_OK;
}

static long socket_read(int fd, void *data, size_t cap, uint64_t deadline_us)
{
    for (;;) {
        ssize_t n = recv(fd, data, cap, 0);
        if (n > 0) {
            return n;
        }
        if (n == 0) {
            return failed("receive", "the server closed the connection");
        }
        if (errno == EAGAIN) {
            int err = wait_for(fd, POLLIN, deadline_us);
            if (err != FW_OK) {
                return err;
            }
        } else if (errno != EINTR) {
            return call_failed("receive");
        }
    }
}

/* A descriptor in *fd, or an error. */
static int connect_to(const struct sockaddr *a, socklen_t len, uint64_t deadline_us,
                      int *fd)
{
    *fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) {
        return call_failed("socket");
    }
    int err = FW_OK;
    if (connect(*fd, a, len) != 0) {
        int why = errno;
        if (why == EINPROGRESS) {
            socklen_t n = sizeof why;
            err = wait_for(*fd, POLLOUT, deadline_us);
            why = 0;
            if (err == FW_OK && getsockopt(*fd, SOL_SOCKET, SO_ERROR, &why, &n) != 0) {
                why = errno;
            }
        }
        if (err == FW_OK && why != 0) {
            errno = why;
            err = call_failed("connect");
        }
    }
    if (err != FW_OK) {
        close(*fd);
        *fd = -1;
        return err;
    }
    int on = 1;
    if (a->sa_family != AF_UNIX) {
        (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return FW_OK;
}

static int connect_unix(const char *path, uint64_t deadline_us, int *fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof a.sun_path) {
        return failed(path, "the path is too long");
    }
    memcpy(a.sun_path, path, len + 1);
    return connect_to((const struct sockaddr *)&a, sizeof a, deadline_us, fd);
}

static int connect_tcp(const char *host, int port, uint64_t deadline_us, int *fd)
{
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *all = NULL;
    int bad = getaddrinfo(host, service, &hints, &all);
    if (bad != 0) {
        return failed(host, gai_strerror(bad));
    }
    int err = failed(host, "no address");
    for (const struct addrinfo *a = all; a != NULL; a = a->ai_next) {
        err = connect_to(a->ai_addr, a->ai_addrlen, deadline_us, fd);
        if (err == FW_OK || err == FW_ERR_TIMEOUT) {
            break;
        }
    }
    freeaddrinfo(all);
    return err;
}

/* --- TLS --- */

/* What OpenSSL's queue has: the oldest error is the cause, later ones say who passed it
 * on. */
static void put_reason(char *why, size_t cap)
{
    unsigned long e = ERR_peek_error();
    const char *reason = e != 0 ? ERR_reason_error_string(e) : "it failed";
    if (ERR_SYSTEM_ERROR(e)) {
        errno = ERR_GET_REASON(e);
        snprintf(why, cap, "%m");
    } else {
        snprintf(why, cap, "%s", reason != NULL ? reason : "it failed");
    }
    ERR_clear_error();
}

static int tls_failed(const fwi_redis_blocking *c, const char *what)
{
    char why[256];
    bool verifies = c->ssl != NULL && SSL_get_verify_mode(c->ssl) != SSL_VERIFY_NONE;
    long verdict = verifies ? SSL_get_verify_result(c->ssl) : X509_V_OK;
    put_reason(why, sizeof why);
    if (verdict != X509_V_OK) {
        snprintf(why, sizeof why, "the certificate: %s",
                 X509_verify_cert_error_string(verdict));
    }
    return failed(what, why);
}

/* What OpenSSL wants to send. */
static int tls_push(fwi_redis_blocking *c, uint64_t deadline_us)
{
    char bytes[4096];
    int n;
    while ((n = BIO_read(c->out, bytes, sizeof bytes)) > 0) {
        int err = socket_write(c->fd, bytes, (size_t)n, deadline_us);
        if (err != FW_OK) {
            return err;
        }
    }
    return FW_OK;
}

/* After an operation of OpenSSL that gave `result`: 1 if it is to be tried again. */
static int tls_again(fwi_redis_blocking *c, int result, const char *what,
                     uint64_t deadline_us)
{
    int want = SSL_get_error(c->ssl, result);
    int err = tls_push(c, deadline_us);
    if (err != FW_OK) {
        return err;
    }
    if (want == SSL_ERROR_WANT_WRITE) {
        return 1;
    }
    if (want == SSL_ERROR_ZERO_RETURN) {
        return failed(what, "the server closed the connection");
    }
    if (want != SSL_ERROR_WANT_READ) {
        return tls_failed(c, what);
    }
    char bytes[4096];
    long n = socket_read(c->fd, bytes, sizeof bytes, deadline_us);
    if (n < 0) {
        return (int)n;
    }
    if (BIO_write(c->in, bytes, (int)n) != n) {
        return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    }
    return 1;
}

/* A key with a passphrase would make OpenSSL ask at the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return -1;
}

/* NULL: all that were named are loaded; else the first that can't be. */
static const char *bad_file(SSL_CTX *context, const fwi_redis_config *config)
{
    const char *ca = config->tls_insecure ? NULL : config->tls_ca;
    const char *cert = config->tls_cert;
    const char *key = config->tls_key != NULL ? config->tls_key : cert;
    if (ca != NULL && SSL_CTX_load_verify_locations(context, ca, NULL) != 1) {
        return ca;
    }
    if (cert == NULL) {
        return NULL;
    }
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1) {
        return cert;
    }
    return SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 ? NULL : key;
}

static int tls_set_up(fwi_redis_blocking *c, const fwi_redis_config *config)
{
    ERR_clear_error(); /* what the application has left on this thread */
    c->context = SSL_CTX_new(TLS_client_method());
    if (c->context == NULL) {
        return tls_failed(c, "TLS");
    }
    SSL_CTX_set_min_proto_version(c->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(c->context,
                       config->tls_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_passwd_cb(c->context, no_passphrase);
    if (config->tls_ca == NULL) {
        SSL_CTX_set_default_verify_paths(c->context);
    }
    const char *bad = bad_file(c->context, config);
    if (bad != NULL) {
        return tls_failed(c, bad);
    }
    c->ssl = SSL_new(c->context);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    if (c->ssl == NULL || c->in == NULL || c->out == NULL) {
        BIO_free(c->in);
        BIO_free(c->out);
        return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    }
    SSL_set_bio(c->ssl, c->in, c->out);
    return FW_OK;
}

static bool tls_expect(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (is_address) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    }
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int tls_open(fwi_redis_blocking *c, const fwi_redis_config *config,
                    uint64_t deadline_us)
{
    int result, err = tls_set_up(c, config);
    if (err != FW_OK) {
        return err;
    }
    if (!tls_expect(c->ssl, config->url.host)) {
        return tls_failed(c, "TLS");
    }
    while ((result = SSL_connect(c->ssl)) != 1) {
        err = tls_again(c, result, "TLS", deadline_us);
        if (err < 0) {
            return err;
        }
    }
    return tls_push(c, deadline_us);
}

/* --- both --- */

int fwi_redis_blocking_open(fwi_redis_blocking **out, const fwi_redis_config *config,
                            uint64_t deadline_us)
{
    fwi_redis_blocking *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    }
    c->fd = -1;
    const fwi_redis_url *url = &config->url;
    int err = url->is_unix ? connect_unix(url->file, deadline_us, &c->fd)
                           : connect_tcp(url->host, url->port, deadline_us, &c->fd);
    if (err == FW_OK && url->tls) {
        err = tls_open(c, config, deadline_us);
    }
    if (err != FW_OK) {
        fwi_redis_blocking_close(c);
        return err;
    }
    *out = c;
    return FW_OK;
}

void fwi_redis_blocking_close(fwi_redis_blocking *c)
{
    if (c == NULL) {
        return;
    }
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c);
}

int fwi_redis_blocking_write(fwi_redis_blocking *c, const void *data, size_t len,
                             uint64_t deadline_us)
{
    if (c->ssl == NULL) {
        return socket_write(c->fd, data, len, deadline_us);
    }
    size_t written = 0;
    ERR_clear_error();
    for (;;) {
        int result = SSL_write_ex(c->ssl, data, len, &written);
        if (result == 1) {
            return tls_push(c, deadline_us);
        }
        int err = tls_again(c, result, "TLS", deadline_us);
        if (err < 0) {
            return err;
        }
    }
}

long fwi_redis_blocking_read(fwi_redis_blocking *c, void *data, size_t cap,
                             uint64_t deadline_us)
{
    if (c->ssl == NULL) {
        return socket_read(c->fd, data, cap, deadline_us);
    }
    size_t got = 0;
    ERR_clear_error();
    for (;;) {
        int result = SSL_read_ex(c->ssl, data, cap, &got);
        if (result == 1) {
            return (long)got;
        }
        int err = tls_again(c, result, "TLS", deadline_us);
        if (err < 0) {
            return err;
        }
    }
}

bool fwi_redis_blocking_is_stale(fwi_redis_blocking *c)
{
    char bytes[BETWEEN_BYTES];
    ssize_t n, all = 0;
    /* With TLS it may be a ticket for another session, or the server's goodbye, with the
     * end of the connection behind it. */
    while ((n = recv(c->fd, bytes, sizeof bytes, 0)) > 0) {
        all += n;
        if (c->ssl == NULL || all >= BETWEEN_BYTES ||
            BIO_write(c->in, bytes, (int)n) != n) {
            return true;
        }
    }
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}
