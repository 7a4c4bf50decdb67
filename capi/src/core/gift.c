/*
 * See gift.h. Whoever may publish to Redis may write one, so what came is read as what an
 * API's client says is.
 */
#include "core/gift.h"

#include "core/presence.h"
#include "wire/token_claims.h"

fwi_claims *fwi_gift_read(const void *text, size_t len, const char **why)
{
    fwi_claims_held *held = calloc(1, sizeof *held);
    *why = "";
    if (held == NULL) {
        return NULL;
    }
    fwi_token_result result = FWI_TOKEN_NO_MEMORY;
    if (fwi_buf_append(&held->payload, text, len)) {
        result = fwi_claims_read(held, FWI_TOKEN_SUBSCRIBE, why);
    }
    if (result == FWI_TOKEN_GOOD) {
        return &held->claims;
    }
    if (result == FWI_TOKEN_NO_MEMORY) {
        *why = "";
    }
    fwi_claims_free(&held->claims);
    return NULL;
}

fw_message *fwi_gift_message(const void *text, size_t len, fwi_position since)
{
    fw_message *m = fwi_message_new(FWI_MSG_GIVE, text, len, FW_TEXT);
    if (m != NULL) {
        m->except = (fw_session_id){since.epoch, since.offset};
    }
    return m;
}

fwi_claims *fwi_gift_of(const fw_message *m)
{
    const char *why;
    fwi_claims *gift = fwi_gift_read(fwi_message_bytes(m), fwi_message_len(m), &why);
    if (gift != NULL && gift->info.len > FWI_INFO_MAX) {
        fwi_claims_free(gift);
        return NULL;
    }
    return gift;
}
