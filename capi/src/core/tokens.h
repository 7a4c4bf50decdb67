/*
 * Tokens as the hub takes them: verified with the keys that it has at the moment, by the
 * clock on the wall, and counted where they are refused.
 *
 * The keys may be exchanged while sessions come and go: whoever verifies holds the set
 * that was there when it began.
 */
#ifndef FWI_CORE_TOKENS_H
#define FWI_CORE_TOKENS_H

#include <pthread.h>

#include "wire/token.h"

struct fwi_shard;

typedef struct fwi_tokens {
    pthread_mutex_t lock; /* of the pointer alone, held for a moment */
    fwi_keys *keys;       /* NULL: none */
} fwi_tokens;

void fwi_tokens_init(fwi_tokens *t);
void fwi_tokens_fini(fwi_tokens *t);

/* keys is taken; NULL: from now on no token is good. @thread any */
void fwi_tokens_exchange(fwi_tokens *t, fwi_keys *keys);

/* fwi_token_verify by the hub's keys, now. @thread loop */
fwi_token_result fwi_tokens_verify(struct fwi_shard *shard, fwi_token_use use,
                                   const char *token, size_t len, fwi_claims **claims,
                                   const char **why);

#endif
