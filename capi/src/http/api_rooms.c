/*
 * The API's methods that ask about rooms: presence, presence_stats, history,
 * history_remove, channels. @thread loop 0
 */
#include "http/api_inside.h"

#include <inttypes.h>
#include <string.h>

#include "core/census.h"
#include "core/publish.h"
#include "http/api_members.h"

static const fwi_room_options *options_of(const fwi_api_command *c, const char *channel)
{
    return fwi_room_options_of(fwi_api_hub(c), channel);
}

/* The first field of all of them but channels. */
enum { CHANNEL };

static const fwi_api_field channel_fields[] = {
    [CHANNEL] = {"channel", FWI_API_STRING, false}, {NULL, 0, false}};

/* --- presence --- */

static bool present_room(fwi_api_command *c, const fwi_json *fields,
                         char channel[FWI_CHANNEL_CAP])
{
    if (!fwi_api_room(c, fields, CHANNEL, channel)) {
        return false;
    }
    const fwi_room_options *o = options_of(c, channel);
    if (!o->presence && !o->join_leave) {
        fwi_api_fail(c, FWI_API_NOT_AVAILABLE, "the room has no presence");
        return false;
    }
    return true;
}

static void run_presence(fwi_api_command *c, const fwi_json *fields)
{
    char channel[FWI_CHANNEL_CAP];
    if (present_room(c, fields, channel)) {
        fwi_api_read_members(c, channel, "presence");
    }
}

static void run_presence_stats(fwi_api_command *c, const fwi_json *fields)
{
    char channel[FWI_CHANNEL_CAP];
    if (present_room(c, fields, channel)) {
        fwi_api_count_members(c, channel);
    }
}

/* --- history --- */

enum { LIMIT = CHANNEL + 1, SINCE, REVERSE };

static const fwi_api_field history_fields[] = {
    [CHANNEL] = {"channel", FWI_API_STRING, false},
    [LIMIT] = {"limit", FWI_API_NUMBER, false},
    [SINCE] = {"since", FWI_API_OBJECT, false},
    [REVERSE] = {"reverse", FWI_API_SWITCH, false},
    {NULL, 0, false}};

/* A reading of several pages. */
typedef struct reading {
    fwi_history_query q;
    uint64_t left;
    bool any;
    char channel[FWI_CHANNEL_CAP];
} reading;

static bool kept_room(fwi_api_command *c, const fwi_json *fields,
                      char channel[FWI_CHANNEL_CAP])
{
    if (!fwi_api_room(c, fields, CHANNEL, channel)) {
        return false;
    }
    if (options_of(c, channel)->history_size == 0) {
        fwi_api_fail(c, FWI_API_NOT_AVAILABLE, "the room has no history");
        return false;
    }
    return true;
}

/* Who said it, and what it says of itself. */
static void put_origin(fwi_api_command *c, const fwi_origin *o)
{
    char id[FW_SESSION_ID_TEXT];
    fwi_api_puts(c, ",\"info\":{\"user\":");
    fwi_api_put_string(c, o->user, strlen(o->user));
    fwi_api_printf(c, ",\"client\":\"%s\"", fw_session_id_text(o->session, id));
    if (o->info_len > 0) {
        fwi_api_put_value(c, ",\"conn_info\":", o->info, o->info_len);
    }
    if (o->room_info_len > 0) {
        fwi_api_put_value(c, ",\"chan_info\":", o->room_info, o->room_info_len);
    }
    fwi_api_puts(c, "}");
}

static void put_publication(fwi_api_command *c, const fw_message *m)
{
    const void *bytes = fwi_message_bytes(m);
    size_t len = fwi_message_len(m);
    if (m->flags & FW_BINARY) {
        fwi_api_puts(c, "{\"b64data\":");
        fwi_api_put_bytes(c, bytes, len);
    } else {
        fwi_api_put_value(c, "{\"data\":", bytes, len);
    }
    fwi_api_printf(c, ",\"offset\":%" PRIu64, m->at.offset);
    if (m->origin != NULL) {
        put_origin(c, m->origin);
    }
    fwi_api_puts(c, "}");
}

static void ask_page(fwi_api_command *c);

static void put_page(fwi_api_command *c, reading *r, const fw_event *e)
{
    size_t n = fw_event_message_count(e);
    for (size_t i = 0; i < n && r->left > 0; i++, r->left--) {
        fwi_api_puts(c, r->any ? "," : "");
        put_publication(c, e->messages->m[i]);
        r->any = true;
        r->q.since = e->messages->m[i]->at;
    }
}

static bool is_over(const reading *r, const fw_event *e)
{
    return r->left == 0 || fw_event_message_count(e) == 0 ||
           (!r->q.reverse && r->q.since.offset >= e->at.offset);
}

static void on_page(void *user, const fw_event *e)
{
    fwi_api_command *c = user;
    reading *r = c->state;
    bool asked_since = r->q.since.epoch != 0;
    if (e->code != FW_OK) {
        fwi_api_fail_with(c, e->code, e->reason);
    } else if (asked_since && r->q.since.epoch != e->at.epoch) {
        fwi_api_fail(c, FWI_API_UNRECOVERABLE, "the epoch of \"since\" is over");
    } else {
        put_page(c, r, e);
        if (!is_over(r, e) && !fwi_api_is_late(c)) {
            ask_page(c);
            return;
        }
        fwi_api_printf(c, "],\"offset\":%" PRIu64 ",\"epoch\":\"%016" PRIx64 "\"}",
                       e->at.offset, e->at.epoch);
    }
    fwi_api_answered(c);
}

