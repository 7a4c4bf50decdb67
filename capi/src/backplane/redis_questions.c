/*
 * Questions of the hub: who is in a channel, and which nodes there are. They go out at
 * the flush; while there is no way to the server of their key they are answered with an
 * error. What the answers say is read by redis_members.c. Loop 0's thread.
 */
#include <inttypes.h>
#include <string.h>

#include "backplane/redis_backplane.h"
#include "backplane/redis_presence_scripts.h"
#include "core/error.h"

/* Somebody wants a page, or the nodes. */
typedef struct question {
    fwi_list link;
    uint64_t cursor, ref;
    uint32_t limit;
    bool of_nodes;
    char channel[];
} question;

static void free_all(fwi_list *list)
{
    for (fwi_list *e; (e = fwi_list_pop(list)) != NULL;) {
        free(fwi_list_entry(e, question, link));
    }
}

void fwi_redis_questions_fini(fwi_redis_presence *rp)
{
    free_all(&rp->questions);
    free_all(&rp->unanswered);
}

static bool ask(fwi_backplane *bp, const char *channel, uint64_t cursor, uint32_t limit,
                uint64_t ref)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    size_t len = channel ? strlen(channel) : 0;
    question *q = calloc(1, sizeof *q + len + 1);
    if (q == NULL) {
        return false;
    }
    q->cursor = cursor;
    q->limit = limit;
    q->ref = ref;
    q->of_nodes = channel == NULL;
    memcpy(q->channel, channel ? channel : "", len);
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

static void tell(fwi_redis_backplane *rb, question *q, const fwi_member_page *page)
{
    uint64_t ref = q->ref;
    free(q);
    if (rb->base.sink->on_members != NULL) {
        rb->base.sink->on_members(rb->base.sink_user, ref, page);
    }
}

static void tell_failed(fwi_redis_backplane *rb, question *q, const char *why)
{
    tell(rb, q, &(fwi_member_page){.err = FW_ERR_BACKPLANE, .why = why});
}

void fwi_redis_presence_tell(fwi_redis_backplane *rb)
{
    fwi_list all;
    fwi_list_init(&all);
    fwi_list_splice(&all, &rb->presence.unanswered);
    for (fwi_list *e; (e = fwi_list_pop(&all)) != NULL;) {
        tell_failed(rb, fwi_list_entry(e, question, link),
                    rb->why[0] != '\0' ? rb->why : "Redis is away");
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
    tell(rb, q, &page);
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
    for (fwi_list *e; (e = fwi_list_pop(&rb->presence.questions)) != NULL;) {
        question *q = fwi_list_entry(e, question, link);
        if (!send_question(rb, q)) {
            fwi_list_append(&rb->presence.unanswered, &q->link);
            return false;
        }
    }
    return true;
}
