/*
 * Making and reading frames and marks; see frame.h. Called for every message that is said
 * and every one that is heard: nothing is allocated but by form_init.
 */
#include "frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of the mark, and the end of the message. */
static const char json_start[] = "{\"mark\":\"", json_end[] = "\"}";
static const char socketio_start[] = "42[\"m\",\"", socketio_end[] = "\"]";
static const char centrifuge_start[] =
    "{\"id\":3,\"publish\":{\"channel\":\"r0\",\"data\":\"",
                  centrifuge_end[] = "\"}}",
                  centrifuge_heard[] =
                      "{\"push\":{\"channel\":\"r0\",\"pub\":{\"data\":\"";

enum {
    HEX = 2 * sizeof(mark),
    JSON_START = sizeof json_start - 1,
    JSON_END = sizeof json_end - 1,
    SOCKETIO_START = sizeof socketio_start - 1,
    SOCKETIO_END = sizeof socketio_end - 1,
    CENTRIFUGE_START = sizeof centrifuge_start - 1,
    CENTRIFUGE_END = sizeof centrifuge_end - 1,
    CENTRIFUGE_HEARD = sizeof centrifuge_heard - 1,
    INFO_MOST = 512, /* what the server says behind the data: who it is from */
    BODIES = 64 /* so that a compressor doesn't meet the same message again and again */
};

_Static_assert(sizeof(mark) == 24, "peers read the mark");
_Static_assert(JSON_START + HEX <= FORM_MARK_END, "the mark of a JSON message");
_Static_assert(CENTRIFUGE_HEARD + HEX <= FORM_MARK_END, "the mark of a publication");

size_t form_least(form_kind kind)
{
    switch (kind) {
    case FORM_JSON:
        return JSON_START + HEX + JSON_END;
    case FORM_SOCKETIO:
    case FORM_CENTRIFUGE:
        return HEX;
    default:
        return sizeof(mark);
    }
}

static size_t put_head(uint8_t *f, unsigned opcode, size_t size)
{
    size_t n = 0;
    f[n++] = (uint8_t)(0x80 | opcode);
    if (size < 126) {
        f[n++] = (uint8_t)(0x80 | size);
    } else {
        unsigned bytes = size < 65536 ? 2 : 8;
        f[n++] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (unsigned i = 0; i < bytes; i++) {
            f[n++] = (uint8_t)((uint64_t)size >> (8 * (bytes - 1 - i)));
        }
    }
    memset(f + n, 0, 4);
    return n + 4;
}

/* A small generator of its own: every run says the same. */
static unsigned next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* One more member of the JSON object: a quote or a line of talk, as feeds have them. */
static int put_item(char *out, size_t size, uint32_t *random)
{
    static const char *const names[] = {"ACME",  "GLOBEX", "INITECH", "UMBRELLA",
                                        "HOOLI", "STARK",  "WAYNE",   "TYRELL"};
    static const char *const words[] = {"good", "morning", "who", "has",   "the",
                                        "room", "ready",   "for", "lunch", "today",
                                        "yes",  "later",   "see", "you",   "there"};
    unsigned pick = next_random(random), price = next_random(random) % 100000;
    if (pick % 2 == 0) {
        return snprintf(out, size, ",{\"symbol\":\"%s\",\"price\":%u.%02u,\"volume\":%u}",
                        names[pick / 2 % 8], price / 100, price % 100,
                        next_random(random) % 5000);
    }
    return snprintf(out, size, ",{\"user\":\"%u\",\"text\":\"%s %s %s %s\"}",
                    next_random(random) % 1000, words[next_random(random) % 15],
                    words[next_random(random) % 15], words[next_random(random) % 15],
                    words[next_random(random) % 15]);
}

/* An object of exactly so many bytes: items while they fit, then a string that fills. */
static void fill_json(char *p, size_t size, unsigned body)
{
    static const char open[] = ",\"items\":[0", close[] = "],\"pad\":\"";
    uint32_t random = body + 1;
    size_t at = JSON_START + HEX, end = size - JSON_END;
    memcpy(p, json_start, JSON_START);
    memset(p + JSON_START, '0', HEX);
    if (at + 1 + sizeof open + sizeof close < end) {
        char item[128];
        p[at++] = '"';
        memcpy(p + at, open, sizeof open - 1);
        at += sizeof open - 1;
        int len = put_item(item, sizeof item, &random);
        while (at + (size_t)len + sizeof close < end) {
            memcpy(p + at, item, (size_t)len);
            at += (size_t)len;
            len = put_item(item, sizeof item, &random);
        }
        memcpy(p + at, close, sizeof close - 1);
        at += sizeof close - 1;
        memset(p + at, '-', end - at);
    } else {
        memset(p + at, '0', end - at); /* the mark's string goes on */
    }
    memcpy(p + end, json_end, JSON_END);
}

static void fill(const form *f, uint8_t *p, unsigned body)
{
    if (f->kind == FORM_JSON) {
        fill_json((char *)p, f->message, body);
        return;
    }
    memset(p, 'x', f->message);
    if (f->kind == FORM_SOCKETIO) {
        memcpy(p, socketio_start, SOCKETIO_START);
        memcpy(p + f->message - SOCKETIO_END, socketio_end, SOCKETIO_END);
    } else if (f->kind == FORM_CENTRIFUGE) {
        memcpy(p, centrifuge_start, CENTRIFUGE_START);
        memcpy(p + f->message - CENTRIFUGE_END, centrifuge_end, CENTRIFUGE_END);
    }
}

