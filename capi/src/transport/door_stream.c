/*
 * Who comes for a stream of events (text/event-stream) at the door: whether the request
 * is in order, and what is written before the first event. Looks at the request alone;
 * what the stream says is core's.
 *
 * The answer has no length: it ends with the connection, so that nothing is put around
 * what sessions write. Pages of other origins may read what they may ask for (CORS): the
 * same rules as for WebSocket say which. @thread loop
 */
#include <string.h>

#include "transport/conn.h"
#include "wire/ws_handshake.h"

static bool method_is(const fwi_head *head, const char *method)
{
    return strcmp(fwi_http_request_method(head->request), method) == 0;
}

bool fwi_stream_is_wanted(const fwi_head *head)
{
    return head->protocol == FWI_SSE || head->protocol == FWI_UNI_SSE;
}

bool fwi_stream_is_question(const fwi_head *head)
{
    return fwi_stream_is_wanted(head) && !method_is(head, "GET");
}

static fwi_ws_origin origin_of(const fwi_transport_config *config, const fwi_head *head)
{
    bool trusted = fwi_networks_contain(config->trusted, head->peer);
    return fwi_ws_origin_of(head->request, trusted, config->origins, config->n_origins);
}

int fwi_stream_check(const fwi_transport_config *config, const fwi_head *head,
                     const char **why)
{
    if (!method_is(head, "GET") && !method_is(head, "HEAD") &&
        !method_is(head, "OPTIONS")) {
        *why = "a stream of events is asked for by GET";
        return 405;
    }
    if (fwi_http_request_has_token(head->request, "upgrade", "websocket")) {
        *why = "this address serves a stream of events, and no WebSocket";
        return 400;
    }
    if (origin_of(config, head) == FWI_ORIGIN_FOREIGN) {
        *why = "this origin is not allowed";
        return 403;
    }
    return 0;
}

/* --- what is written --- */

/* With a page that is let in only because all are, the browser shares no cookies. */
static bool put_cors(fwi_buf *out, const fwi_transport_config *config,
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
    return fwi_buf_puts(out, "Allow: GET, HEAD, OPTIONS\r\n") &&
           put_cors(out, config, head);
}

/* X-Accel-Buffering: nginx would gather events until they fill a page. */
bool fwi_stream_put_head(fwi_buf *out, const fwi_transport_config *config,
                         const fwi_head *head)
{
    return fwi_buf_puts(out, "HTTP/1.1 200 OK\r\n"
                             "Content-Type: text/event-stream\r\n"
                             "Cache-Control: no-store, no-transform\r\n"
                             "X-Accel-Buffering: no\r\n"
                             "Connection: close\r\n") &&
           put_cors(out, config, head) && fwi_buf_puts(out, "\r\n");
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
              fwi_buf_puts(&lines, "Access-Control-Allow-Methods: GET\r\n"
                                   "Access-Control-Allow-Headers: Authorization, "
                                   "Cache-Control, Last-Event-ID\r\n"
                                   "Access-Control-Max-Age: 600\r\n") &&
              fwi_buf_text(&lines) != NULL &&
              fwi_http_answer(out, 204, NULL, NULL, 0, true, lines.data);
    fwi_buf_fini(&lines);
    return ok;
}

/* --- who is to come again --- */

/* A browser's EventSource takes any status but 200 for the end, and never asks again. But
 * 503 passes: a node drains, is full, or its application is behind. */
bool fwi_stream_comes_again(const fwi_head *head, int status)
{
    return status == 503 && fwi_stream_is_wanted(head) && method_is(head, "GET") &&
           fwi_http_request_has_token(head->request, "accept", "text/event-stream");
}

bool fwi_stream_put_retry(fwi_buf *out, const fwi_transport_config *config,
                          const fwi_head *head, uint32_t retry_ms, const char *reason)
{
    return fwi_stream_put_head(out, config, head) &&
           fwi_buf_printf(out, "retry: %u\n: %s\n\n", (unsigned)retry_ms, reason);
}
