/*
 * The door: what a connection goes through, from the first byte of a request to its end.
 * A handshake becomes a session (core/session.h) whose port this is, any other request an
 * answer, and every refusal is an HTTP answer that the peer really receives.
 *
 *   HEAD --> ASKED --> OPEN --> FINISHING --> DEAD
 *     \________\_________________/  (and each of them to DEAD)
 *
 * Called by socket_lws.c when something happens to the socket and by the session through
 * the port. The session may do so from inside what it is being told: finish or abort then
 * changes the phase under the loop that decodes, which looks at it after each message.
 * Knows nothing of libwebsockets. @thread loop
 */
#include <string.h>

#include "transport/conn.h"
#include "wire/ws_handshake.h"

static const char *const phase_names[] = {"head", "asked", "open", "finishing", "dead"};

#define BIT(phase) (1u << (phase))

static const unsigned next_phases[] = {
    [FWI_PHASE_HEAD] =
        BIT(FWI_PHASE_ASKED) | BIT(FWI_PHASE_FINISHING) | BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_ASKED] =
        BIT(FWI_PHASE_OPEN) | BIT(FWI_PHASE_FINISHING) | BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_OPEN] = BIT(FWI_PHASE_FINISHING) | BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_FINISHING] = BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_DEAD] = 0,
};

static const fwi_log *log_of(const fwi_conn *c)
{
    return fwi_transport_config_of(c->transport)->log;
}

/* --- phases --- */

static void drop_head(fwi_conn *c)
{
    if (c->head != NULL) {
        fwi_http_request_free(c->head->request);
        free(c->head);
        c->head = NULL;
    }
}

static void drop_input(fwi_conn *c)
{
    free(c->kept);
    c->kept = NULL;
    if (!c->decoding) { /* else when the decoder has returned */
        fwi_ws_decoder_fini(&c->decoder);
    }
}

/* Once nothing is buffered any more. */
static void shut(fwi_conn *c)
{
    c->shut = true;
    fwi_socket_shut(c);
    fwi_socket_await_end(c); /* from now on, and not from when it began to drain */
}

/* FINISHING lasts a second, and for a slow reader so many more while it drains. */
enum { PATIENCE = 10 };

static void enter_finishing(fwi_conn *c)
{
    c->patience = PATIENCE;
    drop_head(c);
    drop_input(c);
    fwi_socket_await_end(c);
    if (!fwi_socket_is_buffered(c)) {
        shut(c);
    }
}

/* The only writer of the phase. */
static void enter(fwi_conn *c, fwi_phase next)
{
    FWI_ASSERT((next_phases[c->phase] & BIT(next)) != 0);
    FWI_LOG(log_of(c), FWI_LOG_TRACE, "transport", "connection %p: %s -> %s", (void *)c,
            phase_names[c->phase], phase_names[next]);
    c->phase = next;
    if (c->admitted && next != FWI_PHASE_ASKED) {
        fwi_shard_unadmit(fwi_transport_shard(c->transport));
    }
    c->admitted = false; /* a session gives it back itself */
    switch (next) {
    case FWI_PHASE_ASKED:
        fwi_socket_rest(c);
        break;
    case FWI_PHASE_OPEN:
        drop_head(c);
        break;
    case FWI_PHASE_FINISHING:
        enter_finishing(c);
        break;
    default:
        drop_head(c);
        drop_input(c);
        fwi_socket_doom(c);
        break;
    }
    fwi_socket_update_reading(c);
}

bool fwi_door_wants_data(const fwi_conn *c)
{
    switch (c->phase) {
    case FWI_PHASE_HEAD:
        return true;
    case FWI_PHASE_OPEN:
        return c->deaf || (!c->paused && c->kept == NULL);
    case FWI_PHASE_ASKED:
        /* Only so that its leaving is noticed: who waits for its 101 says nothing. What
         * one that doesn't wait says is kept, and then no more is read. */
        return c->kept == NULL;
    case FWI_PHASE_FINISHING:
        return c->shut;
    default:
        return false;
    }
}

/* --- answers --- */

/* Writes the last bytes of a connection that has no session. */
static void end_with(fwi_conn *c, fwi_buf *answer)
{
    bool ok = answer->len > 0 && fwi_socket_write(c, answer->data, answer->len);
    fwi_buf_fini(answer);
    enter(c, ok ? FWI_PHASE_FINISHING : FWI_PHASE_DEAD);
}

