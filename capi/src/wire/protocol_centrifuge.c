/*
 * Reading commands of the Centrifuge protocol: see protocol_centrifuge.h. All requests
 * have their fields from one list, since a name means the same in each of them; a field
 * that isn't on it is of a later version, and is passed over.
 *
 * Every byte comes from a client. The reader of JSON has looked at all of them before
 * anything is taken out. @thread any
 */
#include "wire/protocol_centrifuge.h"

#include <stddef.h>
#include <string.h>

static const char *const method_names[FWI_CF_METHODS] = {
    [FWI_CF_CONNECT] = "connect",
    [FWI_CF_PING] = "ping",
    [FWI_CF_SUBSCRIBE] = "subscribe",
    [FWI_CF_UNSUBSCRIBE] = "unsubscribe",
    [FWI_CF_PUBLISH] = "publish",
    [FWI_CF_PRESENCE] = "presence",
    [FWI_CF_PRESENCE_STATS] = "presence_stats",
    [FWI_CF_HISTORY] = "history",
    [FWI_CF_RPC] = "rpc",
    [FWI_CF_SEND] = "send",
    [FWI_CF_REFRESH] = "refresh",
    [FWI_CF_SUB_REFRESH] = "sub_refresh",
};

typedef enum { STRING, ANY, OBJECT, UNSIGNED, SIGNED, FLAG } field_kind;

/* The usual ones first: they are looked for in this order. */
static const struct {
    const char *name;
    field_kind kind;
    size_t at;
} fields[] = {
    {"channel", STRING, offsetof(fwi_cf_command, channel)},
    {"data", ANY, offsetof(fwi_cf_command, data)},
    {"flag", UNSIGNED, offsetof(fwi_cf_command, flag)},
    {"recover", FLAG, offsetof(fwi_cf_command, recover)},
    {"epoch", STRING, offsetof(fwi_cf_command, epoch)},
    {"offset", UNSIGNED, offsetof(fwi_cf_command, offset)},
    {"token", STRING, offsetof(fwi_cf_command, token)},
    {"recoverable", FLAG, offsetof(fwi_cf_command, recoverable)},
    {"positioned", FLAG, offsetof(fwi_cf_command, positioned)},
    {"join_leave", FLAG, offsetof(fwi_cf_command, join_leave)},
    {"method", STRING, offsetof(fwi_cf_command, rpc)},
    {"subs", OBJECT, offsetof(fwi_cf_command, subs)},
    {"limit", SIGNED, offsetof(fwi_cf_command, limit)},
    {"since", OBJECT, offsetof(fwi_cf_command, since)},
    {"reverse", FLAG, offsetof(fwi_cf_command, reverse)},
    {"delta", STRING, offsetof(fwi_cf_command, delta)},
    {"tf", ANY, offsetof(fwi_cf_command, filter)},
    {"type", UNSIGNED, offsetof(fwi_cf_command, type)},
};

static bool take_flag(bool *to, const fwi_json *value)
{
    *to = value->kind == FWI_JSON_TRUE;
    return *to || value->kind == FWI_JSON_FALSE;
}

static bool take_value(void *to, field_kind kind, const fwi_json *value)
{
    switch (kind) {
    case UNSIGNED:
        return fwi_json_to_u64(value, to);
    case SIGNED:
        return fwi_json_to_i64(value, to);
    case FLAG:
        return take_flag(to, value);
    case STRING:
        *(fwi_json *)to = *value;
        return value->kind == FWI_JSON_STRING;
    case OBJECT:
        *(fwi_json *)to = *value;
        return value->kind == FWI_JSON_OBJECT;
    default:
        *(fwi_json *)to = *value;
        return true;
    }
}

/* false: a field is of another kind than it must be. */
static bool take_field(fwi_cf_command *c, const fwi_json *key, const fwi_json *value)
{
    for (size_t i = 0; i < FWI_ARRAY_LEN(fields); i++) {
        if (fwi_json_is(key, fields[i].name)) {
            return value->kind == FWI_JSON_NULL ||
                   take_value((char *)c + fields[i].at, fields[i].kind, value);
        }
    }
    return true;
}

static fwi_cf_method method_of(const fwi_json *key)
{
    for (int i = 0; i < FWI_CF_METHODS; i++) {
        if (fwi_json_is(key, method_names[i])) {
            return (fwi_cf_method)i;
        }
    }
    return FWI_CF_UNKNOWN;
}

