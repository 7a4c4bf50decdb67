/*
 * What a client is told without having asked: messages of its rooms, who comes and goes,
 * what is said to it alone. A message is put into words once for all its members on a
 * loop; its data isn't looked into, but for whether it is JSON. @thread loop
 */
#include <string.h>

#include "base/utf8.h"
#include "core/centrifuge.h"
#include "core/presence.h"
#include "wire/ws_codec.h"

fwi_frame *fwi_cf_frame_of(fwi_buf *text, bool ok)
{
    fwi_frame *f = ok ? fwi_frame_new_ws(FWI_WS_TEXT, text->data, text->len) : NULL;
    fwi_buf_fini(text);
    return f;
}

fwi_frame *fwi_cf_frame_for(const fwi_session *s, fwi_buf *text, bool ok,
                            const fwi_place *place, const fwi_position *at)
{
    return s->protocol == FWI_UNI_SSE      ? fwi_uni_frame_of(s, text, ok, place, at)
           : s->protocol == FWI_CENTRIFUGE ? fwi_cf_frame_of(text, ok)
                                           : fwi_emulated_frame_of(s, text, ok);
}

/* Looked at once, whoever asks first, on whatever loop: all come to the same. */
static fwi_cf_kind kind_of(fw_message *m)
{
    unsigned shape = atomic_load_explicit(&m->shape, memory_order_relaxed);
    if (shape == 0) {
        shape = 1u + fwi_cf_kind_of(fwi_message_bytes(m), fwi_message_len(m),
                                    !(m->flags & FW_BINARY));
        atomic_store_explicit(&m->shape, (unsigned char)shape, memory_order_relaxed);
    }
    return (fwi_cf_kind)(shape - 1);
}

fwi_cf_data fwi_cf_data_of(fw_message *m)
{
    return (fwi_cf_data){kind_of(m), fwi_message_bytes(m), fwi_message_len(m)};
}

fwi_cf_data fwi_cf_data_of_bytes(const void *bytes, size_t len)
{
    return (fwi_cf_data){fwi_cf_kind_of(bytes, len, fwi_utf8_is_valid(bytes, len)), bytes,
                         len};
}

fwi_cf_info fwi_cf_info_of(const fwi_origin *o, char text[FW_SESSION_ID_TEXT])
{
    return (fwi_cf_info){.user = o->user,
                         .client = fw_session_id_text(o->session, text),
                         .info = fwi_cf_data_of_bytes(o->info, o->info_len),
                         .room_info =
                             fwi_cf_data_of_bytes(o->room_info, o->room_info_len)};
}

bool fwi_cf_put_message(fwi_buf *out, fw_message *m)
{
    char client[FW_SESSION_ID_TEXT];
    fwi_cf_publication p = {.data = fwi_cf_data_of(m), .offset = m->at.offset};
    if (m->origin != NULL) {
        p.from = fwi_cf_info_of(m->origin, client);
    }
    return fwi_cf_put_publication(out, &p);
}

/* {"push":{"channel":R,"pub":{...}}} */
static fwi_frame *publication(const char *room, fw_message *m)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_buf_reserve(&text, fwi_message_len(m) + 256) &&
              fwi_cf_begin_push(&text, room, "pub") && fwi_cf_put_message(&text, m) &&
              fwi_cf_end_push(&text);
    return fwi_cf_frame_of(&text, ok);
}

/* {"push":{"message":{"data":...}}} */
static fwi_frame *to_it_alone(fw_message *m)
{
    const fwi_cf_data data = fwi_cf_data_of(m);
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_cf_begin_push(&text, NULL, "message") &&
              fwi_buf_puts(&text, "{\"data\":") && fwi_cf_put_data(&text, &data) &&
              fwi_buf_puts(&text, "}") && fwi_cf_end_push(&text);
    return fwi_cf_frame_of(&text, ok);
}

/* {"push":{"channel":R,"join":{"info":{...}}}}, or "leave". */
static fwi_frame *news(const char *room, const fw_message *m)
{
    char client[FW_SESSION_ID_TEXT];
    fwi_cf_info info = fwi_cf_info_of(m->origin, client);
    info.info = fwi_cf_data_of_bytes(fwi_message_bytes(m), fwi_message_len(m));
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok =
        fwi_cf_begin_push(&text, room, m->kind == FWI_MSG_ENTERED ? "join" : "leave") &&
        fwi_buf_puts(&text, "{\"info\":") && fwi_cf_put_info(&text, &info) &&
        fwi_buf_puts(&text, "}") && fwi_cf_end_push(&text);
    return fwi_cf_frame_of(&text, ok);
}

fwi_frame *fwi_cf_frame(fwi_shard *shard, const char *channel, fw_message *m)
{
    (void)shard;
    if (fwi_presence_is_news(m)) {
        return channel != NULL && channel[0] == 'r' ? news(channel + 2, m) : NULL;
    }
    return channel != NULL && channel[0] == 'r' ? publication(channel + 2, m)
                                                : to_it_alone(m);
}

void fwi_cf_push_unsubscribe(fwi_session *s, const char *channel, unsigned code,
                             const char *reason)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_cf_begin_push(&text, channel, "unsubscribe") &&
              fwi_buf_printf(&text, "{\"code\":%u,\"reason\":\"%s\"}", code, reason) &&
              fwi_cf_end_push(&text);
    fwi_cf_say(s, &text, ok);
}