static void ask_page(fwi_api_command *c)
{
    reading *r = c->state;
    r->q.limit = (uint32_t)FWI_MIN(r->left, (uint64_t)FWI_HISTORY_PAGE_MAX);
    fwi_ask_history(fwi_api_hub(c), r->channel, &r->q,
                    &(fwi_asker){.on_answer = on_page, .user = c});
}

/* false: the command has failed. */
static bool read_query(fwi_api_command *c, const fwi_json *fields, reading *r)
{
    int64_t limit = 0;
    uint64_t most = fwi_api_site(c)->api_max_items;
    if (!kept_room(c, fields, r->channel) ||
        !fwi_api_position(c, fields, SINCE, &r->q.since)) {
        return false;
    }
    if (fields[LIMIT].kind == FWI_JSON_NUMBER &&
        !fwi_json_to_i64(&fields[LIMIT], &limit)) {
        fwi_api_fail(c, FWI_API_BAD, "\"limit\" must be a whole number");
        return false;
    }
    r->q.reverse = fwi_api_is_on(&fields[REVERSE]);
    r->q.history_ttl_ms = options_of(c, r->channel)->history_ttl_ms;
    r->left = limit < 0 ? most : FWI_MIN((uint64_t)limit, most);
    bool since = fields[SINCE].kind != FWI_JSON_NONE;
    if (since && (r->q.since.epoch == 0 || (r->q.reverse && r->q.since.offset == 0))) {
        fwi_api_fail(c, FWI_API_BAD,
                     "\"since\" needs its epoch and, in reverse, an offset above 0");
        return false;
    }
    return true;
}

static void run_history(fwi_api_command *c, const fwi_json *fields)
{
    reading *r = calloc(1, sizeof *r);
    c->state = r;
    c->state_free = free;
    if (r == NULL) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
    } else if (read_query(c, fields, r)) {
        fwi_api_puts(c, "{\"publications\":[");
        fwi_api_await(c);
        ask_page(c);
    }
}

static void on_forgotten(void *user, const fw_event *e)
{
    fwi_api_command *c = user;
    if (e->code != FW_OK) {
        fwi_api_fail_with(c, e->code, e->reason);
    }
    fwi_api_answered(c);
}

static void run_history_remove(fwi_api_command *c, const fwi_json *fields)
{
    char channel[FWI_CHANNEL_CAP];
    if (kept_room(c, fields, channel)) {
        fwi_api_await(c);
        fwi_ask_forget(fwi_api_hub(c), channel,
                       &(fwi_asker){.on_answer = on_forgotten, .user = c});
    }
}

/* --- channels --- */

enum { PATTERN };

static const fwi_api_field channels_fields[] = {
    [PATTERN] = {"pattern", FWI_API_STRING, false}, {NULL, 0, false}};

enum { PATTERN_CAP = 256 };

/* * stands for any characters, ? for one byte. One step back at most: O(n * m). */
static bool fits_pattern(const char *name, const char *pattern)
{
    const char *star = NULL, *from = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static void on_census(void *user, const fwi_census_room *rooms, bool ok)
{
    fwi_api_command *c = user;
    const char *pattern = c->state;
    uint64_t put = 0;
    c->no_memory = !ok || c->no_memory;
    fwi_api_puts(c, "{\"channels\":{");
    for (const fwi_census_room *r = rooms; r != NULL && c->code == FWI_API_OK;
         r = r->hh.next) {
        if (pattern[0] != '\0' && !fits_pattern(r->name, pattern)) {
            continue;
        }
        if (put == fwi_api_site(c)->api_max_items) {
            fwi_api_fail(c, FWI_API_LIMIT, "more channels than api.max_items allows");
        }
        fwi_api_puts(c, put++ > 0 ? "," : "");
        fwi_api_put_string(c, r->name, strlen(r->name));
        fwi_api_printf(c, ":{\"num_clients\":%" PRIu64 "}", r->members);
    }
    fwi_api_puts(c, "}}");
    fwi_api_answered(c);
}

static void run_channels(fwi_api_command *c, const fwi_json *fields)
{
    char *pattern = malloc(PATTERN_CAP);
    c->state = pattern;
    c->state_free = free;
    if (pattern == NULL) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
    } else if (fwi_api_text(c, fields, PATTERN, pattern, PATTERN_CAP)) {
        fwi_api_await(c);
        fwi_census_take(fwi_api_hub(c), on_census, c);
    }
}

const fwi_api_method fwi_api_room_methods[] = {
    {.name = "presence", .fields = channel_fields, .run = run_presence},
    {.name = "presence_stats", .fields = channel_fields, .run = run_presence_stats},
    {.name = "history", .fields = history_fields, .run = run_history},
    {.name = "history_remove", .fields = channel_fields, .run = run_history_remove},
    {.name = "channels", .fields = channels_fields, .run = run_channels},
    {.name = NULL},
};
