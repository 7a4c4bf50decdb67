/*
 * The API's methods that publish: publish, broadcast. What is published is the JSON text
 * of "data" as it was written, or the bytes of "b64data". @thread loop 0
 */
#include "http/api_inside.h"

#include <inttypes.h>
#include <string.h>

#include "core/publish.h"
#include "wire/base64.h"

enum { KEY_MAX = 64 };

/* The fields of both; CHANNEL is "channels" for a broadcast. */
enum { CHANNEL, DATA, B64DATA, SKIP_HISTORY, TAGS, KEY, DELTA, VERSION, VERSION_EPOCH };

/* "delta" only says how a server may send it to those who understand that; whole is
 * always right, and so it may be there. */
#define COMMON_FIELDS                                                                    \
    [DATA] = {"data", FWI_API_ANY, false},                                               \
    [B64DATA] = {"b64data", FWI_API_STRING, false},                                      \
    [SKIP_HISTORY] = {"skip_history", FWI_API_SWITCH, false},                            \
    [TAGS] = {"tags", FWI_API_OBJECT, true},                                             \
    [KEY] = {"idempotency_key", FWI_API_STRING, false},                                  \
    [DELTA] = {"delta", FWI_API_SWITCH, false},                                          \
    [VERSION] = {"version", FWI_API_NUMBER, true},                                       \
    [VERSION_EPOCH] = {"version_epoch", FWI_API_STRING, true},                           \
    {                                                                                    \
        NULL, 0, false                                                                   \
    }

static const fwi_api_field publish_fields[] = {
    [CHANNEL] = {"channel", FWI_API_STRING, false}, COMMON_FIELDS};
static const fwi_api_field broadcast_fields[] = {
    [CHANNEL] = {"channels", FWI_API_ARRAY, false}, COMMON_FIELDS};

/* --- the message --- */

static bool fits(fwi_api_command *c, size_t len)
{
    size_t max = fwi_api_hub(c)->set.message_max;
    if (len > max) {
        fwi_api_fail(c, FWI_API_LIMIT, "%zu bytes are more than message.max_bytes, %zu",
                     len, max);
    }
    return len <= max;
}

static fw_message *made(fwi_api_command *c, const void *data, size_t len, unsigned flags)
{
    fw_message *m = fits(c, len) ? fwi_message_new(FWI_MSG_DATA, data, len, flags) : NULL;
    if (m == NULL) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
    }
    return m;
}

/* NULL: the command has failed. */
static fw_message *message_of_bytes(fwi_api_command *c, const fwi_json *value)
{
    fwi_buf text;
    fw_message *m = NULL;
    size_t n = 0;
    fwi_buf_init(&text);
    bool ok = fwi_json_put_text_of(&text, value);
    char *bytes = ok ? malloc(FWI_BASE64_ROOM(text.len)) : NULL;
    if (bytes == NULL) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
    } else if (!fwi_base64_read(text.data, text.len, bytes, &n)) {
        fwi_api_fail(c, FWI_API_BAD, "\"b64data\" is not base64");
    } else {
        m = made(c, bytes, n, FW_BINARY);
    }
    free(bytes);
    fwi_buf_fini(&text);
    return m;
}

static fw_message *message_of_json(fwi_api_command *c, const fwi_json *value)
{
    fwi_buf line;
    fwi_buf_init(&line);
    fw_message *m = NULL;
    if (memchr(value->at, '\n', value->len) == NULL &&
        memchr(value->at, '\r', value->len) == NULL) {
        m = made(c, value->at, value->len, FW_TEXT);
    } else if (fwi_json_put_line(&line, value)) {
        m = made(c, line.data, line.len, FW_TEXT);
    } else {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
    }
    fwi_buf_fini(&line);
    return m;
}

static bool set_key(fwi_api_command *c, const fwi_json *fields, fw_message *m)
{
    char key[KEY_MAX + 1];
    if (!fwi_api_text(c, fields, KEY, key, sizeof key)) {
        return false;
    }
    if (key[0] == '\0') {
        return true;
    }
    const char *problem = fwi_name_problem(key, strlen(key));
    if (problem != NULL) {
        fwi_api_fail(c, FWI_API_BAD, "\"idempotency_key\": %s", problem);
        return false;
    }
    m->key = strdup(key);
    if (m->key == NULL) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
    }
    return m->key != NULL;
}

/* NULL: the command has failed. */
static fw_message *message_of(fwi_api_command *c, const fwi_json *fields)
{
    const fwi_json *bytes = &fields[B64DATA];
    fw_message *m = NULL;
    if (bytes->kind == FWI_JSON_STRING && bytes->len > 2) {
        m = message_of_bytes(c, bytes);
    } else if (fields[DATA].kind != FWI_JSON_NONE) {
        m = message_of_json(c, &fields[DATA]);
    } else {
        fwi_api_fail(c, FWI_API_BAD, "\"data\" is missing");
    }
    if (m != NULL && !set_key(c, fields, m)) {
        fw_message_unref(m);
        return NULL;
    }
    if (m != NULL) {
        m->passing = fwi_api_is_on(&fields[SKIP_HISTORY]);
        atomic_store(&m->sent, true);
    }
    return m;
}

