/*
 * Sessions on a hub without sockets, played by an input: it is cut at each byte FF, which
 * no text has, and the first byte of a piece says what happens.
 *
 *   a b c   that client says the rest, as text if it is UTF-8
 *   A B C   it vanishes without a word, and comes back with the rest as its query
 *   P       the application publishes: a room, a line break, the text
 *   T       time passes: a tenth of a second for each unit of the next byte
 *
 * What clients hear is taken apart, frame by frame.
 */
#ifndef TESTS_FUZZ_SESSIONS_H
#define TESTS_FUZZ_SESSIONS_H

#include "base/utf8.h"
#include "fuzz.h"
#include "support/core_rig.h"
#include "wire/json.h"
#include "wire/name.h"
#include "wire/ws_codec.h"

enum { FUZZ_CLIENTS = 3, FUZZ_MARK = 0xff };

static core_rig rig;
static fwi_conn *fuzz_client[FUZZ_CLIENTS];
static fwi_protocol_id fuzz_protocol;
static bool fuzz_hears_json; /* each line of a text is a JSON value */

static inline void fuzz_hear_text(const uint8_t *text, size_t len)
{
    MUST(fwi_utf8_is_valid(text, len));
    while (fuzz_hears_json && len > 0) {
        const uint8_t *end = memchr(text, '\n', len);
        size_t n = end != NULL ? (size_t)(end - text) : len;
        fwi_json value;
        MUST(fwi_json_read(text, n, &value, NULL));
        n += end != NULL;
        text += n;
        len -= n;
    }
}

static inline void fuzz_hear(fwi_conn *c)
{
    while (c->out.len > 0) {
        fwi_ws_view v;
        size_t len = fwi_ws_view_own((const uint8_t *)c->out.data, &v);
        MUST(len <= c->out.len);
        if (v.opcode == FWI_WS_TEXT) {
            fuzz_hear_text(v.data, v.len);
        } else if (v.opcode == FWI_WS_CLOSE && v.len > 0) {
            MUST(v.len >= 2 && v.len <= FWI_WS_CONTROL_MAX);
            MUST(fwi_utf8_is_valid(v.data + 2, v.len - 2));
        }
        fwi_buf_consume(&c->out, len);
    }
}

/* A query as the reader of heads lets it pass. */
static inline void fuzz_arrive(size_t i, fuzz_piece *query)
{
    size_t n = 0;
    for (size_t k = 0; k < query->len; k++) {
        if (query->data[k] > 0x20 && query->data[k] < 0x7f && query->data[k] != '#') {
            query->data[n++] = query->data[k];
        }
    }
    query->data[n] = '\0';
    if (fuzz_client[i] != NULL) {
        fuzz_hear(fuzz_client[i]);
        core_conn_free(fuzz_client[i]);
    }
    fuzz_client[i] =
        core_connect_as(&rig, (unsigned)i % rig.loops, query->data, fuzz_protocol);
}

static inline void fuzz_say(fwi_conn *c, const fuzz_piece *text)
{
    bool is_text = fwi_utf8_is_valid(text->data, text->len);
    if (c->s != NULL && c->accepted && !c->paused) {
        uint8_t *bytes = fuzz_bytes(text->data, text->len);
        fwi_session_on_bytes(c->s);
        fwi_session_on_message(c->s, is_text, bytes, text->len);
        free(bytes);
    }
}

static inline void fuzz_publish(fuzz_input *in)
{
    char channel[FWI_CHANNEL_CAP];
    fuzz_piece room = fuzz_until(in, '\n'), text = fuzz_rest(in);
    size_t len = strlen(room.data);
    if (fwi_name_problem(room.data, len) == NULL &&
        fwi_utf8_is_valid(text.data, strlen(text.data))) {
        core_publish(&rig, fwi_channel_name('r', room.data, channel), text.data);
    }
    free(room.data);
    free(text.data);
}

static inline void fuzz_step(fuzz_piece *piece)
{
    fuzz_input in = {(const uint8_t *)piece->data, piece->len};
    unsigned what = fuzz_u8(&in);
    if (what == 'T') {
        core_rig_advance(&rig, 100u * fuzz_u8(&in));
    } else if (what == 'P') {
        fuzz_publish(&in);
    } else if ((what | 0x20) >= 'a' && (what | 0x20) < 'a' + FUZZ_CLIENTS) {
        fuzz_piece rest = fuzz_rest(&in);
        if (what >= 'a') {
            fuzz_say(fuzz_client[what - 'a'], &rest);
        } else {
            fuzz_arrive(what - 'A', &rest);
        }
        free(rest.data);
    }
}

static inline void fuzz_begin_play(void)
{
    for (size_t i = 0; i < FUZZ_CLIENTS; i++) {
        char none[1] = "";
        fuzz_arrive(i, &(fuzz_piece){none, 0});
    }
}

static inline void fuzz_settle(void)
{
    core_rig_settle(&rig);
    for (size_t i = 0; i < FUZZ_CLIENTS; i++) {
        fuzz_hear(fuzz_client[i]);
    }
}

/* A minute later the rig is gone, with all that was in it. */
static inline void fuzz_end_play(void)
{
    core_rig_advance(&rig, 60000);
    fuzz_settle();
    for (size_t i = 0; i < FUZZ_CLIENTS; i++) {
        core_conn_free(fuzz_client[i]);
        fuzz_client[i] = NULL;
    }
    core_rig_fini(&rig);
}

/* The rig has been made. */
static inline void fuzz_play(fuzz_input *in)
{
    fuzz_begin_play();
    while (in->left > 0) {
        fuzz_piece piece = fuzz_until(in, FUZZ_MARK);
        fuzz_step(&piece);
        free(piece.data);
        fuzz_settle();
    }
    fuzz_end_play();
}

#endif
