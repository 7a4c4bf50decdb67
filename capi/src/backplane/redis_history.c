/*
 * Kept publishes, pages and what became of them. See the header.
 *
 * A publish whose answer never came is sent again after the return, and Redis knows by
 * node and serial whether it was carried out. That rests on a room's serials never being
 * carried out in another order than they were given: so each says which one must have
 * been before it (redis_pending.h), and what Redis doesn't want now is tried again with
 * all those behind it.
 */
#include "backplane/redis_history.h"

#include <inttypes.h>
#include <string.h>

#include "backplane/redis_backplane.h"
#include "base/bytes.h"
#include "core/error.h"
#include "wire/envelope.h"
#include "wire/name.h"

enum {
    EPOCH = 8,
    POSITION = FWI_ENVELOPE_POSITION_BYTES,
    PAGE_BYTES = 1024 * 1024, /* a page ends behind the message that reaches them */
    NODE_S = 60 * 60          /* a node's last serial; longer than any repetition */
};

/* Beyond it Lua's numbers aren't exact; a client may ask for what it likes. */
#define OFFSET_MAX ((UINT64_C(1) << 53) - 2)

/* Somebody wants a page, or a history to be forgotten. */
typedef struct question {
    fwi_list link;
    fwi_history_query query;
    uint64_t ref;
    uint64_t behind_serial; /* of the last publish that was called before */
    bool forget;
    char channel[];
} question;

void fwi_redis_history_init(fwi_redis_history *h)
{
    fwi_redis_scripts_init(&h->scripts);
    fwi_list_init(&h->questions);
    fwi_list_init(&h->unanswered);
}

void fwi_redis_history_fini(fwi_redis_history *h)
{
    fwi_list_splice(&h->unanswered, &h->questions);
    for (fwi_list *e; (e = fwi_list_pop(&h->unanswered)) != NULL;) {
        free(fwi_list_entry(e, question, link));
    }
}

void fwi_redis_tell_published(fwi_redis_backplane *rb, uint64_t ref, int err,
                              const char *why, fwi_position at)
{
    const fwi_published what = {err, why, at};
    if (ref != 0 && rb->base.sink->on_published != NULL) {
        rb->base.sink->on_published(rb->base.sink_user, ref, &what);
    }
}

/* --- words --- */

/* Numbers of a command, as text. */
typedef struct numbers {
    char text[8][24];
    size_t n;
} numbers;

static void word_number(fwi_redis_words *w, numbers *of, uint64_t v)
{
    FWI_ASSERT(of->n < FWI_ARRAY_LEN(of->text));
    char *text = of->text[of->n++];
    int len = snprintf(text, sizeof *of->text, "%" PRIu64, v);
    fwi_redis_word(w, text, (size_t)len);
}

/* An epoch for a room that has none yet. */
static void draw_epoch(fwi_redis_backplane *rb, uint8_t out[EPOCH])
{
    fwi_put_u64(out, fwi_rand_next(&rb->rand));
}

/* Where the keys lie in rb->name. */
typedef struct keys {
    size_t meta_end, stream_end, key_end; /* one behind the other */
} keys;

static bool put_keys(fwi_redis_backplane *rb, const char *channel, const char *key,
                     keys *k)
{
    rb->name.len = 0;
    bool ok = fwi_redis_put_key(rb, &rb->name, channel, ":m");
    k->meta_end = rb->name.len;
    ok = ok && fwi_redis_put_key(rb, &rb->name, channel, ":s");
    k->stream_end = rb->name.len;
    if (key != NULL) {
        ok = ok && fwi_redis_put_key(rb, &rb->name, channel, ":k:") &&
             fwi_buf_puts(&rb->name, key);
    }
    k->key_end = rb->name.len;
    return ok;
}

