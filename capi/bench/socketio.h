/*
 * What Socket.IO's clients say and hear beside messages (Engine.IO 4 and Socket.IO 5 over
 * WebSocket alone): they join the default namespace, and answer pings of its own kind.
 */
#ifndef BENCH_SOCKETIO_H
#define BENCH_SOCKETIO_H

#include <stddef.h>
#include <stdint.h>

typedef enum socketio_packet {
    SOCKETIO_OTHER,  /* messages, and what needs no answer */
    SOCKETIO_JOINED, /* the namespace: messages may be said */
    SOCKETIO_PING
} socketio_packet;

socketio_packet socketio_read(const uint8_t *data, size_t len);

/* Frames of SOCKETIO_FRAME bytes at most, as clients send them; their length. */
enum { SOCKETIO_FRAME = 8 };
size_t socketio_join(uint8_t *out);
size_t socketio_pong(uint8_t *out);

#endif
