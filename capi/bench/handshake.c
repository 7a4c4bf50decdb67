/*
 * Asking for a WebSocket and reading the answer; see handshake.h. Called by the crowd
 * once a connection. The key is always the same, and the answer's proof of it isn't
 * looked at: this isn't the place to find out whether a server can do its sums.
 */
#include "handshake.h"

#include <stdio.h>
#include <string.h>

size_t handshake_request(const handshake *h, const target *t, const target_names *names,
                         char *out, size_t size)
{
    static const char offer[] =
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; "
        "server_no_context_takeover\r\n";
    char path[2048];
    bool v6 = strchr(t->host, ':') != NULL;
    if (target_path(t, names, path, sizeof path) == 0) {
        return 0;
    }
    int at = snprintf(out, size,
                      "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s",
                      path, v6 ? "[" : "", t->host, v6 ? "]" : "", t->port,
                      h->deflate ? offer : "");
    for (unsigned i = 0; i < h->n_headers && (size_t)at < size; i++) {
        at += snprintf(out + at, size - (size_t)at, "%s\r\n", h->headers[i]);
    }
    if ((size_t)at < size) {
        at += snprintf(out + at, size - (size_t)at, "\r\n");
    }
    return (size_t)at < size ? (size_t)at : 0;
}

static size_t refuse(handshake_result *result, const char *why, size_t len)
{
    result->refusal = why;
    result->refusal_len = (int)len;
    return SIZE_MAX;
}

static bool has(const uint8_t *p, size_t len, const char *text)
{
    return memmem(p, len, text, strlen(text)) != NULL;
}

size_t handshake_answer(const handshake *h, const uint8_t *p, size_t len,
                        handshake_result *result)
{
    static const char
        endless[] = "a head without end",
        context[] =
            "permessage-deflate with context takeover, which it was asked to do without";
    const uint8_t *end = memmem(p, len, "\r\n\r\n", 4);
    *result = (handshake_result){0};
    if (!end) {
        return len < HANDSHAKE_SIZE ? 0 : refuse(result, endless, sizeof endless - 1);
    }
    size_t head = (size_t)(end - p) + 4;
    if (memcmp(p, "HTTP/1.1 101", 12 < head ? 12 : head) != 0) {
        const uint8_t *line_end = memchr(p, '\r', head);
        return refuse(result, (const char *)p, (size_t)(line_end - p));
    }
    result->deflate = h->deflate && has(p, head, "permessage-deflate");
    if (result->deflate && !has(p, head, "server_no_context_takeover")) {
        return refuse(result, context, sizeof context - 1);
    }
    return head;
}
