/*
 * Requests at the door. A handshake becomes a session and so does who wants a stream, any
 * other request a call of the door's service (wire/http_call.h), and every refusal is an
 * HTTP answer that the peer really receives.
 *
 * A door without a path is for HTTP alone: there connections are kept for the next
 * request, which may be sent before the answer to the one before, and is served after it.
 * One request a turn is served of each connection.
 *
 * Called by door.c in phase HEAD, by the service through the call, and by both when all
 * is over. Knows nothing of libwebsockets. @thread loop
 */
#include <string.h>

#include "transport/conn.h"
#include "wire/ws_handshake.h"

static const fwi_transport_config *config_of(const fwi_conn *c)
{
    return fwi_transport_config_of(c->transport);
}

static bool keeps_connections(const fwi_door *door)
{
    return door->path == NULL;
}

/* Only what the service has set a limit to, or would have. */
static void count_limit(const fwi_conn *c, fwi_http_limit which)
{
    const fwi_head *head = c->head;
    const fwi_door *door = head->door;
    bool counts = keeps_connections(door) || head->wish == FWI_WISH_CALL ||
                  fwi_stream_body_max(config_of(c), head) > 0;
    if (door->service != NULL && counts) {
        door->service->on_limit(door->user, which);
    }
}

/* --- answers --- */

/* Writes the last bytes of a connection that has no session. */
static void end_with(fwi_conn *c, fwi_buf *answer)
{
    bool ok = answer->len > 0 && fwi_socket_write(c, answer->data, answer->len);
    fwi_buf_fini(answer);
    fwi_door_enter(c, ok ? FWI_PHASE_FINISHING : FWI_PHASE_DEAD);
}

/* The header lines of a refusal. */
static bool put_lines(fwi_buf *out, const fwi_conn *c, int status)
{
    bool ok = fwi_buf_puts(out, status == 426   ? fwi_ws_upgrade_headers
                                : status == 401 ? "WWW-Authenticate: Bearer\r\n"
                                                : "");
    if (c->head != NULL && fwi_stream_is_meant(c->head)) {
        ok = ok && fwi_stream_put_lines(out, config_of(c), c->head);
    }
    return ok && fwi_buf_text(out) != NULL;
}

static bool put_refusal(fwi_buf *out, const fwi_conn *c, int status, const char *reason)
{
    fwi_buf body, lines;
    fwi_buf_init(&body);
    fwi_buf_init(&lines);
    bool ok = fwi_buf_puts(&body, reason) && fwi_buf_puts(&body, "\n") &&
              put_lines(&lines, c, status) &&
              fwi_http_answer(out, status, "text/plain; charset=utf-8", body.data,
                              body.len, true, lines.data);
    fwi_buf_fini(&body);
    fwi_buf_fini(&lines);
    return ok;
}

void fwi_request_refuse(fwi_conn *c, int status, const char *reason)
{
    fwi_buf answer;
    fwi_buf_init(&answer);
    bool again = c->head != NULL && fwi_stream_comes_again(c->head, status);
    uint32_t retry_ms = again ? fwi_shard_retry_ms(fwi_transport_shard(c->transport)) : 0;
    if (again ? !fwi_stream_put_retry(&answer, config_of(c), c->head, retry_ms, reason)
              : !put_refusal(&answer, c, status, reason)) {
        answer.len = 0;
    }
    FWI_LOG(config_of(c)->log, FWI_LOG_DEBUG, "transport", "connection %p: %d %s",
            (void *)c, status, reason);
    end_with(c, &answer);
}

/* Whoever isn't let in is counted here or, when the application or a limit refused it,
 * where that was decided. */
static void end_by_fault(fwi_conn *c, int status, const char *reason)
{
    fwi_shard_count_http_error(fwi_transport_shard(c->transport));
    fwi_request_refuse(c, status, reason);
}

/* --- handshakes --- */

static void ask(fwi_conn *c)
{
    fwi_facts *facts = fwi_door_facts(c);
    if (facts == NULL) {
        fwi_request_refuse(c, 503, "out of memory");
        return;
    }
    int status = 503;
    c->session = fwi_session_new(fwi_transport_shard(c->transport), &fwi_door_port, c,
                                 facts, c->head->protocol, &status);
    if (c->session == NULL) {
        fwi_request_refuse(c, status, fwi_http_reason(status));
        return;
    }
    fwi_door_enter(c, FWI_PHASE_ASKED);
    fwi_session_ask(c->session);
}

/* The request goes with the verdict, so what came with it is copied before. */
static void ask_and_say(fwi_conn *c)
{
    size_t len;
    int status;
    const char *why;
    char *words = fwi_stream_first_words(c->head, &len, &status, &why);
    if (words == NULL) {
        end_by_fault(c, status, why);
        return;
    }
    ask(c);
    if (c->session != NULL && c->phase == FWI_PHASE_OPEN) {
        fwi_session_on_message(c->session, true, words, len);
    }
    free(words);
}

