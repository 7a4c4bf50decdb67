/*
 * Sessions on a hub without sockets, played by an input: it is cut at each byte FF, which
 * no text has, and the first byte of a piece says what happens.
 *
 *   a b c   that client says the rest, as text if it is UTF-8
 *   A B C   it vanishes without a word, and comes back with the rest as its query. Whose
 *           protocol is a stream of events shows what is behind a line break as its
 *           Last-Event-ID; if nothing is, the id that it has heard last, as browsers do
 *   P       the application publishes: a room, a line break, the text
 *   T       time passes: a tenth of a second for each unit of the next byte
 *   others  are the target's own
 *
 * What clients hear is taken apart: frame by frame, or event by event.
 */
#ifndef TESTS_FUZZ_SESSIONS_H
#define TESTS_FUZZ_SESSIONS_H

#include "base/utf8.h"
#include "fuzz.h"
#include "streams.h"
#include "support/core_rig.h"
#include "wire/json.h"
#include "wire/name.h"
#include "wire/ws_codec.h"

enum { FUZZ_CLIENTS = 3, FUZZ_MARK = 0xff };

typedef struct fuzz_client {
    fwi_protocol_id protocol;
    fwi_conn *conn;
    fuzz_listener stream;
} fuzz_client;

static core_rig rig;
static fuzz_client fuzz_clients[FUZZ_CLIENTS];
static bool fuzz_hears_json; /* raw clients: each line of a text is a JSON value */

/* What a piece does whose first byte is none of the above; NULL: nothing. */
static void (*fuzz_own_step)(unsigned what, fuzz_input *rest);

/* --- what they hear --- */

static inline void fuzz_hear_text(const uint8_t *text, size_t len, bool json)
{
    MUST(fwi_utf8_is_valid(text, len));
    while (json && len > 0) {
        const uint8_t *end = memchr(text, '\n', len);
        size_t n = end != NULL ? (size_t)(end - text) : len;
        fuzz_is_json((const char *)text, n);
        n += end != NULL;
        text += n;
        len -= n;
    }
}

static inline void fuzz_hear_frames(fwi_conn *c, bool json)
{
    while (c->out.len > 0) {
        fwi_ws_view v;
        size_t len = fwi_ws_view_own((const uint8_t *)c->out.data, &v);
        MUST(len <= c->out.len);
        if (v.opcode == FWI_WS_TEXT) {
            fuzz_hear_text(v.data, v.len, json);
        } else if (v.opcode == FWI_WS_CLOSE && v.len > 0) {
            MUST(v.len >= 2 && v.len <= FWI_WS_CONTROL_MAX);
            MUST(fwi_utf8_is_valid(v.data + 2, v.len - 2));
        }
        fwi_buf_consume(&c->out, len);
    }
}

static inline bool fuzz_only_listens(const fuzz_client *client)
{
    return client->protocol == FWI_SSE || client->protocol == FWI_UNI_SSE;
}

static inline void fuzz_hear(fuzz_client *client)
{
    bool raw = client->protocol == FWI_RAW || client->protocol == FWI_SSE;
    bool json = fuzz_hears_json || !raw;
    if (fuzz_only_listens(client)) {
        fuzz_hear_stream(&client->stream, &client->conn->out, json);
    } else {
        fuzz_hear_frames(client->conn, json);
    }
}

/* --- what they do --- */

/* What of a line the reader of heads lets pass. In place. */
static inline void fuzz_keep_bytes(char *line, char from)
{
    char *to = line;
    for (const char *at = line; *at != '\0'; at++) {
        if (*at >= from && *at < 0x7f && (from == ' ' || *at != '#')) {
            *to++ = *at;
        }
    }
    *to = '\0';
}

static inline void fuzz_arrive(size_t i, fuzz_input *in)
{
    fuzz_client *client = &fuzz_clients[i];
    fuzz_piece query = fuzz_until(in, '\n'), id = fuzz_rest(in);
    bool shows_last = id.len == 0;
    fuzz_keep_bytes(query.data, '!');
    fuzz_keep_bytes(id.data, ' ');
    const char *last = shows_last ? client->stream.id : id.data;
    const char *const headers[] = {"last-event-id", last};
    bool shows = fuzz_only_listens(client) && last[0] != '\0';
    if (client->conn != NULL) {
        fuzz_hear(client);
        core_conn_free(client->conn);
    }
    client->conn = core_connect_with(&rig, (unsigned)i % rig.loops, query.data,
                                     client->protocol, headers, shows);
    free(query.data);
    free(id.data);
}

static inline void fuzz_say(const fuzz_client *client, const fuzz_piece *text)
{
    bool is_text = fwi_utf8_is_valid(text->data, text->len);
    fwi_conn *c = client->conn;
    if (!fuzz_only_listens(client) && c->s != NULL && c->accepted && !c->paused) {
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
    } else if (what >= 'A' && what < 'A' + FUZZ_CLIENTS) {
        fuzz_arrive(what - 'A', &in);
    } else if (what >= 'a' && what < 'a' + FUZZ_CLIENTS) {
        fuzz_piece rest = fuzz_rest(&in);
        fuzz_say(&fuzz_clients[what - 'a'], &rest);
        free(rest.data);
    } else if (fuzz_own_step != NULL) {
        fuzz_own_step(what, &in);
    }
}

/* --- from beginning to end --- */

/* a, b and c speak these. The rig has been made. */
static inline void fuzz_begin_play(fwi_protocol_id a, fwi_protocol_id b,
                                   fwi_protocol_id c)
{
    const fwi_protocol_id protocols[FUZZ_CLIENTS] = {a, b, c};
    for (size_t i = 0; i < FUZZ_CLIENTS; i++) {
        fuzz_input nothing = {(const uint8_t *)"", 0};
        fuzz_clients[i].protocol = protocols[i];
        fuzz_clients[i].stream.id[0] = '\0';
        fuzz_arrive(i, &nothing);
    }
}

static inline void fuzz_settle(void)
{
    core_rig_settle(&rig);
    for (size_t i = 0; i < FUZZ_CLIENTS; i++) {
        fuzz_hear(&fuzz_clients[i]);
    }
}

/* A minute later the rig is gone, with all that was in it. */
static inline void fuzz_end_play(void)
{
    core_rig_advance(&rig, 60000);
    fuzz_settle();
    for (size_t i = 0; i < FUZZ_CLIENTS; i++) {
        core_conn_free(fuzz_clients[i].conn);
        fuzz_clients[i].conn = NULL;
    }
    core_rig_fini(&rig);
}

static inline void fuzz_play(fuzz_input *in)
{
    while (in->left > 0) {
        fuzz_piece piece = fuzz_until(in, FUZZ_MARK);
        fuzz_step(&piece);
        free(piece.data);
        fuzz_settle();
    }
    fuzz_end_play();
}

#endif
