/*
 * Parameters of the API's methods: which there may be and of which kind, and reading
 * them. What isn't of its kind makes the request malformed; what is of its kind and not
 * fit fails the command. @thread loop 0
 */
#include "http/api_inside.h"

#include <string.h>

#include <fanwire/session.h>

static const fwi_api_method *const tables[] = {
    fwi_api_publish_methods,
    fwi_api_room_methods,
    fwi_api_user_methods,
};

const fwi_api_method *fwi_api_method_find(const char *name, size_t len)
{
    for (size_t i = 0; i < FWI_ARRAY_LEN(tables); i++) {
        for (const fwi_api_method *m = tables[i]; m->name != NULL; m++) {
            if (strlen(m->name) == len && memcmp(m->name, name, len) == 0) {
                return m;
            }
        }
    }
    return NULL;
}

/* --- kinds --- */

static const char *kind_named(unsigned kinds)
{
    switch (kinds) {
    case FWI_API_STRING:
        return "a string";
    case FWI_API_NUMBER:
        return "a number";
    case FWI_API_SWITCH:
        return "true or false";
    case FWI_API_OBJECT:
        return "an object";
    default:
        return "an array";
    }
}

/* -1: the method knows none of this name. */
static int field_named(const fwi_api_method *method, const fwi_json *key)
{
    for (int i = 0; method->fields[i].name != NULL; i++) {
        if (fwi_json_is(key, method->fields[i].name)) {
            return i;
        }
    }
    return -1;
}

bool fwi_api_read_fields(const fwi_api_method *method, const fwi_json *params,
                         const char *body, fwi_json fields[FWI_API_FIELDS_MAX],
                         char why[FWI_API_MESSAGE])
{
    memset(fields, 0, FWI_API_FIELDS_MAX * sizeof *fields);
    if (params->kind == FWI_JSON_NONE || params->kind == FWI_JSON_NULL) {
        return true;
    }
    if (params->kind != FWI_JSON_OBJECT) {
        snprintf(why, FWI_API_MESSAGE, "%s: must be an object (byte %zu)", method->name,
                 (size_t)(params->at - body));
        return false;
    }
    fwi_json key, value;
    fwi_json_walk w = fwi_json_inside(params);
    while (fwi_json_next(&w, &key, &value)) {
        int i = field_named(method, &key);
        if (i < 0 || fields[i].kind != FWI_JSON_NONE) {
            continue; /* of another version; the first one counts */
        }
        const fwi_api_field *field = &method->fields[i];
        bool fits = (field->kinds & 1u << value.kind) != 0;
        if (!fits && value.kind == FWI_JSON_NULL) {
            continue; /* as if it weren't there */
        }
        if (!fits) {
            snprintf(why, FWI_API_MESSAGE, "%s: \"%s\" must be %s (byte %zu)",
                     method->name, field->name, kind_named(field->kinds),
                     (size_t)(value.at - body));
            return false;
        }
        fields[i] = value;
    }
    return true;
}

static bool says_nothing(const fwi_json *value)
{
    uint64_t number;
    switch (value->kind) {
    case FWI_JSON_NONE:
    case FWI_JSON_NULL:
    case FWI_JSON_FALSE:
        return true;
    case FWI_JSON_STRING:
        return value->len == 2;
    case FWI_JSON_NUMBER:
        return fwi_json_to_u64(value, &number) && number == 0;
    case FWI_JSON_OBJECT:
    case FWI_JSON_ARRAY: {
        fwi_json_walk w = fwi_json_inside(value);
        fwi_json inside;
        return !fwi_json_next(&w, NULL, &inside);
    }
    default:
        return false;
    }
}

bool fwi_api_has_no_missing(fwi_api_command *c, const fwi_json *fields)
{
    for (int i = 0; c->method->fields[i].name != NULL; i++) {
        if (c->method->fields[i].missing && !says_nothing(&fields[i])) {
            fwi_api_fail(c, FWI_API_NOT_AVAILABLE, "\"%s\" is not supported",
                         c->method->fields[i].name);
            return false;
        }
    }
    return true;
}

