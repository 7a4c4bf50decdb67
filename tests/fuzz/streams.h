/*
 * A stream of events (text/event-stream), taken apart as the HTML standard has it, by a
 * reader that knows nothing of the writer: what a client hears must be whole events of
 * fields that there are, whose ids it can come back with.
 */
#ifndef TESTS_FUZZ_STREAMS_H
#define TESTS_FUZZ_STREAMS_H

#include "base/buf.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/event_stream.h"
#include "wire/json.h"

/* A client's end of a stream: it keeps the last id, as browsers do. */
typedef struct fuzz_listener {
    char id[FWI_ES_ID_MAX + 1];
} fuzz_listener;

static inline void fuzz_is_json(const char *text, size_t len)
{
    fwi_json value;
    MUST(fwi_json_read(text, len, &value, NULL));
}

static inline void fuzz_is_id(const char *id)
{
    fwi_es_position p;
    MUST(strlen(id) <= FWI_ES_ID_MAX);
    do {
        MUST(fwi_es_next(&id, &p));
    } while (*id != '\0');
}

/* An event: its lines between two empty ones. */
typedef struct fuzz_event {
    char name[16];
    fwi_buf data; /* lines, parted by line breaks */
    size_t lines;
} fuzz_event;

static inline bool fuzz_field_is(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    return len > n + 1 && memcmp(line, name, n) == 0 && line[n] == ':' &&
           line[n + 1] == ' ';
}

static inline void fuzz_hear_field(fuzz_listener *s, fuzz_event *e, const char *line,
                                   size_t len)
{
    const char *value = memchr(line, ' ', len);
    size_t n = value != NULL ? (size_t)(line + len - ++value) : 0;
    if (fuzz_field_is(line, len, "data")) {
        MUST((e->lines++ == 0 || fwi_buf_puts(&e->data, "\n")) &&
             fwi_buf_append(&e->data, value, n));
    } else if (fuzz_field_is(line, len, "id")) {
        MUST(n < sizeof s->id);
        snprintf(s->id, sizeof s->id, "%.*s", (int)n, value);
        fuzz_is_id(s->id);
    } else if (fuzz_field_is(line, len, "event")) {
        MUST(e->name[0] == '\0' && n < sizeof e->name);
        snprintf(e->name, sizeof e->name, "%.*s", (int)n, value);
    } else if (fuzz_field_is(line, len, "retry")) {
        MUST(n > 0 && strspn(value, "0123456789") >= n);
    } else {
        MUST(len > 0 && line[0] == ':');
    }
}

/* json: what has no name is JSON, too. */
static inline void fuzz_hear_event(const fuzz_event *e, bool json)
{
    static const char *const names[] = {"joined", "join", "leave", "reset", "close"};
    bool named = false;
    for (size_t i = 0; i < FWI_ARRAY_LEN(names); i++) {
        named = named || strcmp(e->name, names[i]) == 0;
    }
    MUST(named || e->name[0] == '\0' || strcmp(e->name, "binary") == 0);
    MUST(!named || e->lines == 1);
    if (e->lines > 0 && (named || (json && e->name[0] == '\0'))) {
        fuzz_is_json(e->data.data, e->data.len);
    }
}

/* Takes apart what was written, which is whole events, and throws it away. */
static inline void fuzz_hear_stream(fuzz_listener *s, fwi_buf *out, bool json)
{
    if (out->len == 0) {
        return;
    }
    const char *at = out->data, *end = at + out->len;
    MUST(end[-1] == '\n' && fwi_utf8_is_valid(at, out->len));
    MUST(memchr(at, '\r', out->len) == NULL);
    while (at < end) {
        fuzz_event e = {.lines = 0};
        fwi_buf_init(&e.data);
        for (const char *next; at < end && *at != '\n'; at = next + 1) {
            next = memchr(at, '\n', (size_t)(end - at));
            fuzz_hear_field(s, &e, at, (size_t)(next - at));
        }
        MUST(at < end); /* the empty line */
        at++;
        fuzz_hear_event(&e, json);
        fwi_buf_fini(&e.data);
    }
    out->len = 0;
}

#endif
