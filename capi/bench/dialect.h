/*
 * What clients of a protocol over WebSocket say and hear beside messages: how they get
 * where messages may be said, and pings of the protocol's own kind.
 */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include <stddef.h>
#include <stdint.h>

typedef enum dialect_packet {
    DIALECT_OTHER,  /* messages, and what needs no answer */
    DIALECT_JOINED, /* messages may be said */
    DIALECT_PING
} dialect_packet;

typedef struct dialect {
    dialect_packet (*read)(const uint8_t *data, size_t len);
    /* Payloads of text frames, of DIALECT_TEXT bytes at most. */
    const char *join, *pong;
} dialect;

/* Engine.IO 4 and Socket.IO 5 over WebSocket alone: the default namespace is joined. */
extern const dialect dialect_socketio;
/* Of the JSON of Centrifuge clients: the channel r0 is subscribed to. */
extern const dialect dialect_centrifuge;

enum { DIALECT_TEXT = 125, DIALECT_FRAME = 6 + DIALECT_TEXT };
/* Writes such a frame, as clients send it; its length. */
size_t dialect_put(uint8_t *out, const char *text);

#endif
