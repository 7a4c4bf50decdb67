/*
 * RFC 6455, section 5: frames to messages (a decoder of a connection) and the headers and
 * Close payloads of our own frames.
 *
 * Called by the socket with each piece that it read; knows no socket and no session. The
 * usual case, a message in one frame that was read whole, is unmasked and handed out
 * where it lies: no copy, no allocation. Whatever spans reads is put together in one heap
 * buffer, which grows with what has come and never with what was announced; the bytes of
 * a control frame in the middle of a message stand behind those of the message. A
 * compressed message is put together as it is and inflated when it is whole, since the
 * inflater is shared with the other connections of the loop.
 *
 * Violations are found when the byte that shows them comes. @thread the connection's
 */
#include "wire/ws_codec.h"

#include <string.h>

#include "base/utf8.h"

enum {
    FIN = 0x80,
    RSV = 0x70,
    OPCODE = 0x0f,
    CONTROL = 0x08, /* this bit of an opcode: RFC 6455 5.5 */
    MASKED = 0x80,
    LENGTH = 0x7f,
    MASK_AT = 10 /* in decoder.head, behind the longest length */
};

enum { PROTOCOL_ERROR = 1002, NOT_UTF8 = 1007, TOO_BIG = 1009, NO_MEMORY = 1011 };

/* --- writing --- */

size_t fwi_ws_header(uint8_t out[FWI_WS_HEADER_MAX], unsigned opcode, uint64_t len)
{
    out[0] = (uint8_t)(FIN | opcode);
    if (len < 126) {
        out[1] = (uint8_t)len;
        return 2;
    }
    if (len <= 0xffff) {
        out[1] = 126;
        out[2] = (uint8_t)(len >> 8);
        out[3] = (uint8_t)len;
        return 4;
    }
    out[1] = 127;
    for (int i = 0; i < 8; i++) {
        out[2 + i] = (uint8_t)(len >> (56 - 8 * i));
    }
    return 10;
}

size_t fwi_ws_view_own(const uint8_t *frame, fwi_ws_view *v)
{
    size_t header = 2;
    uint64_t len = frame[1];
    if (len >= 126) {
        size_t n = len == 126 ? 2 : 8;
        len = 0;
        for (size_t i = 0; i < n; i++) {
            len = len << 8 | frame[2 + i];
        }
        header += n;
    }
    *v = (fwi_ws_view){frame[0] & 0x0f, frame + header, (size_t)len};
    return header + (size_t)len;
}

