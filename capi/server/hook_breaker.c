/*
 * See hook_breaker.h.
 */
#include "hook_breaker.h"

void fwd_breaker_init(fwd_breaker *b, unsigned max_failures, int64_t pause_ms)
{
    *b = (fwd_breaker){.max_failures = max_failures, .pause_ms = pause_ms};
}

bool fwd_breaker_may_ask(fwd_breaker *b, int64_t now_ms)
{
    if (b->state == FWD_BREAKER_OPEN && now_ms >= b->open_until_ms) {
        b->state = FWD_BREAKER_TRYING;
        b->tries_since_ms = now_ms;
        return true;
    }
    return b->state == FWD_BREAKER_CLOSED;
}

bool fwd_breaker_tell(fwd_breaker *b, bool reached, int64_t made_ms, int64_t now_ms)
{
    if (reached) {
        /* Whoever was asked before it opened and answers now is as good as who tries. */
        bool changes = b->state != FWD_BREAKER_CLOSED;
        b->state = FWD_BREAKER_CLOSED;
        b->failures = 0;
        return changes;
    }
    b->failures += b->state == FWD_BREAKER_CLOSED;
    bool opens = b->state == FWD_BREAKER_CLOSED && b->max_failures > 0 &&
                 b->failures >= b->max_failures;
    bool tried = b->state == FWD_BREAKER_TRYING && made_ms >= b->tries_since_ms;
    if (opens || tried) {
        b->state = FWD_BREAKER_OPEN;
        b->open_until_ms = now_ms + b->pause_ms;
    }
    return opens;
}

void fwd_breaker_unasked(fwd_breaker *b, int64_t now_ms)
{
    if (b->state == FWD_BREAKER_TRYING) {
        b->state = FWD_BREAKER_OPEN;
        b->open_until_ms = now_ms;
    }
}
