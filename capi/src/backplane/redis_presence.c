/*
 * Entries and questions. See the header.
 *
 * An entry is on its way (todo), or answered, and safe once a later beat of the lease is
 * confirmed: then a failover that loses it would lose the beat, too, and that is seen. So
 * when the link is lost, what isn't safe is sent again, and nothing else.
 */
#include "backplane/redis_presence.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_backplane.h"
#include "backplane/redis_presence_scripts.h"
#include "core/error.h"
#include "wire/envelope.h"
#include "wire/name.h"

/* Somebody wants a page, or the nodes. */
typedef struct question {
    fwi_list link;
    uint64_t cursor, ref;
    uint32_t limit;
    bool of_nodes;
    char channel[];
} question;

void fwi_redis_presence_init(fwi_redis_presence *rp)
{
    memset(rp, 0, sizeof *rp);
    fwi_presence_table_init(&rp->table);
    fwi_list_init(&rp->todo);
    fwi_list_init(&rp->departed);
    fwi_list_init(&rp->refused);
    fwi_list_init(&rp->questions);
    fwi_list_init(&rp->unanswered);
    fwi_buf_init(&rp->key);
    fwi_buf_init(&rp->value);
}

static void free_questions(fwi_list *list)
{
    for (fwi_list *e; (e = fwi_list_pop(list)) != NULL;) {
        free(fwi_list_entry(e, question, link));
    }
}

void fwi_redis_presence_fini(fwi_redis_presence *rp)
{
    free_questions(&rp->questions);
    free_questions(&rp->unanswered);
    fwi_presence_table_fini(&rp->table);
    fwi_buf_fini(&rp->key);
    fwi_buf_fini(&rp->value);
}

/* --- keys --- */

bool fwi_redis_presence_key(fwi_redis_backplane *rb, fwi_buf *out, const char *channel)
{
    out->len = 0;
    return fwi_buf_puts(out, "{") && fwi_name_to_redis(out, rb->config.prefix, channel) &&
           fwi_buf_puts(out, "}:p");
}

bool fwi_redis_channels_key(fwi_redis_backplane *rb, fwi_buf *out, uint64_t node,
                            uint64_t life)
{
    out->len = 0;
    return fwi_buf_printf(out, "%s:n:%016" PRIx64 ":%" PRIu64 ":c", rb->config.prefix,
                          node, life);
}

/* --- entries --- */

static void want(fwi_redis_presence *rp, fwi_present *p)
{
    fwi_list_remove(&p->todo);
    fwi_list_append(&rp->todo, &p->todo);
}

bool fwi_redis_presence_enter(fwi_backplane *bp, const char *channel, fw_message *member,
                              bool tell)
{
    fwi_redis_presence *rp = &fwi_redis_of(bp)->presence;
    const fwi_present *former =
        fwi_presence_find(&rp->table, channel, member->origin->session);
    bool is_new = former == NULL || former->gone;
    fwi_present *p = fwi_presence_put(&rp->table, channel, member, tell);
    if (p == NULL) {
        return false;
    }
    rp->n += is_new;
    p->gone = false;
    want(rp, p);
    return true;
}

void fwi_redis_presence_leave(fwi_backplane *bp, const char *channel,
                              fw_session_id session)
{
    fwi_redis_presence *rp = &fwi_redis_of(bp)->presence;
    fwi_present *p = fwi_presence_find(&rp->table, channel, session);
    if (p == NULL || p->gone) {
        return;
    }
    rp->n--;
    if (!p->was_sent) {
        fwi_presence_remove(&rp->table, p);
        return;
    }
    p->gone = true;
    want(rp, p);
}

/* Did Redis say no (it is full, or can't write to its disk)? Then it is asked again when
 * it has taken a beat. */
static bool is_refused(fwi_redis_backplane *rb, fwi_present *p,
                       const fwi_redis_reply *reply)
{
    if (reply->whole.type != FWI_REDIS_ERROR) {
        return false;
    }
    fwi_redis_answer_ignored(rb, NULL, reply);
    if (!fwi_list_is_linked(&p->todo)) {
        fwi_list_append(&rb->presence.refused, &p->todo);
    }
    return true;
}

static bool send_channel(fwi_redis_backplane *rb, const char *command,
                         const fwi_presence_channel *c, fwi_redis_answer answer,
                         void *about)
{
    fwi_buf *key = &rb->presence.key;
    if (!fwi_redis_channels_key(rb, key, rb->config.node, rb->lease.life)) {
        return false;
    }
    fwi_redis_words w = {0};
    fwi_redis_word(&w, command, strlen(command));
    fwi_redis_word(&w, key->data, key->len);
    fwi_redis_word(&w, c->name, strlen(c->name));
    return fwi_redis_call(rb, &w, answer, about);
}

static void on_listed(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    fwi_present *p = about;
    p->asked--;
    if (reply != NULL && is_refused(rb, p, reply)) {
        p->channel->indexed = false;
    }
}

/* Its channel is in the list of those to be swept. Ahead of the entry: if the node dies
 * between the two, it is looked for in vain, and not forgotten. */
static bool list_channel(fwi_redis_backplane *rb, fwi_present *p)
{
    if (p->channel->indexed) {
        return true;
    }
    if (!send_channel(rb, "SADD", p->channel, on_listed, p)) {
        return false;
    }
    p->channel->indexed = true;
    p->asked++;
    return true;
}

