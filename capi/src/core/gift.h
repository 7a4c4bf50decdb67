/*
 * A room that sessions are put into by order, with something to it: what its client is
 * told, what others see of it there, until when it may stay. On its way it is JSON, with
 * the claims of a subscription's token: "channel", "info", "data", "expire_at". Pure.
 * @thread any
 */
#ifndef FWI_CORE_GIFT_H
#define FWI_CORE_GIFT_H

#include "core/message.h"
#include "wire/token.h"

/* The caller's, until fwi_claims_free; *why is a sentence that begins with "the token".
 * NULL: it is no good one, and *why says why; or (why "") there is no memory. */
fwi_claims *fwi_gift_read(const void *text, size_t len, const char **why);

/* The order. since: see fwi_join. NULL: out of memory. */
fw_message *fwi_gift_message(const void *text, size_t len, fwi_position since);

/* What an order that has come says; NULL: nothing that can be done. */
fwi_claims *fwi_gift_of(const fw_message *m);

#endif