/* Whoever isn't let in is counted here or, when the application or a limit refused it,
 * where that was decided. */
static void end_with_status(fwi_conn *c, int status, const char *reason)
{
    fwi_buf body, answer;
    fwi_buf_init(&body);
    fwi_buf_init(&answer);
    bool ok = fwi_buf_puts(&body, reason) && fwi_buf_puts(&body, "\n") &&
              fwi_http_answer(&answer, status, "text/plain; charset=utf-8", body.data,
                              body.len, true,
                              status == 426   ? fwi_ws_upgrade_headers
                              : status == 401 ? "WWW-Authenticate: Bearer\r\n"
                                              : NULL);
    fwi_buf_fini(&body);
    if (!ok) {
        answer.len = 0;
    }
    FWI_LOG(log_of(c), FWI_LOG_DEBUG, "transport", "connection %p: %d %s", (void *)c,
            status, reason);
    end_with(c, &answer);
}

static void end_by_fault(fwi_conn *c, int status, const char *reason)
{
    fwi_shard_count_http_error(fwi_transport_shard(c->transport));
    end_with_status(c, status, reason);
}

/* --- frames --- */

static bool goes_on(const fwi_conn *c)
{
    return c->phase == FWI_PHASE_OPEN && !c->paused && !c->deaf;
}

static bool on_message(void *user, bool text, const uint8_t *data, size_t len)
{
    fwi_conn *c = user;
    fwi_session_on_message(c->session, text, data, len);
    return goes_on(c);
}

static bool on_ping(void *user, const uint8_t *data, size_t len)
{
    fwi_conn *c = user;
    fwi_session_on_ping(c->session, data, len);
    return goes_on(c);
}

static bool on_pong(void *user, const uint8_t *data, size_t len)
{
    fwi_conn *c = user;
    fwi_session_on_pong(c->session, data, len);
    return goes_on(c);
}

static bool on_close(void *user, unsigned code, const uint8_t *reason, size_t len)
{
    fwi_conn *c = user;
    c->deaf = true;
    fwi_session_on_close(c->session, code, reason, len);
    return false;
}

static const fwi_ws_sink sink = {
    .on_message = on_message,
    .on_ping = on_ping,
    .on_pong = on_pong,
    .on_close = on_close,
};

/* Decodes until the session wants no more, or enough was inflated for a turn. Returns how
 * much was taken; what is left is to be kept unless the connection has ended. */
static size_t decode(fwi_conn *c, uint8_t *data, size_t len)
{
    const fwi_ws_rules rules = {
        .message_max = fwi_transport_config_of(c->transport)->message_max,
        .inflater = c->deflates ? fwi_transport_inflater(c->transport) : NULL,
    };
    size_t at = 0;
    while (at < len && goes_on(c)) {
        size_t used = 0;
        const char *why = NULL;
        c->decoding = true;
        unsigned code = fwi_ws_decode(&c->decoder, data + at, len - at, &rules, &sink, c,
                                      &used, &why);
        c->decoding = false;
        fwi_shard_count_inflated(fwi_transport_shard(c->transport), rules.inflater);
        at += used;
        if (code != 0) {
            c->deaf = true;
            if (c->phase == FWI_PHASE_OPEN) {
                fwi_session_on_failure(c->session, code, why);
            }
        } else if (at < len && goes_on(c)) {
            fwi_socket_ask_writable(c); /* the rest: serve_kept */
            break;
        }
    }
    if (c->phase != FWI_PHASE_OPEN) {
        drop_input(c);
    }
    return c->phase == FWI_PHASE_OPEN && !c->deaf ? at : len;
}

/* Keeps what was read behind what is kept already. */
static void keep(fwi_conn *c, const uint8_t *data, size_t len)
{
    size_t before = c->kept != NULL ? c->kept->len : 0;
    fwi_kept *kept = realloc(c->kept, sizeof *kept + before + len);
    if (kept == NULL) {
        enter(c, FWI_PHASE_DEAD);
        return;
    }
    if (c->kept == NULL) {
        kept->at = 0;
    }
    kept->len = before + len;
    memcpy(kept->bytes + before, data, len);
    c->kept = kept;
    fwi_socket_update_reading(c);
}

static void on_frames(fwi_conn *c, uint8_t *data, size_t len)
{
    if (c->deaf) {
        return;
    }
    fwi_session_on_bytes(c->session);
    size_t taken = c->kept == NULL ? decode(c, data, len) : 0;
    if (taken < len) {
        keep(c, data + taken, len - taken);
    }
}