static void word_keys(fwi_redis_backplane *rb, fwi_redis_words *w, const keys *k)
{
    const char *at = rb->name.data;
    bool three = k->key_end > k->stream_end;
    fwi_redis_word(w, three ? "3" : "2", 1);
    fwi_redis_word(w, at, k->meta_end);
    fwi_redis_word(w, at + k->meta_end, k->stream_end - k->meta_end);
    if (three) {
        fwi_redis_word(w, at + k->stream_end, k->key_end - k->stream_end);
    }
}

/* --- a kept publish --- */

/* While Redis lacks replicas it would refuse all that waits each time, a queue full of
 * messages: so the oldest is sent alone, until it is taken. */
bool fwi_redis_history_must_wait(const fwi_redis_backplane *rb,
                                 const fwi_redis_publish *e)
{
    const fwi_redis_history *h = &rb->history;
    return fwi_redis_pending_is_behind(&rb->pending, e) ||
           (h->stuck && (h->trial != 0 || fwi_timer_is_set(&rb->again)));
}

void fwi_redis_history_resume(fwi_redis_backplane *rb)
{
    const fwi_redis_history *h = &rb->history;
    if (!fwi_timer_is_set(&rb->again) && h->trial == 0) {
        fwi_redis_pending_resume(&rb->pending, h->stuck);
    }
}

bool fwi_redis_history_send(fwi_redis_backplane *rb, fwi_redis_publish *e)
{
    /* Redis replaces it; it only has to be there. */
    const fwi_position place = {UINT64_MAX, UINT64_MAX};
    uint8_t node[8], epoch[EPOCH];
    keys k;
    numbers n = {.n = 0};
    fwi_redis_words w = {.argc = 0};
    uint64_t before;
    rb->envelope.len = 0;
    if (!fwi_message_encode_at(e->m, rb->config.node, e->serial, place, &rb->envelope) ||
        !put_keys(rb, e->channel, e->m->key, &k) ||
        !fwi_redis_pending_follow(&rb->pending, e, &before)) {
        return false;
    }
    fwi_put_u64(node, rb->config.node);
    draw_epoch(rb, epoch);
    fwi_redis_script_words(&rb->history.scripts, FWI_REDIS_SCRIPT_KEEP, &w);
    word_keys(rb, &w, &k);
    fwi_redis_word(&w, rb->envelope.data, rb->envelope.len);
    fwi_redis_word(&w, rb->name.data + 1, k.meta_end - strlen("{}:m"));
    word_number(&w, &n, e->terms.history_size);
    word_number(&w, &n, e->terms.history_ttl_ms);
    word_number(&w, &n, fwi_kept_position_ms(e->terms.history_ttl_ms));
    fwi_redis_word(&w, (const char *)node, sizeof node);
    word_number(&w, &n, e->serial);
    fwi_redis_word(&w, (const char *)epoch, sizeof epoch);
    word_number(&w, &n, NODE_S + 2 * rb->config.queue_deadline_ms / 1000);
    word_number(&w, &n, e->terms.ref != 0);
    word_number(&w, &n, before);
    fwi_redis_word(&w, rb->verbs->publish, strlen(rb->verbs->publish));
    rb->history.trial = rb->history.stuck ? e->serial : 0;
    rb->counts.publishes++;
    return fwi_redis_asked_push(&rb->asked, e->serial) &&
           fwi_redis_send_command(rb, FWI_REDIS_COMMAND, w.argc, w.argv, w.lens);
}

static void put_aside(fwi_redis_backplane *rb, fwi_redis_publish *e)
{
    if (!fwi_redis_pending_put_aside(&rb->pending, e)) {
        fwi_redis_leave(rb, "out of memory");
    }
}

static void refused(fwi_redis_backplane *rb, fwi_redis_publish *e,
                    const fwi_redis_reply *reply)
{
    char quoted[160];
    uint64_t ref = fwi_redis_publish_take_ref(e);
    rb->counts.queue_dropped++;
    fwi_redis_complain(rb, "a publish to a room with history was refused, dropped",
                       reply->whole.str, reply->whole.len);
    fwi_redis_publish_set_refused(e);
    fwi_redis_pending_release(&rb->pending, e);
    fwi_log_quote(quoted, sizeof quoted, reply->whole.str, reply->whole.len);
    fwi_redis_tell_published(rb, ref, FW_ERR_BACKPLANE, quoted, (fwi_position){0});
}

