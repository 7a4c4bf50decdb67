/*
 * What test_ws_codec.c and test_ws_codec_errors.c share: the decoder's outcome, written
 * down as text. Everything is fed whole, byte by byte, in random pieces and with a sink
 * that says stop after each item: the outcome must be the same.
 */
#ifndef TESTS_WS_CODEC_RIG_H
#define TESTS_WS_CODEC_RIG_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/rand.h"
#include "wire/ws_codec.h"

/* ck_assert notes each passing in a file, which is too slow for inner loops. */
#define CHECK(x)                                                                         \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            ck_abort_msg("%s", #x);                                                      \
        }                                                                                \
    } while (0)

enum { LIMIT = 1 << 20 };
static const fwi_ws_rules limit = {LIMIT, NULL};

/* --- frames as a client writes them --- */

static inline void add_header(fwi_buf *b, unsigned first, uint64_t len,
                              const char mask[4])
{
    uint8_t head[14] = {(uint8_t)first};
    size_t n = fwi_ws_header(head, 0, len);
    head[0] = (uint8_t)first;
    head[1] |= 0x80;
    memcpy(head + n, mask, 4);
    fwi_buf_append(b, head, n + 4);
}

static inline void add_frame(fwi_buf *b, unsigned first, const void *data, size_t len)
{
    static const char mask[4] = "\x37\xfa\x21\x3d";
    add_header(b, first, len, mask);
    for (size_t i = 0; i < len; i++) {
        char c = (char)(((const char *)data)[i] ^ mask[i & 3]);
        fwi_buf_append(b, &c, 1);
    }
}

static inline void add_text(fwi_buf *b, unsigned first, const char *text)
{
    add_frame(b, first, text, strlen(text));
}

#define M "\0\0\0\0" /* a mask that changes nothing */

/* --- what came out, as text --- */

typedef struct record {
    fwi_buf text;
    bool stops; /* say stop after each item */
    const uint8_t *in, *in_end;
    unsigned in_place;
} record;

static inline bool note(record *l, const char *what, const uint8_t *data, size_t len)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ data[i]) * 16777619u;
    }
    fwi_buf_printf(&l->text, "%s[%zu]%.*s#%08x ", what, len, (int)FWI_MIN(len, 20u),
                   len ? (const char *)data : "", sum);
    l->in_place += data >= l->in && data < l->in_end;
    return !l->stops;
}

static inline bool on_message(void *user, bool text, const uint8_t *data, size_t len)
{
    return note(user, text ? "text" : "binary", data, len);
}

static inline bool on_ping(void *user, const uint8_t *data, size_t len)
{
    return note(user, "ping", data, len);
}

static inline bool on_pong(void *user, const uint8_t *data, size_t len)
{
    return note(user, "pong", data, len);
}

static inline bool on_close(void *user, unsigned code, const uint8_t *reason, size_t len)
{
    record *l = user;
    fwi_buf_printf(&l->text, "close %u ", code);
    return note(l, "", reason, len);
}

static const fwi_ws_sink sink = {on_message, on_ping, on_pong, on_close};

/* Of decoders whose connection agreed on compression; else NULL. */
static fwi_inflater *inflater;

/* Feeds in pieces of random size up to max_piece (0: whole), each in memory of its own.
 */
static inline char *decode_in(const fwi_buf *in, size_t max_piece, bool stops,
                              size_t message_max, fwi_rand *rnd)
{
    fwi_ws_decoder d = {0};
    const fwi_ws_rules rules = {message_max, inflater};
    record l = {.stops = stops};
    fwi_buf_init(&l.text);
    unsigned failure = 0;
    for (size_t at = 0; at < in->len && !failure;) {
        size_t n = max_piece ? (size_t)fwi_rand_between(rnd, 1, max_piece) : in->len;
        n = FWI_MIN(n, in->len - at);
        uint8_t *piece = malloc(n);
        memcpy(piece, in->data + at, n);
        size_t from = 0;
        while (from < n && !failure) {
            size_t used = SIZE_MAX;
            const char *why = "?";
            failure =
                fwi_ws_decode(&d, piece + from, n - from, &rules, &sink, &l, &used, &why);
            CHECK((why != NULL) == (failure != 0));
            CHECK(used <= n - from);
            CHECK(failure || stops || d.ended || used == n - from);
            CHECK(memcmp(piece + from + used, in->data + at + from + used,
                         n - from - used) == 0 ||
                  failure);
            from += used;
        }
        free(piece);
        at += n;
    }
    if (failure) {
        fwi_buf_printf(&l.text, "FAIL %u", failure);
    } else if (!d.message && !d.in_payload && !d.head_len) {
        ck_assert_ptr_null(d.buf.data); /* an idle decoder holds nothing */
        fwi_buf_puts(&l.text, "idle");
    }
    fwi_ws_decoder_fini(&d);
    ck_assert_ptr_nonnull(fwi_buf_text(&l.text));
    return l.text.data;
}

/* The outcome; fails if it depends on how the bytes come. */
static inline char *decode(const fwi_buf *in, size_t message_max)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, in->len + 1);
    char *whole = decode_in(in, 0, false, message_max, &rnd);
    static const size_t pieces[] = {1, 2, 3, 7, 16, 50, 1000};
    for (int stops = 0; stops < 2; stops++) {
        for (size_t i = in->len > 5000 ? FWI_ARRAY_LEN(pieces) - 1 : 0;
             i < FWI_ARRAY_LEN(pieces); i++) {
            char *same = decode_in(in, pieces[i], stops, message_max, &rnd);
            ck_assert_str_eq(same, whole);
            free(same);
        }
    }
    char *same = decode_in(in, 0, true, message_max, &rnd);
    ck_assert_str_eq(same, whole);
    free(same);
    return whole;
}

/* Decodes and frees b; does the outcome begin so? Numbers behind # need not be known. */
static inline void expect(fwi_buf *b, const char *want)
{
    char *got = decode(b, LIMIT);
    char *to = got;
    for (char *from = got; *from;) {
        if (*from == '#') {
            from += 9;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    ck_assert_str_eq(got, want);
    free(got);
    fwi_buf_fini(b);
}

static inline fwi_buf raw(const void *data, size_t len)
{
    fwi_buf b;
    fwi_buf_init(&b);
    fwi_buf_append(&b, data, len);
    return b;
}

#endif
