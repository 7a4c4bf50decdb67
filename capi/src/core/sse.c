/*
 * Raw clients that only listen, by Server-Sent Events: a browser's EventSource and
 * nothing else is needed. In rooms mode ?room=R&user=U means what it means to raw
 * connections (raw_rooms.c), and so do handlers, tokens and limits in any mode.
 *
 * A message is an event without a name; in rooms with history it has an id, by which a
 * client that comes back gets what it has missed (sse_id.h). What else there is to tell
 * has a name: joined, join, leave, reset, close, and binary, whose bytes are in base64.
 *
 * A frame of these sessions is the text of whole events, as it goes into the socket.
 * @thread loop
 */
#include "core/fanout.h"
#include "core/presence.h"
#include "core/raw_rooms.h"
#include "core/sse_id.h"
#include "wire/base64.h"
#include "wire/protocol_raw.h"

/* --- coming in --- */

static void ask(fwi_session *s)
{
    const char *why;
    int status = fwi_sse_read_id(s, &why);
    if (status != 0) {
        fwi_session_refuse(s, status, why);
    } else {
        fwi_raw_ask(s);
    }
}

/* --- what rooms say --- */

/* Of whoever is in no other room; fwi_sse_personal is for the rest. */
static bool put_id(fwi_buf *out, const char *channel, const fw_message *m)
{
    return channel == NULL || channel[0] != 'r' ||
           fwi_sse_put_room_id(out, channel + 2, m->at);
}

static bool put_plain(fwi_buf *out, const fw_message *m)
{
    if ((m->flags & FW_BINARY) == 0) {
        return fwi_es_put_data(out, fwi_message_bytes(m), fwi_message_len(m));
    }
    return fwi_buf_puts(out, "event: binary\ndata: ") &&
           fwi_base64_put(out, fwi_message_bytes(m), fwi_message_len(m)) &&
           fwi_buf_puts(out, "\n\n");
}

/* JSON is put together without line breaks. */
static bool put_json(fwi_buf *out, const char *channel, const fw_message *m)
{
    return fwi_buf_puts(out, "data: ") && fwi_raw_put_message(out, channel, m) &&
           fwi_buf_puts(out, "\n\n");
}

static bool put_news(fwi_buf *out, const char *channel, const fw_message *m)
{
    return fwi_buf_puts(out, m->kind == FWI_MSG_ENTERED ? "event: join\ndata: "
                                                        : "event: leave\ndata: ") &&
           fwi_raw_put_news(out, channel, m) && fwi_buf_puts(out, "\n\n");
}

static fwi_frame *frame(fwi_shard *shard, const char *channel, fw_message *m)
{
    bool json = channel != NULL && fwi_raw_is_json(shard), ok;
    fwi_buf text;
    fwi_buf_init(&text);
    if (fwi_presence_is_news(m)) {
        if (!json) {
            return NULL;
        }
        ok = put_news(&text, channel, m);
    } else {
        ok = put_id(&text, channel, m) &&
             (json ? put_json(&text, channel, m) : put_plain(&text, m));
    }
    return fwi_sse_frame_of(&text, ok);
}

/* What it has missed comes first, and the room's position then, so that a client which
 * has heard no message yet knows where it came in. */
static void joined(fwi_session *s, fwi_place *place, const fwi_admission *a)
{
    const char *room = place->room->channel + 2;
    const fwi_raw_entry entry = {.room = room,
                                 .epoch = a->at.epoch,
                                 .offset = a->at.offset,
                                 .recovered = a->recovered};
    fwi_buf text;
    fwi_buf_init(&text);
    fwi_sse_heard_drop(s, room);
    fwi_fanout_missed(s, place, a->missed);
    bool ok = fwi_sse_put_id(&text, s, place, a->at) &&
              fwi_buf_puts(&text, "event: joined\ndata: ") &&
              fwi_raw_encode_joined(&entry, &text) && fwi_buf_puts(&text, "\n\n");
    fwi_sse_say(s, &text, ok);
}

static fwi_frame *reset_frame(const char *room, fwi_position at)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_sse_put_room_id(&text, room, at) &&
              fwi_buf_puts(&text, "event: reset\ndata: ") &&
              fwi_raw_encode_reset(room, at.epoch, at.offset, &text) &&
              fwi_buf_puts(&text, "\n\n");
    return fwi_sse_frame_of(&text, ok);
}

static void reset(fwi_shard *shard, fwi_room *room, fwi_position at)
{
    if (shard->hub->set.raw_mode != FWI_RAW_ROOMS) {
        return; /* the application is told by an event */
    }
    fwi_telling told = {.at = at, .frame[FWI_SSE] = reset_frame(room->channel + 2, at)};
    fwi_fanout_say(shard, room, &told);
    fwi_telling_fini(&told);
}

/* --- its life and end --- */

/* A comment, which no client's program sees. All are the same one; it is never freed, as
 * the first reference is nobody's. */
static fwi_frame ping_frame = {.refs = 1, .header = 0, .len = 3, .bytes = ":\n\n"};

static fwi_frame *ping(const fwi_session *s)
{
    (void)s;
    return fwi_frame_ref(&ping_frame);
}

static const fwi_goodbye goodbye = {
    .says_when = true, .before = "event: close\ndata: ", .after = "\n\n"};

const fwi_protocol fwi_sse_protocol = {
    .only_listens = true,
    .ask = ask,
    .verdict = fwi_raw_verdict,
    .greeted = fwi_sse_greeted,
    .freed = fwi_sse_heard_free,
    .ping = ping,
    .frame = frame,
    .personal = fwi_sse_personal,
    .since = fwi_sse_heard,
    .joined = joined,
    .reset = reset,
    .goodbye = &goodbye,
    .farewell = fwi_raw_farewell,
};