void fwi_redis_history_answered(fwi_redis_backplane *rb, fwi_redis_publish *e,
                                const fwi_redis_reply *reply)
{
    if (fwi_redis_script_is_unknown(&rb->history.scripts, FWI_REDIS_SCRIPT_KEEP, reply) ||
        fwi_redis_script_is_out_of_turn(reply)) {
        put_aside(rb, e);
        return; /* The flush at the end of this turn sends it again. */
    }
    rb->history.stuck = fwi_redis_script_lacks_replicas(reply);
    if (rb->history.stuck) {
        fwi_redis_pause(rb); /* Whatever isn't written goes on meanwhile. */
        put_aside(rb, e);
        return;
    }
    if (reply->whole.type == FWI_REDIS_ERROR) {
        refused(rb, e, reply);
        return;
    }
    const fwi_redis_part *part = reply->part;
    if (reply->whole.type != FWI_REDIS_ARRAY || reply->parts != 3 ||
        (part[0].len != EPOCH && part[0].len != 0) || part[1].type != FWI_REDIS_INTEGER ||
        part[1].integer < 0 || part[2].type != FWI_REDIS_INTEGER) {
        fwi_redis_leave(rb, "not the kind of answer that was asked for");
        return;
    }
    const fwi_position at = {part[0].len != 0 ? fwi_get_u64(part[0].str) : 0,
                             (uint64_t)part[1].integer};
    uint64_t ref = fwi_redis_publish_take_ref(e);
    rb->counts.kept += part[2].integer == 0;
    rb->counts.repeated += part[2].integer != 0;
    e->answered = true;
    fwi_redis_pending_release(&rb->pending, e);
    fwi_redis_tell_published(rb, ref, FW_OK, "", at);
}

/* --- questions --- */

static void enqueue(fwi_list *list, question *q)
{
    bool first = !q->forget && q->query.ahead;
    fwi_list_append(first ? list->next : list, &q->link); /* it goes before that */
}

static bool add_question(fwi_backplane *bp, const char *channel,
                         const fwi_history_query *query, uint64_t ref)
{
    fwi_redis_backplane *rb = fwi_redis_of(bp);
    size_t len = strlen(channel);
    question *q = calloc(1, sizeof *q + len + 1);
    if (q == NULL) {
        return false;
    }
    q->ref = ref;
    q->behind_serial = rb->pending.last_serial;
    q->forget = query == NULL;
    if (query != NULL) {
        q->query = *query;
        q->behind_serial = query->ahead ? 0 : q->behind_serial;
    }
    memcpy(q->channel, channel, len + 1);
    bool up = rb->state == FWI_REDIS_UP;
    enqueue(up ? &rb->history.questions : &rb->history.unanswered, q);
    rb->loop->ops->wake(rb->loop); /* it may be asked from inside a flush */
    return true;
}

bool fwi_redis_read_history(fwi_backplane *bp, const char *channel,
                            const fwi_history_query *query, uint64_t ref)
{
    return add_question(bp, channel, query, ref);
}

bool fwi_redis_forget_history(fwi_backplane *bp, const char *channel, uint64_t ref)
{
    return add_question(bp, channel, NULL, ref);
}

static void tell_page(fwi_redis_backplane *rb, uint64_t ref, const fwi_history_page *page)
{
    if (rb->base.sink->on_history != NULL) {
        rb->base.sink->on_history(rb->base.sink_user, ref, page);
    }
}

static void tell_failed(fwi_redis_backplane *rb, question *q, int err, const char *why)
{
    uint64_t ref = q->ref;
    bool forget = q->forget;
    free(q);
    if (forget) {
        fwi_redis_tell_published(rb, ref, err, why, (fwi_position){0});
    } else {
        tell_page(rb, ref, &(fwi_history_page){.err = err, .why = why});
    }
}