static bool speaks_by_requests(const fwi_head *head)
{
    return head->protocol == FWI_CENTRIFUGE_EVENTS ||
           head->protocol == FWI_CENTRIFUGE_LINES;
}

/* false: it has been refused, or answered. */
static bool is_in_order(fwi_conn *c)
{
    const char *why = "";
    int status = fwi_door_check(config_of(c), c->head, &why);
    if (status != 0) {
        end_by_fault(c, status, why);
    } else if (fwi_stream_is_question(c->head)) {
        fwi_buf answer;
        fwi_buf_init(&answer);
        if (!fwi_stream_put_reply(&answer, config_of(c), c->head)) {
            answer.len = 0;
        }
        end_with(c, &answer);
    } else {
        return true;
    }
    return false;
}

/* It says nothing more here: the stream is all that there is. */
static bool begin_stream(fwi_conn *c)
{
    fwi_buf head;
    fwi_buf_init(&head);
    c->deaf = true;
    bool ok = fwi_stream_put_head(&head, config_of(c), c->head) &&
              fwi_socket_write(c, head.data, head.len);
    fwi_buf_fini(&head);
    return ok;
}

bool fwi_request_accept(fwi_conn *c)
{
    if (fwi_stream_is_wanted(c->head)) {
        return begin_stream(c);
    }
    fwi_buf answer;
    fwi_buf_init(&answer);
    const fwi_http_request *r = c->head->request;
    fwi_ws_deflate deflate = {0};
    if (config_of(c)->compression) {
        fwi_ws_handshake_deflate(r, &deflate);
    }
    c->deflates = deflate.window_bits > 0;
    fwi_session_set_deflates(c->session, deflate.window_bits);
    bool ok = fwi_ws_handshake_answer(r, fwi_door_subprotocol(c->head),
                                      c->deflates ? &deflate : NULL, &answer) &&
              fwi_socket_write(c, answer.data, answer.len);
    fwi_buf_fini(&answer);
    return ok;
}

/* --- calls --- */

static void on_answer(fwi_http_call *call, const fwi_http_reply *reply);

/* false: out of memory. */
static bool renew(fwi_head *head)
{
    fwi_http_request_free(head->request);
    head->request = fwi_http_request_new();
    head->call = (fwi_http_call){.request = head->request, .answer = on_answer};
    head->whole = head->begun = false;
    return head->request != NULL;
}

static void await_another(fwi_conn *c)
{
    if (!renew(c->head)) {
        fwi_door_enter(c, FWI_PHASE_DEAD);
        return;
    }
    c->head->another = true;
    if (c->phase != FWI_PHASE_HEAD) {
        fwi_door_enter(c, FWI_PHASE_HEAD);
    }
    fwi_socket_await_next(c);
    if (c->kept != NULL) {
        fwi_socket_ask_writable(c);
    }
}

/* Appends the whole answer; nothing if out of memory. */
static void put_answer(const fwi_conn *c, const fwi_http_reply *reply, bool close,
                       fwi_buf *out)
{
    const fwi_head *head = c->head;
    fwi_buf lines;
    fwi_buf_init(&lines);
    bool ok =
        (reply->extra == NULL || fwi_buf_puts(&lines, reply->extra)) &&
        (!fwi_stream_is_meant(head) || fwi_stream_put_cors(&lines, config_of(c), head)) &&
        fwi_buf_text(&lines) != NULL &&
        fwi_http_answer(out, reply->status, reply->type, reply->body, reply->len, close,
                        lines.data);
    fwi_buf_fini(&lines);
    if (ok && strcmp(fwi_http_request_method(head->request), "HEAD") == 0) {
        /* The head as for GET, its Content-Length too (RFC 9110 9.3.2), without body. */
        out->len -= reply->len;
    }
}

static void on_answer(fwi_http_call *call, const fwi_http_reply *reply)
{
    fwi_head *head = fwi_container_of(call, fwi_head, call);
    fwi_conn *c = head->conn;
    FWI_ASSERT(head->called);
    head->called = false;
    bool close = !keeps_connections(head->door) || !head->whole ||
                 !fwi_http_request_keeps_alive(head->request);
    fwi_buf answer;
    fwi_buf_init(&answer);
    put_answer(c, reply, close, &answer);
    if (close || answer.len == 0) {
        end_with(c, &answer);
        return;
    }
    bool ok = fwi_socket_write(c, answer.data, answer.len);
    fwi_buf_fini(&answer);
    if (ok) {
        await_another(c);
    } else {
        fwi_door_enter(c, FWI_PHASE_DEAD);
    }
}

/* Before the body is looked at: false, it has been answered. That the method is another
 * one than that of streams is the first thing to say. */
static bool may_have_body(fwi_conn *c)
{
    const char *why = "";
    int status =
        fwi_stream_is_meant(c->head) ? fwi_stream_check(config_of(c), c->head, &why) : 0;
    if (status != 0) {
        end_by_fault(c, status, why);
    }
    return status == 0;
}

