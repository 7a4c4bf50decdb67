/*
 * Commands whose answer somebody waits for: who asks says what is to be done with it.
 * Answers come in order, so this is a queue beside that of `asked`. Used by presence and
 * lease on loop 0's thread.
 */
#ifndef FWI_BACKPLANE_REDIS_CALL_H
#define FWI_BACKPLANE_REDIS_CALL_H

#include "backplane/redis_reply.h"

struct fwi_redis_backplane;

/* reply NULL: the link was lost before the answer came; whether Redis has done it nobody
 * knows. The hub may be called only if there is a reply. An error of Redis is a reply. */
typedef void (*fwi_redis_answer)(struct fwi_redis_backplane *rb, void *about,
                                 const fwi_redis_reply *reply);

typedef struct fwi_redis_pending_call {
    fwi_redis_answer answer;
    void *about;
} fwi_redis_pending_call;

typedef struct fwi_redis_calls {
    fwi_redis_pending_call *ring; /* of size cap, a power of two */
    size_t head, count, cap;
} fwi_redis_calls;

void fwi_redis_calls_fini(fwi_redis_calls *cs);

/* What a command consists of; the words are borrowed. */
typedef struct fwi_redis_words {
    const char *argv[16];
    size_t lens[16];
    int argc;
} fwi_redis_words;

static inline void fwi_redis_word(fwi_redis_words *w, const char *word, size_t len)
{
    FWI_ASSERT(w->argc < (int)FWI_ARRAY_LEN(w->argv));
    w->argv[w->argc] = word;
    w->lens[w->argc++] = len;
}

/* Into the command link, which is live. false: out of memory, and the link is given up at
 * the next flush; no answer comes. */
bool fwi_redis_call(struct fwi_redis_backplane *rb, const fwi_redis_words *words,
                    fwi_redis_answer answer, void *about);

/* The next answer of one of these has come; the link is gone. */
void fwi_redis_call_answered(struct fwi_redis_backplane *rb,
                             const fwi_redis_reply *reply);
void fwi_redis_calls_lost(struct fwi_redis_backplane *rb);

/* An answer for which nothing is to be done but to complain of an error. */
void fwi_redis_answer_ignored(struct fwi_redis_backplane *rb, void *about,
                              const fwi_redis_reply *reply);

/* Is it a text? If not, and it is an answer at all, somebody complains. */
bool fwi_redis_answer_is_text(struct fwi_redis_backplane *rb, const char *what,
                              const fwi_redis_reply *reply);

#endif