/* --- values --- */

/* A string of at most cap - 1 bytes without NUL. false: the command has failed. */
static bool text_of(fwi_api_command *c, const fwi_json *value, const char *what,
                    char *out, size_t cap)
{
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = true;
    if (value->kind == FWI_JSON_STRING && !fwi_json_put_text_of(&text, value)) {
        c->no_memory = true;
        ok = false;
    } else if (text.len >= cap || (text.len > 0 && memchr(text.data, 0, text.len))) {
        fwi_api_fail(c, FWI_API_BAD, "\"%s\" is too long, or has a NUL in it", what);
        ok = false;
    }
    if (ok) {
        memcpy(out, text.len > 0 ? text.data : "", text.len);
        out[text.len] = '\0';
    }
    fwi_buf_fini(&text);
    return ok;
}

bool fwi_api_name(fwi_api_command *c, const fwi_json *fields, unsigned which,
                  char out[FWI_NAME_MAX + 1])
{
    const char *what = c->method->fields[which].name;
    return fwi_api_name_of(c, &fields[which], what, out);
}

bool fwi_api_name_of(fwi_api_command *c, const fwi_json *value, const char *what,
                     char out[FWI_NAME_MAX + 1])
{
    if (says_nothing(value)) {
        fwi_api_fail(c, FWI_API_BAD, "\"%s\" is missing", what);
        return false;
    }
    if (!text_of(c, value, what, out, FWI_NAME_MAX + 1)) {
        return false;
    }
    const char *problem = fwi_name_problem(out, strlen(out));
    if (problem != NULL) {
        fwi_api_fail(c, FWI_API_BAD, "\"%s\": %s", what, problem);
        return false;
    }
    return true;
}

bool fwi_api_text(fwi_api_command *c, const fwi_json *fields, unsigned which, char *out,
                  size_t cap)
{
    return text_of(c, &fields[which], c->method->fields[which].name, out, cap);
}

bool fwi_api_client(fwi_api_command *c, const fwi_json *value, const char *what,
                    fw_session_id *id)
{
    char text[64];
    *id = fw_session_none();
    if (!text_of(c, value, what, text, sizeof text)) {
        return false;
    }
    if (text[0] != '\0' && fw_session_id_parse(text, id) != FW_OK) {
        fwi_api_fail(c, FWI_API_BAD, "\"%s\" is not the id of a session", what);
        return false;
    }
    return true;
}

bool fwi_api_position(fwi_api_command *c, const fwi_json *fields, unsigned which,
                      fwi_position *position)
{
    fwi_json offset, epoch;
    char text[FW_POSITION_TEXT];
    uint64_t number = 0;
    *position = (fwi_position){0, 0};
    if (fields[which].kind == FWI_JSON_NONE) {
        return true;
    }
    const char *what = c->method->fields[which].name;
    bool ok = !fwi_json_get(&fields[which], "offset", &offset) ||
              fwi_json_to_u64(&offset, &number);
    if (ok && fwi_json_get(&fields[which], "epoch", &epoch) && !says_nothing(&epoch)) {
        ok =
            epoch.kind == FWI_JSON_STRING && epoch.len <= 16 + 2 &&
            snprintf(text, sizeof text, "%.*s/0", (int)epoch.len - 2, epoch.at + 1) > 0 &&
            fw_position_parse(text, position) == FW_OK;
    }
    if (!ok) {
        fwi_api_fail(c, FWI_API_BAD,
                     "\"%s\": offset must be a number, epoch the text "
                     "that came with it",
                     what);
        return false;
    }
    position->offset = number;
    return true;
}

bool fwi_api_room(fwi_api_command *c, const fwi_json *fields, unsigned which,
                  char channel[FWI_CHANNEL_CAP])
{
    char room[FWI_NAME_MAX + 1];
    if (!fwi_api_name(c, fields, which, room)) {
        return false;
    }
    fwi_channel_name('r', room, channel);
    return true;
}