size_t fwi_ws_close_payload(uint8_t out[FWI_WS_CONTROL_MAX], unsigned code,
                            const char *reason)
{
    if (code == 1005) {
        return 0;
    }
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    size_t len = reason ? strlen(reason) : 0;
    if (len == 0 || !fwi_utf8_is_valid(reason, len)) {
        return 2;
    }
    if (len > FWI_WS_CONTROL_MAX - 2) {
        len = FWI_WS_CONTROL_MAX - 2;
        while (((uint8_t)reason[len] & 0xc0) == 0x80) { /* in the middle of a character */
            len--;
        }
    }
    /* The length of a frame is known.
     * NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(out + 2, reason, len);
    return 2 + len;
}

/* RFC 6455 7.4 and IANA's registry: 1004-1006 and 1015 are never sent; 1012-1014 were
 * added later; 3000-4999 are the applications'. */
bool fwi_ws_close_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* --- reading --- */

/* One call of fwi_ws_decode: what its steps share. */
typedef struct reading {
    fwi_ws_decoder *d;
    uint8_t *at, *end;
    size_t inflated; /* bytes */
    const fwi_ws_rules *rules;
    const fwi_ws_sink *sink;
    void *user;
    const char *why;
    unsigned failure; /* close code, or 0 */
} reading;

static bool fail(reading *r, unsigned code, const char *why)
{
    r->failure = code;
    r->why = why;
    return false;
}

void fwi_ws_decoder_fini(fwi_ws_decoder *d)
{
    fwi_buf_fini(&d->buf);
}

static unsigned opcode_of(const fwi_ws_decoder *d)
{
    return d->head[0] & OPCODE;
}

/* Bytes of d->buf that belong to the message; a control frame's may stand behind. */
static size_t message_len(const fwi_ws_decoder *d)
{
    bool control = d->in_payload && (opcode_of(d) & CONTROL);
    return control ? d->buf.len - ((d->head[1] & LENGTH) - d->left) : d->buf.len;
}

/* The first two bytes: RFC 6455 5.2, 5.4 and 5.5. */
static bool check_first_bytes(reading *r)
{
    const fwi_ws_decoder *d = r->d;
    unsigned opcode = opcode_of(d);
    bool final = d->head[0] & FIN;
    /* RFC 7692 6: RSV1 is on the first frame of a message, and on no other. */
    bool may_be_compressed = r->rules->inflater != NULL && !(opcode & CONTROL) &&
                             opcode != FWI_WS_CONTINUATION;
    if (d->head[0] & RSV & ~(may_be_compressed ? FWI_WS_RSV1 : 0)) {
        return fail(r, PROTOCOL_ERROR, "a reserved bit is set");
    }
    if (!(d->head[1] & MASKED)) {
        return fail(r, PROTOCOL_ERROR, "a frame of a client must be masked");
    }
    if (opcode & CONTROL) {
        if (opcode > FWI_WS_PONG) {
            return fail(r, PROTOCOL_ERROR, "unknown opcode");
        }
        if (!final) {
            return fail(r, PROTOCOL_ERROR, "a control frame must not be fragmented");
        }
        if ((d->head[1] & LENGTH) > FWI_WS_CONTROL_MAX) {
            return fail(r, PROTOCOL_ERROR, "a control frame has at most 125 bytes");
        }
        return true;
    }
    if (opcode > FWI_WS_BINARY) {
        return fail(r, PROTOCOL_ERROR, "unknown opcode");
    }
    if (opcode == FWI_WS_CONTINUATION && !d->message) {
        return fail(r, PROTOCOL_ERROR, "a continuation without a message");
    }
    if (opcode != FWI_WS_CONTINUATION && d->message) {
        return fail(r, PROTOCOL_ERROR, "a new message inside a fragmented one");
    }
    return true;
}

/* What a message may have as it stands in its frames. */
static size_t frames_max(const reading *r)
{
    const fwi_ws_decoder *d = r->d;
    bool compressed = d->message ? d->compressed : (d->head[0] & FWI_WS_RSV1) != 0;
    size_t max = r->rules->message_max;
    return compressed ? fwi_deflated_max(max) : max;
}

/* The length, complete in d->head. What it says over the limit is refused here, before a
 * byte of it has come. */
static bool check_length(reading *r, size_t bytes)
{
    fwi_ws_decoder *d = r->d;
    uint64_t len = d->head[1] & LENGTH;
    if (bytes > 0) {
        len = 0;
        for (size_t i = 0; i < bytes; i++) {
            len = len << 8 | d->head[2 + i];
        }
        if (len >> 63) {
            return fail(r, PROTOCOL_ERROR, "the highest bit of a length must be 0");
        }
        if (len < (bytes == 2 ? 126u : 0x10000u)) {
            return fail(r, PROTOCOL_ERROR,
                        "a length must be written as short as possible");
        }
    }
    size_t max = frames_max(r);
    if (!(opcode_of(d) & CONTROL) && (d->buf.len > max || len > max - d->buf.len)) {
        return fail(r, TOO_BIG, "the message is too large");
    }
    d->left = (size_t)len;
    return true;
}

/* Takes what there is of a header. True when it is complete and right. */
static bool read_header(reading *r)
{
    fwi_ws_decoder *d = r->d;
    size_t had = d->head_len;
    size_t n = FWI_MIN((size_t)(r->end - r->at), sizeof d->head - had);
    memcpy(d->head + had, r->at, n);
    size_t have = had + n;
    if (have < 2) {
        d->head_len = (uint8_t)have;
        r->at += n;
        return false;
    }
    if (!check_first_bytes(r)) {
        return false;
    }
    unsigned first = d->head[1] & LENGTH;
    size_t bytes = first == 127 ? 8 : first == 126 ? 2 : 0;
    if (have >= 2 + bytes && !check_length(r, bytes)) {
        return false;
    }
    size_t need = 2 + bytes + 4;
    if (have < need) {
        d->head_len = (uint8_t)have;
        r->at += n;
        return false;
    }
    r->at += need - had; /* the rest of what was copied is payload */
    memmove(d->head + MASK_AT, d->head + 2 + bytes, 4);
    d->head_len = 0;
    d->in_payload = true;
    if (!(opcode_of(d) & CONTROL) && !d->message) {
        d->message = (uint8_t)opcode_of(d);
        d->compressed = (d->head[0] & FWI_WS_RSV1) != 0;
        d->utf8 = 0;
    }
    return true;
}

/* Takes the mask off, eight bytes at a time, and turns it to the byte that comes next. */
static void unmask(uint8_t *p, size_t len, uint8_t mask[4])
{
    uint8_t twice[8];
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    uint64_t key;
    memcpy(&key, twice, sizeof key);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, sizeof word);
        word ^= key;
        memcpy(p + i, &word, sizeof word);
    }
    for (size_t k = 0; i < len; i++, k++) {
        p[i] ^= twice[k];
    }
    memcpy(mask, twice + (len & 3), 4);
}

