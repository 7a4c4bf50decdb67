/*
 * The door: what a connection goes through, from the first byte of a request to its end.
 * A handshake becomes a session (core/session.h) whose port this is; what is done with
 * requests until then, and with all others, is in door_request.c.
 *
 *   HEAD <-> ASKED --> OPEN --> FINISHING --> DEAD
 *     \________\_________________/  (and each of them to DEAD)
 *
 * Called by socket_lws.c when something happens to the socket and by the session through
 * the port. The session may do so from inside what it is being told: finish or abort then
 * changes the phase under the loop that decodes, which looks at it after each message.
 * Knows nothing of libwebsockets. @thread loop
 */
#include <string.h>

#include "transport/conn.h"

static const char *const phase_names[] = {"head", "asked", "open", "finishing", "dead"};

#define BIT(phase) (1u << (phase))

static const unsigned next_phases[] = {
    [FWI_PHASE_HEAD] =
        BIT(FWI_PHASE_ASKED) | BIT(FWI_PHASE_FINISHING) | BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_ASKED] = BIT(FWI_PHASE_HEAD) | BIT(FWI_PHASE_OPEN) |
                        BIT(FWI_PHASE_FINISHING) | BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_OPEN] = BIT(FWI_PHASE_FINISHING) | BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_FINISHING] = BIT(FWI_PHASE_DEAD),
    [FWI_PHASE_DEAD] = 0,
};

static const fwi_log *log_of(const fwi_conn *c)
{
    return fwi_transport_config_of(c->transport)->log;
}

/* --- phases --- */

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
    fwi_request_drop(c);
    drop_input(c);
    fwi_socket_await_end(c);
    if (!fwi_socket_is_buffered(c)) {
        shut(c);
    }
}

void fwi_door_enter(fwi_conn *c, fwi_phase next)
{
    FWI_ASSERT((next_phases[c->phase] & BIT(next)) != 0);
    FWI_LOG(log_of(c), FWI_LOG_TRACE, "transport", "connection %p: %s -> %s", (void *)c,
            phase_names[c->phase], phase_names[next]);
    c->phase = next;
    if (c->admitted && c->session == NULL) {
        fwi_shard_unadmit(fwi_transport_shard(c->transport));
    }
    c->admitted = false; /* a session gives it back itself */
    switch (next) {
    case FWI_PHASE_HEAD:
        break; /* how long it has is door_request.c's affair */
    case FWI_PHASE_ASKED:
        fwi_socket_rest(c);
        break;
    case FWI_PHASE_OPEN:
        fwi_request_drop(c);
        break;
    case FWI_PHASE_FINISHING:
        enter_finishing(c);
        break;
    default:
        fwi_request_drop(c);
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
        return c->kept == NULL;
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
        fwi_door_enter(c, FWI_PHASE_DEAD);
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

/* Of what is kept: how much is taken now. */
static size_t serve(fwi_conn *c, uint8_t *data, size_t len)
{
    return c->phase == FWI_PHASE_HEAD ? fwi_request_on_data(c, data, len)
                                      : decode(c, data, len);
}

static void serve_kept(fwi_conn *c)
{
    fwi_kept *kept = c->kept;
    if (kept == NULL || (c->phase != FWI_PHASE_HEAD && !goes_on(c))) {
        return;
    }
    c->kept = NULL; /* ours meanwhile: the connection may end */
    kept->at += serve(c, kept->bytes + kept->at, kept->len - kept->at);
    if (kept->at < kept->len && c->phase < FWI_PHASE_FINISHING) {
        c->kept = kept;
        if (c->phase != FWI_PHASE_ASKED) {
            fwi_socket_ask_writable(c);
        }
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
    fwi_door_enter(c, fwi_request_accept(c) ? FWI_PHASE_OPEN : FWI_PHASE_DEAD);
    if (c->deaf) {
        drop_input(c);
    } else if (c->kept != NULL) {
        fwi_socket_ask_writable(c);
    }
}

static void port_refuse(fwi_conn *c, int status, const char *reason)
{
    cut(c);
    if (c->phase != FWI_PHASE_DEAD) {
        FWI_ASSERT(c->phase == FWI_PHASE_ASKED);
        fwi_request_refuse(c, status, reason);
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
    fwi_door_enter(
        c, FWI_PHASE_DEAD); /* still tied: fwi_session_on_gone comes with the close */
    return false;
}

static uint32_t port_taken(fwi_conn *c)
{
    return fwi_socket_taken(c);
}

static bool port_has_taken_all(fwi_conn *c)
{
    return !fwi_socket_is_draining(c);
}

static void port_finish(fwi_conn *c)
{
    cut(c);
    if (c->phase != FWI_PHASE_DEAD) {
        fwi_door_enter(c, FWI_PHASE_FINISHING);
    }
}

static void port_abort(fwi_conn *c)
{
    cut(c);
    if (c->phase != FWI_PHASE_DEAD) {
        fwi_socket_reset(c);
        fwi_door_enter(c, FWI_PHASE_DEAD);
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

const fwi_transport_ops fwi_door_port = {
    .accept = port_accept,
    .refuse = port_refuse,
    .can_write = port_can_write,
    .write = port_write,
    .taken = port_taken,
    .has_taken_all = port_has_taken_all,
    .finish = port_finish,
    .abort = port_abort,
    .pause = port_pause,
};

/* --- what happens to the socket --- */

/* What stands behind a request: frames of a client that doesn't wait for the 101, or the
 * next request, whose turn comes when others have had theirs. */
static void on_rest(fwi_conn *c, uint8_t *data, size_t len)
{
    if (c->phase == FWI_PHASE_OPEN) {
        on_frames(c, data, len);
    } else if (c->phase == FWI_PHASE_ASKED || c->phase == FWI_PHASE_HEAD) {
        keep(c, data, len);
        if (c->phase == FWI_PHASE_HEAD) {
            fwi_socket_ask_writable(c);
        }
    }
}

void fwi_door_on_data(fwi_conn *c, uint8_t *data, size_t len)
{
    if (c->phase == FWI_PHASE_HEAD && c->kept == NULL) {
        size_t used = fwi_request_on_data(c, data, len);
        if (used < len) {
            on_rest(c, data + used, len - used);
        }
    } else {
        on_rest(c, data, len);
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
        fwi_door_enter(c, FWI_PHASE_DEAD);
    } else {
        fwi_request_on_deadline(c);
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
        fwi_door_enter(c, FWI_PHASE_DEAD);
    }
    if (session != NULL) {
        fwi_session_on_gone(session);
    }
}

void fwi_door_forget_session(fwi_conn *c)
{
    cut(c);
}
