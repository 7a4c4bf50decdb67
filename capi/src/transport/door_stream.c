/*
 * Who comes for a stream (of events, or of lines of JSON) at the door, or has one and
 * says something to its session: whether the request is in order, what is written before
 * the first event, and what the client says with it. Looks at the request alone; what the
 * stream says is core's.
 *
 * The answer has no length: it ends with the connection, so that nothing is put around
 * what sessions write. Pages of other origins may read what they may ask for (CORS): the
 * same rules as for WebSocket say which. @thread loop
 */
#include <string.h>
#include <strings.h>

#include "transport/conn.h"
#include "wire/ws_handshake.h"

static bool method_is(const fwi_head *head, const char *method)
{
    return strcmp(fwi_http_request_method(head->request), method) == 0;
}

bool fwi_stream_is_wanted(const fwi_head *head)
{
    return head->wish == FWI_WISH_SESSION && head->protocol != FWI_RAW &&
           head->protocol != FWI_CENTRIFUGE;
}

bool fwi_stream_is_meant(const fwi_head *head)
{
    return fwi_stream_is_wanted(head) ||
           (head->wish == FWI_WISH_CALL && head->door->service_path != NULL);
}

/* Else by GET. */
static bool is_by_post(const fwi_head *head)
{
    return head->wish == FWI_WISH_CALL || head->protocol == FWI_CENTRIFUGE_LINES;
}

bool fwi_stream_is_question(const fwi_head *head)
{
    return fwi_stream_is_meant(head) &&
           !method_is(head, is_by_post(head) ? "POST" : "GET");
}

static bool method_fits(const fwi_head *head)
{
    return method_is(head, "OPTIONS") ||
           (is_by_post(head) ? method_is(head, "POST")
                             : method_is(head, "GET") || method_is(head, "HEAD"));
}

/* By the type that clients give to the binary form of the Centrifuge protocol. */
static bool is_binary(const fwi_head *head)
{
    static const char binary[] = "application/octet-stream";
    const char *type = fwi_http_request_header(head->request, "content-type");
    return type != NULL && strncasecmp(type, binary, sizeof binary - 1) == 0;
}

static fwi_ws_origin origin_of(const fwi_transport_config *config, const fwi_head *head)
{
    bool trusted = fwi_networks_contain(config->trusted, head->peer);
    return fwi_ws_origin_of(head->request, trusted, config->origins, config->n_origins);
}

int fwi_stream_check(const fwi_transport_config *config, const fwi_head *head,
                     const char **why)
{
    if (!method_fits(head)) {
        *why = is_by_post(head) ? "this is asked for by POST"
                                : "a stream of events is asked for by GET";
        return 405;
    }
    if (fwi_http_request_has_token(head->request, "upgrade", "websocket")) {
        *why = "this address serves no WebSocket";
        return 400;
    }
    if (origin_of(config, head) == FWI_ORIGIN_FOREIGN) {
        *why = "this origin is not allowed";
        return 403;
    }
    if (is_by_post(head) && is_binary(head)) {
        *why = "Protobuf is not spoken here, JSON is";
        return 400;
    }
    return 0;
}

/* --- what is written --- */

/* With a page that is let in only because all are, the browser shares no cookies. */
bool fwi_stream_put_cors(fwi_buf *out, const fwi_transport_config *config,
                         const fwi_head *head)
{
    const char *origin = fwi_http_request_header(head->request, "origin");
    fwi_ws_origin kind = origin_of(config, head);
    if (origin == NULL || kind == FWI_ORIGIN_FOREIGN) {
        return true;
    }
    if (kind == FWI_ORIGIN_ANY) {
        return fwi_buf_puts(out, "Access-Control-Allow-Origin: *\r\n");
    }
    return fwi_buf_printf(out,
                          "Access-Control-Allow-Origin: %s\r\n"
                          "Access-Control-Allow-Credentials: true\r\n"
                          "Vary: Origin\r\n",
                          origin);
}

bool fwi_stream_put_lines(fwi_buf *out, const fwi_transport_config *config,
                          const fwi_head *head)
{
    return fwi_buf_puts(out, is_by_post(head) ? "Allow: POST, OPTIONS\r\n"
                                              : "Allow: GET, HEAD, OPTIONS\r\n") &&
           fwi_stream_put_cors(out, config, head);
}