/* RFC 6455 5.5.1 and 7.4. */
static bool deliver_close(reading *r, const uint8_t *data, size_t len)
{
    if (len == 1) {
        return fail(r, PROTOCOL_ERROR, "a Close frame with half a code");
    }
    unsigned code = 1005; /* none was given */
    if (len >= 2) {
        code = (unsigned)data[0] << 8 | data[1];
        data += 2;
        len -= 2;
        if (!fwi_ws_close_code_is_valid(code)) {
            return fail(r, PROTOCOL_ERROR, "a close code that must not be sent");
        }
        if (!fwi_utf8_is_valid(data, len)) {
            return fail(r, NOT_UTF8, "the reason of a Close frame is not UTF-8");
        }
    }
    r->d->ended = true;
    r->d->message = 0; /* one that was incomplete stays so */
    fwi_buf_fini(&r->d->buf);
    r->sink->on_close(r->user, code, data, len);
    return false;
}

static bool deliver_control(reading *r, unsigned opcode, const uint8_t *data, size_t len)
{
    switch (opcode) {
    case FWI_WS_PING:
        return r->sink->on_ping(r->user, data, len);
    case FWI_WS_PONG:
        return r->sink->on_pong(r->user, data, len);
    default:
        return deliver_close(r, data, len);
    }
}

/* A message that is compressed, whole. Its text is looked at here: before, there was
 * none. */
static bool deliver_inflated(reading *r, bool text, const uint8_t *data, size_t len)
{
    const uint8_t *out;
    size_t out_len;
    switch (fwi_inflate(r->rules->inflater, data, len, r->rules->message_max, &out,
                        &out_len)) {
    case FWI_INFLATE_OK:
        break;
    case FWI_INFLATE_BROKEN:
        return fail(r, NOT_UTF8, "a compressed message that can't be inflated");
    case FWI_INFLATE_TOO_BIG:
        return fail(r, TOO_BIG, "the message is too large");
    default:
        return fail(r, NO_MEMORY, "out of memory");
    }
    if (text && !fwi_utf8_is_valid(out, out_len)) {
        return fail(r, NOT_UTF8, "text that is not UTF-8");
    }
    r->inflated += out_len;
    return r->sink->on_message(r->user, text, out, out_len) &&
           r->inflated < FWI_WS_INFLATE_ENOUGH;
}

/* The frame lies wholly in the input and is all of a message, or a control frame. */
static bool read_in_place(reading *r)
{
    fwi_ws_decoder *d = r->d;
    uint8_t *data = r->at;
    size_t len = d->left;
    unsigned opcode = opcode_of(d);
    unmask(data, len, d->head + MASK_AT);
    r->at += len;
    d->in_payload = false;
    if (opcode & CONTROL) {
        return deliver_control(r, opcode, data, len);
    }
    d->message = 0;
    if (d->compressed) {
        return deliver_inflated(r, opcode == FWI_WS_TEXT, data, len);
    }
    if (opcode == FWI_WS_TEXT && !fwi_utf8_is_valid(data, len)) {
        return fail(r, NOT_UTF8, "text that is not UTF-8");
    }
    return r->sink->on_message(r->user, opcode == FWI_WS_TEXT, data, len);
}