static void serve_kept(fwi_conn *c)
{
    fwi_kept *kept = c->kept;
    if (kept == NULL || !goes_on(c)) {
        return;
    }
    c->kept = NULL; /* ours while decoding: the session may end the connection */
    kept->at += decode(c, kept->bytes + kept->at, kept->len - kept->at);
    if (kept->at < kept->len && c->phase == FWI_PHASE_OPEN) {
        c->kept = kept;
    } else {
        free(kept);
    }
}

/* --- the port --- */

/* The tie is cut; nothing more is told to the session. */
static void cut(fwi_conn *c)
{
    c->session = NULL;
}

static void port_accept(fwi_conn *c)
{
    if (c->phase == FWI_PHASE_DEAD) {
        return;
    }
    fwi_buf answer;
    fwi_buf_init(&answer);
    const fwi_http_request *r = c->head->request;
    fwi_ws_deflate deflate = {0};
    if (fwi_transport_config_of(c->transport)->compression) {
        fwi_ws_handshake_deflate(r, &deflate);
    }
    c->deflates = deflate.window_bits > 0;
    fwi_session_set_deflates(c->session, deflate.window_bits);
    bool ok = fwi_ws_handshake_answer(r, fwi_door_subprotocol(c->head),
                                      c->deflates ? &deflate : NULL, &answer) &&
              fwi_socket_write(c, answer.data, answer.len);
    fwi_buf_fini(&answer);
    enter(c, ok ? FWI_PHASE_OPEN : FWI_PHASE_DEAD);
    if (c->kept != NULL) {
        fwi_socket_ask_writable(c);
    }
}

static void port_refuse(fwi_conn *c, int status, const char *reason)
{
    cut(c);
    if (c->phase != FWI_PHASE_DEAD) {
        FWI_ASSERT(c->phase == FWI_PHASE_ASKED);
        end_with_status(c, status, reason);
    }
}

static bool port_can_write(fwi_conn *c)
{
    return c->phase == FWI_PHASE_OPEN && !fwi_socket_is_buffered(c);
}

static bool port_write(fwi_conn *c, const void *data, size_t len)
{
    FWI_ASSERT(port_can_write(c));
    if (fwi_socket_write(c, data, len)) {
        return true;
    }
    enter(c, FWI_PHASE_DEAD); /* still tied: fwi_session_on_gone comes with the close */
    return false;
}

static uint32_t port_taken(fwi_conn *c)
{
    return fwi_socket_taken(c);
}

static void port_finish(fwi_conn *c)
{
    cut(c);
    if (c->phase != FWI_PHASE_DEAD) {
        enter(c, FWI_PHASE_FINISHING);
    }
}

static void port_abort(fwi_conn *c)
{
    cut(c);
    if (c->phase != FWI_PHASE_DEAD) {
        fwi_socket_reset(c);
        enter(c, FWI_PHASE_DEAD);
    }
}

static void port_pause(fwi_conn *c, bool paused)
{
    c->paused = paused;
    if (c->phase != FWI_PHASE_OPEN) {
        return;
    }
    if (!paused && c->kept != NULL) {
        fwi_socket_ask_writable(c);
    }
    fwi_socket_update_reading(c);
}

static const fwi_transport_ops port = {
    .accept = port_accept,
    .refuse = port_refuse,
    .can_write = port_can_write,
    .write = port_write,
    .taken = port_taken,
    .finish = port_finish,
    .abort = port_abort,
    .pause = port_pause,
};

/* --- requests --- */

static void ask(fwi_conn *c)
{
    fwi_facts *facts = fwi_door_facts(c);
    if (facts == NULL) {
        end_with_status(c, 503, "out of memory");
        return;
    }
    int status = 503;
    c->session = fwi_session_new(fwi_transport_shard(c->transport), &port, c, facts,
                                 c->head->protocol, &status);
    if (c->session == NULL) {
        end_with_status(c, status, fwi_http_reason(status));
        return;
    }
    enter(c, FWI_PHASE_ASKED);
    fwi_session_ask(c->session);
}

static void shake_hands(fwi_conn *c)
{
    const char *why = "";
    int status = fwi_door_check(fwi_transport_config_of(c->transport), c->head, &why);
    if (status != 0) {
        end_by_fault(c, status, why);
        return;
    }
    ask(c);
}

