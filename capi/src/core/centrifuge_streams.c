/*
 * Clients of the Centrifuge protocol that have no WebSocket: they hear by a stream, of
 * events or of lines, and say what they say by requests of their own (emulation.h). Their
 * sessions are those of centrifuge.c; what is here is what stands around each thing that
 * they are told, since a stream has no frames.
 *
 * The answer to the first request is the stream, so it begins before `connect` was looked
 * at, as a WebSocket does: whoever is refused is told so there. @thread loop
 */
#include <string.h>

#include "core/centrifuge.h"
#include "core/sse_id.h"

/* --- what is told --- */

/* JSON is put together without line breaks. */
static fwi_frame *frame_of(unsigned protocol, const void *json, size_t len)
{
    bool lines = protocol == FWI_CENTRIFUGE_LINES;
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_buf_puts(&text, lines ? "" : "data: ") &&
              fwi_buf_append(&text, json, len) &&
              fwi_buf_puts(&text, lines ? "\n" : "\n\n");
    return fwi_sse_frame_of(&text, ok);
}

fwi_frame *fwi_emulated_frame_of(const fwi_session *s, fwi_buf *text, bool ok)
{
    fwi_frame *f = ok ? frame_of(s->protocol, text->data, text->len) : NULL;
    fwi_buf_fini(text);
    return f;
}

static fwi_frame *frame(unsigned protocol, fwi_shard *shard, const char *channel,
                        fw_message *m)
{
    fwi_frame *f = fwi_cf_frame(shard, channel, m);
    if (f == NULL) {
        return NULL;
    }
    fwi_frame *own = frame_of(protocol, f->bytes + f->header, f->len - f->header);
    fwi_frame_unref(f);
    return own;
}

static fwi_frame *event_frame(fwi_shard *shard, const char *channel, fw_message *m)
{
    return frame(FWI_CENTRIFUGE_EVENTS, shard, channel, m);
}

static fwi_frame *line_frame(fwi_shard *shard, const char *channel, fw_message *m)
{
    return frame(FWI_CENTRIFUGE_LINES, shard, channel, m);
}

/* As those of centrifuge.c, whatever the query says: there are no frames to ping with.
 * Never freed, as the first reference is nobody's. */
static fwi_frame event_ping = {
    .refs = 1, .header = 0, .len = 10, .bytes = "data: {}\n\n"};
static fwi_frame line_ping = {.refs = 1, .header = 0, .len = 3, .bytes = "{}\n"};

static fwi_frame *ping(const fwi_session *s)
{
    return fwi_frame_ref(s->protocol == FWI_CENTRIFUGE_LINES ? &line_ping : &event_ping);
}

static void reset_events(fwi_shard *shard, fwi_room *room, fwi_position at)
{
    (void)at; /* the answer to its next subscribe says so */
    fwi_room_each(shard, room, FWI_CENTRIFUGE_EVENTS, fwi_cf_lose_in, NULL);
}

static void reset_lines(fwi_shard *shard, fwi_room *room, fwi_position at)
{
    (void)at;
    fwi_room_each(shard, room, FWI_CENTRIFUGE_LINES, fwi_cf_lose_in, NULL);
}

/* --- its life and end --- */

static void ask(fwi_session *s)
{
    if (fwi_cf_begin(s)) {
        fwi_cf_let_in(s);
    }
}

static const fwi_goodbye event_goodbye = {.before = "data: {\"push\":{\"disconnect\":",
                                          .after = "}}\n\n"};
static const fwi_goodbye line_goodbye = {.before = "{\"push\":{\"disconnect\":",
                                         .after = "}}\n"};

#define BOTH                                                                             \
    .emulated = true, .ask = ask, .replied = fwi_cf_replied,                             \
    .published = fwi_cf_published, .freed = fwi_cf_freed,                                \
    .on_message = fwi_cf_on_message, .resumed = fwi_cf_go_on, .late = fwi_cf_late,       \
    .ping = ping, FWI_CF_OPERATIONS

const fwi_protocol fwi_centrifuge_events_protocol = {
    BOTH, .frame = event_frame, .reset = reset_events, .goodbye = &event_goodbye};

const fwi_protocol fwi_centrifuge_lines_protocol = {
    BOTH, .frame = line_frame, .reset = reset_lines, .goodbye = &line_goodbye};
