/*
 * Commands of the Centrifuge protocol, and what is written with their values in it: each
 * reply and push is one JSON value on one line, whatever a client had in its own.
 */
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/protocol_centrifuge.h"

static void is_one_line(fwi_buf *out)
{
    fwi_json value;
    MUST(memchr(out->data, '\n', out->len) == NULL);
    MUST(fwi_json_read(out->data, out->len, &value, NULL));
    out->len = 0;
}

static void check_text(const fwi_json *value)
{
    enum { CAP = 32 };
    char text[CAP];
    long len = fwi_cf_text(value, text, CAP);
    MUST(len < CAP && (len < 0 || strlen(text) == (size_t)len));
    MUST(len < 0 || fwi_utf8_is_valid(text, (size_t)len));
}

static fwi_cf_data data_of(const fwi_json *value)
{
    bool text = value->len == 0 || fwi_utf8_is_valid(value->at, value->len);
    return (fwi_cf_data){fwi_cf_kind_of(value->at, value->len, text), value->at,
                         value->len};
}

static void check_writing(const fwi_cf_command *c)
{
    fwi_buf out;
    fwi_buf_init(&out);
    const fwi_cf_data data = data_of(c->data.kind != FWI_JSON_NONE ? &c->data : &c->rpc);
    const fwi_cf_data bytes = {FWI_CF_BYTES, data.at, data.len};
    const fwi_cf_info who = {"a\"\n", "c", data, data};
    const fwi_cf_publication p = {.data = bytes, .from = who, .offset = c->offset};
    const fwi_cf_connected in = {.client = "c",
                                 .version = "v\\",
                                 .method = "connect",
                                 .ttl_s = (uint32_t)c->flag,
                                 .data = data};
    MUST(fwi_cf_put_publication(&out, &p));
    is_one_line(&out);
    MUST(fwi_cf_put_connected(&out, c->id, &in));
    is_one_line(&out);
    MUST(fwi_cf_put_error(&out, c->id, (unsigned)c->type, NULL));
    is_one_line(&out);
    if (c->method < FWI_CF_METHODS) {
        const fwi_cf_subscribed s = {.positioned = c->positioned,
                                     .recoverable = c->recoverable,
                                     .offset = c->offset,
                                     .data = data};
        MUST(fwi_cf_begin_reply(&out, c->id, c->method));
        out.len--; /* the brace of what follows */
        MUST(fwi_cf_put_subscribed(&out, &s) && fwi_buf_puts(&out, "}"));
        is_one_line(&out);
    }
    fwi_buf_fini(&out);
}

static void check_command(const fwi_cf_command *c)
{
    fwi_json epoch = {.kind = FWI_JSON_NONE};
    uint64_t offset;
    MUST(c->method <= FWI_CF_UNKNOWN);
    MUST(c->id != 0 || c->method == FWI_CF_SEND || c->method == FWI_CF_PONG);
    check_text(&c->channel);
    check_text(&c->token);
    check_text(&c->rpc);
    check_text(&c->delta);
    if (c->epoch.kind == FWI_JSON_STRING) {
        fwi_cf_epoch(&c->epoch);
    }
    if (c->since.kind == FWI_JSON_OBJECT && fwi_cf_position(&c->since, &offset, &epoch)) {
        MUST(epoch.kind == FWI_JSON_NONE || epoch.kind == FWI_JSON_STRING);
    }
    check_writing(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = (char *)fuzz_bytes(data, size);
    fwi_cf_batch batch = {text, size};
    fwi_cf_command c;
    fwi_cf_result result;
    const char *why = NULL;
    while ((result = fwi_cf_next(&batch, &c, &why)) == FWI_CF_COMMAND) {
        check_command(&c);
    }
    MUST(result != FWI_CF_BAD || why != NULL);
    free(text);
    return 0;
}