static void on_written(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    fwi_present *p = about;
    p->asked--;
    if (reply == NULL) {
        if (!fwi_list_is_linked(&p->todo)) {
            want(&rb->presence, p);
        }
        return;
    }
    if (is_refused(rb, p, reply)) {
        return;
    }
    p->was_known = true;
    bool is_new = reply->whole.type == FWI_REDIS_INTEGER && reply->whole.integer == 1;
    if (p->again && is_new && p->tell && !p->gone) {
        fwi_redis_lease_tell_again(rb, p);
    }
    p->again = false;
}

static void on_removed(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_present *p = about;
    p->asked--;
    if (reply != NULL && is_refused(rb, p, reply)) {
        return;
    }
    if (!p->gone || p->asked > 0 || fwi_list_is_linked(&p->todo)) {
        return; /* it has come back meanwhile */
    }
    fwi_list_append(reply != NULL ? &rp->departed : &rp->todo, &p->todo);
}

/* "TELL LIFE " and the envelope. */
static bool encode(fwi_redis_backplane *rb, const fwi_present *p)
{
    fwi_buf *value = &rb->presence.value;
    value->len = 0;
    return fwi_buf_printf(value, "%d %" PRIu64 " ", p->tell, rb->lease.life) &&
           fwi_message_encode(p->member, 0, 0, value);
}

static bool send_entry(fwi_redis_backplane *rb, fwi_present *p)
{
    fwi_redis_presence *rp = &rb->presence;
    char session[FW_SESSION_ID_TEXT];
    bool others = HASH_COUNT(p->channel->present) > 1;
    if ((!p->gone || others) && !list_channel(rb, p)) {
        return false;
    }
    if (!fwi_redis_presence_key(rb, &rp->key, p->channel->name) ||
        (!p->gone && !encode(rb, p))) {
        return false;
    }
    fwi_redis_words w = {0};
    fwi_redis_word(&w, p->gone ? "HDEL" : "HSET", 4);
    fwi_redis_word(&w, rp->key.data, rp->key.len);
    fwi_redis_word(&w, fw_session_id_text(p->session, session), FW_SESSION_ID_TEXT - 1);
    if (!p->gone) {
        fwi_redis_word(&w, rp->value.data, rp->value.len);
    }
    fwi_list_remove(&p->todo);
    p->beat = rb->lease.beats;
    if (!fwi_redis_call(rb, &w, p->gone ? on_removed : on_written, p)) {
        want(rp, p);
        return false;
    }
    p->asked++;
    p->was_sent = true;
    return true;
}

static bool send_entries(fwi_redis_backplane *rb)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_list all; /* what isn't sent stays, at the front */
    fwi_list_init(&all);
    fwi_list_splice(&all, &rp->todo);
    bool ok = true;
    while (ok && !fwi_list_is_empty(&all) &&
           fwi_redis_link_backlog(rb->links[FWI_REDIS_COMMAND]) < FWI_REDIS_BACKLOG_MAX) {
        ok = send_entry(rb, fwi_list_entry(all.next, fwi_present, todo));
    }
    fwi_list_splice(&all, &rp->todo);
    fwi_list_splice(&rp->todo, &all);
    return ok;
}

void fwi_redis_presence_settle(fwi_redis_backplane *rb, uint64_t beat)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_list_splice(&rp->todo, &rp->refused);
    while (!fwi_list_is_empty(&rp->departed)) {
        fwi_present *p = fwi_list_entry(rp->departed.next, fwi_present, todo);
        if (p->beat >= beat) {
            return; /* in the order in which they were sent */
        }
        if (HASH_COUNT(p->channel->present) == 1) {
            send_channel(rb, "SREM", p->channel, fwi_redis_answer_ignored, NULL);
            p->channel->indexed = false;
        }
        fwi_presence_remove(&rp->table, p);
    }
}

void fwi_redis_presence_link_down(fwi_redis_backplane *rb)
{
    fwi_redis_presence *rp = &rb->presence;
    uint64_t safe = rb->lease.confirmed;
    fwi_list_splice(&rp->todo, &rp->departed);
    fwi_list_splice(&rp->todo, &rp->refused);
    fwi_list_splice(&rp->unanswered, &rp->questions);
    fwi_presence_channel *c, *next;
    HASH_ITER(hh, rp->table.channels, c, next)
    {
        c->indexed = false;
        for (fwi_present *p = c->present; p != NULL; p = p->hh.next) {
            if (p->beat >= safe && !fwi_list_is_linked(&p->todo)) {
                want(rp, p);
            }
        }
    }
}

void fwi_redis_presence_rewrite(fwi_redis_backplane *rb, bool again)
{
    fwi_redis_presence *rp = &rb->presence;
    fwi_presence_channel *c, *next;
    HASH_ITER(hh, rp->table.channels, c, next)
    {
        c->indexed = false;
        for (fwi_present *p = c->present; p != NULL; p = p->hh.next) {
            p->again = p->again || (again && p->was_known);
            want(rp, p);
        }
    }
}

/* --- questions --- */

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
    bool up = rb->state == FWI_REDIS_UP;
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

static bool send_questions(fwi_redis_backplane *rb)
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

void fwi_redis_presence_send(fwi_redis_backplane *rb)
{
    bool ok = !rb->lease.is_held || send_entries(rb);
    if (!ok || !send_questions(rb)) {
        rb->give_up = "out of memory";
    }
}