static void on_request(fwi_conn *c)
{
    const fwi_door *door = c->head->door;
    const fwi_http_request *r = c->head->request;
    bool here = fwi_door_is_handshake(door, r, &c->head->protocol);
    bool upgrade = fwi_http_request_has_token(r, "upgrade", "websocket");
    if (here && (upgrade || door->on_request == NULL)) {
        shake_hands(c);
    } else if (door->on_request != NULL) {
        fwi_buf answer;
        fwi_buf_init(&answer);
        door->on_request(door->user, r, &answer);
        end_with(c, &answer);
    } else {
        end_by_fault(c, 404, "nothing is here");
    }
}

static void on_head(fwi_conn *c, uint8_t *data, size_t len)
{
    fwi_http_request *r = c->head->request;
    size_t used = 0;
    switch (fwi_http_request_feed(r, data, len, c->head->door->body_max, &used)) {
    case FWI_HTTP_MORE:
        return;
    case FWI_HTTP_BAD:
        end_by_fault(c, fwi_http_request_status(r), fwi_http_request_why(r));
        return;
    case FWI_HTTP_DONE:
        on_request(c);
        break;
    }
    /* Frames right behind the head: a client that doesn't wait for the 101. */
    if (used < len) {
        if (c->phase == FWI_PHASE_OPEN) {
            on_frames(c, data + used, len - used);
        } else if (c->phase == FWI_PHASE_ASKED) {
            keep(c, data + used, len - used);
        }
    }
}

static fwi_head *head_new(const fwi_door *door, const char *peer)
{
    size_t n = strlen(peer) + 1;
    fwi_head *head = malloc(sizeof *head + n);
    if (head == NULL) {
        return NULL;
    }
    head->request = fwi_http_request_new();
    if (head->request == NULL) {
        free(head);
        return NULL;
    }
    head->door = door;
    memcpy(head->peer, peer, n);
    return head;
}

/* --- what happens to the socket --- */

void fwi_door_begin(fwi_conn *c, const fwi_door *door, const char *peer, int status)
{
    if (status != 0) {
        end_with_status(c, status, fwi_http_reason(status));
        return;
    }
    c->head = head_new(door, peer);
    if (c->head == NULL) {
        enter(c, FWI_PHASE_DEAD);
        return;
    }
    fwi_socket_await_head(c);
}

void fwi_door_on_data(fwi_conn *c, uint8_t *data, size_t len)
{
    if (c->phase == FWI_PHASE_HEAD) {
        on_head(c, data, len);
    } else if (c->phase == FWI_PHASE_OPEN) {
        on_frames(c, data, len);
    } else if (c->phase == FWI_PHASE_ASKED) {
        keep(c, data, len);
    }
    /* FINISHING: thrown away. It is read so that the socket's close is no reset, which
     * would take the last bytes away from the peer. */
}

void fwi_door_on_writable(fwi_conn *c)
{
    if (c->phase == FWI_PHASE_FINISHING && !c->shut) {
        shut(c);
    }
    serve_kept(c);
    if (c->phase == FWI_PHASE_OPEN && !fwi_socket_is_buffered(c)) {
        fwi_session_on_writable(c->session);
    }
}

void fwi_door_on_deadline(fwi_conn *c)
{
    if (c->phase == FWI_PHASE_FINISHING) {
        if (c->patience > 0 && fwi_socket_is_draining(c)) {
            c->patience--;
            fwi_socket_await_end(c);
            return;
        }
        if (!c->shut) {
            fwi_socket_reset(c); /* it doesn't even take the last bytes */
        }
        enter(c, FWI_PHASE_DEAD);
    } else if (c->heard) {
        end_by_fault(c, 408, "the request was not complete in time");
    } else {
        /* To a browser that connected in advance a 408 would be an answer to a request
         * that it hasn't made; and over TLS there may be no way to answer yet. */
        fwi_shard_count_http_error(fwi_transport_shard(c->transport));
        enter(c, FWI_PHASE_DEAD);
    }
}

void fwi_door_on_closed(fwi_conn *c)
{
    fwi_session *session = c->session;
    if (c->phase == FWI_PHASE_HEAD && c->secure && !c->heard) {
        fwi_shard_count_http_error(
            fwi_transport_shard(c->transport)); /* a bad TLS hello */
    }
    cut(c);
    if (c->phase != FWI_PHASE_DEAD) {
        enter(c, FWI_PHASE_DEAD);
    }
    if (session != NULL) {
        fwi_session_on_gone(session);
    }
}

void fwi_door_forget_session(fwi_conn *c)
{
    cut(c);
}