static bool take_id(fwi_cf_command *c, const fwi_json *value)
{
    uint64_t id = 0;
    if (value->kind != FWI_JSON_NULL &&
        (!fwi_json_to_u64(value, &id) || id > UINT32_MAX)) {
        return false;
    }
    c->id = (uint32_t)id;
    return true;
}

/* NULL: it is one; else what is wrong. */
static const char *take_command(const fwi_json *object, fwi_cf_command *c)
{
    fwi_json key, value, request = {.kind = FWI_JSON_NONE};
    fwi_json_walk w = fwi_json_inside(object);
    bool empty = true;
    *c = (fwi_cf_command){.method = FWI_CF_UNKNOWN};
    while (fwi_json_next(&w, &key, &value)) {
        empty = false;
        if (fwi_json_is(&key, "id")) {
            if (!take_id(c, &value)) {
                return "an id that is no number of 32 bits";
            }
            continue;
        }
        fwi_cf_method method = method_of(&key);
        if (method < c->method && value.kind != FWI_JSON_NULL) {
            c->method = method;
            request = value;
        }
    }
    if (empty) {
        c->method = FWI_CF_PONG;
        return NULL;
    }
    if (c->id == 0 && c->method != FWI_CF_SEND) {
        return "a command without an id";
    }
    if (c->method == FWI_CF_UNKNOWN) {
        return NULL;
    }
    if (request.kind != FWI_JSON_OBJECT) {
        return "a request that is no object";
    }
    w = fwi_json_inside(&request);
    while (fwi_json_next(&w, &key, &value)) {
        if (!take_field(c, &key, &value)) {
            return "a field of the wrong kind";
        }
    }
    return NULL;
}

fwi_cf_result fwi_cf_next(fwi_cf_batch *batch, fwi_cf_command *c, const char **why)
{
    fwi_json object;
    size_t used;
    if (!fwi_json_read_first(batch->at, batch->len, &object, &used, NULL)) {
        *why = "not JSON";
        return FWI_CF_BAD;
    }
    batch->at += used;
    batch->len -= used;
    if (object.kind == FWI_JSON_NONE) {
        return FWI_CF_END;
    }
    *why = object.kind == FWI_JSON_OBJECT ? take_command(&object, c)
                                          : "a command that is no object";
    return *why == NULL ? FWI_CF_COMMAND : FWI_CF_BAD;
}

bool fwi_cf_position(const fwi_json *object, uint64_t *offset, fwi_json *epoch)
{
    fwi_json value;
    *offset = 0;
    if (fwi_json_get(object, "offset", &value) && !fwi_json_to_u64(&value, offset)) {
        return false;
    }
    return !fwi_json_get(object, "epoch", epoch) || epoch->kind == FWI_JSON_STRING;
}

long fwi_cf_text(const fwi_json *value, char *out, size_t cap)
{
    if (value->kind != FWI_JSON_STRING) {
        return -1;
    }
    fwi_buf escaped;
    fwi_buf_init(&escaped);
    const char *from = value->at + 1;
    size_t len = value->len - 2;
    if (memchr(from, '\\', len) != NULL) {
        len = fwi_json_put_text_of(&escaped, value) ? escaped.len : cap;
        from = escaped.data;
    }
    bool fits = len < cap && (len == 0 || memchr(from, 0, len) == NULL);
    if (fits && len > 0) {
        memcpy(out, from, len);
    }
    if (fits) {
        out[len] = '\0';
    }
    fwi_buf_fini(&escaped);
    return fits ? (long)len : -1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint64_t fwi_cf_epoch(const fwi_json *text)
{
    uint64_t v = 0;
    if (text->kind != FWI_JSON_STRING || text->len <= 2) {
        return 0;
    }
    bool ours = text->len == 16 + 2;
    for (size_t i = 1; ours && i <= 16; i++) {
        int digit = hex_digit(text->at[i]);
        ours = digit >= 0;
        v = v << 4 | (unsigned)digit;
    }
    return ours && v != 0 ? v : UINT64_MAX;
}

/* --- replies that need the names --- */

bool fwi_cf_begin_reply(fwi_buf *out, uint32_t id, fwi_cf_method method)
{
    return fwi_buf_printf(out, "{\"id\":%u,\"%s\":{", (unsigned)id, method_names[method]);
}

bool fwi_cf_end_reply(fwi_buf *out)
{
    return fwi_buf_puts(out, "}}");
}
