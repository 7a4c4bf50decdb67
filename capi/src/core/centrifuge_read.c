/*
 * What a client asks of a room: what has been said there, and who is there. Both come in
 * pages of the backplane; the answer is put together of as many as it takes, up to what
 * may wait for the client at once. @thread loop
 */
#include <string.h>

#include <fanwire/error.h>

#include "core/centrifuge.h"

enum { PRESENCE_PAGE = 1024 };

/* Another question begins. NULL: it has been answered already. */
static fwi_asked *begin(fwi_session *s, const fwi_cf_command *c, fwi_asked_fn fn,
                        const char *room)
{
    char channel[FWI_CHANNEL_CAP];
    fwi_channel_name('r', room, channel);
    fwi_asked *a = fwi_asked_new(s, &s->centrifuge->asked, fn, channel);
    if (a == NULL) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_INTERNAL, NULL);
        return NULL;
    }
    a->number = c->id;
    s->centrifuge->under_way++;
    return a;
}

/* It has its answer, or couldn't be asked. */
static void end(fwi_session *s)
{
    s->centrifuge->under_way--;
    fwi_cf_go_on(s);
}

/* It was asked with this result. */
static void asked(fwi_session *s, fwi_asked *a, int err)
{
    if (err == FW_OK) {
        a->again = true;
        return;
    }
    fwi_cf_failure(s, a->number, err, "");
    end(s);
}

/* allowed: by the room's options. */
static bool may_ask(const fwi_session *s, const char *room, bool allowed)
{
    return s->shard->hub->set.client_insecure ||
           (allowed && fwi_cf_may_look_into(s, room));
}

/* What its client's other questions have of their answers. All of them together are to
 * fit into what may wait for it. */
static size_t bytes_of_others(const fwi_session *s, const fwi_asked *a)
{
    const fwi_list *all = &s->centrifuge->asked;
    size_t bytes = 0;
    for (const fwi_list *e = all->next; e != all; e = e->next) {
        bytes += fwi_list_entry(e, fwi_asked, link)->bytes;
    }
    return bytes - a->bytes;
}

/* The answer doesn't fit, or there is no memory for it. */
static void too_much(fwi_session *s, const fwi_asked *a, const char *what)
{
    fwi_shard_count(s->shard, FWI_STAT_LIMIT_ANSWERS);
    fwi_cf_error(s, a->number, FWI_CF_ERR_LIMIT, what);
}

/* --- history --- */

static void say_history(fwi_session *s, fwi_asked *a)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_cf_begin_reply(&text, a->number, FWI_CF_HISTORY) &&
              fwi_buf_puts(&text, a->n > 0 ? "\"publications\":[" : "");
    for (size_t i = 0; ok && i < a->n; i++) {
        ok = fwi_buf_puts(&text, i > 0 ? "," : "") &&
             fwi_cf_put_message(&text, a->found[i]);
    }
    ok = ok && fwi_buf_puts(&text, a->n > 0 ? "]," : "") &&
         fwi_cf_put_position(&text, a->top.epoch, a->top.offset) &&
         fwi_cf_end_reply(&text);
    fwi_cf_say(s, &text, ok);
}

/* false: it is more than may be sent, or than there is memory for. */
static bool take_page(fwi_session *s, fwi_asked *a, const fwi_members *page)
{
    size_t others = bytes_of_others(s, a);
    for (size_t i = 0; i < page->n; i++) {
        bool fits = others + a->bytes <= s->shard->hub->set.outbox_max;
        if (!fits || !fwi_asked_keep(a, page->m[i])) {
            return false;
        }
    }
    return true;
}

static void read_history(fwi_session *s, fwi_asked *a)
{
    uint32_t left = a->limit - (uint32_t)FWI_MIN(a->n, (size_t)a->limit);
    if (a->since.epoch == 0 && a->since.offset != 0) {
        left = 0; /* which epoch is it? */
    }
    asked(s, a,
          fwi_hub_read_history(s->shard->hub, a->channel, a->since, left, a->reverse,
                               a->ref));
}

static bool has_more(const fwi_asked *a, const fwi_members *page)
{
    return page->n > 0 && a->n < a->limit &&
           (a->reverse || a->found[a->n - 1]->at.offset < a->top.offset);
}

static void on_history(fwi_session *s, fwi_asked *a, const fw_event *e)
{
    bool first = a->n == 0;
    if (e->code != FW_OK) {
        fwi_cf_failure(s, a->number, e->code, e->reason);
    } else if (a->since.epoch != 0 && a->since.epoch != e->at.epoch) {
        fwi_cf_error(s, a->number, FWI_CF_ERR_POSITION, NULL);
    } else if (a->since.epoch == 0 && a->since.offset != 0) {
        /* Only now it is known which epoch that is an offset of. */
        a->since.epoch = e->at.epoch;
        read_history(s, a);
        return;
    } else {
        if (first) {
            a->top = e->at;
        }
        if (!take_page(s, a, e->messages)) {
            too_much(s, a, "too much at once: set a limit");
        } else if (has_more(a, e->messages)) {
            a->since = a->found[a->n - 1]->at;
            read_history(s, a);
            return;
        } else {
            say_history(s, a);
        }
    }
    end(s);
}

