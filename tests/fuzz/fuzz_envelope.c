/*
 * What is published to a channel of ours by whoever likes: envelopes, and messages made
 * of them. What was taken is the same after it has travelled once more.
 */
#include "base/utf8.h"
#include "core/message.h"
#include "fuzz.h"

static bool is_same(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void travels(const fwi_envelope *e)
{
    fwi_buf out;
    fwi_envelope again;
    fwi_buf_init(&out);
    MUST(fwi_envelope_encode(e, &out));
    uint8_t *bytes = fuzz_bytes(out.data, out.len);
    MUST(fwi_envelope_decode(&again, bytes, out.len) == FWI_ENVELOPE_OK);
    MUST(again.kind == e->kind && again.flags == e->flags && again.code == e->code);
    MUST(again.node == e->node && again.serial == e->serial);
    MUST(again.epoch == e->epoch && again.offset == e->offset);
    MUST(memcmp(&again.except, &e->except, sizeof e->except) == 0);
    MUST(memcmp(&again.target, &e->target, sizeof e->target) == 0);
    MUST(memcmp(&again.origin, &e->origin, sizeof e->origin) == 0);
    MUST(is_same(again.user, again.user_len, e->user, e->user_len));
    MUST(is_same(again.node_name, again.node_name_len, e->node_name, e->node_name_len));
    MUST(is_same(again.info, again.info_len, e->info, e->info_len));
    MUST(is_same(again.data, again.len, e->data, e->len));
    free(bytes);
    fwi_buf_fini(&out);
}

static void becomes_message(const fwi_envelope *e)
{
    fw_message *m = fwi_message_from_envelope(e);
    MUST((m != NULL) ==
         (e->flags & FWI_ENVELOPE_BINARY || fwi_utf8_is_valid(e->data, e->len)));
    if (m == NULL) {
        return;
    }
    fwi_buf out;
    fwi_buf_init(&out);
    MUST(is_same(fwi_message_bytes(m), fwi_message_len(m), e->data, e->len));
    MUST(fwi_message_encode(m, 1, 2, &out));
    fwi_buf_fini(&out);
    fw_message_unref(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = fuzz_bytes(data, size);
    fwi_envelope e;
    if (fwi_envelope_decode(&e, bytes, size) == FWI_ENVELOPE_OK) {
        travels(&e);
        becomes_message(&e);
    }
    fw_message *m = fwi_message_from_bytes(bytes, size);
    MUST(m != NULL && is_same(fwi_message_bytes(m), fwi_message_len(m), bytes, size));
    fw_message_unref(m);
    free(bytes);
    return 0;
}