/* What is around the string of a dialect. */
static size_t start_of(form_kind kind)
{
    return kind == FORM_JSON         ? JSON_START
           : kind == FORM_SOCKETIO   ? SOCKETIO_START
           : kind == FORM_CENTRIFUGE ? CENTRIFUGE_START
                                     : 0;
}

static size_t around(form_kind kind)
{
    return kind == FORM_SOCKETIO     ? SOCKETIO_START + SOCKETIO_END
           : kind == FORM_CENTRIFUGE ? CENTRIFUGE_START + CENTRIFUGE_END
                                     : 0;
}

bool form_init(form *f, form_kind kind, size_t size)
{
    *f = (form){.kind = kind,
                .message = size + around(kind),
                .mark_at = start_of(kind),
                .bodies = kind == FORM_JSON ? BODIES : 1};
    f->heard = f->message + (kind == FORM_CENTRIFUGE ? INFO_MOST : 0);
    uint8_t head[14];
    f->head = put_head(head, kind == FORM_BINARY ? 2 : 1, f->message);
    f->len = f->head + f->message;
    f->frames = size >= form_least(kind) ? malloc(f->len * f->bodies) : NULL;
    for (unsigned i = 0; f->frames && i < f->bodies; i++) {
        uint8_t *p = f->frames + i * f->len;
        memcpy(p, head, f->head);
        fill(f, p + f->head, i);
    }
    return f->frames != NULL;
}

void form_fini(form *f)
{
    free(f->frames);
    f->frames = NULL;
}

static void put_hex(uint8_t *out, const uint8_t *bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < sizeof(mark); i++) {
        out[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        out[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

/* Of what put_hex has written; of anything else, anything. */
static void get_hex(uint8_t *bytes, const uint8_t *p)
{
    for (unsigned i = 0; i < sizeof(mark); i++) {
        unsigned high = p[2 * i], low = p[2 * i + 1];
        high = (high & 15) + (high >> 6) * 9;
        low = (low & 15) + (low >> 6) * 9;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
}

void form_put(const form *f, uint8_t *out, const mark *m)
{
    /* Beside each other in time, beside each other in a room: never the same body. */
    unsigned body = f->bodies > 1 ? (m->serial + 7 * m->sender) % f->bodies : 0;
    memcpy(out, f->frames + body * f->len, f->len);
    out += f->head + f->mark_at;
    if (f->kind == FORM_BINARY) {
        memcpy(out, m, sizeof *m);
    } else if (f->kind != FORM_PLAIN) {
        uint8_t bytes[sizeof *m];
        memcpy(bytes, m, sizeof bytes);
        put_hex(out, bytes);
    }
}

static bool is_publication(const uint8_t *data, size_t len)
{
    return len >= CENTRIFUGE_HEARD + HEX &&
           memcmp(data, centrifuge_heard, CENTRIFUGE_HEARD) == 0;
}

bool form_read(const form *f, const uint8_t *data, size_t len, mark *m)
{
    if (f->kind == FORM_CENTRIFUGE) {
        uint8_t bytes[sizeof *m];
        if (!is_publication(data, len)) {
            return false; /* the answer to a publish, for one */
        }
        get_hex(bytes, data + CENTRIFUGE_HEARD);
        memcpy(m, bytes, sizeof *m);
        return m->magic == MARK_MAGIC;
    }
    if (len != f->message || f->kind == FORM_PLAIN) {
        return false;
    }
    if (f->kind == FORM_BINARY) {
        memcpy(m, data, sizeof *m);
    } else {
        uint8_t bytes[sizeof *m];
        get_hex(bytes, data + f->mark_at);
        memcpy(m, bytes, sizeof *m);
    }
    return m->magic == MARK_MAGIC;
}

size_t frame_read(frame *f, const uint8_t *p, size_t len)
{
    if (len < 2) {
        return 0;
    }
    unsigned more = (p[1] & 0x7f) == 126 ? 2 : (p[1] & 0x7f) == 127 ? 8 : 0;
    if (len < 2 + more) {
        return 0;
    }
    uint64_t payload = more ? 0 : p[1] & 0x7fu;
    for (unsigned i = 0; i < more; i++) {
        payload = payload << 8 | p[2 + i];
    }
    if (len - 2 - more < payload) {
        return 0;
    }
    *f = (frame){.opcode = p[0] & 0x0f,
                 .compressed = (p[0] & 0x40) != 0,
                 .data = p + 2 + more,
                 .len = (size_t)payload};
    return 2 + more + f->len;
}

size_t frame_pong(uint8_t *out, const frame *ping)
{
    size_t len = ping->len < 125 ? ping->len : 125;
    out[0] = 0x8a;
    out[1] = (uint8_t)(0x80 | len);
    memset(out + 2, 0, 4);
    memcpy(out + 6, ping->data, len);
    return 6 + len;
}
