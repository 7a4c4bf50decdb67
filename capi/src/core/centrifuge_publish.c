/*
 * What a client says: to a room, to the application without waiting for an answer (send)
 * and with (rpc). @thread loop
 */
#include <string.h>

#include <fanwire/error.h>

#include "core/centrifuge.h"
#include "core/decision.h"
#include "core/presence.h"

/* --- to a room --- */

static void on_published(fwi_session *s, fwi_asked *a, const fw_event *e)
{
    s->centrifuge->under_way--;
    if (e->code == FW_OK) {
        fwi_cf_done(s, a->number, FWI_CF_PUBLISH);
    } else {
        fwi_cf_failure(s, a->number, e->code, e->reason);
    }
    fwi_cf_go_on(s);
}

/* To the hub; the command is under way, and is answered when m has a place, or hasn't. */
static void publish(fwi_session *s, const char *room, uint32_t id, fw_message *m)
{
    fwi_centrifuge *cf = s->centrifuge;
    char channel[FWI_CHANNEL_CAP];
    fwi_asked *a = fwi_asked_new(s, &cf->asked, on_published, "");
    int err = FW_ERR_MEMORY;
    if (a != NULL) {
        a->number = id;
        err = fwi_hub_publish_ref(s->shard->hub, fwi_channel_name('r', room, channel), m,
                                  a->ref);
    }
    if (err != FW_OK) {
        cf->under_way--;
        fwi_cf_failure(s, id, err, "");
        if (a != NULL) {
            fwi_asked_free(a);
        }
    }
}

void fwi_cf_published(fwi_session *s, const char *room, uint64_t number, fw_message *m,
                      int code, const char *text)
{
    if (m != NULL) {
        publish(s, room, (uint32_t)number, m);
    } else {
        s->centrifuge->under_way--;
        fwi_cf_failure(s, (uint32_t)number, code, text);
    }
    fwi_cf_go_on(s);
}

/* NULL: out of memory. */
static fw_message *message_of(fwi_session *s, const char *room, const fwi_json *data)
{
    fw_message *m = fwi_message_new(FWI_MSG_DATA, data->at, data->len, FW_TEXT);
    if (m == NULL) {
        return NULL;
    }
    m->shape = 1 + FWI_CF_VALUE;
    m->origin = fwi_presence_origin_in(s, room);
    if (m->origin == NULL) {
        fw_message_unref(m);
        return NULL;
    }
    atomic_store(&m->sent, true);
    return m;
}

/* Where the application isn't asked. */
static bool may_publish(const fwi_session *s, const char *room)
{
    return s->shard->hub->set.client_insecure ||
           (fwi_cf_options(s, room)->allow_publish && fwi_cf_may_look_into(s, room));
}

void fwi_cf_publish(fwi_session *s, const fwi_cf_command *c)
{
    char room[FWI_NAME_MAX + 1], channel[FWI_CHANNEL_CAP];
    if (!fwi_cf_channel(s, c, room)) {
        return;
    }
    if (c->data.kind == FWI_JSON_NONE) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_REQUEST, "there is no data");
        return;
    }
    bool asks = fwi_decision_asks_publish(s, fwi_channel_name('r', room, channel));
    if (!asks && !may_publish(s, room)) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_DENIED, NULL);
        return;
    }
    if (!fwi_cf_rate_allows(s, c->id, FWI_RATE_PUBLISH, room)) {
        return;
    }
    fw_message *m = message_of(s, room, &c->data);
    if (m == NULL) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_INTERNAL, NULL);
        return;
    }
    s->centrifuge->under_way++;
    if (!asks) {
        publish(s, room, c->id, m);
    } else if (!fwi_decision_ask_publish(s, room, c->id, m)) {
        fwi_cf_published(s, room, c->id, NULL, FW_ERR_MEMORY, "");
    }
    fw_message_unref(m);
}

/* --- to the application --- */

void fwi_cf_send(fwi_session *s, const fwi_cf_command *c)
{
    fwi_shard *shard = s->shard;
    if (!fwi_events_want(&shard->hub->events, FW_EVENT_MESSAGE)) {
        fwi_shard_count(shard, FWI_STAT_UNROUTED);
        fwi_cf_close(s, 3508, "not available");
        return;
    }
    fw_event e = {.type = FW_EVENT_MESSAGE,
                  .data = c->data.kind != FWI_JSON_NONE ? c->data.at : "null",
                  .len = c->data.kind != FWI_JSON_NONE ? c->data.len : strlen("null"),
                  .flags = FW_TEXT};
    fwi_shard_raise(shard, &e, s);
}

void fwi_cf_rpc(fwi_session *s, const fwi_cf_command *c)
{
    fwi_shard *shard = s->shard;
    char method[FWI_NAME_MAX + 1] = "";
    if (!fwi_events_want(&shard->hub->events, FW_EVENT_RPC)) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_NOT_AVAILABLE, NULL);
        return;
    }
    if (c->rpc.kind != FWI_JSON_NONE && fwi_cf_text(&c->rpc, method, sizeof method) < 0) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_REQUEST, "the method's name is not allowed");
        return;
    }
    fwi_decision *d = fwi_decision_new(s, FWI_ASKS_RPC, "", c->id);
    if (d == NULL) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_INTERNAL, NULL);
        return;
    }
    s->centrifuge->under_way++;
    fw_event e = {.type = FW_EVENT_RPC,
                  .token = fwi_decision_token(d),
                  .reason = method,
                  .data = c->data.kind != FWI_JSON_NONE ? c->data.at : "null",
                  .len = c->data.kind != FWI_JSON_NONE ? c->data.len : strlen("null"),
                  .flags = FW_TEXT};
    fwi_shard_raise(shard, &e, s);
}

void fwi_cf_replied(fwi_session *s, uint64_t number, fw_message *m, int code,
                    const char *text)
{
    uint32_t id = (uint32_t)number;
    s->centrifuge->under_way--;
    if (m != NULL) {
        const fwi_cf_data data = fwi_cf_data_of(m);
        fwi_buf reply;
        fwi_buf_init(&reply);
        bool ok = fwi_cf_begin_reply(&reply, id, FWI_CF_RPC) &&
                  fwi_buf_puts(&reply, "\"data\":") && fwi_cf_put_data(&reply, &data) &&
                  fwi_cf_end_reply(&reply);
        fwi_cf_say(s, &reply, ok);
    } else {
        fwi_cf_failure(s, id, code, text);
    }
    fwi_cf_go_on(s);
}
