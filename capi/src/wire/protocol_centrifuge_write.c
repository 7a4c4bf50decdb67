/*
 * Writing of the Centrifuge protocol: what replies and pushes consist of. A field at its
 * zero value is left out, as its readers expect. Nothing that is written has a line break
 * in it: they part one object from the next. @thread any
 */
#include "wire/protocol_centrifuge.h"

#include <inttypes.h>
#include <string.h>

fwi_cf_kind fwi_cf_kind_of(const void *data, size_t len, bool text)
{
    fwi_json value;
    return !text                                    ? FWI_CF_BYTES
           : fwi_json_read(data, len, &value, NULL) ? FWI_CF_VALUE
                                                    : FWI_CF_TEXT;
}

bool fwi_cf_put_data(fwi_buf *out, const fwi_cf_data *data)
{
    const fwi_json value = {.kind = FWI_JSON_OBJECT, .at = data->at, .len = data->len};
    switch (data->kind) {
    case FWI_CF_VALUE:
        return fwi_json_put_line(out, &value);
    case FWI_CF_TEXT:
        return fwi_json_put_string(out, data->at, data->len);
    default:
        return fwi_json_put_base64(out, data->at, data->len);
    }
}

static bool put_text(fwi_buf *out, const char *text)
{
    return fwi_json_put_string(out, text, strlen(text));
}

/* ,"name": or without the comma where it would come first. */
static bool put_name(fwi_buf *out, const char *name)
{
    return fwi_buf_puts(out, out->data[out->len - 1] == '{' ? "\"" : ",\"") &&
           fwi_buf_puts(out, name) && fwi_buf_puts(out, "\":");
}

static bool put_flag(fwi_buf *out, const char *name, bool value)
{
    return !value || (put_name(out, name) && fwi_buf_puts(out, "true"));
}

static bool put_field(fwi_buf *out, const char *name, const fwi_cf_data *data)
{
    return data->len == 0 || (put_name(out, name) && fwi_cf_put_data(out, data));
}

static bool put_ttl(fwi_buf *out, uint32_t ttl_s)
{
    return ttl_s == 0 || (put_flag(out, "expires", true) && put_name(out, "ttl") &&
                          fwi_buf_printf(out, "%u", (unsigned)ttl_s));
}

bool fwi_cf_put_position(fwi_buf *out, uint64_t epoch, uint64_t offset)
{
    /* As text: the numbers of JavaScript have 53 bits. */
    return fwi_buf_printf(out, "\"epoch\":\"%016" PRIx64 "\",\"offset\":%" PRIu64, epoch,
                          offset);
}

bool fwi_cf_put_info(fwi_buf *out, const fwi_cf_info *info)
{
    return fwi_buf_puts(out, "{\"user\":") && put_text(out, info->user) &&
           fwi_buf_puts(out, ",\"client\":") && put_text(out, info->client) &&
           put_field(out, "conn_info", &info->info) &&
           put_field(out, "chan_info", &info->room_info) && fwi_buf_puts(out, "}");
}

bool fwi_cf_put_publication(fwi_buf *out, const fwi_cf_publication *p)
{
    return fwi_buf_puts(out, "{\"data\":") && fwi_cf_put_data(out, &p->data) &&
           (p->from.client == NULL ||
            (fwi_buf_puts(out, ",\"info\":") && fwi_cf_put_info(out, &p->from))) &&
           (p->offset == 0 || fwi_buf_printf(out, ",\"offset\":%" PRIu64, p->offset)) &&
           fwi_buf_puts(out, "}");
}

bool fwi_cf_put_subscribed(fwi_buf *out, const fwi_cf_subscribed *s)
{
    bool ok = fwi_buf_puts(out, "{") && put_ttl(out, s->ttl_s) &&
              put_flag(out, "recoverable", s->recoverable) &&
              put_flag(out, "positioned", s->positioned);
    if (ok && s->positioned) {
        ok = fwi_buf_puts(out, ",") && fwi_cf_put_position(out, s->epoch, s->offset);
    }
    if (ok && s->publications != NULL && s->publications->len > 0) {
        ok = put_name(out, "publications") && fwi_buf_puts(out, "[") &&
             fwi_buf_append(out, s->publications->data, s->publications->len) &&
             fwi_buf_puts(out, "]");
    }
    return ok && put_flag(out, "recovered", s->recovered) &&
           put_flag(out, "was_recovering", s->was_recovering) &&
           put_field(out, "data", &s->data) && fwi_buf_puts(out, "}");
}

