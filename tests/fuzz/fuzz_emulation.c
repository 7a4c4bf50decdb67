/*
 * What clients say who have no WebSocket, by requests and as other nodes pass it on, to a
 * session on a hub without sockets. The first byte says what it hears by and how many
 * loops there are; the rest is cut at each byte FF, and the first byte of a piece says
 * what it is:
 *
 *   r   the body of a request
 *   m   what was published to the node
 *   T   time: a tenth of a second for each unit of the next byte
 *
 * In the first two the byte 2 stands for the session's sealed name, 3 for its node's.
 * Each request has one answer, and the stream is whole lines, or events, of JSON.
 */
#include "base/utf8.h"
#include "core/emulation.h"
#include "fuzz.h"
#include "http/emulate.h"
#include "support/core_rig.h"
#include "wire/json.h"

enum { MARK = 0xff, SESSION = 2, NODE = 3 };

static core_rig rig;
static fwi_conn *client;
static fwi_protocol_id kind;
static char session[FWI_SEAL_TEXT], node[FWI_EMULATED_NODE];
static unsigned answers;

/* --- the stream --- */

/* The next line; how long it is with what ends it. */
static size_t next_line(fwi_buf *out, fwi_json *value)
{
    const char *text = out->data, *end = memchr(text, '\n', out->len);
    size_t before = kind == FWI_CENTRIFUGE_EVENTS ? strlen("data: ") : 0;
    MUST(end != NULL);
    size_t n = (size_t)(end - text);
    MUST(n > before && memcmp(text, "data: ", before) == 0);
    MUST(fwi_json_read(text + before, n - before, value, NULL));
    if (before > 0) {
        MUST(n + 1 < out->len && text[n + 1] == '\n');
        return n + 2;
    }
    return n + 1;
}

static void hear(void)
{
    core_rig_settle(&rig);
    while (client->out.len > 0) {
        fwi_json value;
        fwi_buf_consume(&client->out, next_line(&client->out, &value));
    }
}

static void take(const fwi_json *object, const char *name, char *out, size_t cap)
{
    fwi_json value;
    fwi_buf text;
    fwi_buf_init(&text);
    MUST(fwi_json_get(object, name, &value) && fwi_json_put_text_of(&text, &value));
    MUST(text.len + 1 == cap);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    fwi_buf_fini(&text);
}

static void come(void)
{
    fwi_json reply, connected;
    client = core_connect_as(&rig, rig.loops - 1, "", kind);
    core_conn_say(client, "{\"id\":1,\"connect\":{}}");
    core_rig_settle(&rig);
    next_line(&client->out, &reply);
    MUST(fwi_json_get(&reply, "connect", &connected));
    take(&connected, "session", session, sizeof session);
    take(&connected, "node", node, sizeof node);
    hear();
}

/* Who was ended comes again. */
static void come_again(void)
{
    hear();
    if (client->s == NULL) {
        core_conn_free(client);
        come();
    }
}

/* --- what is said --- */

static bool put_filled(fwi_buf *out, const fuzz_piece *piece)
{
    bool ok = true;
    for (size_t i = 0; ok && i < piece->len; i++) {
        ok = piece->data[i] == SESSION ? fwi_buf_puts(out, session)
             : piece->data[i] == NODE  ? fwi_buf_puts(out, node)
                                       : fwi_buf_append(out, piece->data + i, 1);
    }
    return ok;
}

static void on_answer(fwi_http_call *call, const fwi_http_reply *reply)
{
    (void)call;
    answers++;
    MUST(reply->status == 204 || reply->status == 400 || reply->status == 404 ||
         reply->status == 413 || reply->status == 429);
    MUST((reply->status == 204) == (reply->len == 0));
}

/* What the transport does with a request that has come whole. */
static void request(const void *body, size_t len)
{
    char head[120];
    size_t used = 0;
    fwi_http_request *r = fwi_http_request_new();
    fwi_http_call call = {.request = r, .answer = on_answer, .address = "192.0.2.1"};
    fake_loop_turn(rig.loop[0]); /* this is its thread now */
    snprintf(head, sizeof head,
             "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
    answers = 0;
    fwi_http_result result =
        fwi_http_request_feed(r, head, strlen(head), FWI_HTTP_ASK, &used);
    size_t max = 0;
    if (result == FWI_HTTP_HEAD) {
        max = fwi_emulate_service.on_head(&rig.hub, &call);
    }
    if (max > 0 && fwi_http_request_allow_body(r, max)) {
        result = fwi_http_request_feed(r, body, len, 0, &used);
    }
    if (result == FWI_HTTP_DONE) {
        fwi_emulate_service.on_request(&rig.hub, &call);
    }
    MUST(answers == (result == FWI_HTTP_DONE || (result == FWI_HTTP_HEAD && max == 0)));
    fwi_http_request_free(r);
}

/* What is no text doesn't come that far. */
static void publish(const void *data, size_t len)
{
    if (!fwi_utf8_is_valid(data, len)) {
        return;
    }
    fw_message *m = fwi_message_new(FWI_MSG_EMULATED, data, len, FW_TEXT);
    MUST(m != NULL);
    m->target.node = rig.hub.node;
    fwi_hub_sink.on_message(&rig.hub, rig.hub.channel, m);
    fw_message_unref(m);
}

static void step(fuzz_piece *piece)
{
    fuzz_input in = {(const uint8_t *)piece->data, piece->len};
    unsigned what = fuzz_u8(&in);
    if (what == 'T') {
        core_rig_advance(&rig, 100u * fuzz_u8(&in));
        return;
    }
    fuzz_piece rest = fuzz_rest(&in);
    fwi_buf text;
    fwi_buf_init(&text);
    MUST(put_filled(&text, &rest));
    uint8_t *bytes = fuzz_bytes(text.data, text.len);
    if (what == 'r') {
        request(bytes, text.len);
    } else if (what == 'm') {
        publish(bytes, text.len);
    }
    free(bytes);
    fwi_buf_fini(&text);
    free(rest.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    kind = how & 1 ? FWI_CENTRIFUGE_LINES : FWI_CENTRIFUGE_EVENTS;
    core_rig_init(&rig, 1 + (how >> 1 & 1), "client.insecure", "on",
                  "namespace.kept.history.size", "5", "message.max_bytes", "1024", NULL);
    come();
    while (in.left > 0) {
        fuzz_piece piece = fuzz_until(&in, MARK);
        step(&piece);
        free(piece.data);
        come_again();
    }
    core_rig_advance(&rig, 60000);
    hear();
    core_conn_free(client);
    core_rig_fini(&rig);
    return 0;
}
