/*
 * JSON of raw.format=json: a few fields around a message. Read by nobody here: what
 * clients send is plain.
 * @thread any
 */
#include "wire/protocol_raw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/json.h"

static bool put_field(fwi_buf *out, const char *name, const char *value)
{
    if (value[0] == '\0') {
        return true;
    }
    return fwi_buf_puts(out, out->data[out->len - 1] == '{' ? "\"" : ",\"") &&
           fwi_buf_puts(out, name) && fwi_buf_puts(out, "\":") &&
           fwi_json_put_string(out, value, strlen(value));
}

/* "epoch":E,"offset":O */
static bool put_position(fwi_buf *out, uint64_t epoch, uint64_t offset)
{
    char text[80];
    snprintf(text, sizeof text, "\"epoch\":\"%016" PRIx64 "\",\"offset\":%" PRIu64, epoch,
             offset);
    return fwi_buf_puts(out, text);
}

bool fwi_raw_encode_message(const fwi_raw_said *m, fwi_buf *out)
{
    return fwi_buf_puts(out, "{") && put_field(out, "room", m->room) &&
           put_field(out, "user", m->user) && put_field(out, "session", m->session) &&
           put_field(out, "node", m->node) &&
           fwi_buf_puts(out, out->data[out->len - 1] == '{' ? "" : ",") &&
           (m->epoch == 0 ||
            (put_position(out, m->epoch, m->offset) && fwi_buf_puts(out, ","))) &&
           fwi_buf_puts(out, m->text ? "\"data\":" : "\"data64\":") &&
           (m->text ? fwi_json_put_string(out, m->data, m->len)
                    : fwi_json_put_base64(out, m->data, m->len)) &&
           fwi_buf_puts(out, "}");
}

bool fwi_raw_encode_news(const fwi_raw_who *who, bool join, fwi_buf *out)
{
    return fwi_buf_puts(out, "{") && put_field(out, "room", who->room) &&
           fwi_buf_puts(out, join ? ",\"join\":{" : ",\"leave\":{") &&
           put_field(out, "user", who->user) && put_field(out, "session", who->session) &&
           put_field(out, "node", who->node) && fwi_buf_puts(out, "}}");
}

bool fwi_raw_encode_joined(const fwi_raw_entry *e, fwi_buf *out)
{
    return fwi_buf_puts(out, "{\"joined\":") &&
           fwi_json_put_string(out, e->room, strlen(e->room)) &&
           (e->epoch == 0 ||
            (fwi_buf_puts(out, ",") && put_position(out, e->epoch, e->offset) &&
             fwi_buf_puts(out, e->recovered ? ",\"recovered\":true"
                                            : ",\"recovered\":false"))) &&
           fwi_buf_puts(out, "}");
}

bool fwi_raw_encode_reset(const char *room, uint64_t epoch, uint64_t offset, fwi_buf *out)
{
    return fwi_buf_puts(out, "{") && put_field(out, "room", room) &&
           fwi_buf_puts(out, ",\"reset\":{") && put_position(out, epoch, offset) &&
           fwi_buf_puts(out, "}}");
}
