/*
 * A Redis that the input plays, for whoever has the Redis backplane on a fake loop. An
 * order is a byte; those that are for a server take another for the stream, counted from
 * the one opened last, and what is said is a piece behind a length of two bytes.
 */
#ifndef TESTS_FUZZ_REDIS_H
#define TESTS_FUZZ_REDIS_H

#include <stdio.h>

#include "backplane/backplanes.h"
#include "fuzz.h"
#include "support/fake_loop.h"

enum { FUZZ_NODE = 7, FUZZ_ORDERS_MAX = 200, FUZZ_WORDS_MAX = 24 };

typedef enum {
    FUZZ_SAY,       /* the bytes as they are */
    FUZZ_SAY_TEXT,  /* as a string of Redis */
    FUZZ_SAY_HEARD, /* as the payload of a message to room kept:a */
    FUZZ_OPEN,      /* the stream opens */
    FUZZ_ANSWER,    /* as Redis would: all that was asked, but for scripts */
    FUZZ_FAIL,
    FUZZ_REDIS_ORDERS
} fuzz_redis_order;

#define FUZZ_ROOM "kept:a"

static const fwi_log fuzz_silent;
static fwi_loop *fuzz_loop;

/* What the backplane is to be made with. */
static inline fwi_redis_config fuzz_redis_config(unsigned kind)
{
    static const char *const urls[] = {"redis://127.0.0.1", "redis+sentinel://a,b/m",
                                       "redis+cluster://a,b"};
    fwi_redis_config config = {.log = &fuzz_silent,
                               .prefix = "fanwire",
                               .node = FUZZ_NODE,
                               .seed = 1,
                               .queue_max_bytes = 4096,
                               .queue_deadline_ms = 30000,
                               .lease_ms = 9000};
    MUST(fwi_redis_url_parse(urls[kind % 3], &config.url) == NULL);
    return config;
}

static inline fake_stream *fuzz_stream(fuzz_input *in)
{
    size_t n = fake_loop_stream_count(fuzz_loop), back = fuzz_u8(in) % 8;
    return back < n ? fake_loop_stream(fuzz_loop, n - 1 - back) : NULL;
}

static inline fuzz_piece fuzz_sized(fuzz_input *in)
{
    size_t len = fuzz_u8(in);
    len = len << 8 | fuzz_u8(in);
    return fuzz_take(in, len);
}

static inline bool fuzz_listens(const fake_stream *s)
{
    return s != NULL && fake_stream_is_open(s) && !fake_stream_is_closed(s);
}

static inline void fuzz_feed(fake_stream *s, const fwi_buf *bytes)
{
    if (fuzz_listens(s)) {
        fake_stream_feed(s, bytes->data, bytes->len);
        fake_loop_turn(fuzz_loop);
    }
}

/* --- an honest server --- */

typedef struct fuzz_words {
    size_t n;
    const char *at[FUZZ_WORDS_MAX];
    size_t len[FUZZ_WORDS_MAX];
} fuzz_words;

/* Answers what an honest server can't know: scripts, and what is done beside them. NULL:
 * nobody does. */
static void (*fuzz_answer_other)(fwi_buf *out, const fuzz_words *w);

/* The next command of those that were written; they are ours, so they are in order. */
static inline bool fuzz_next_command(const fwi_buf *b, size_t *at, fuzz_words *w)
{
    if (*at >= b->len) {
        return false;
    }
    char *p = b->data + *at;
    MUST(*p == '*');
    size_t n = strtoul(p + 1, &p, 10);
    w->n = 0;
    for (p += 2; n > 0; n--) {
        MUST(*p == '$');
        size_t len = strtoul(p + 1, &p, 10);
        if (w->n < FUZZ_WORDS_MAX) {
            w->at[w->n] = p + 2;
            w->len[w->n++] = len;
        }
        p += 2 + len + 2;
    }
    *at = (size_t)(p - b->data);
    return true;
}

static inline bool fuzz_is(const fuzz_words *w, const char *name)
{
    return w->len[0] == strlen(name) && memcmp(w->at[0], name, w->len[0]) == 0;
}

static inline void fuzz_put_word(fwi_buf *out, const char *word, size_t len)
{
    MUST(fwi_buf_printf(out, "$%zu\r\n", len) && fwi_buf_append(out, word, len) &&
         fwi_buf_puts(out, "\r\n"));
}

