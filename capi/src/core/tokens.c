/*
 * The hub's keys for tokens. Verifying is in wire/token.c. See the header.
 */
#include "core/tokens.h"

#include "core/shard.h"

void fwi_tokens_init(fwi_tokens *t)
{
    FWI_ASSERT(pthread_mutex_init(&t->lock, NULL) == 0);
    t->keys = NULL;
}

void fwi_tokens_fini(fwi_tokens *t)
{
    fwi_keys_unref(t->keys);
    t->keys = NULL;
    pthread_mutex_destroy(&t->lock);
}

void fwi_tokens_exchange(fwi_tokens *t, fwi_keys *keys)
{
    pthread_mutex_lock(&t->lock);
    fwi_keys *before = t->keys;
    t->keys = keys;
    pthread_mutex_unlock(&t->lock);
    fwi_keys_unref(before);
}

/* NULL, or a reference. */
static fwi_keys *take_keys(fwi_tokens *t)
{
    pthread_mutex_lock(&t->lock);
    fwi_keys *keys = t->keys != NULL ? fwi_keys_ref(t->keys) : NULL;
    pthread_mutex_unlock(&t->lock);
    return keys;
}

fwi_token_result fwi_tokens_verify(fwi_shard *shard, fwi_token_use use, const char *token,
                                   size_t len, fwi_claims **claims, const char **why)
{
    fwi_keys *keys = take_keys(&shard->hub->tokens);
    fwi_token_result result = FWI_TOKEN_BAD;
    if (keys == NULL) {
        *why = "there is no key to verify tokens with";
    } else {
        int64_t now_s = (int64_t)(fwi_loop_wall_ms(shard->loop) / 1000);
        result = fwi_token_verify(keys, use, token, len, now_s, claims, why);
    }
    if (result == FWI_TOKEN_EXPIRED || result == FWI_TOKEN_BAD) {
        fwi_shard_count(shard, result == FWI_TOKEN_EXPIRED ? FWI_STAT_TOKENS_EXPIRED
                                                           : FWI_STAT_TOKENS_BAD);
    }
    fwi_keys_unref(keys);
    return result;
}
