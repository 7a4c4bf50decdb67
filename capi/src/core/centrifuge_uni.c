/*
 * Clients of the Centrifuge protocol that only listen, by Server-Sent Events: what they
 * have to say is the request of `connect`, in the query (cf_connect). They subscribe to
 * nothing: they are given rooms, by their token or by the application.
 *
 * They are the same as other clients of the protocol but for three things. They are let
 * in or refused before there is a stream, so a refusal is an HTTP status. What they are
 * told are pushes without the envelope, each an event; and events have ids, by which a
 * browser that comes back gets what it has missed (sse_id.h). @thread loop
 */
#include <string.h>

#include "core/centrifuge.h"
#include "core/fanout.h"
#include "core/sse_id.h"
#include "wire/http_request.h"

/* --- coming in --- */

static int status_of(const fwi_session *s, unsigned code)
{
    switch (code) {
    case 3004:
        return 503;
    case 3504: /* limit.sessions_per_user */
        return 429;
    default:
        return s->centrifuge->state == FWI_CF_NEW ? 400 : 401;
    }
}

void fwi_uni_refuse(fwi_session *s, unsigned code, const char *reason)
{
    fwi_session_refuse(s, status_of(s, code), reason);
}

void fwi_uni_turn_away(fwi_session *s, unsigned code, const char *message, bool temporary)
{
    switch (code) {
    case FWI_CF_ERR_INTERNAL:
        fwi_session_refuse(s, 503, "internal server error");
        break;
    case FWI_CF_ERR_TOO_MANY:
        fwi_session_refuse(s, 503, message);
        break;
    case FWI_CF_ERR_TOKEN_EXPIRED:
        fwi_session_refuse(s, 401, "the token has expired");
        break;
    default: /* the application's word, which may be a status or an error of its own */
        fwi_session_refuse(s,
                           code >= 400 && code < 600 ? (int)code
                           : temporary               ? 503
                                                     : 403,
                           message);
        break;
    }
}

/* The request in the query as the command that others send; c points into text. 0, or the
 * status to refuse with, and *why. */
static int read_command(const fwi_session *s, fwi_buf *text, fwi_cf_command *c,
                        const char **why)
{
    const char *query = fwi_facts_query(s->facts);
    size_t cap = strlen(query) + 1; /* decoding never makes it longer */
    char *request = malloc(cap);
    *why = "out of memory";
    if (request == NULL) {
        return 503;
    }
    long n = fwi_http_query_get(query, "cf_connect", 0, request, cap);
    const char *json = n == -1 || n == 0 ? "{}" : request;
    fwi_json value = {.kind = FWI_JSON_NONE};
    bool good = n != -2 && fwi_json_read(json, strlen(json), &value, NULL) &&
                value.kind == FWI_JSON_OBJECT;
    bool ok =
        !good || (fwi_buf_puts(text, "{\"id\":1,\"connect\":") &&
                  fwi_buf_append(text, value.at, value.len) && fwi_buf_puts(text, "}"));
    free(request);
    if (!ok) {
        return 503;
    }
    *why = "cf_connect is not a JSON object";
    fwi_cf_batch batch = {text->data, text->len};
    if (!good || fwi_cf_next(&batch, c, why) != FWI_CF_COMMAND) {
        return 400;
    }
    c->id = 0; /* nobody waits for a reply */
    return 0;
}

static void ask(fwi_session *s)
{
    fwi_cf_command c = {.id = 0};
    fwi_buf text;
    const char *why;
    if (!fwi_cf_begin(s)) {
        return;
    }
    fwi_buf_init(&text);
    int status = fwi_sse_read_id(s, &why);
    if (status == 0) {
        status = read_command(s, &text, &c, &why);
    }
    if (status != 0) {
        fwi_session_refuse(s, status, why);
    } else {
        fwi_cf_connect(s, &c);
    }
    fwi_buf_fini(&text);
}

static void freed(fwi_session *s)
{
    if (s->centrifuge != NULL) {
        fwi_sse_heard_free(s);
    }
    fwi_cf_freed(s);
}

/* --- what is told --- */

/* {"push":X} is told as X, anything else as it is; both end with a brace. */
static bool put_event(fwi_buf *out, const void *json, size_t len)
{
    static const char envelope[] = "{\"push\":";
    const char *at = json;
    size_t n = sizeof envelope - 1;
    if (len > n && memcmp(at, envelope, n) == 0) {
        at += n;
        len -= n + 1;
    }
    return fwi_buf_puts(out, "data: ") && fwi_buf_append(out, at, len) &&
           fwi_buf_puts(out, "\n\n");
}

/* Where it came into a room that it was given. What the room has said since then waits
 * behind what it is told first. */
static fwi_position by_sub(const fwi_session *s, const fwi_place *p, const void *arg)
{
    const fwi_cf_sub *sub = fwi_cf_sub_find(s, p->room->channel + 2);
    fwi_position at = fwi_fanout_heard(p);
    (void)arg;
    if (sub != NULL) {
        at.offset = sub->offset;
    }
    return at;
}

fwi_frame *fwi_uni_frame_of(const fwi_session *s, fwi_buf *text, bool ok,
                            const fwi_place *place, const fwi_position *at)
{
    fwi_buf event;
    fwi_buf_init(&event);
    if (at != NULL) {
        ok = ok && (place != NULL ? fwi_sse_put_id(&event, s, place, *at)
                                  : fwi_sse_put_id_by(&event, s, by_sub, NULL));
    }
    ok = ok && put_event(&event, text->data, text->len);
    fwi_buf_fini(text);
    return fwi_sse_frame_of(&event, ok);
}

static fwi_frame *frame(fwi_shard *shard, const char *channel, fw_message *m)
{
    fwi_frame *f = fwi_cf_frame(shard, channel, m);
    fwi_buf text;
    fwi_buf_init(&text);
    if (f == NULL) {
        return NULL;
    }
    bool of_room = channel != NULL && channel[0] == 'r';
    bool ok = (!of_room || fwi_sse_put_room_id(&text, channel + 2, m->at)) &&
              put_event(&text, f->bytes + f->header, f->len - f->header);
    fwi_frame_unref(f);
    return fwi_sse_frame_of(&text, ok);
}

static void reset(fwi_shard *shard, fwi_room *room, fwi_position at)
{
    (void)at; /* it comes again, and is told that it isn't recovered */
    fwi_room_each(shard, room, FWI_UNI_SSE, fwi_cf_lose_in, NULL);
}

/* --- its life and end --- */

/* All are the same one; it is never freed, as the first reference is nobody's. */
static fwi_frame ping_frame = {
    .refs = 1, .header = 0, .len = 10, .bytes = "data: {}\n\n"};

static fwi_frame *ping(const fwi_session *s)
{
    (void)s;
    return fwi_frame_ref(&ping_frame);
}

static const fwi_goodbye goodbye = {
    .says_when = true, .before = "data: {\"disconnect\":", .after = "}\n\n"};

const fwi_protocol fwi_uni_sse_protocol = {
    .only_listens = true,
    .ask = ask,
    .greeted = fwi_sse_greeted,
    .freed = freed,
    .ping = ping,
    .frame = frame,
    .personal = fwi_sse_personal,
    .reset = reset,
    .goodbye = &goodbye,
    FWI_CF_OPERATIONS,
};
