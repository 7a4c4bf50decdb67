/*
 * What goes to a session: into its outbox, and from there into its connection, at the end
 * of a turn or when the socket is free again. It decides nothing but what an outbox that
 * is full means. Session.c has the rest of its life. @thread loop
 */
#include <string.h>

#include "core/compress.h"
#include "core/session_inside.h"
#include "core/sse_id.h"
#include "wire/json.h"
#include "wire/ws_codec.h"

/* To join more into one write saves nothing, and what waits leaves the cache. */
enum { ENOUGH_TO_WRITE = 32 * 1024 };

void fwi_session_mark_dirty(fwi_session *s)
{
    if (!fwi_list_is_linked(&s->dirty)) {
        fwi_list_append(&s->shard->dirty, &s->dirty);
    }
}

static void write_out(fwi_session *s)
{
    fwi_shard *shard = s->shard;
    while (s->conn != NULL && s->mute == 0 && !fwi_outbox_is_empty(&s->ob) &&
           s->tp->can_write(s->conn)) {
        const uint8_t *data;
        unsigned nodes, frames;
        size_t n = fwi_outbox_gather(&s->ob, shard->scratch, FWI_SCRATCH, &data, &nodes,
                                     &frames);
        bool ok = s->tp->write(s->conn, data, n);
        fwi_outbox_consume(&s->ob, &shard->pool, nodes);
        if (!ok) {
            return; /* gone comes soon */
        }
        fwi_shard_count(shard, FWI_STAT_WRITES);
        fwi_stat_add(&shard->stats, FWI_STAT_WRITTEN, frames);
        fwi_stat_add(&shard->stats, FWI_STAT_WRITTEN_BYTES, n);
    }
}

/* Policy close: what waits is lost; half a frame lies with the transport and goes first.
 */
static void overflow(fwi_session *s)
{
    fwi_fanout_catch_up(s); /* and that is lost, too */
    fwi_session_forget_output(s);
    fwi_session_end(s, FWI_END_SLOW);
}

void fwi_session_forget_output(fwi_session *s)
{
    s->mute = 0;
    fwi_stat_add(&s->shard->stats, FWI_STAT_OUTBOX_DROPPED,
                 fwi_outbox_clear(&s->ob, &s->shard->pool));
}

void fwi_session_flush(fwi_session *s)
{
    if (s->mute & FWI_MUTE_OVERFLOWED && s->state == FWI_SESSION_OPEN) {
        overflow(s);
    }
    write_out(s);
    if (s->state == FWI_SESSION_CLOSING && s->conn != NULL &&
        fwi_outbox_is_empty(&s->ob)) {
        fwi_session_finish(s);
    }
}

static void count_drops(fwi_session *s, int policy, unsigned dropped)
{
    static const fwi_stat stat[] = {
        [FWI_POLICY_CLOSE] = FWI_STAT_OVERFLOW_CLOSE,
        [FWI_POLICY_DROP_OLDEST] = FWI_STAT_OVERFLOW_DROP_OLDEST,
        [FWI_POLICY_DROP_NEWEST] = FWI_STAT_OVERFLOW_DROP_NEWEST,
        [FWI_POLICY_LATEST] = FWI_STAT_OVERFLOW_LATEST,
    };
    fwi_shard_count(s->shard, stat[policy]);
    fwi_stat_add(&s->shard->stats, FWI_STAT_OUTBOX_DROPPED, dropped);
}

void fwi_session_send(fwi_session *s, fw_message *m)
{
    fwi_frame *f =
        s->announced ? fwi_session_protocol(s)->frame(s->shard, NULL, m) : NULL;
    if (f != NULL) {
        fwi_session_push(s, f, 0);
        fwi_frame_unref(f);
    }
}

void fwi_session_push(fwi_session *s, fwi_frame *f, uint64_t tag)
{
    fwi_fanout_catch_up(s);
    fwi_session_put(s, f, tag);
}

void fwi_session_put(fwi_session *s, fwi_frame *f, uint64_t tag)
{
    fwi_shard *shard = s->shard;
    const size_t max = shard->hub->set.outbox_max;
    const int policy = shard->hub->set.outbox_policy;
    if (s->state != FWI_SESSION_OPEN) {
        return;
    }
    fwi_shard_count(shard, FWI_STAT_DELIVERIES);
    if (s->mute & FWI_MUTE_OVERFLOWED) {
        fwi_shard_count(shard, FWI_STAT_OUTBOX_DROPPED);
        return;
    }
    if (s->deflates != 0) {
        f = fwi_frame_for_deflate(shard, f, s->deflates);
    }
    /* A burst within one turn isn't a slow reader's fault: what the socket takes now
     * isn't in the way. */
    if (s->ob.bytes + f->len > max && s->tp->can_write(s->conn)) {
        write_out(s);
    }
    unsigned dropped;
    switch (fwi_outbox_push(&s->ob, &shard->pool, f, tag, policy, max, &dropped)) {
    case FWI_OUTBOX_TAKEN:
        break;
    case FWI_OUTBOX_DROPPED:
        count_drops(s, policy, dropped);
        break;
    case FWI_OUTBOX_FULL:
        count_drops(s, FWI_POLICY_CLOSE, dropped + 1);
        /* Rooms are being walked: it is closed at the turn's end. */
        s->mute |= FWI_MUTE_OVERFLOWED;
        break;
    default:
        fwi_shard_count(shard, FWI_STAT_OUTBOX_DROPPED);
        break;
    }
    if (s->ob.bytes >= ENOUGH_TO_WRITE && s->tp->can_write(s->conn)) {
        write_out(s);
    }
    fwi_session_mark_dirty(s);
}

/* --- its last words --- */

static fwi_frame *close_frame(unsigned code, const char *reason)
{
    uint8_t payload[FWI_WS_CONTROL_MAX];
    size_t n = fwi_ws_close_payload(payload, code, reason);
    return fwi_frame_new_ws(FWI_WS_CLOSE, payload, n);
}

fwi_frame *fwi_session_last_words(fwi_session *s, unsigned code, const char *reason)
{
    const fwi_goodbye *words = fwi_session_protocol(s)->goodbye;
    if (words == NULL) {
        return close_frame(code, reason);
    }
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = (!words->says_when || fwi_sse_put_retry(&text, s)) &&
              fwi_buf_puts(&text, words->before) &&
              fwi_buf_printf(&text, "{\"code\":%u,\"reason\":", code) &&
              fwi_json_put_string(&text, reason, strlen(reason)) &&
              fwi_buf_puts(&text, "}") && fwi_buf_puts(&text, words->after);
    return fwi_sse_frame_of(&text, ok);
}
