/*
 * See hook_body.h. What a client of the Centrifuge protocol says as data is JSON and is
 * passed on as it came; the library has read it. Of a raw client it is a text, or bytes.
 */
#include "hook_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"

static void put_text(FILE *out, const char *name, const char *text)
{
    if (text != NULL) {
        fwd_put_field(out, false, name, text, strlen(text));
    }
}

/* How a client is connected, by what it speaks; named as the Centrifuge protocol does. */
static const struct way {
    const char *speaks, *transport;
    bool centrifuge;
} ways[] = {
    {"raw", "websocket", false},       {"sse", "sse", false},
    {"centrifuge", "websocket", true}, {"uni_sse", "uni_sse", true},
    {"centrifuge_sse", "sse", true},   {"centrifuge_http_stream", "http_stream", true},
};

static const struct way *way_of(const fw_event *e)
{
    const char *speaks = fw_event_fact(e, "speaks");
    for (size_t i = 1; speaks != NULL && i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].speaks, speaks) == 0) {
            return &ways[i];
        }
    }
    return &ways[0];
}

static bool speaks_centrifuge(const fw_event *e)
{
    return way_of(e)->centrifuge;
}

/* Who it is, and how it is connected. */
static void put_client(FILE *out, const fw_event *e, bool centrifuge)
{
    char id[FW_SESSION_ID_TEXT];
    bool binary = !centrifuge && (fw_event_flags(e) & FW_BINARY) != 0;
    fw_session_id_text(fw_event_session(e), id);
    fwd_put_field(out, true, "client", id, strlen(id));
    put_text(out, "transport", way_of(e)->transport);
    put_text(out, "protocol", centrifuge ? "json" : "raw");
    put_text(out, "encoding", centrifuge ? "json" : binary ? "binary" : "text");
    put_text(out, "user", fw_event_user(e));
}

static void put_data(FILE *out, const fw_event *e, bool centrifuge)
{
    size_t len;
    const char *data = fw_event_data(e, &len);
    if (data == NULL) {
        return;
    }
    if (centrifuge) {
        fputs(",\"data\":", out);
        fwrite(data, 1, len, out);
    } else if (fw_event_flags(e) & FW_BINARY) {
        fputs(",\"b64data\":", out);
        fwd_put_base64(out, data, len);
    } else {
        fwd_put_field(out, false, "data", data, len);
    }
}

/* As it came, but for bytes that can't be in JSON, or would have to be escaped: they are
 * written as in any other URL. */
static void put_query(FILE *out, const char *query)
{
    fputs(",\"query\":\"", out);
    for (const char *p = query != NULL ? query : ""; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') {
            fprintf(out, "%%%02X", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

static void put_question(FILE *out, fwd_hook_kind kind, const fw_event *e,
                         bool centrifuge)
{
    switch (kind) {
    case FWD_HOOK_CONNECT:
        put_text(out, "address", fw_event_fact(e, "address"));
        put_query(out, fw_event_fact(e, "query"));
        put_data(out, e, centrifuge);
        break;
    case FWD_HOOK_SUBSCRIBE:
    case FWD_HOOK_PUBLISH:
        put_text(out, "channel", fw_event_room(e));
        put_data(out, e, centrifuge);
        break;
    case FWD_HOOK_SUB_REFRESH:
        put_text(out, "channel", fw_event_room(e));
        break;
    case FWD_HOOK_RPC:
        put_text(out, "method", fw_event_method(e));
        put_data(out, e, centrifuge);
        break;
    case FWD_HOOK_DISCONNECT:
        fprintf(out, ",\"code\":%d", fw_event_code(e));
        put_text(out, "reason", fw_event_reason(e));
        break;
    default:
        break;
    }
}

char *fwd_hook_body(fwd_hook_kind kind, const fw_event *e, size_t *len)
{
    char *body = NULL;
    FILE *out = open_memstream(&body, len);
    if (out == NULL) {
        return NULL;
    }
    bool centrifuge = speaks_centrifuge(e);
    put_client(out, e, centrifuge);
    put_question(out, kind, e, centrifuge);
    fputc('}', out);
    bool whole = ferror(out) == 0;
    if (fclose(out) != 0 || !whole) {
        free(body);
        return NULL;
    }
    return body;
}
