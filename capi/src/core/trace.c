/*
 * See trace.h. Requests and reports come by Redis, where anybody may write: a request is
 * worth a bounded number of reports, a report an event of the one who asked.
 * @thread loop 0, but where another is named
 */
#include "core/trace.h"

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "core/session_inside.h"
#include "wire/json.h"
#include "wire/name.h"

/* --- the record --- */

enum { NUMBERS = 10, RECORD_BYTES = 1 + NUMBERS * 8 };

static void numbers_of(const fwi_trace_record *r, uint64_t out[NUMBERS])
{
    const uint64_t all[NUMBERS] = {r->node,    r->serial, r->bytes,    r->loop,
                                   r->members, r->given,  r->excepted, r->waiting,
                                   r->dropped, r->closed};
    memcpy(out, all, sizeof all);
}

static void write_record(const fwi_trace_record *r, uint8_t out[RECORD_BYTES])
{
    uint64_t numbers[NUMBERS];
    numbers_of(r, numbers);
    out[0] = r->what;
    for (size_t i = 0; i < NUMBERS * 8; i++) {
        out[1 + i] = (uint8_t)(numbers[i / 8] >> (56 - i % 8 * 8));
    }
}

/* Later versions may say more behind it. */
static bool read_record(fwi_trace_record *r, const uint8_t *in, size_t len)
{
    uint64_t n[NUMBERS] = {0};
    if (len < RECORD_BYTES) {
        return false;
    }
    for (size_t i = 0; i < NUMBERS * 8; i++) {
        n[i / 8] = n[i / 8] << 8 | in[1 + i];
    }
    *r = (fwi_trace_record){in[0], n[0], n[1], n[2], n[3], n[4],
                            n[5],  n[6], n[7], n[8], n[9]};
    return r->what >= FWI_TRACE_BEGUN && r->what <= FWI_TRACE_OMITTED;
}

/* --- who is asked --- */

void fwi_traces_fini(fwi_traces *t)
{
    free(t->list);
    *t = (fwi_traces){0};
}

static void forget(fwi_traces *t, unsigned i)
{
    t->list[i] = t->list[--t->n];
}

static uint64_t now_ms(const fwi_hub *hub)
{
    return fwi_loop_now_ms(hub->shard[0]->loop);
}

/* The next from *i on that follows the channel; what is over is forgotten on the way. */
static fwi_trace *next_of(fwi_hub *hub, const char *channel, unsigned *i)
{
    fwi_traces *t = &hub->traces;
    while (*i < t->n) {
        if (t->list[*i].until_ms <= now_ms(hub)) {
            forget(t, *i);
        } else if (strcmp(t->list[(*i)++].channel, channel) == 0) {
            return &t->list[*i - 1];
        }
    }
    return NULL;
}

bool fwi_trace_follows(fwi_hub *hub, const char *channel)
{
    unsigned i = 0;
    return next_of(hub, channel, &i) != NULL;
}

/* NULL: there are too many, or no memory. */
static fwi_trace *add(fwi_hub *hub)
{
    fwi_traces *t = &hub->traces;
    unsigned i = 0;
    (void)next_of(hub, "", &i); /* no channel is called so: all that are over go */
    if (t->list == NULL) {
        t->list = calloc(FWI_TRACES_MAX, sizeof *t->list);
    }
    if (t->list == NULL || t->n == FWI_TRACES_MAX) {
        fwi_shard_count(hub->shard[0], FWI_STAT_LIMIT_TRACES);
        return NULL;
    }
    return &t->list[t->n++];
}

/* --- reporting --- */

static void send_report(fwi_hub *hub, fw_session_id asker, fw_message *report)
{
    char channel[FWI_CHANNEL_CAP];
    snprintf(channel, sizeof channel, "n:%016" PRIx64, asker.node);
    report->target = asker;
    atomic_store(&report->sent, true);
    if (!hub->bp->ops->publish(hub->bp, channel, report, NULL)) {
        fwi_shard_count(hub->shard[0], FWI_STAT_LIMIT_TRACE_REPORTS);
    }
}

