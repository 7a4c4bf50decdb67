/*
 * The frames that the load generator says and hears. A message carries a mark at its
 * start: who said it, its serial, and when it was to be said. From these come latency,
 * loss, repetition and order. Bytes to values, no sockets.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is put in front of each message; little endian as it lies in memory. */
typedef struct mark {
    uint32_t magic, sender, serial;
    uint32_t spare; /* of a direct message: the member that it is for */
    uint64_t when_ns;
} mark;

#define MARK_MAGIC 0x46574d4bu

typedef enum form_kind {
    FORM_BINARY,     /* the mark, and filling */
    FORM_JSON,       /* an object as feeds have it; the mark is hexadecimal in it */
    FORM_SOCKETIO,   /* an event with a string, in which the mark is hexadecimal */
    FORM_CENTRIFUGE, /* a publish of a string in which the mark is hexadecimal; what is
                      * heard is the publication of it */
    FORM_PLAIN       /* text without a mark */
} form_kind;

/* How messages look: frames ready to send but for their marks. Masked with 0, so that
 * nothing else changes from one message to the next. */
typedef struct form {
    form_kind kind;
    size_t message;  /* bytes of a message: of a dialect more than the string has */
    size_t len;      /* and of its frame */
    size_t heard;    /* bytes of a message as it is heard, at most */
    size_t mark_at;  /* in the message */
    size_t head;     /* bytes of the frame before the message */
    unsigned bodies; /* how many there are */
    uint8_t *frames;
} form;

/* The smallest message that has room for its mark. */
size_t form_least(form_kind kind);

/* Messages of so many bytes, of a dialect the string. false: no memory, or too small. */
bool form_init(form *f, form_kind kind, size_t size);
void form_fini(form *f);

/* Writes a frame of f->len bytes. */
void form_put(const form *f, uint8_t *out, const mark *m);

/* Reads the mark of a message; false if it has none. Looks at no more than the first
 * FORM_MARK_END bytes. */
enum { FORM_MARK_END = 96 };
bool form_read(const form *f, const uint8_t *data, size_t len, mark *m);

/* A frame of a server, which isn't masked. */
typedef struct frame {
    unsigned opcode;
    bool compressed; /* RSV1 */
    const uint8_t *data;
    size_t len;
} frame;

/* The bytes of the frame at the front; 0 if it isn't all there. */
size_t frame_read(frame *f, const uint8_t *p, size_t len);

enum { FRAME_PONG_MOST = 6 + 125 };
/* The answer to a ping, at most FRAME_PONG_MOST bytes; its length. */
size_t frame_pong(uint8_t *out, const frame *ping);

#endif
