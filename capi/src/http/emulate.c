/*
 * See emulate.h. Every byte is a client's: it is JSON with three strings, or refused.
 */
#include "http/emulate.h"

#include <string.h>

#include "core/emulation.h"
#include "core/error.h"
#include "core/shard.h"
#include "http/page.h"
#include "wire/json.h"

/* What stands around the commands: braces, names, session and node. */
enum { AROUND = 512 };

typedef struct request {
    fwi_buf session, node, data;
} request;

static void request_init(request *r)
{
    fwi_buf_init(&r->session);
    fwi_buf_init(&r->node);
    fwi_buf_init(&r->data);
}

static void request_fini(request *r)
{
    fwi_buf_fini(&r->session);
    fwi_buf_fini(&r->node);
    fwi_buf_fini(&r->data);
}

/* false: it is no string, or there is no memory. */
static bool take(const fwi_json *object, const char *name, fwi_buf *out)
{
    fwi_json value;
    return fwi_json_get(object, name, &value) && fwi_json_put_text_of(out, &value) &&
           fwi_buf_text(out) != NULL;
}

/* session and node are used as text, which ends with its first NUL. */
static bool is_text(const fwi_buf *b)
{
    return strlen(b->data) == b->len;
}

static bool read_request(const fwi_http_call *call, request *r)
{
    size_t len;
    const char *body = fwi_http_request_body(call->request, &len);
    fwi_json object;
    return fwi_json_read(body, len, &object, NULL) && object.kind == FWI_JSON_OBJECT &&
           take(&object, "session", &r->session) && take(&object, "node", &r->node) &&
           take(&object, "data", &r->data) && is_text(&r->session) && is_text(&r->node);
}

/* Doors of all loops have this service, and what it needs of them is the hub alone. */
static void count(fwi_hub *hub, fwi_stat which)
{
    fwi_stat_add_shared(&hub->outside, which, 1);
}

/* For clients 404 and what is above 500 mean that they must come again; else it is only
 * this request that has failed. */
static int status_of(int err)
{
    switch (err) {
    case FW_OK:
        return 204;
    case FW_ERR_INVALID:
        return 400;
    case FW_ERR_GONE:
        return 404;
    default:
        return 503;
    }
}

static void refuse(fwi_hub *hub, fwi_http_call *call, int status, const char *sentence)
{
    fwi_page p = {.status = status, .type = fwi_page_text};
    count(hub, FWI_STAT_EMULATION_REFUSED);
    fwi_page_send(&p, call,
                  fwi_buf_puts(&p.body, sentence) && fwi_buf_puts(&p.body, "\n"));
}

static void pass_on(fwi_hub *hub, fwi_http_call *call, const request *r)
{
    if (r->data.len > hub->set.message_max) {
        count(hub, FWI_STAT_LIMIT_MESSAGE);
        refuse(hub, call, 413, "data is longer than message.max_bytes");
        return;
    }
    int err =
        fwi_hub_emulate(hub, r->node.data, r->session.data, r->data.data, r->data.len);
    if (err != FW_OK) {
        refuse(hub, call, status_of(err), fw_error_detail());
        return;
    }
    count(hub, FWI_STAT_EMULATED);
    call->answer(call, &(fwi_http_reply){.status = 204});
}

/* Whoever it is, and whether there is such a session or not: else anybody could have this
 * node publish to others as fast as he likes. */
static size_t on_head(void *user, fwi_http_call *call)
{
    fwi_hub *hub = user;
    if (!fwi_rates_take_request(fwi_shard_here(hub), call->address)) {
        refuse(hub, call, 429, "over limit.emulation_rate_per_address: try again later");
        return 0;
    }
    /* JSON in a string: each quote of it is written as two bytes. */
    return 2 * hub->set.message_max + AROUND;
}

static void on_request(void *user, fwi_http_call *call)
{
    request r;
    request_init(&r);
    if (read_request(call, &r)) {
        pass_on(user, call, &r);
    } else {
        refuse(user, call, 400, "this must be {\"session\",\"node\",\"data\"}, strings");
    }
    request_fini(&r);
}

static void on_gone(void *user, fwi_http_call *call)
{
    (void)user; /* all are answered at once */
    (void)call;
}

static void on_limit(void *user, fwi_http_limit which)
{
    if (which == FWI_HTTP_TOO_LARGE) {
        count(user, FWI_STAT_LIMIT_MESSAGE);
    }
}

const fwi_http_service fwi_emulate_service = {
    .on_head = on_head,
    .on_request = on_request,
    .on_gone = on_gone,
    .on_limit = on_limit,
};
