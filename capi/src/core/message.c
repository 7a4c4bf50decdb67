/*
 * Messages: made of bytes or of what came over the backplane, put into envelopes, freed
 * with the last reference. Immutable once sent, so no locks.
 * @thread any
 */
#include "core/message.h"

#include <string.h>

#include <fanwire/error.h>

#include "base/utf8.h"
#include "wire/ws_codec.h"

fw_message *fwi_message_new(fwi_msg_kind kind, const void *data, size_t len,
                            unsigned flags)
{
    unsigned opcode = flags & FW_BINARY ? FWI_WS_BINARY : FWI_WS_TEXT;
    fwi_frame *frame = fwi_frame_new_ws(opcode, data, len);
    if (frame == NULL) {
        return NULL;
    }
    fw_message *m = malloc(sizeof *m);
    if (m == NULL) {
        fwi_frame_unref(frame);
        return NULL;
    }
    *m = (fw_message){
        .refs = 1, .kind = (uint8_t)kind, .flags = (uint8_t)flags, .frame = frame};
    return m;
}

fw_message *fw_message_ref(fw_message *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void fw_message_unref(fw_message *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    fwi_frame_unref(m->frame);
    fwi_origin_unref(m->origin);
    free(m->key);
    free(m);
}

static fwi_envelope_id envelope_id(fw_session_id id)
{
    return (fwi_envelope_id){id.node, id.local};
}

static fw_session_id session_id(fwi_envelope_id id)
{
    return (fw_session_id){id.node, id.local};
}

bool fwi_message_encode(const fw_message *m, uint64_t node, uint64_t serial, fwi_buf *out)
{
    return fwi_message_encode_at(m, node, serial, m->at, out);
}

bool fwi_message_encode_at(const fw_message *m, uint64_t node, uint64_t serial,
                           fwi_position at, fwi_buf *out)
{
    fwi_envelope e = {
        .kind = m->kind,
        .flags = m->flags & FW_BINARY ? FWI_ENVELOPE_BINARY : 0,
        .code = m->code,
        .node = node,
        .serial = serial,
        .except = envelope_id(m->except),
        .target = envelope_id(m->target),
        .epoch = at.epoch,
        .offset = at.offset,
        .data = fwi_message_bytes(m),
        .len = fwi_message_len(m),
    };
    if (m->origin != NULL) {
        e.origin = envelope_id(m->origin->session);
        e.user = m->origin->user;
        e.user_len = strlen(e.user);
        e.node_name = m->origin->node_name;
        e.node_name_len = strlen(e.node_name);
        if (m->kind == FWI_MSG_DATA) { /* else it is the payload */
            e.info = m->origin->info;
            e.info_len = m->origin->info_len;
        }
        e.room_info = m->origin->room_info;
        e.room_info_len = m->origin->room_info_len;
    }
    return fwi_envelope_encode(&e, out);
}

fw_message *fwi_message_join(const char *room, fwi_position since)
{
    fw_message *m = fwi_message_new(FWI_MSG_JOIN, room, strlen(room), FW_TEXT);
    if (m != NULL) {
        m->except = (fw_session_id){since.epoch, since.offset};
    }
    return m;
}

fw_message *fwi_message_refresh(int64_t expires_s)
{
    fw_message *m = fwi_message_new(FWI_MSG_REFRESH, "", 0, FW_TEXT);
    if (m != NULL) {
        m->except.local = (uint64_t)expires_s;
    }
    return m;
}

fw_message *fwi_message_from_envelope(const fwi_envelope *e)
{
    /* Text of another node was checked there; a damaged one would get its reader's
     * session closed by the browser, so it is looked at again. */
    if (!(e->flags & FWI_ENVELOPE_BINARY) && !fwi_utf8_is_valid(e->data, e->len)) {
        return NULL;
    }
    unsigned flags = e->flags & FWI_ENVELOPE_BINARY ? FW_BINARY : FW_TEXT;
    fw_message *m = fwi_message_new((fwi_msg_kind)e->kind, e->data, e->len, flags);
    if (m == NULL) {
        return NULL;
    }
    m->code = e->code;
    m->except = session_id(e->except);
    m->target = session_id(e->target);
    m->at = (fwi_position){e->epoch, e->offset};
    m->id = (fwi_envelope_id){e->node, e->serial};
    if (e->user != NULL || e->node_name != NULL) {
        char user[256] = "", name[256] = "";
        memcpy(user, e->user ? e->user : "", FWI_MIN(e->user_len, sizeof user - 1));
        memcpy(name, e->node_name ? e->node_name : "",
               FWI_MIN(e->node_name_len, sizeof name - 1));
        const fwi_origin like = {.session = session_id(e->origin),
                                 .user = user,
                                 .node_name = name,
                                 .info = e->info,
                                 .info_len = e->info_len,
                                 .room_info = e->room_info,
                                 .room_info_len = e->room_info_len};
        m->origin = fwi_origin_copy(&like);
        if (m->origin == NULL) {
            fw_message_unref(m);
            return NULL;
        }
    }
    return m;
}

fw_message *fwi_message_from_bytes(const void *data, size_t len)
{
    return fwi_message_new(FWI_MSG_DATA, data, len,
                           fwi_utf8_is_valid(data, len) ? FW_TEXT : FW_BINARY);
}

fw_message *fwi_message_at(fw_message *m, fwi_position at)
{
    fw_message *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = (fw_message){.refs = 1,
                         .sent = true,
                         .kind = m->kind,
                         .flags = m->flags,
                         .code = m->code,
                         .except = m->except,
                         .target = m->target,
                         .shape = m->shape,
                         .id = m->id,
                         .origin = m->origin,
                         .at = at,
                         .frame = fwi_frame_ref(m->frame)};
    if (m->origin != NULL) {
        atomic_fetch_add_explicit(&m->origin->refs, 1, memory_order_relaxed);
    }
    return copy;
}

/* Copies bytes to *at, and moves that behind them. */
static const void *put_bytes(char **at, const void *bytes, size_t len)
{
    char *to = *at;
    if (len > 0) {
        memcpy(to, bytes, len);
    }
    *at += len;
    return to;
}

fwi_origin *fwi_origin_copy(const fwi_origin *like)
{
    size_t n_user = strlen(like->user) + 1, n_name = strlen(like->node_name) + 1;
    size_t behind = n_user + n_name + like->info_len + like->room_info_len;
    fwi_origin *o = malloc(sizeof *o + behind);
    if (o == NULL) {
        return NULL;
    }
    char *at = (char *)(o + 1);
    atomic_init(&o->refs, 1);
    o->session = like->session;
    o->user = put_bytes(&at, like->user, n_user);
    o->node_name = put_bytes(&at, like->node_name, n_name);
    o->info = put_bytes(&at, like->info, like->info_len);
    o->info_len = like->info_len;
    o->room_info = put_bytes(&at, like->room_info, like->room_info_len);
    o->room_info_len = like->room_info_len;
    return o;
}

fwi_origin *fwi_origin_new(fw_session_id session, const char *user, const char *node_name)
{
    const fwi_origin like = {.session = session, .user = user, .node_name = node_name};
    return fwi_origin_copy(&like);
}

void fwi_origin_unref(fwi_origin *o)
{
    if (o != NULL && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1) {
        free(o);
    }
}
