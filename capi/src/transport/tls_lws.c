/*
 * The TLS of listeners as libwebsockets is told of it. Called by context_lws.c
 * when a context is made; certificates that change later are its affair.
 *
 * Versions and ciphers are no options: whoever needs older ones puts a proxy in front.
 */
#include "transport/tls_lws.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "core/error.h"

/* Of TLS 1.2 only what keeps the past secret when a key becomes known (ECDHE) and
 * encrypts and authenticates in one (AEAD): the others have had padding oracles. All of
 * TLS 1.3 are such. Browsers have been able to do these since 2014. */
static const char tls_1_2_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static ssize_t read_a_byte(int fd)
{
    char byte;
    ssize_t n;
    do {
        n = read(fd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* libwebsockets takes files that aren't there for files to come, and says nothing. */
static int check_file(const char *option, const char *path)
{
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read_a_byte(fd) : -1;
    if (n == 1) {
        close(fd);
        return FW_OK;
    }
    char text[128];
    const char *why = path == NULL ? "is missing"
                      : n == 0     ? "is empty"
                                   : strerror_r(errno, text, sizeof text);
    if (fd >= 0) {
        close(fd);
    }
    return fwi_error(FW_ERR_TLS, "%s%s%s: %s", option, path ? ": " : "", path ? path : "",
                     why);
}

int fwi_tls_check_files(const fwi_transport_config *config)
{
    int err = check_file("tls.cert", config->tls_cert);
    return err == FW_OK ? check_file("tls.key", config->tls_key) : err;
}

void fwi_tls_fill(struct lws_context_creation_info *info,
                  const fwi_transport_config *config)
{
    info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info->ssl_cert_filepath = config->tls_cert;
    info->ssl_private_key_filepath = config->tls_key;
    /* Renegotiation: a client that shakes hands again and again on one connection would
     * have us compute for nothing. */
    info->ssl_options_set =
        (long)(SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION);
    info->ssl_cipher_list = tls_1_2_ciphers;
    info->alpn = "http/1.1"; /* libwebsockets would offer HTTP/2 */
}