/* The last byte of a control frame has come: it stands at the end of the buffer. */
static bool finish_control(reading *r)
{
    fwi_ws_decoder *d = r->d;
    unsigned opcode = opcode_of(d);
    size_t len = d->head[1] & LENGTH;
    uint8_t data[FWI_WS_CONTROL_MAX];
    size_t before = message_len(d);
    if (len > 0) {
        memcpy(data, d->buf.data + before, len);
    }
    d->buf.len = before;
    d->in_payload = false;
    if (!d->message) {
        fwi_buf_fini(&d->buf);
    }
    return deliver_control(r, opcode, data, len);
}

/* The last byte of a data frame has come. */
static bool finish_data(reading *r)
{
    fwi_ws_decoder *d = r->d;
    d->in_payload = false;
    if (!(d->head[0] & FIN)) {
        return true;
    }
    bool text = d->message == FWI_WS_TEXT;
    bool compressed = d->compressed;
    if (text && d->utf8 != 0) {
        return fail(r, NOT_UTF8, "text that ends inside a character");
    }
    /* Taken out first: the sink may end the decoder. */
    fwi_buf message = d->buf;
    fwi_buf_init(&d->buf);
    d->message = 0;
    const uint8_t *data = message.data ? (const uint8_t *)message.data : r->at;
    bool go_on = compressed ? deliver_inflated(r, text, data, message.len)
                            : r->sink->on_message(r->user, text, data, message.len);
    fwi_buf_fini(&message);
    return go_on;
}

/* A part of a message, or a part of a frame: into the buffer. */
static bool read_in_parts(reading *r)
{
    fwi_ws_decoder *d = r->d;
    bool control = opcode_of(d) & CONTROL;
    uint8_t *data = r->at;
    size_t len = FWI_MIN((size_t)(r->end - r->at), d->left);
    unmask(data, len, d->head + MASK_AT);
    if (!control && d->message == FWI_WS_TEXT && !d->compressed &&
        !fwi_utf8_feed(&d->utf8, data, len)) {
        return fail(r, NOT_UTF8, "text that is not UTF-8");
    }
    if (!fwi_buf_append(&d->buf, data, len)) {
        return fail(r, NO_MEMORY, "out of memory");
    }
    r->at += len;
    d->left -= len;
    if (d->left > 0) {
        return true;
    }
    return control ? finish_control(r) : finish_data(r);
}

/* False: stop. Then, unless r->failure is set, the decoder may be gone. */
static bool read_payload(reading *r)
{
    const fwi_ws_decoder *d = r->d;
    unsigned opcode = opcode_of(d);
    bool alone = (opcode & CONTROL) ? d->left == (d->head[1] & LENGTH)
                                    : opcode && (d->head[0] & FIN) && d->buf.len == 0;
    bool whole = (size_t)(r->end - r->at) >= d->left;
    return alone && whole ? read_in_place(r) : read_in_parts(r);
}

/* NOLINTNEXTLINE(readability-function-size): eight values are the codec's one door. */
unsigned fwi_ws_decode(fwi_ws_decoder *d, uint8_t *data, size_t len,
                       const fwi_ws_rules *rules, const fwi_ws_sink *sink, void *user,
                       size_t *used, const char **why)
{
    reading r = {.d = d,
                 .at = data,
                 .end = data + len,
                 .rules = rules,
                 .sink = sink,
                 .user = user};
    if (d->ended) {
        r.at = r.end;
    }
    /* A frame without payload is complete with its header, even at the end of the input.
     */
    while (r.at < r.end) {
        if (!d->in_payload && !read_header(&r)) {
            break;
        }
        if (!read_payload(&r)) {
            break;
        }
    }
    if (r.failure) {
        d->ended = true;
        fwi_buf_fini(&d->buf);
    }
    *used = (size_t)(r.at - data);
    *why = r.why;
    return r.failure;
}