bool fwi_cf_put_connected(fwi_buf *out, uint32_t id, const fwi_cf_connected *c)
{
    bool ok = fwi_buf_puts(out, "{") &&
              (id == 0 || fwi_buf_printf(out, "\"id\":%u,", (unsigned)id)) &&
              fwi_buf_printf(out, "\"%s\":{\"client\":\"%s\",\"version\":", c->method,
                             c->client) &&
              put_text(out, c->version) && put_ttl(out, c->ttl_s) &&
              put_field(out, "data", &c->data);
    if (ok && c->subs != NULL && c->subs->len > 0) {
        ok = fwi_buf_puts(out, ",\"subs\":{") &&
             fwi_buf_append(out, c->subs->data, c->subs->len) && fwi_buf_puts(out, "}");
    }
    if (ok && c->ping_s > 0) {
        ok = fwi_buf_printf(out, ",\"ping\":%u", (unsigned)c->ping_s) &&
             (c->one_way || put_flag(out, "pong", true));
    }
    if (ok && c->session != NULL) {
        ok = fwi_buf_printf(out, ",\"session\":\"%s\",\"node\":\"%s\"", c->session,
                            c->node);
    }
    return ok && fwi_buf_puts(out, "}}");
}

bool fwi_cf_begin_push(fwi_buf *out, const char *channel, const char *kind)
{
    return fwi_buf_puts(out, "{\"push\":{") &&
           (channel == NULL || (fwi_buf_puts(out, "\"channel\":") &&
                                put_text(out, channel) && fwi_buf_puts(out, ","))) &&
           fwi_buf_puts(out, "\"") && fwi_buf_puts(out, kind) && fwi_buf_puts(out, "\":");
}

bool fwi_cf_end_push(fwi_buf *out)
{
    return fwi_buf_puts(out, "}}");
}

static const struct {
    unsigned code;
    bool temporary;
    const char *message;
} errors[] = {
    {FWI_CF_ERR_INTERNAL, true, "internal server error"},
    {FWI_CF_ERR_UNAUTHORIZED, false, "unauthorized"},
    {FWI_CF_ERR_UNKNOWN_CHANNEL, false, "unknown channel"},
    {FWI_CF_ERR_DENIED, false, "permission denied"},
    {FWI_CF_ERR_METHOD, false, "method not found"},
    {FWI_CF_ERR_ALREADY, false, "already subscribed"},
    {FWI_CF_ERR_LIMIT, false, "limit exceeded"},
    {FWI_CF_ERR_REQUEST, false, "bad request"},
    {FWI_CF_ERR_NOT_AVAILABLE, false, "not available"},
    {FWI_CF_ERR_TOKEN_EXPIRED, false, "token expired"},
    {FWI_CF_ERR_EXPIRED, false, "expired"},
    {FWI_CF_ERR_TOO_MANY, true, "too many requests"},
    {FWI_CF_ERR_POSITION, false, "unrecoverable position"},
};

bool fwi_cf_put_failure(fwi_buf *out, uint32_t id, unsigned code, const char *message,
                        bool temporary)
{
    return fwi_buf_printf(out,
                          "{\"id\":%u,\"error\":{\"code\":%u,\"message\":", (unsigned)id,
                          code) &&
           put_text(out, message) &&
           fwi_buf_puts(out, temporary ? ",\"temporary\":true}}" : "}}");
}

bool fwi_cf_put_error(fwi_buf *out, uint32_t id, unsigned code, const char *message)
{
    bool temporary = false;
    for (size_t i = 0; i < FWI_ARRAY_LEN(errors); i++) {
        if (errors[i].code == code) {
            temporary = errors[i].temporary;
            message = message != NULL ? message : errors[i].message;
        }
    }
    return fwi_cf_put_failure(out, id, code, message != NULL ? message : "refused",
                              temporary);
}
