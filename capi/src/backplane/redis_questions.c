/*
 * Questions of the hub: who is in a channel, and which nodes there are. They go out at
 * the flush; while there is no way to the server of their key they are answered with an
 * error. What the answers say is read by redis_members.c. Loop 0's thread.
 */
#include <inttypes.h>
#include <string.h>

#include "backplane/presence_question.h"
#include "backplane/redis_backplane.h"
#include "backplane/redis_presence_scripts.h"
#include "core/error.h"

typedef fwi_presence_question question;

void fwi_redis_questions_fini(fwi_redis_presence *rp)
{
    fwi_presence_questions_fini(&rp->questions);
    fwi_presence_questions_fini(&rp->unanswered);
}

void fwi_redis_questions_stop(fwi_redis_backplane *rb)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_list_splice(&rp->unanswered, &rp->questions);
    fwi_presence_questions_stop(&rb->base, &rp->unanswered);
}

static bool ask(fwi_backplane *bp, const char *channel, uint64_t cursor, uint32_t limit,
                uint64_t ref)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    question *q = fwi_presence_question_new(channel, cursor, limit, ref);
    if (q == NULL) {
        return false;
    }
    bool up = channel == NULL ? fwi_redis_lease_can_ask(rb)
                              : fwi_redis_presence_key(rb, &rb->presence.key, channel) &&
                                    fwi_redis_call_reaches(rb, rb->presence.key.data,
                                                           rb->presence.key.len);
    fwi_list_append(up ? &rb->presence.questions : &rb->presence.unanswered, &q->link);
    rb->loop->ops->wake(rb->loop); /* it may be asked from inside a flush */
    return true;
}

bool fwi_redis_read_presence(fwi_backplane *bp, const char *channel, uint64_t cursor,
                             uint32_t limit, uint64_t ref)
{
    return ask(bp, channel, cursor, limit, ref);
}

bool fwi_redis_read_nodes(fwi_backplane *bp, uint64_t ref)
{
    return ask(bp, NULL, 0, 0, ref);
}

static void tell_failed(fwi_redis_backplane *rb, question *q, const char *why)
{
    fwi_presence_question_fail(&rb->base, q, FW_ERR_BACKPLANE, why);
}

void fwi_redis_presence_tell(fwi_redis_backplane *rb)
{
    fwi_list all;
    fwi_list_init(&all);
    fwi_list_splice(&all, &rb->presence.unanswered);
    for (question *q; (q = fwi_presence_question_pop(&all)) != NULL;) {
        tell_failed(rb, q, rb->why[0] != '\0' ? rb->why : "Redis is away");
    }
}

static void on_answer(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    question *q = about;
    if (reply == NULL) {
        fwi_list_append(&rb->presence.unanswered, &q->link);
        return;
    }
    if (!fwi_redis_answer_is_text(rb, "presence can't be read", reply)) {
        char quoted[160];
        tell_failed(
            rb, q,
            fwi_log_quote(quoted, sizeof quoted, reply->whole.str, reply->whole.len));
        return;
    }
    fwi_member_page page;
    fwi_redis_members_read(reply->whole.str, reply->whole.len, &page);
    fwi_presence_question_answer(&rb->base, q, &page);
    fwi_redis_members_free(&page);
}

static bool send_question(fwi_redis_backplane *rb, question *q)
{
    fwi_buf *key = &rb->presence.key;
    char cursor[24], limit[16];
    fwi_redis_words w = {0};
    if (q->of_nodes) {
        return fwi_redis_lease_ask_nodes(rb, on_answer, q);
    }
    if (!fwi_redis_presence_key(rb, key, q->channel)) {
        return false;
    }
    int n = snprintf(cursor, sizeof cursor, "%" PRIu64, q->cursor);
    int m = snprintf(limit, sizeof limit, "%" PRIu32, q->limit);
    fwi_redis_eval_words(&w, fwi_redis_script_members, "1");
    fwi_redis_word(&w, key->data, key->len);
    fwi_redis_word(&w, cursor, (size_t)n);
    fwi_redis_word(&w, limit, (size_t)m);
    return fwi_redis_call(rb, &w, on_answer, q);
}

bool fwi_redis_questions_send(fwi_redis_backplane *rb)
{
    for (question *q; (q = fwi_presence_question_pop(&rb->presence.questions)) != NULL;) {
        if (!send_question(rb, q)) {
            fwi_list_append(&rb->presence.unanswered, &q->link);
            return false;
        }
    }
    return true;
}
