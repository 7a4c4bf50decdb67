/*
 * Clients of streams of events on the hub of centrifuge_rig.h: what they hear, event by
 * event, and how they come back.
 */
#ifndef TESTS_UNIT_SSE_RIG_H
#define TESTS_UNIT_SSE_RIG_H

#include "unit/centrifuge_rig.h"

#include "wire/event_stream.h"

/* The next event without the empty line behind it; false: there is none. */
static inline bool next_event(fwi_conn *c, char out[HEARD_MAX])
{
    core_rig_settle(&rig);
    const char *end = c->out.len > 0 ? memmem(c->out.data, c->out.len, "\n\n", 2) : NULL;
    if (end == NULL) {
        ck_assert_uint_eq(c->out.len, 0);
        return false;
    }
    size_t n = (size_t)(end - c->out.data);
    ck_assert_uint_lt(n, HEARD_MAX);
    memcpy(out, c->out.data, n);
    out[n] = '\0';
    fwi_buf_consume(&c->out, n + 2);
    return true;
}

/* What c hears next is this. */
static inline void hears_event(fwi_conn *c, const char *want)
{
    char got[HEARD_MAX];
    ck_assert_msg(next_event(c, got), "nothing instead of %s", want);
    ck_assert_msg(matches(got, want), "heard\n%s\n instead of\n%s", got, want);
}

static inline void hears_no_event(fwi_conn *c)
{
    char got[HEARD_MAX];
    ck_assert_msg(!next_event(c, got), "heard %s", got);
}

/* The number behind "retry: " at the beginning of an event; rest: what follows it. */
static inline unsigned retry_of(const char *event, const char **rest)
{
    char *end;
    ck_assert_msg(strncmp(event, "retry: ", 7) == 0, "%s", event);
    unsigned ms = (unsigned)strtoul(event + 7, &end, 10);
    *rest = *end == '\n' ? end + 1 : end;
    return ms;
}

/* Its stream has begun. */
static inline void begins(fwi_conn *c)
{
    char got[HEARD_MAX];
    const char *rest;
    ck_assert_int_eq(c->refused, 0);
    ck_assert(c->accepted);
    ck_assert(next_event(c, got));
    unsigned ms = retry_of(got, &rest);
    ck_assert_str_eq(rest, "");
    ck_assert_uint_ge(ms, 1000);
    ck_assert_uint_le(ms, 3000);
}

/* The id of an event, into id; false: it has none, and id stays. */
static inline bool take_id(const char *event, char id[HEARD_MAX])
{
    const char *at = strncmp(event, "id: ", 4) == 0 ? event : strstr(event, "\nid: ");
    if (at == NULL) {
        return false;
    }
    at = strstr(at, "id: ") + 4;
    snprintf(id, HEARD_MAX, "%.*s", (int)strcspn(at, "\n"), at);
    return true;
}

static inline fwi_conn *come_as(fwi_protocol_id protocol, unsigned loop,
                                const char *query, const char *last_event_id)
{
    const char *const headers[] = {"last-event-id", last_event_id};
    return core_connect_with(&rig, loop, query, protocol, headers,
                             last_event_id != NULL ? 1 : 0);
}

/* --- raw ones --- */

static inline void open_rooms(unsigned loops, const char *name, const char *value)
{
    core_rig_init(&rig, loops, "raw.mode", "rooms", "namespace.kept.history.size", "50",
                  name, value, NULL);
}

#define JOINED(room) "event: joined\ndata: {\"joined\":\"" room "\"}"
#define JOINED_KEPT(id, room, offset, recovered)                                         \
    "id: " id "\nevent: joined\ndata: {\"joined\":\"" room "\",\"epoch\":\"<epoch>\""    \
    ",\"offset\":" offset ",\"recovered\":" recovered "}"

/* The number of a room, as ids have it. */
static inline const char *number_of(const char *room)
{
    static char text[9];
    snprintf(text, sizeof text, "%08x", (unsigned)fwi_es_room(room));
    return text;
}

static inline fwi_conn *come_raw(unsigned loop, const char *query)
{
    return come_as(FWI_SSE, loop, query, NULL);
}

#endif