/* m: NULL where the report is of none. NULL: out of memory. */
static fw_message *make_report(const fwi_hub *hub, const fw_message *m,
                               const fwi_trace_record *record)
{
    uint8_t bytes[RECORD_BYTES];
    write_record(record, bytes);
    fw_message *r = fwi_message_new(FWI_MSG_TRACED, bytes, sizeof bytes, FW_BINARY);
    bool has_origin = m != NULL && m->origin != NULL;
    fwi_origin *origin =
        r != NULL ? fwi_origin_new(has_origin ? m->origin->session : fw_session_none(),
                                   has_origin ? m->origin->user : "", hub->name)
                  : NULL;
    if (origin == NULL) {
        fw_message_unref(r);
        return NULL;
    }
    r->origin = origin;
    r->at = m != NULL ? m->at : (fwi_position){0, 0};
    return r;
}

static void report_to(fwi_hub *hub, const fwi_trace *t, const fw_message *m,
                      const fwi_trace_record *record)
{
    fw_message *r = make_report(hub, m, record);
    if (r != NULL) {
        send_report(hub, t->asker, r);
        fw_message_unref(r);
    }
}

/* Within what a trace may send a second; in the next one it says how many weren't. */
static bool may_report(fwi_hub *hub, fwi_trace *t)
{
    uint64_t second = now_ms(hub) / 1000;
    if (t->second != second) {
        uint32_t omitted = t->omitted;
        t->second = second;
        t->sent = t->omitted = 0;
        if (omitted > 0) {
            const fwi_trace_record r = {.what = FWI_TRACE_OMITTED, .members = omitted};
            report_to(hub, t, NULL, &r);
        }
    }
    if (t->sent == FWI_TRACE_REPORTS_MAX) {
        t->omitted++;
        fwi_shard_count(hub->shard[0], FWI_STAT_LIMIT_TRACE_REPORTS);
        return false;
    }
    t->sent++;
    return true;
}

static void report(fwi_hub *hub, const char *channel, const fw_message *m,
                   fwi_trace_record record)
{
    record.node = m->id.node;
    record.serial = m->id.local;
    record.bytes = fwi_message_len(m);
    unsigned i = 0;
    for (fwi_trace *t; (t = next_of(hub, channel, &i)) != NULL;) {
        if (may_report(hub, t)) {
            report_to(hub, t, m, &record);
        }
    }
}

void fwi_trace_note(fwi_hub *hub, const char *channel, const fw_message *m,
                    fwi_trace_what what)
{
    if (m->kind == FWI_MSG_DATA) {
        report(hub, channel, m, (fwi_trace_record){.what = (uint8_t)what});
    }
}

/* --- a delivery that is followed: on each loop --- */

typedef struct counts {
    uint64_t given, dropped, closed;
} counts;

static counts count(const fwi_shard *shard)
{
    return (counts){fwi_stat_get(&shard->stats, FWI_STAT_DELIVERIES),
                    fwi_stat_get(&shard->stats, FWI_STAT_OUTBOX_DROPPED),
                    fwi_stat_get(&shard->stats, FWI_STAT_OVERFLOW_CLOSE)};
}

static void read_room(fwi_shard *shard, const char *channel, const fw_message *m,
                      fwi_trace_record *r)
{
    const fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL) {
        return;
    }
    r->members = room->n_in;
    r->waiting = room->n - room->n_in;
    fwi_session *s = fwi_session_find(shard, m->except);
    const fwi_place *place = s != NULL ? fwi_session_place(s, room) : NULL;
    r->excepted = place != NULL && fwi_place_is_in(place);
}

/* On loop 0: what another loop has done. */
static void run_report(fwi_shard *shard, fwi_item *item)
{
    report(shard->hub, item->text, item->m, *(const fwi_trace_record *)item->ptr);
    fwi_item_free(item);
}

static void tell(fwi_shard *shard, const char *channel, fw_message *m,
                 const fwi_trace_record *r)
{
    if (shard->index == 0) {
        report(shard->hub, channel, m, *r);
        return;
    }
    fwi_trace_record *copy = malloc(sizeof *copy);
    fwi_item *item = copy != NULL ? fwi_item_new(run_report, channel, m) : NULL;
    if (item == NULL) {
        free(copy);
        return;
    }
    *copy = *r;
    item->ptr = copy;
    item->ptr_free = free;
    fwi_shard_post(shard->hub->shard[0], item, true);
}