/* The service sees the head of a call. false: it has answered. */
static bool show_head(fwi_conn *c, size_t *max)
{
    fwi_head *head = c->head;
    char address[FWI_ADDRESS_CAP];
    if (fwi_stream_is_meant(head)) {
        fwi_door_address(c, address);
        head->call.address = address;
    }
    head->called = true;
    *max = head->door->service->on_head(head->door->user, &head->call);
    if (c->head == NULL || !head->called) {
        return false;
    }
    head->called = false;
    head->call.address = NULL;
    return true;
}

/* false: it has been answered. */
static bool on_body(fwi_conn *c)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    fwi_head *head = c->head;
    fwi_door_find(head);
    if (!may_have_body(c)) {
        return false;
    }
    size_t max = fwi_stream_body_max(config_of(c), head);
    if (head->wish == FWI_WISH_CALL && !show_head(c, &max)) {
        return false;
    }
    if (!fwi_http_request_allow_body(head->request, max)) {
        return true; /* the next feed says so */
    }
    if (fwi_http_request_waits_for_100(head->request) &&
        !fwi_socket_write(c, go_on, sizeof go_on - 1)) {
        fwi_door_enter(c, FWI_PHASE_DEAD);
        return false;
    }
    return true;
}

static void on_request(fwi_conn *c)
{
    fwi_head *head = c->head;
    fwi_door_find(head);
    bool session = head->wish == FWI_WISH_SESSION;
    if (head->wish == FWI_WISH_NOTHING) {
        end_by_fault(c, 404, "nothing is here");
    } else if ((session || fwi_stream_is_meant(head)) && !is_in_order(c)) {
        return;
    } else if (session && speaks_by_requests(head)) {
        ask_and_say(c);
    } else if (session) {
        ask(c);
    } else {
        head->whole = head->called = true;
        fwi_door_enter(c, FWI_PHASE_ASKED);
        head->door->service->on_request(head->door->user, &head->call);
    }
}

static void on_bad(fwi_conn *c)
{
    const fwi_http_request *r = c->head->request;
    if (fwi_http_request_status(r) == 413) {
        count_limit(c, FWI_HTTP_TOO_LARGE);
    }
    end_by_fault(c, fwi_http_request_status(r), fwi_http_request_why(r));
}

size_t fwi_request_on_data(fwi_conn *c, uint8_t *data, size_t len)
{
    fwi_head *head = c->head;
    if (!head->begun) {
        head->begun = true;
        if (keeps_connections(head->door) && head->another) {
            fwi_socket_await_request(c);
        }
    }
    size_t at = 0, used = 0;
    fwi_http_result result =
        fwi_http_request_feed(head->request, data, len, FWI_HTTP_ASK, &used);
    at += used;
    if (result == FWI_HTTP_HEAD) {
        if (!on_body(c)) {
            return at;
        }
        result = fwi_http_request_feed(head->request, data + at, len - at, 0, &used);
        at += used;
    }
    switch (result) {
    case FWI_HTTP_DONE:
        on_request(c);
        return at;
    case FWI_HTTP_BAD:
        on_bad(c);
        return len;
    default:
        return len;
    }
}

void fwi_request_on_deadline(fwi_conn *c)
{
    const fwi_head *head = c->head;
    if (c->heard && head->begun) {
        count_limit(c, FWI_HTTP_TOO_SLOW);
        end_by_fault(c, 408, "the request was not complete in time");
    } else if (head->another) {
        fwi_door_enter(c, FWI_PHASE_FINISHING); /* nobody is to blame */
    } else {
        /* To a browser that connected in advance a 408 would be an answer to a request
         * that it hasn't made; and over TLS there may be no way to answer yet. */
        fwi_shard_count_http_error(fwi_transport_shard(c->transport));
        fwi_door_enter(c, FWI_PHASE_DEAD);
    }
}

/* --- life --- */

static fwi_head *head_new(fwi_conn *c, const fwi_door *door, const char *peer)
{
    size_t n = strlen(peer) + 1;
    fwi_head *head = calloc(1, sizeof *head + n);
    if (head == NULL) {
        return NULL;
    }
    head->conn = c;
    head->door = door;
    memcpy(head->peer, peer, n);
    if (!renew(head)) {
        free(head);
        return NULL;
    }
    return head;
}

void fwi_request_begin(fwi_conn *c, const fwi_door *door, const char *peer, int status)
{
    if (status != 0) {
        fwi_request_refuse(c, status, fwi_http_reason(status));
        return;
    }
    c->head = head_new(c, door, peer);
    if (c->head == NULL) {
        fwi_door_enter(c, FWI_PHASE_DEAD);
    } else if (keeps_connections(door)) {
        fwi_socket_await_request(c);
    } else {
        fwi_socket_await_head(c);
    }
}

void fwi_request_drop(fwi_conn *c)
{
    fwi_head *head = c->head;
    if (head == NULL) {
        return;
    }
    c->head = NULL;
    if (head->called) {
        head->door->service->on_gone(head->door->user, &head->call);
    }
    fwi_http_request_free(head->request);
    free(head);
}