/* A message of this history, or NULL: whoever may write to Redis may have put something
 * else there, and what isn't said to the room has no business in it. */
static fw_message *read_message(const char *p, size_t len, fwi_position top)
{
    fwi_envelope e;
    bool ok = fwi_envelope_decode(&e, p, len) == FWI_ENVELOPE_OK &&
              e.kind == FWI_MSG_DATA && e.epoch == top.epoch && e.epoch != 0 &&
              e.offset <= top.offset;
    return ok ? fwi_message_from_envelope(&e) : NULL;
}

/* What the page's bytes hold, as many as can be read. */
static void read_messages(fwi_redis_backplane *rb, const char *p, size_t left,
                          fwi_history_page *page)
{
    while (left >= 4 && page->n < FWI_HISTORY_PAGE_MAX) {
        size_t len = fwi_get_u32(p);
        p += 4;
        left -= 4;
        if (len > left) {
            return;
        }
        fw_message *m = read_message(p, len, page->top);
        if (m != NULL) {
            page->messages[page->n++] = m;
        } else {
            rb->counts.malformed++;
        }
        p += len;
        left -= len;
    }
}

static void on_page(fwi_redis_backplane *rb, question *q, const fwi_redis_part *text)
{
    fw_message *messages[FWI_HISTORY_PAGE_MAX];
    fwi_history_page page = {.why = "", .messages = messages};
    page.top = (fwi_position){fwi_get_u64(text->str), fwi_get_u64(text->str + 8)};
    read_messages(rb, text->str + POSITION, text->len - POSITION, &page);
    uint64_t ref = q->ref;
    free(q);
    rb->counts.history_reads++;
    tell_page(rb, ref, &page);
    for (size_t i = 0; i < page.n; i++) {
        fw_message_unref(messages[i]);
    }
}

static void on_answer(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    question *q = about;
    fwi_redis_history *h = &rb->history;
    if (reply == NULL) {
        fwi_list_append(&h->unanswered, &q->link);
        return;
    }
    fwi_redis_script which = q->forget ? FWI_REDIS_SCRIPT_FORGET : FWI_REDIS_SCRIPT_READ;
    if (fwi_redis_script_is_unknown(&h->scripts, which, reply)) {
        enqueue(&h->questions, q);
        return;
    }
    const fwi_redis_part *text = &reply->whole;
    if (text->type != FWI_REDIS_STRING || text->len < POSITION) {
        char quoted[160];
        fwi_redis_complain(rb, "a history can't be read", text->str, text->len);
        fwi_log_quote(quoted, sizeof quoted, text->str, text->len);
        tell_failed(rb, q, FW_ERR_BACKPLANE, quoted);
        return;
    }
    if (!q->forget) {
        on_page(rb, q, text);
        return;
    }
    uint64_t ref = q->ref;
    const fwi_position at = {fwi_get_u64(text->str), fwi_get_u64(text->str + 8)};
    free(q);
    fwi_redis_tell_published(rb, ref, FW_OK, "", at);
}

static bool send_question(fwi_redis_backplane *rb, question *q)
{
    uint8_t epoch[EPOCH], since[EPOCH];
    keys k;
    numbers n = {.n = 0};
    fwi_redis_words w = {.argc = 0};
    const fwi_history_query *query = &q->query;
    if (!put_keys(rb, q->channel, NULL, &k)) {
        return false;
    }
    draw_epoch(rb, epoch);
    fwi_put_u64(since, query->since.epoch);
    fwi_redis_script_words(&rb->history.scripts,
                           q->forget ? FWI_REDIS_SCRIPT_FORGET : FWI_REDIS_SCRIPT_READ,
                           &w);
    word_keys(rb, &w, &k);
    fwi_redis_word(&w, (const char *)epoch, sizeof epoch);
    word_number(&w, &n, fwi_kept_position_ms(query->history_ttl_ms));
    if (!q->forget) {
        uint64_t limit = FWI_MIN(query->limit, (uint32_t)FWI_HISTORY_PAGE_MAX);
        fwi_redis_word(&w, (const char *)since, query->since.epoch != 0 ? EPOCH : 0);
        word_number(&w, &n, FWI_MIN(query->since.offset, OFFSET_MAX));
        word_number(&w, &n, limit);
        word_number(&w, &n, query->reverse);
        word_number(&w, &n, PAGE_BYTES);
    }
    return fwi_redis_call(rb, &w, on_answer, q);
}