void fwi_trace_run_deliver(fwi_shard *shard, fwi_item *item)
{
    fwi_trace_record r = {.what = FWI_TRACE_DELIVERED, .loop = shard->index};
    fwi_fanout_all(shard); /* what was said before isn't to be counted */
    read_room(shard, item->text, item->m, &r);
    counts before = count(shard);
    fwi_room_deliver(shard, item->text, item->m);
    fwi_fanout_all(shard);
    counts after = count(shard);
    r.given = after.given - before.given;
    r.dropped = after.dropped - before.dropped;
    r.closed = after.closed - before.closed;
    tell(shard, item->text, item->m, &r);
    fwi_item_free(item);
}

/* --- what comes --- */

static void on_request(fwi_hub *hub, const fw_message *m)
{
    char channel[FWI_CHANNEL_CAP];
    const char *room = (const char *)fwi_message_bytes(m);
    if (m->target.node == 0 || fwi_name_problem(room, fwi_message_len(m)) != NULL) {
        return;
    }
    fwi_channel_name('r', room, channel);
    unsigned i = 0;
    fwi_trace *t;
    do {
        t = next_of(hub, channel, &i);
    } while (t != NULL && !fw_session_id_equal(t->asker, m->target));
    if (m->code == 0) {
        if (t != NULL) {
            forget(&hub->traces, (unsigned)(t - hub->traces.list));
        }
        return;
    }
    bool renewed = t != NULL;
    t = renewed ? t : add(hub);
    if (t == NULL) {
        return;
    }
    if (!renewed) {
        *t = (fwi_trace){.asker = m->target};
        snprintf(t->channel, sizeof t->channel, "%s", channel);
    }
    t->until_ms =
        now_ms(hub) + 1000 * FWI_MIN((uint64_t)m->code, (uint64_t)FWI_TRACE_SECONDS_MAX);
    if (!renewed) {
        const fwi_trace_record begun = {.what = FWI_TRACE_BEGUN};
        report_to(hub, t, NULL, &begun);
    }
}

/* As a sentence, and as an object of JSON. */
static bool put_sentence(fwi_buf *out, const fwi_trace_record *r, const char *node)
{
    static const char *const sentences[] = {
        [FWI_TRACE_BEGUN] = "reports from now on",
        [FWI_TRACE_PUBLISHED] = "published it",
        [FWI_TRACE_WAITS] = "keeps it until the room is heard",
        [FWI_TRACE_REFUSED] = "dropped it: too much waits already",
        [FWI_TRACE_HELD] = "holds it: a message before it is missing",
        [FWI_TRACE_REPEATED] = "dropped it: it had come before",
        [FWI_TRACE_LOST] = "dropped it: a loop's inbox is full",
        [FWI_TRACE_OMITTED] = NULL,
    };
    if (!fwi_buf_printf(out, "%s ", node)) {
        return false;
    }
    if (r->what == FWI_TRACE_OMITTED) {
        return fwi_buf_printf(out, "left out %" PRIu64 " reports", r->members);
    }
    if (r->what != FWI_TRACE_DELIVERED) {
        return fwi_buf_puts(out, sentences[r->what]);
    }
    return fwi_buf_printf(out, "gave it to %" PRIu64 " of %" PRIu64 " members", r->given,
                          r->members) &&
           (!r->excepted || fwi_buf_puts(out, ", not to its sender")) &&
           (!r->waiting ||
            fwi_buf_printf(out, ", %" PRIu64 " aren't in yet", r->waiting)) &&
           (!r->dropped ||
            fwi_buf_printf(out, ", outboxes dropped %" PRIu64 " messages", r->dropped)) &&
           (!r->closed ||
            fwi_buf_printf(out, ", %" PRIu64 " are closed: too slow", r->closed));
}

static bool put_text(fwi_buf *out, const char *name, const char *text)
{
    return fwi_buf_printf(out, ",\"%s\":", name) &&
           fwi_json_put_string(out, text, strlen(text));
}

