/*
 * A circuit breaker: a hook that has failed so many times in a row isn't asked for a
 * while, so that nobody waits for what won't come, and a back end that is coming up isn't
 * met by all who have waited. Then one request tries; it decides for the others.
 *
 *   closed --failures in a row--> open --pause is over, one asks--> trying
 *     ^                            ^                                  |
 *     |                            +------------- it fails -----------+
 *     +----------------------------- it works ------------------------+
 *
 * Pure: knows no clock. One thread.
 */
#ifndef FANWIRED_HOOK_BREAKER_H
#define FANWIRED_HOOK_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    FWD_BREAKER_CLOSED,
    FWD_BREAKER_TRYING,
    FWD_BREAKER_OPEN
} fwd_breaker_state;

typedef struct fwd_breaker {
    unsigned max_failures; /* 0: it never opens */
    int64_t pause_ms;
    fwd_breaker_state state;
    unsigned failures; /* in a row */
    int64_t open_until_ms, tries_since_ms;
} fwd_breaker;

void fwd_breaker_init(fwd_breaker *b, unsigned max_failures, int64_t pause_ms);

/* May a request be made now? In trying only one is; its end must be told. */
bool fwd_breaker_may_ask(fwd_breaker *b, int64_t now_ms);

/* How a request has ended that was made then: the back end could be reached, or not.
 * true: it has opened or closed by that. */
bool fwd_breaker_tell(fwd_breaker *b, bool reached, int64_t made_ms, int64_t now_ms);

/* A request has ended before it was made: if it was to try, the next one tries. */
void fwd_breaker_unasked(fwd_breaker *b, int64_t now_ms);

#endif
