/*
 * RFC 6455 frames: bytes to messages and back. Pure: no I/O, no clock. The server's side:
 * it expects masked frames and writes unmasked ones. Messages that are compressed (RFC
 * 7692) are given out inflated.
 *
 * @thread the caller's; a decoder belongs to one connection
 */
#ifndef FWI_WIRE_WS_CODEC_H
#define FWI_WIRE_WS_CODEC_H

#include "base/buf.h"
#include "wire/deflate.h"

enum {
    FWI_WS_CONTINUATION = 0,
    FWI_WS_TEXT = 1,
    FWI_WS_BINARY = 2,
    FWI_WS_CLOSE = 8,
    FWI_WS_PING = 9,
    FWI_WS_PONG = 10
};

enum { FWI_WS_HEADER_MAX = 10, FWI_WS_CONTROL_MAX = 125 };

/* Set in the first byte of a message that is compressed; together with an opcode it may
 * be given to fwi_ws_header. */
enum { FWI_WS_RSV1 = 0x40 };

/* Writes the header of an unmasked final frame; returns its length (2, 4 or 10). */
size_t fwi_ws_header(uint8_t out[FWI_WS_HEADER_MAX], unsigned opcode, uint64_t len);

/* A frame that fwi_ws_header began, and which is whole: what is in it. Returns its length
 * with the header. Not for what comes from elsewhere. */
typedef struct fwi_ws_view {
    unsigned opcode;
    const uint8_t *data;
    size_t len;
} fwi_ws_view;
size_t fwi_ws_view_own(const uint8_t *frame, fwi_ws_view *v);

/* A whole Close frame's payload: code and reason, cut to 125 bytes at a character's end.
 * code 1005 writes nothing, and a reason that isn't UTF-8 is left out (the peer would
 * have to fail the connection). reason may be NULL. Returns the length. */
size_t fwi_ws_close_payload(uint8_t out[FWI_WS_CONTROL_MAX], unsigned code,
                            const char *reason);

/* May a peer send this code in a Close frame? 1000-1003, 1007-1014, 3000-4999. */
bool fwi_ws_close_code_is_valid(unsigned code);

/* What was decoded. data is valid for the call and unmasked; text is valid UTF-8.
 * Each returns whether to go on; false stops fwi_ws_decode after this one. */
typedef struct fwi_ws_sink {
    bool (*on_message)(void *user, bool text, const uint8_t *data, size_t len);
    bool (*on_ping)(void *user, const uint8_t *data, size_t len);
    bool (*on_pong)(void *user, const uint8_t *data, size_t len);
    bool (*on_close)(void *user, unsigned code, const uint8_t *reason, size_t len);
} fwi_ws_sink;

/* Of a connection; an idle one carries only this. Zeroed it is ready. What it holds on
 * the heap is only there while a message or frame is incomplete. The fields are the
 * codec's. */
typedef struct fwi_ws_decoder {
    fwi_buf buf;      /* the message so far, and behind it the control frame so far */
    size_t left;      /* payload bytes of the current frame still to come */
    uint32_t utf8;    /* fwi_utf8_feed's state within a text message */
    uint8_t head[14]; /* the frame's header, perhaps in part; then [0] is its first byte,
                         and the last four are its mask, turned to the next byte */
    uint8_t head_len;
    uint8_t message; /* TEXT or BINARY while a message is incomplete, else 0 */
    bool compressed; /* that message is */
    bool in_payload;
    bool ended; /* a failure or a Close frame came */
} fwi_ws_decoder;

_Static_assert(sizeof(fwi_ws_decoder) < 64, "each idle connection carries one");

void fwi_ws_decoder_fini(fwi_ws_decoder *d);

/* What a connection may send. */
typedef struct fwi_ws_rules {
    size_t message_max;
    fwi_inflater *inflater; /* of the loop; NULL: nothing compressed was agreed on */
} fwi_ws_rules;

/* A few bytes may inflate to a thousand times as many. Once a call has inflated so many
 * it stops behind that message, so that others have their turn. */
enum { FWI_WS_INFLATE_ENOUGH = 1 << 20 };

/* Decodes what it can. `data` is unmasked in place, so it must be writable. message_max
 * bounds a message put together, and any announced length, at once when the header is
 * read; of a compressed message also what it inflates to. A message that lies in the
 * input as one frame is given to the sink where it lies, if it isn't compressed.
 *
 * The sink may call fwi_ws_decoder_fini when it then returns false; it must not decode.
 *
 * @param used out: how much of data was taken, and must not be fed again; less than len
 *             only if the sink said stop, on failure, if a Close frame came, or when
 *             enough was inflated. What lies behind is untouched (still masked) and may
 *             be fed later.
 * @param why  out: on failure a sentence, valid for ever; else NULL
 * @return 0, or the close code of a failure: 1002, 1007 (text that is not UTF-8, found as
 *         early as the bytes show it; what can't be inflated), 1009 (too large), 1011
 * (out of memory). What is fed after a failure or a Close frame is thrown away. */
unsigned fwi_ws_decode(fwi_ws_decoder *d, uint8_t *data, size_t len,
                       const fwi_ws_rules *rules, const fwi_ws_sink *sink, void *user,
                       size_t *used, const char **why);

#endif