static inline void fuzz_answer_one(fwi_buf *out, const fuzz_words *w)
{
    static const char *const kinds[][2] = {{"SUBSCRIBE", "subscribe"},
                                           {"UNSUBSCRIBE", "unsubscribe"},
                                           {"SSUBSCRIBE", "ssubscribe"},
                                           {"SUNSUBSCRIBE", "sunsubscribe"}};
    bool is_subscribing = false;
    for (size_t k = 0; k < FWI_ARRAY_LEN(kinds); k++) {
        is_subscribing = is_subscribing || fuzz_is(w, kinds[k][0]);
        for (size_t i = 1; fuzz_is(w, kinds[k][0]) && i < w->n; i++) {
            MUST(fwi_buf_puts(out, "*3\r\n"));
            fuzz_put_word(out, kinds[k][1], strlen(kinds[k][1]));
            fuzz_put_word(out, w->at[i], w->len[i]);
            MUST(fwi_buf_puts(out, ":1\r\n"));
        }
    }
    if (fuzz_is(w, "PING")) {
        MUST(fwi_buf_puts(out, "+PONG\r\n"));
    } else if (fuzz_is(w, "PUBLISH") || fuzz_is(w, "SPUBLISH")) {
        MUST(fwi_buf_puts(out, ":1\r\n"));
    } else if (fuzz_is(w, "CLIENT") || fuzz_is(w, "SELECT") || fuzz_is(w, "AUTH")) {
        MUST(fwi_buf_puts(out, "+OK\r\n"));
    } else if (fuzz_answer_other != NULL && !is_subscribing) {
        fuzz_answer_other(out, w);
    }
}

/* What is published is heard on the stream opened last, which is the subscriber's. */
static inline void fuzz_echo(fwi_buf *out, const fuzz_words *w)
{
    bool sharded = fuzz_is(w, "SPUBLISH");
    if ((sharded || fuzz_is(w, "PUBLISH")) && w->n == 3) {
        const char *kind = sharded ? "smessage" : "message";
        MUST(fwi_buf_puts(out, "*3\r\n"));
        fuzz_put_word(out, kind, strlen(kind));
        fuzz_put_word(out, w->at[1], w->len[1]);
        fuzz_put_word(out, w->at[2], w->len[2]);
    }
}

static inline void fuzz_answer(fake_stream *s)
{
    fwi_buf *written = fake_stream_written(s), answers, echoes;
    fuzz_words w;
    size_t at = 0;
    fwi_buf_init(&answers);
    fwi_buf_init(&echoes);
    while (fuzz_next_command(written, &at, &w)) {
        fuzz_answer_one(&answers, &w);
        fuzz_echo(&echoes, &w);
    }
    written->len = 0;
    if (answers.len > 0) {
        fuzz_feed(s, &answers);
    }
    if (echoes.len > 0) {
        fuzz_feed(fake_loop_last_stream(fuzz_loop), &echoes);
    }
    fwi_buf_fini(&answers);
    fwi_buf_fini(&echoes);
}

/* --- the input's --- */

static inline void fuzz_say_as(fake_stream *s, fuzz_redis_order how,
                               const fuzz_piece *piece)
{
    static const char heard[] =
        "*3\r\n$7\r\nmessage\r\n$16\r\nfanwire:r:" FUZZ_ROOM "\r\n";
    fwi_buf out;
    fwi_buf_init(&out);
    if (how == FUZZ_SAY) {
        MUST(fwi_buf_append(&out, piece->data, piece->len));
    } else {
        MUST(fwi_buf_puts(&out, how == FUZZ_SAY_HEARD ? heard : ""));
        fuzz_put_word(&out, piece->data, piece->len);
    }
    if (out.len > 0) {
        fuzz_feed(s, &out);
    }
    fwi_buf_fini(&out);
}

static inline void fuzz_serve(fuzz_redis_order what, fuzz_input *in)
{
    fake_stream *s = fuzz_stream(in);
    if (what <= FUZZ_SAY_HEARD) {
        fuzz_piece piece = fuzz_sized(in);
        fuzz_say_as(s, what, &piece);
        free(piece.data);
    } else if (s == NULL || fake_stream_is_closed(s)) {
        return;
    } else if (what == FUZZ_FAIL) {
        fake_stream_fail(s, "connection reset");
        fake_loop_turn(fuzz_loop);
    } else if (what == FUZZ_ANSWER && fake_stream_is_open(s)) {
        fuzz_answer(s);
    } else if (what == FUZZ_OPEN && !fake_stream_is_open(s)) {
        fake_stream_open(s);
        fake_loop_turn(fuzz_loop);
    }
}

#endif