static void on_loaded(fwi_redis_backplane *rb, void *about, const fwi_redis_reply *reply)
{
    (void)about;
    if (reply != NULL && reply->whole.type == FWI_REDIS_ERROR) {
        fwi_redis_complain(rb, "scripts are sent whole each time", reply->whole.str,
                           reply->whole.len);
        fwi_redis_scripts_cannot_load(&rb->history.scripts);
    }
}

static bool load_scripts(fwi_redis_backplane *rb)
{
    fwi_redis_words w = {.argc = 0};
    bool ok = true;
    while (ok && fwi_redis_script_load_words(&rb->history.scripts, &w)) {
        ok = fwi_redis_call(rb, &w, on_loaded, NULL);
        w.argc = 0;
    }
    return ok;
}

bool fwi_redis_history_ask(fwi_redis_backplane *rb)
{
    if (rb->cluster != NULL && !load_scripts(rb)) {
        return false;
    }
    for (fwi_list *e; (e = fwi_list_pop(&rb->history.questions)) != NULL;) {
        question *q = fwi_list_entry(e, question, link);
        if (!fwi_redis_send_publishes(rb, q->behind_serial) || !send_question(rb, q)) {
            fwi_list_append(&rb->history.unanswered, &q->link);
            return false;
        }
    }
    return true;
}

void fwi_redis_history_tell(fwi_redis_backplane *rb, uint64_t up_to_serial)
{
    fwi_redis_publish *e;
    while ((e = fwi_redis_pending_next_outcome(&rb->pending)) != NULL &&
           e->serial <= up_to_serial) {
        uint64_t ref = fwi_redis_publish_take_ref(e);
        fwi_redis_pending_release(&rb->pending, e);
        fwi_redis_tell_published(rb, ref, FW_ERR_BUSY, "too much waits for Redis",
                                 (fwi_position){0});
    }
    /* Whoever asks again at once is told at the next flush. */
    size_t n = 0;
    for (fwi_list *l = rb->history.unanswered.next; l != &rb->history.unanswered;
         l = l->next) {
        n++;
    }
    for (fwi_list *l; n > 0 && (l = fwi_list_pop(&rb->history.unanswered)) != NULL; n--) {
        tell_failed(rb, fwi_list_entry(l, question, link), FW_ERR_BACKPLANE,
                    rb->why[0] != '\0' ? rb->why : "Redis is away");
    }
}

void fwi_redis_history_link_down(fwi_redis_backplane *rb)
{
    fwi_redis_scripts_link_down(&rb->history.scripts);
    rb->history.stuck = false;
    rb->history.trial = 0;
    fwi_list_splice(&rb->history.unanswered, &rb->history.questions);
}

void fwi_redis_history_stop(fwi_redis_backplane *rb)
{
    const char *why = "stopped before it was done";
    /* Nothing is released any more, so the list stays as it is. */
    for (fwi_list *l = rb->pending.all.next; l != &rb->pending.all; l = l->next) {
        fwi_redis_publish *e = fwi_list_entry(l, fwi_redis_publish, all);
        fwi_redis_tell_published(rb, fwi_redis_publish_take_ref(e), FW_ERR_CLOSED, why,
                                 (fwi_position){0});
    }
    fwi_list_splice(&rb->history.unanswered, &rb->history.questions);
    for (fwi_list *l; (l = fwi_list_pop(&rb->history.unanswered)) != NULL;) {
        tell_failed(rb, fwi_list_entry(l, question, link), FW_ERR_CLOSED, why);
    }
}
