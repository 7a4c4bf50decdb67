/*
 * A client's socket, with or without TLS: connect, send, receive, close or reset. It
 * never waits, and it doesn't know what the bytes mean.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct addrinfo;

typedef struct stream {
    int fd;
    struct ssl_st *tls; /* NULL: without */
} stream;

/* What a stream answers if it isn't a number of bytes. */
enum { STREAM_LATER = -1, STREAM_ENDED = 0 };

/* The TLS of all streams of a run. The server's certificate is not checked: whoever loads
 * a deployment knows whose it is. NULL: said on stderr. */
struct ssl_ctx_st *stream_tls_new(void);
void stream_tls_free(struct ssl_ctx_st *tls);

/* Begins to connect. `receive_bytes` of buffer, or 0 for what the kernel thinks best.
 * false: errno says why. */
bool stream_open(stream *s, const struct addrinfo *address, int receive_bytes);

/* TLS over a stream that is connected. false: no memory. */
bool stream_use_tls(stream *s, struct ssl_ctx_st *tls, const char *host);
/* 1 when it is done, else STREAM_LATER with what is waited for, or STREAM_ENDED. */
int stream_handshake(stream *s, uint32_t *epoll_events);

/* The number of bytes, STREAM_LATER, or STREAM_ENDED: closed or broken. */
ssize_t stream_send(stream *s, const void *data, size_t len);
ssize_t stream_receive(stream *s, void *buffer, size_t size);

void stream_close(stream *s);
/* Closes it so that the server gets a RST. */
void stream_reset(stream *s);

#endif