/* 0, or the error that the command gets. */
static unsigned history_problem(const fwi_session *s, const fwi_cf_command *c,
                                const char *room)
{
    const fwi_room_options *options = fwi_cf_options(s, room);
    if (!may_ask(s, room, options->allow_history)) {
        return FWI_CF_ERR_DENIED;
    }
    if (options->history_size == 0) {
        return FWI_CF_ERR_NOT_AVAILABLE;
    }
    return c->limit < -1 ? FWI_CF_ERR_REQUEST : 0;
}

void fwi_cf_history(fwi_session *s, const fwi_cf_command *c)
{
    char room[FWI_NAME_MAX + 1];
    fwi_json epoch;
    fwi_position since = {0, 0};
    if (!fwi_cf_channel(s, c, room)) {
        return;
    }
    unsigned problem = history_problem(s, c, room);
    if (problem == 0 && c->since.kind != FWI_JSON_NONE) {
        bool good = fwi_cf_position(&c->since, &since.offset, &epoch);
        since.epoch = good ? fwi_cf_epoch(&epoch) : 0;
        problem = !good || (c->reverse && since.offset == 0) ? FWI_CF_ERR_REQUEST : 0;
    }
    if (problem != 0) {
        fwi_cf_error(s, c->id, problem, NULL);
        return;
    }
    uint32_t all = fwi_cf_options(s, room)->history_size;
    fwi_asked *a = begin(s, c, on_history, room);
    if (a != NULL) {
        a->limit = c->limit < 0 ? all : (uint32_t)FWI_MIN(c->limit, (int64_t)all);
        a->reverse = c->reverse;
        a->since = since;
        read_history(s, a);
        if (!a->again) {
            fwi_asked_free(a);
        }
    }
}

/* --- presence --- */

static bool put_members(fwi_buf *text, const fwi_asked *a)
{
    bool ok = fwi_cf_begin_reply(text, a->number, FWI_CF_PRESENCE) &&
              fwi_buf_puts(text, "\"presence\":{");
    for (size_t i = 0; ok && i < a->n; i++) {
        char client[FW_SESSION_ID_TEXT];
        const fw_message *m = a->found[i];
        fwi_cf_info info = fwi_cf_info_of(m->origin, client);
        info.info = fwi_cf_data_of_bytes(fwi_message_bytes(m), fwi_message_len(m));
        ok = fwi_buf_printf(text, "%s\"%s\":", i > 0 ? "," : "", client) &&
             fwi_cf_put_info(text, &info);
    }
    return ok && fwi_buf_puts(text, "}") && fwi_cf_end_reply(text);
}

/* FNV-1a: whose names are made to come to the same is counted once, and that is all. */
static uint64_t number_of(const char *user)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *user != '\0'; user++) {
        h = (h ^ (unsigned char)*user) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* Of each member a number is kept: there may be hundreds of thousands. So a question
 * that is the only one may be larger. false: see take_page. */
static bool count_page(fwi_session *s, fwi_asked *a, const fwi_members *page)
{
    size_t others = bytes_of_others(s, a);
    for (size_t i = 0; i < page->n; i++) {
        if (!fwi_asked_keep_number(a, number_of(page->m[i]->origin->user))) {
            return false;
        }
    }
    return others == 0 || others + a->bytes <= s->shard->hub->set.outbox_max;
}

static int by_number(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

static bool put_stats(fwi_buf *text, fwi_asked *a)
{
    size_t users = 0;
    if (a->n > 0) {
        qsort(a->numbers, a->n, sizeof *a->numbers, by_number);
    }
    for (size_t i = 0; i < a->n; i++) {
        users += i == 0 || a->numbers[i - 1] != a->numbers[i];
    }
    return fwi_cf_begin_reply(text, a->number, FWI_CF_PRESENCE_STATS) &&
           fwi_buf_printf(text, "\"num_clients\":%zu,\"num_users\":%zu", a->n, users) &&
           fwi_cf_end_reply(text);
}

static void read_presence(fwi_session *s, fwi_asked *a, uint64_t cursor)
{
    asked(
        s, a,
        fwi_hub_read_presence(s->shard->hub, a->channel, cursor, PRESENCE_PAGE, a->ref));
}

static void on_presence(fwi_session *s, fwi_asked *a, const fw_event *e)
{
    fwi_buf text;
    fwi_buf_init(&text);
    if (e->code != FW_OK) {
        fwi_cf_failure(s, a->number, e->code, e->reason);
    } else if (!(a->stats ? count_page : take_page)(s, a, e->members)) {
        too_much(s, a, "too many are there");
    } else if (e->members->next != 0) {
        read_presence(s, a, e->members->next);
        return;
    } else {
        bool ok = a->stats ? put_stats(&text, a) : put_members(&text, a);
        fwi_cf_say(s, &text, ok);
    }
    end(s);
}

void fwi_cf_presence(fwi_session *s, const fwi_cf_command *c)
{
    char room[FWI_NAME_MAX + 1];
    if (!fwi_cf_channel(s, c, room)) {
        return;
    }
    const fwi_room_options *options = fwi_cf_options(s, room);
    if (!may_ask(s, room, options->allow_presence)) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_DENIED, NULL);
        return;
    }
    if (!options->presence && !options->join_leave) {
        fwi_cf_error(s, c->id, FWI_CF_ERR_NOT_AVAILABLE, NULL);
        return;
    }
    fwi_asked *a = begin(s, c, on_presence, room);
    if (a != NULL) {
        a->stats = c->method == FWI_CF_PRESENCE_STATS;
        read_presence(s, a, 0);
        if (!a->again) {
            fwi_asked_free(a);
        }
    }
}
