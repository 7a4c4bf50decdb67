/*
 * Commands whose answer somebody waits for: who asks says what is to be done with it.
 * Answers come in order, so this is a queue beside that of `asked`. Used by presence,
 * lease and the pages of history, on loop 0's thread.
 */
#ifndef FWI_BACKPLANE_REDIS_CALL_H
#define FWI_BACKPLANE_REDIS_CALL_H

#include "backplane/redis_reply.h"

struct fwi_redis_backplane;

/* reply NULL: the link was lost before the answer came; whether Redis has done it nobody
 * knows. Or it is a server of a Cluster that doesn't serve the key just now. The hub may
 * be called only if there is a reply. Another error of Redis is a reply. */
typedef void (*fwi_redis_answer)(struct fwi_redis_backplane *rb, void *about,
                                 const fwi_redis_reply *reply);

typedef struct fwi_redis_pending_call {
    struct fwi_redis_backplane *asker;
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
    const char *argv[20];
    size_t lens[20];
    int argc;
} fwi_redis_words;

static inline void fwi_redis_word(fwi_redis_words *w, const char *word, size_t len)
{
    FWI_ASSERT(w->argc < (int)FWI_ARRAY_LEN(w->argv));
    w->argv[w->argc] = word;
    w->lens[w->argc++] = len;
}

/* Into the command link, which is live. In a Cluster into that of the server of the
 * command's key; the answer is NULL at the next flush if it is away. false: out of
 * memory, and the link is given up at the next flush; no answer comes. */
bool fwi_redis_call(struct fwi_redis_backplane *rb, const fwi_redis_words *words,
                    fwi_redis_answer answer, void *about);

/* Would a command on this key reach a server now? */
bool fwi_redis_call_reaches(struct fwi_redis_backplane *rb, const char *key, size_t len);
/* ... on the keys of a channel, and is there room for more on its link? */
bool fwi_redis_call_may(struct fwi_redis_backplane *rb, const char *channel);

/* The next answer of one of these has come; the link is gone. */
void fwi_redis_call_answered(struct fwi_redis_backplane *rb,
                             const fwi_redis_reply *reply);
/* A server of a Cluster doesn't serve the next one's key now; its asker waits a while. */
void fwi_redis_call_refused(struct fwi_redis_backplane *rb);
void fwi_redis_calls_lost(struct fwi_redis_backplane *rb);

/* An answer for which nothing is to be done but to complain of an error. */
void fwi_redis_answer_ignored(struct fwi_redis_backplane *rb, void *about,
                              const fwi_redis_reply *reply);

/* Is it a text? If not, and it is an answer at all, somebody complains. */
bool fwi_redis_answer_is_text(struct fwi_redis_backplane *rb, const char *what,
                              const fwi_redis_reply *reply);

#endif
