/*
 * Sockets of the clients, plain and TLS; see stream.h. Called by the crowd alone.
 */
#include "stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct ssl_ctx_st *stream_tls_new(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls) {
        fputs("fanwire-bench: OpenSSL can't be set up\n", stderr);
        return NULL;
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls, 1); /* a record's head isn't worth a recv() */
    return tls;
}

void stream_tls_free(struct ssl_ctx_st *tls)
{
    SSL_CTX_free(tls);
}

bool stream_open(stream *s, const struct addrinfo *address, int receive_bytes)
{
    const int kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int on = 1;
    *s = (stream){.fd = socket(address->ai_family, kind, 0)};
    if (s->fd < 0) {
        return false;
    }
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_bytes > 0) { /* before connect(): the window is agreed upon there */
        setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    if (connect(s->fd, address->ai_addr, address->ai_addrlen) != 0 &&
        errno != EINPROGRESS) {
        int err = errno;
        close(s->fd);
        s->fd = -1;
        errno = err;
        return false;
    }
    return true;
}

bool stream_use_tls(stream *s, struct ssl_ctx_st *tls, const char *host)
{
    s->tls = SSL_new(tls);
    if (!s->tls || SSL_set_fd(s->tls, s->fd) != 1) {
        return false;
    }
    SSL_set_connect_state(s->tls);
    return SSL_set_tlsext_host_name(s->tls, host) == 1;
}

/* OpenSSL's queue of errors must be empty before the next call. */
static int why(stream *s, int result, uint32_t *epoll_events)
{
    int error = SSL_get_error(s->tls, result);
    ERR_clear_error();
    *epoll_events = error == SSL_ERROR_WANT_WRITE ? EPOLLOUT : EPOLLIN;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? STREAM_LATER
                                                                         : STREAM_ENDED;
}

int stream_handshake(stream *s, uint32_t *epoll_events)
{
    int result = SSL_do_handshake(s->tls);
    return result == 1 ? 1 : why(s, result, epoll_events);
}

ssize_t stream_send(stream *s, const void *data, size_t len)
{
    if (s->tls) {
        uint32_t events;
        int n = SSL_write(s->tls, data, len < 1 << 20 ? (int)len : 1 << 20);
        return n > 0 ? n : why(s, n, &events);
    }
    ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);
    return n > 0 ? n : n < 0 && errno == EAGAIN ? STREAM_LATER : STREAM_ENDED;
}

ssize_t stream_receive(stream *s, void *buffer, size_t size)
{
    if (!s->tls) {
        ssize_t n = recv(s->fd, buffer, size, 0);
        return n > 0 ? n : n < 0 && errno == EAGAIN ? STREAM_LATER : STREAM_ENDED;
    }
    /* A record a call: all that are there, or epoll would not tell of the others. */
    size_t at = 0;
    while (at < size) {
        size_t rest = size - at;
        int n =
            SSL_read(s->tls, (char *)buffer + at, rest < 1 << 20 ? (int)rest : 1 << 20);
        if (n <= 0) {
            uint32_t events;
            int answer = why(s, n, &events);
            return at > 0 ? (ssize_t)at : answer;
        }
        at += (size_t)n;
    }
    return (ssize_t)at;
}

void stream_close(stream *s)
{
    SSL_free(s->tls);
    close(s->fd);
    *s = (stream){.fd = -1};
}

void stream_reset(stream *s)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    stream_close(s);
}