static bool put_json(fwi_buf *out, const fwi_trace_record *r, const fw_message *m)
{
    static const char *const names[] = {
        [FWI_TRACE_BEGUN] = "begun",         [FWI_TRACE_PUBLISHED] = "published",
        [FWI_TRACE_WAITS] = "waits",         [FWI_TRACE_REFUSED] = "refused",
        [FWI_TRACE_DELIVERED] = "delivered", [FWI_TRACE_HELD] = "held",
        [FWI_TRACE_REPEATED] = "repeated",   [FWI_TRACE_LOST] = "lost",
        [FWI_TRACE_OMITTED] = "omitted",
    };
    static const char *const fields[NUMBERS] = {NULL,      NULL,    "bytes",    "loop",
                                                "members", "given", "excepted", "waiting",
                                                "dropped", "closed"};
    char text[FW_POSITION_TEXT], session[FW_SESSION_ID_TEXT];
    uint64_t numbers[NUMBERS];
    numbers_of(r, numbers);
    bool ok = fwi_buf_printf(out, "{\"what\":\"%s\"", names[r->what]) &&
              put_text(out, "node", m->origin->node_name);
    if (r->node != 0) {
        ok = ok && fwi_buf_printf(out, ",\"message\":\"%016" PRIx64 "/%" PRIu64 "\"",
                                  r->node, r->serial);
    }
    if (m->at.epoch != 0) {
        ok = ok && put_text(out, "position", fw_position_text(m->at, text));
    }
    if (m->origin->session.node != 0) {
        ok = ok &&
             put_text(out, "session", fw_session_id_text(m->origin->session, session));
    }
    if (m->origin->user[0] != '\0') {
        ok = ok && put_text(out, "user", m->origin->user);
    }
    for (size_t i = 0; i < NUMBERS && ok; i++) {
        bool of_delivery = r->what == FWI_TRACE_DELIVERED && fields[i] != NULL;
        bool told = of_delivery || (i == 2 && r->bytes > 0) ||
                    (r->what == FWI_TRACE_OMITTED && i == 4);
        const char *name = r->what == FWI_TRACE_OMITTED ? "reports" : fields[i];
        ok = !told || fwi_buf_printf(out, ",\"%s\":%" PRIu64, name, numbers[i]);
    }
    return ok && fwi_buf_puts(out, "}");
}

static void on_report(fwi_hub *hub, const fw_message *m)
{
    fwi_trace_record r;
    if (m->target.node != hub->node || m->origin == NULL ||
        !read_record(&r, fwi_message_bytes(m), fwi_message_len(m)) ||
        !fwi_events_want(&hub->events, FW_EVENT_TRACE)) {
        return;
    }
    fwi_buf sentence, json;
    fwi_buf_init(&sentence);
    fwi_buf_init(&json);
    if (put_sentence(&sentence, &r, m->origin->node_name) && put_json(&json, &r, m) &&
        fwi_buf_text(&sentence) != NULL) {
        fw_event e = {.type = FW_EVENT_TRACE,
                      .session = m->origin->session,
                      .user = m->origin->user[0] != '\0' ? m->origin->user : NULL,
                      .token = m->target.local,
                      .reason = sentence.data,
                      .data = json.data,
                      .len = json.len,
                      .at = m->at};
        fwi_shard_raise(hub->shard[0], &e, NULL);
    }
    fwi_buf_fini(&sentence);
    fwi_buf_fini(&json);
}

void fwi_trace_came(fwi_hub *hub, const char *channel, fw_message *m)
{
    if (m->kind == FWI_MSG_TRACED) {
        on_report(hub, m);
    } else if (strcmp(channel, "all") == 0) {
        on_request(hub, m);
    }
}

int fwi_hub_trace(fwi_hub *hub, const char *channel, unsigned seconds, uint64_t ref)
{
    const char *room = channel + 2;
    fw_message *m = fwi_message_new(FWI_MSG_TRACE, room, strlen(room), FW_TEXT);
    if (m == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    m->target = (fw_session_id){hub->node, ref};
    m->code = (uint16_t)seconds;
    atomic_store(&m->sent, true);
    int err = fwi_hub_publish(hub, "all", m);
    fw_message_unref(m);
    return err;
}
