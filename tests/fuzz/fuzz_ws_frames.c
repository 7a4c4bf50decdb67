/*
 * Frames as a client sends them. They mean the same however the network cuts them: what
 * comes of them whole comes of them in pieces, too, with a reader that stops after each,
 * and up to the same failure. The first two bytes say whether compression was agreed on,
 * and how they are cut.
 */
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/ws_codec.h"

enum { MESSAGE_MAX = 4096 };

typedef struct record {
    fwi_buf text;
    bool stops;
} record;

static bool note(record *r, char what, const uint8_t *data, size_t len)
{
    MUST(fwi_buf_printf(&r->text, "%c%zu:", what, len));
    MUST(fwi_buf_append(&r->text, data, len));
    return !r->stops;
}

static bool on_message(void *user, bool text, const uint8_t *data, size_t len)
{
    MUST(len <= MESSAGE_MAX && (!text || fwi_utf8_is_valid(data, len)));
    return note(user, text ? 't' : 'b', data, len);
}

static bool on_ping(void *user, const uint8_t *data, size_t len)
{
    MUST(len <= FWI_WS_CONTROL_MAX);
    return note(user, 'i', data, len);
}

static bool on_pong(void *user, const uint8_t *data, size_t len)
{
    MUST(len <= FWI_WS_CONTROL_MAX);
    return note(user, 'o', data, len);
}

static bool on_close(void *user, unsigned code, const uint8_t *reason, size_t len)
{
    MUST(code == 1005 || fwi_ws_close_code_is_valid(code));
    MUST(len <= FWI_WS_CONTROL_MAX - 2 && fwi_utf8_is_valid(reason, len));
    MUST(fwi_buf_printf(&((record *)user)->text, "%u", code));
    return note(user, 'c', reason, len);
}

static const fwi_ws_sink sink = {on_message, on_ping, on_pong, on_close};

/* Pieces of `piece` bytes, each fed again from where the decoder has stopped. */
static void decode(const uint8_t *data, size_t len, size_t piece, fwi_inflater *inflater,
                   record *r)
{
    const fwi_ws_rules rules = {MESSAGE_MAX, inflater};
    fwi_ws_decoder d = {0};
    unsigned failure = 0;
    while (len > 0 && failure == 0 && !d.ended) {
        size_t n = FWI_MIN(len, piece), used = 0;
        const char *why = NULL;
        uint8_t *bytes = fuzz_bytes(data, n);
        failure = fwi_ws_decode(&d, bytes, n, &rules, &sink, r, &used, &why);
        MUST(used <= n && (used > 0 || failure != 0));
        MUST((failure != 0) == (why != NULL));
        MUST(failure == 0 || failure == 1002 || failure == 1007 || failure == 1009);
        /* What is behind a stop is fed again, so it must be as it was. */
        MUST(failure != 0 || memcmp(bytes + used, data + used, n - used) == 0);
        data += used;
        len -= used;
        free(bytes);
    }
    MUST(fwi_buf_printf(&r->text, "!%u", failure));
    fwi_ws_decoder_fini(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fwi_inflater *all;
    if (all == NULL) {
        all = fwi_inflater_new();
        MUST(all != NULL);
    }
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    size_t piece = fuzz_u8(&in) % 200 + 1u;
    fwi_inflater *inflater = how & 1 ? all : NULL;
    record whole = {.stops = false}, cut = {.stops = how & 2};
    decode(in.at, in.left, in.left, inflater, &whole);
    decode(in.at, in.left, piece, inflater, &cut);
    MUST(whole.text.len == cut.text.len);
    MUST(memcmp(whole.text.data, cut.text.data, cut.text.len) == 0);
    fwi_buf_fini(&whole.text);
    fwi_buf_fini(&cut.text);
    return 0;
}