/* X-Accel-Buffering: nginx would gather events until they fill a page. */
bool fwi_stream_put_head(fwi_buf *out, const fwi_transport_config *config,
                         const fwi_head *head)
{
    return fwi_buf_puts(out, "HTTP/1.1 200 OK\r\n") &&
           fwi_buf_puts(out, is_by_post(head) ? "Content-Type: application/x-ndjson\r\n"
                                              : "Content-Type: text/event-stream\r\n") &&
           fwi_buf_puts(out, "Cache-Control: no-store, no-transform\r\n"
                             "X-Accel-Buffering: no\r\n"
                             "Connection: close\r\n") &&
           fwi_stream_put_cors(out, config, head) && fwi_buf_puts(out, "\r\n");
}

bool fwi_stream_put_reply(fwi_buf *out, const fwi_transport_config *config,
                          const fwi_head *head)
{
    if (method_is(head, "HEAD")) {
        return fwi_stream_put_head(out, config, head);
    }
    fwi_buf lines;
    fwi_buf_init(&lines);
    bool ok = fwi_stream_put_lines(&lines, config, head) &&
              fwi_buf_puts(&lines, is_by_post(head)
                                       ? "Access-Control-Allow-Methods: POST\r\n"
                                       : "Access-Control-Allow-Methods: GET\r\n") &&
              fwi_buf_puts(&lines, "Access-Control-Allow-Headers: Authorization, "
                                   "Cache-Control, Content-Type, Last-Event-ID\r\n"
                                   "Access-Control-Max-Age: 600\r\n") &&
              fwi_buf_text(&lines) != NULL &&
              fwi_http_answer(out, 204, NULL, NULL, 0, true, lines.data);
    fwi_buf_fini(&lines);
    return ok;
}

/* --- who is to come again --- */

/* A browser's EventSource takes any status but 200 for the end, and never asks again. But
 * 503 passes: a node drains, is full, or its application is behind. Programs that speak,
 * too, come again by themselves. */
bool fwi_stream_comes_again(const fwi_head *head, int status)
{
    bool by_browser = fwi_stream_is_wanted(head) &&
                      head->protocol != FWI_CENTRIFUGE_EVENTS && !is_by_post(head);
    return status == 503 && by_browser && method_is(head, "GET") &&
           fwi_http_request_has_token(head->request, "accept", "text/event-stream");
}

bool fwi_stream_put_retry(fwi_buf *out, const fwi_transport_config *config,
                          const fwi_head *head, uint32_t retry_ms, const char *reason)
{
    return fwi_stream_put_head(out, config, head) &&
           fwi_buf_printf(out, "retry: %u\n: %s\n\n", (unsigned)retry_ms, reason);
}

/* --- what is said with it --- */

size_t fwi_stream_body_max(const fwi_transport_config *config, const fwi_head *head)
{
    return fwi_stream_is_wanted(head) && is_by_post(head) ? config->message_max : 0;
}

static char *copy_body(const fwi_head *head, size_t *len)
{
    const char *body = fwi_http_request_body(head->request, len);
    char *text = malloc(*len + 1);
    if (text != NULL && *len > 0) {
        memcpy(text, body, *len);
    }
    return text;
}

static char *copy_parameter(const fwi_head *head, size_t *len)
{
    const char *query = fwi_http_request_query(head->request);
    size_t cap = strlen(query) + 1; /* decoding never makes it longer */
    char *text = malloc(cap);
    long n = text != NULL ? fwi_http_query_get(query, "cf_connect", 0, text, cap) : 0;
    *len = n > 0 ? (size_t)n : 0;
    return text;
}

char *fwi_stream_first_words(const fwi_head *head, size_t *len, int *status,
                             const char **why)
{
    bool lines = is_by_post(head);
    char *text = lines ? copy_body(head, len) : copy_parameter(head, len);
    *status = text == NULL ? 503 : *len == 0 ? 400 : 0;
    *why = text == NULL ? "out of memory"
           : lines      ? "the body must begin with the command connect"
                        : "cf_connect is missing, or can't be read";
    if (*status != 0) {
        free(text);
        text = NULL;
    }
    return text;
}