static void put_position(fwi_api_command *c, fwi_position at)
{
    if (at.epoch == 0) {
        fwi_api_puts(c, "{}");
    } else {
        fwi_api_printf(c, "{\"offset\":%" PRIu64 ",\"epoch\":\"%016" PRIx64 "\"}",
                       at.offset, at.epoch);
    }
}

/* --- publish --- */

static void on_published(void *user, const fw_event *e)
{
    fwi_api_command *c = user;
    if (e->code != FW_OK) {
        fwi_api_fail_with(c, e->code, e->reason);
    } else {
        put_position(c, e->at);
    }
    fwi_api_answered(c);
}

static void run_publish(fwi_api_command *c, const fwi_json *fields)
{
    char channel[FWI_CHANNEL_CAP];
    fw_message *m =
        fwi_api_room(c, fields, CHANNEL, channel) ? message_of(c, fields) : NULL;
    if (m != NULL) {
        fwi_api_await(c);
        fwi_publish_now(fwi_api_hub(c), channel, m,
                        &(fwi_asker){.on_answer = on_published, .user = c});
        fw_message_unref(m);
    }
}

/* --- broadcast --- */

/* One of its channels. */
typedef struct part {
    fwi_api_command *c;
    fwi_api_code code;
    const char *why; /* valid for ever */
    fwi_position at;
} part;

typedef struct broadcast {
    size_t n;
    part parts[];
} broadcast;

static uint64_t count_channels(const fwi_json *fields)
{
    fwi_json_walk w = fwi_json_inside(&fields[CHANNEL]);
    fwi_json channel;
    uint64_t n = 0;
    while (fwi_json_next(&w, NULL, &channel)) {
        n++;
    }
    return n > 0 ? n : 1;
}

static void on_part(void *user, const fw_event *e)
{
    part *p = user;
    fwi_api_command *c = p->c;
    p->at = e->at;
    if (e->code != FW_OK) {
        p->code = fwi_api_code_of(e->code);
        p->why = fw_strerror(e->code);
    }
    fwi_api_answered(c);
}

static void put_parts(fwi_api_command *c)
{
    const broadcast *b = c->state;
    fwi_api_puts(c, "{\"responses\":[");
    for (size_t i = 0; i < b->n; i++) {
        const part *p = &b->parts[i];
        fwi_api_puts(c, i > 0 ? "," : "");
        if (p->code != FWI_API_OK) {
            fwi_api_printf(c, "{\"error\":{\"code\":%u,\"message\":\"%s\"}}",
                           (unsigned)p->code, p->why);
        } else {
            fwi_api_puts(c, "{\"result\":");
            put_position(c, p->at);
            fwi_api_puts(c, "}");
        }
    }
    fwi_api_puts(c, "]}");
}

/* The channel that an entry of "channels" names. NULL, or what is wrong. */
static const char *channel_of(const fwi_json *value, char channel[FWI_CHANNEL_CAP])
{
    fwi_buf text;
    fwi_buf_init(&text);
    const char *problem = "not a string";
    if (value->kind == FWI_JSON_STRING) {
        problem = !fwi_json_put_text_of(&text, value) || fwi_buf_text(&text) == NULL
                      ? "out of memory"
                      : fwi_name_problem(text.data, text.len);
    }
    if (problem == NULL) {
        fwi_channel_name('r', text.data, channel);
    }
    fwi_buf_fini(&text);
    return problem;
}

static void publish_parts(fwi_api_command *c, const fwi_json *fields, fw_message *m)
{
    broadcast *b = c->state;
    fwi_json_walk w = fwi_json_inside(&fields[CHANNEL]);
    fwi_json value;
    for (size_t i = 0; fwi_json_next(&w, NULL, &value); i++) {
        char channel[FWI_CHANNEL_CAP];
        part *p = &b->parts[i];
        p->c = c;
        p->why = channel_of(&value, channel);
        if (p->why != NULL) {
            p->code = FWI_API_BAD;
            continue;
        }
        fwi_api_await(c);
        fwi_publish_now(fwi_api_hub(c), channel, m,
                        &(fwi_asker){.on_answer = on_part, .user = p});
    }
}

static void run_broadcast(fwi_api_command *c, const fwi_json *fields)
{
    fwi_json_walk w = fwi_json_inside(&fields[CHANNEL]);
    fwi_json first;
    if (!fwi_json_next(&w, NULL, &first)) {
        fwi_api_fail(c, FWI_API_BAD, "\"channels\" is missing or empty");
        return;
    }
    fw_message *m = message_of(c, fields);
    if (m == NULL) {
        return;
    }
    size_t n = (size_t)count_channels(fields);
    broadcast *b = calloc(1, sizeof *b + n * sizeof(part));
    if (b == NULL) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
    } else {
        b->n = n;
        c->state = b;
        c->state_free = free;
        c->finish = put_parts;
        publish_parts(c, fields, m);
    }
    fw_message_unref(m);
}

const fwi_api_method fwi_api_publish_methods[] = {
    {.name = "publish", .fields = publish_fields, .run = run_publish},
    {.name = "broadcast",
     .fields = broadcast_fields,
     .weigh = count_channels,
     .run = run_broadcast},
    {.name = NULL},
};
