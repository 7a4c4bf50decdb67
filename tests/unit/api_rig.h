/*
 * The HTTP API over a hub without sockets: a request goes to the site as the transport
 * would give it, and its answer is kept as text.
 */
#ifndef TESTS_UNIT_API_RIG_H
#define TESTS_UNIT_API_RIG_H

#include <check.h>
#include <string.h>

#include "http/site.h"
#include "support/core_rig.h"
#include "wire/ws_codec.h"

static core_rig rig;
static fwi_site site;

/* A request, and what became of it. */
typedef struct api_call {
    fwi_http_call call;
    fwi_http_request *request;
    unsigned answers;
    int status;
    char *body; /* NUL behind it */
    char extra[512], type[64];
} api_call;

static inline void on_api_answer(fwi_http_call *call, const fwi_http_reply *reply)
{
    api_call *a = fwi_container_of(call, api_call, call);
    a->answers++;
    a->status = reply->status;
    free(a->body);
    a->body = calloc(1, reply->len + 1);
    memcpy(a->body, reply->len > 0 ? reply->body : "", reply->len);
    snprintf(a->extra, sizeof a->extra, "%s", reply->extra ? reply->extra : "");
    snprintf(a->type, sizeof a->type, "%s", reply->type ? reply->type : "");
    fwi_http_request_free(a->request);
    a->request = NULL;
}

/* One for all tests that need no more; the others are on the stack of theirs. */
static api_call last;

static inline void api_call_fini(api_call *a)
{
    fwi_http_request_free(a->request);
    free(a->body);
    memset(a, 0, sizeof *a);
}

/* lines: headers with CRLF. Whoever may send a body is asked before the body is there. */
static inline void api_send(api_call *a, const char *target, const char *lines,
                            const char *body)
{
    fwi_buf text;
    size_t used = 0;
    fwi_buf_init(&text);
    memset(a, 0, sizeof *a);
    a->request = fwi_http_request_new();
    a->call = (fwi_http_call){.request = a->request, .answer = on_api_answer};
    ck_assert(fwi_buf_printf(&text, "%s HTTP/1.1\r\nHost: x\r\n%s", target, lines));
    if (body != NULL) {
        fwi_buf_printf(&text, "Content-Length: %zu\r\n", strlen(body));
    }
    ck_assert(fwi_buf_printf(&text, "\r\n%s", body ? body : ""));
    fwi_http_result r =
        fwi_http_request_feed(a->request, text.data, text.len, FWI_HTTP_ASK, &used);
    if (r == FWI_HTTP_HEAD) {
        size_t max = fwi_site_service.on_head(&site, &a->call), more = 0;
        if (a->answers == 0) {
            ck_assert(fwi_http_request_allow_body(a->request, max));
            r = fwi_http_request_feed(a->request, text.data + used, text.len - used, 0,
                                      &more);
        }
    }
    if (a->answers == 0) {
        ck_assert_int_eq(r, FWI_HTTP_DONE);
        fwi_site_service.on_request(&site, &a->call);
    }
    fwi_buf_fini(&text);
}

#define GOOD_KEY "X-API-Key: secret\r\n"

/* POST /api/METHOD with a good key; the answer's body. */
static inline const char *api(const char *method, const char *body)
{
    char target[64];
    api_call_fini(&last);
    snprintf(target, sizeof target, "POST /api%s%s", method[0] ? "/" : "", method);
    api_send(&last, target, GOOD_KEY, body);
    core_rig_settle(&rig);
    ck_assert_uint_eq(last.answers, 1);
    return last.body;
}

#define ck_api(method, in, out) ck_assert_str_eq(api(method, in), out)

/* option, value: one more than those of the API. */
static inline void api_begin(unsigned loops, const char *option, const char *value)
{
    core_rig_init(&rig, loops, "api.key", "other,secret", "raw.mode", "rooms",
                  "namespace.kept.history.size", "100", "namespace.seen.presence", "on",
                  option, value, NULL);
    ck_assert(fwi_site_init(&site, &rig.hub, rig.options));
}

static inline void api_end(void)
{
    api_call_fini(&last);
    fwi_site_stop(&site);
    core_rig_fini(&rig);
    fwi_site_fini(&site);
}

/* The next frame that c has got; "" if there is none. */
static inline const char *heard(fwi_conn *c)
{
    static char text[512];
    core_rig_settle(&rig);
    if (core_conn_next(c, text, sizeof text) == -1) {
        text[0] = '\0';
    }
    return text;
}

static inline fwi_conn *enter(unsigned loop, const char *query)
{
    fwi_conn *c = core_connect(&rig, loop, query);
    core_rig_settle(&rig);
    return c;
}

static inline const char *id_of(const fwi_conn *c)
{
    static char text[4][FW_SESSION_ID_TEXT];
    static unsigned at;
    return fw_session_id_text(c->id, text[at++ % 4]);
}

/* The code of the Close frame that it has got; 0: none has come. */
static inline unsigned close_of(fwi_conn *c)
{
    core_rig_settle(&rig);
    if (c->out.len < 4 || ((uint8_t)c->out.data[0] & 15) != FWI_WS_CLOSE) {
        return 0;
    }
    return (unsigned)(uint8_t)c->out.data[2] << 8 | (uint8_t)c->out.data[3];
}

#endif
