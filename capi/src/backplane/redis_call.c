/*
 * The queue of those who wait for an answer. See the header.
 */
#include "backplane/redis_call.h"

#include <string.h>

#include "backplane/redis_backplane.h"
#include "wire/name.h"

void fwi_redis_calls_fini(fwi_redis_calls *cs)
{
    free(cs->ring);
    memset(cs, 0, sizeof *cs);
}

static bool reserve(fwi_redis_calls *cs)
{
    if (cs->count < cs->cap) {
        return true;
    }
    size_t cap = cs->cap ? cs->cap * 2 : 64;
    fwi_redis_pending_call *ring = malloc(cap * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (size_t i = 0; i < cs->count; i++) {
        ring[i] = cs->ring[(cs->head + i) & (cs->cap - 1)];
    }
    free(cs->ring);
    cs->ring = ring;
    cs->cap = cap;
    cs->head = 0;
    return true;
}

/* Whose command link it goes to; NULL: there is none now. */
static fwi_redis_backplane *server_of(fwi_redis_backplane *rb, const char *key,
                                      size_t len)
{
    if (rb->cluster == NULL) {
        return rb;
    }
    fwi_redis_backplane *at = rb->cluster->server_of(rb->cluster_user, rb, key, len);
    return at != NULL && at->state == FWI_REDIS_UP ? at : NULL;
}

static void push(fwi_redis_backplane *at, fwi_redis_backplane *asker,
                 fwi_redis_answer answer, void *about)
{
    fwi_redis_calls *cs = &at->calls;
    cs->ring[(cs->head + cs->count++) & (cs->cap - 1)] =
        (fwi_redis_pending_call){asker, answer, about};
}

/* Its answer is that there is none. */
static bool call_nobody(fwi_redis_backplane *rb, fwi_redis_answer answer, void *about)
{
    if (!reserve(&rb->calls)) {
        return false;
    }
    push(rb, rb, answer, about);
    rb->loop->ops->wake(rb->loop);
    return true;
}

bool fwi_redis_call(fwi_redis_backplane *rb, const fwi_redis_words *words,
                    fwi_redis_answer answer, void *about)
{
    int key = memcmp(words->argv[0], "EVAL", 4) == 0 ? 3 : 1;
    fwi_redis_backplane *at = server_of(rb, words->argv[key], words->lens[key]);
    if (at == NULL) {
        return call_nobody(rb, answer, about);
    }
    if (!reserve(&at->calls) || !fwi_redis_asked_push(&at->asked, FWI_REDIS_ASKED_CALL) ||
        !fwi_redis_link_send(at->links[FWI_REDIS_COMMAND], words->argc, words->argv,
                             words->lens)) {
        /* What was asked and what was sent may differ by one now: begin anew. */
        at->give_up = "out of memory";
        return false;
    }
    push(at, rb, answer, about);
    rb->counts.calls++;
    return true;
}

bool fwi_redis_call_reaches(fwi_redis_backplane *rb, const char *key, size_t len)
{
    const fwi_redis_backplane *at = server_of(rb, key, len);
    return at != NULL && at->state == FWI_REDIS_UP;
}

bool fwi_redis_call_may(fwi_redis_backplane *rb, const char *channel)
{
    rb->name.len = 0;
    if (rb->cluster != NULL &&
        !fwi_name_to_redis(&rb->name, rb->config.prefix, channel)) {
        return false;
    }
    const fwi_redis_backplane *at = server_of(rb, rb->name.data, rb->name.len);
    return at != NULL &&
           fwi_redis_link_backlog(at->links[FWI_REDIS_COMMAND]) < FWI_REDIS_BACKLOG_MAX;
}

static bool pop(fwi_redis_calls *cs, fwi_redis_pending_call *call)
{
    if (cs->count == 0) {
        return false;
    }
    *call = cs->ring[cs->head];
    cs->head = (cs->head + 1) & (cs->cap - 1);
    cs->count--;
    return true;
}

void fwi_redis_call_answered(fwi_redis_backplane *rb, const fwi_redis_reply *reply)
{
    fwi_redis_pending_call call;
    if (pop(&rb->calls, &call)) {
        call.answer(call.asker, call.about, reply);
    }
}

void fwi_redis_call_refused(fwi_redis_backplane *rb)
{
    fwi_redis_pending_call call;
    if (pop(&rb->calls, &call)) {
        fwi_redis_pause(call.asker);
        call.answer(call.asker, call.about, NULL);
    }
}

void fwi_redis_calls_lost(fwi_redis_backplane *rb)
{
    fwi_redis_pending_call call;
    while (pop(&rb->calls, &call)) {
        call.answer(call.asker, call.about, NULL);
    }
}

void fwi_redis_answer_ignored(fwi_redis_backplane *rb, void *about,
                              const fwi_redis_reply *reply)
{
    (void)about;
    if (reply != NULL && reply->whole.type == FWI_REDIS_ERROR) {
        fwi_redis_complain(rb, "presence was refused", reply->whole.str,
                           reply->whole.len);
    }
}

bool fwi_redis_answer_is_text(fwi_redis_backplane *rb, const char *what,
                              const fwi_redis_reply *reply)
{
    if (reply == NULL || reply->whole.type == FWI_REDIS_STRING) {
        return reply != NULL;
    }
    fwi_redis_complain(rb, what, reply->whole.str, reply->whole.len);
    return false;
}
