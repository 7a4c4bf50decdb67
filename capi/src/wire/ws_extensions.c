/*
 * The grammar of RFC 6455 9.1, and the four parameters of RFC 7692 7.1. Called by the
 * door through wire/ws_handshake; knows neither zlib nor connections.
 *
 * How a window is honoured that is smaller than ours: we take nothing over from message
 * to message, so what is no longer than the client's window can't refer to anything
 * outside of it. Such messages are compressed for it, longer ones go to it as they are.
 * @thread any
 */
#include "wire/ws_extensions.h"

#include <string.h>

enum { VALUE_MAX = 2 }; /* "15"; a longer value is none that we know */

/* The rest of the header. Each step takes what it says, and the blanks around it. */
typedef struct reader {
    const char *at;
} reader;

static void skip_blanks(reader *r)
{
    r->at += strspn(r->at, " \t");
}

static bool take(reader *r, char c)
{
    skip_blanks(r);
    if (*r->at != c) {
        return false;
    }
    r->at++;
    skip_blanks(r);
    return true;
}

static size_t token_len(const char *text)
{
    return strspn(text, "!#$%&'*+-.^_`|~0123456789"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

/* A name: points into the header. */
typedef struct token {
    const char *text;
    size_t len;
} token;

static bool take_token(reader *r, token *t)
{
    *t = (token){r->at, token_len(r->at)};
    r->at += t->len;
    return t->len > 0;
}

static bool is(const token *t, const char *name)
{
    return t->len == strlen(name) && memcmp(t->text, name, t->len) == 0;
}

/* A parameter's value, quotes and backslashes taken away: cut, but cut it is too long. */
typedef struct value {
    char text[VALUE_MAX + 2];
    size_t len;
    bool given;
} value;

static void add(value *v, char c)
{
    if (v->len < sizeof v->text - 1) {
        v->text[v->len++] = c;
    }
}

/* What stands in quotes must be a token without them (RFC 6455 9.1). */
static bool take_quoted(reader *r, value *v)
{
    size_t n = 0;
    for (r->at++; *r->at != '"'; r->at++, n++) {
        if (*r->at == '\\') {
            r->at++;
        }
        if (*r->at == '\0' || token_len((const char[]){*r->at, '\0'}) == 0) {
            return false;
        }
        add(v, *r->at);
    }
    r->at++;
    return n > 0;
}

static bool take_value(reader *r, value *v)
{
    *v = (value){.given = take(r, '=')};
    if (!v->given) {
        return true;
    }
    if (*r->at == '"') {
        return take_quoted(r, v);
    }
    token t;
    if (!take_token(r, &t)) {
        return false;
    }
    for (size_t i = 0; i < t.len; i++) {
        add(v, t.text[i]);
    }
    return true;
}

/* 8 to 15, without leading zeros; else 0. */
static unsigned window_of(const value *v)
{
    if (v->len == 1 && (v->text[0] == '8' || v->text[0] == '9')) {
        return (unsigned)(v->text[0] - '0');
    }
    if (v->len == 2 && v->text[0] == '1' && v->text[1] >= '0' && v->text[1] <= '5') {
        return 10 + (unsigned)(v->text[1] - '0');
    }
    return 0;
}

enum {
    SERVER_NO_TAKEOVER = 1,
    CLIENT_NO_TAKEOVER = 2,
    SERVER_WINDOW = 4,
    CLIENT_WINDOW = 8,
    WRONG = 16
};

/* Which of the four it is, if it is in order. */
static unsigned parameter_of(const token *name, const value *v)
{
    if (is(name, "server_no_context_takeover")) {
        return v->given ? WRONG : SERVER_NO_TAKEOVER;
    }
    if (is(name, "client_no_context_takeover")) {
        return v->given ? WRONG : CLIENT_NO_TAKEOVER;
    }
    if (is(name, "server_max_window_bits")) {
        return window_of(v) == 0 ? WRONG : SERVER_WINDOW;
    }
    if (is(name, "client_max_window_bits")) {
        /* Without a value: you may set one. We don't: ours is the largest anyway. */
        return v->given && window_of(v) == 0 ? WRONG : CLIENT_WINDOW;
    }
    return WRONG;
}

/* One extension with its parameters. *offer: what would be agreed on; nothing if it isn't
 * ours or not in order. */
static bool take_extension(reader *r, fwi_ws_deflate *offer)
{
    token name;
    *offer = (fwi_ws_deflate){0};
    if (!take_token(r, &name)) {
        return false;
    }
    unsigned seen = is(&name, "permessage-deflate") ? 0 : WRONG;
    unsigned window = FWI_WS_WINDOW_MAX;
    while (take(r, ';')) {
        token parameter;
        value v;
        if (!take_token(r, &parameter) || !take_value(r, &v)) {
            return false;
        }
        unsigned which = parameter_of(&parameter, &v);
        seen |= seen & which ? WRONG : which;
        if (which == SERVER_WINDOW) {
            window = window_of(&v);
        }
    }
    if (!(seen & WRONG)) {
        *offer = (fwi_ws_deflate){window, (seen & SERVER_WINDOW) != 0};
    }
    return true;
}

bool fwi_ws_extensions_choose(const char *header, fwi_ws_deflate *agreed)
{
    reader r = {header != NULL ? header : ""};
    *agreed = (fwi_ws_deflate){0};
    /* Elements of a list may be empty (RFC 9110 5.6.1). */
    for (skip_blanks(&r); *r.at != '\0';) {
        fwi_ws_deflate offer;
        if (take(&r, ',')) {
            continue;
        }
        if (!take_extension(&r, &offer) || (!take(&r, ',') && *r.at != '\0')) {
            return false;
        }
        if (agreed->window_bits == 0) {
            *agreed = offer;
        }
    }
    return true;
}

bool fwi_ws_extensions_answer(const fwi_ws_deflate *agreed, fwi_buf *out)
{
    /* A server may ask for the second without an offer of it (RFC 7692 7.1.1.2). */
    bool ok = fwi_buf_puts(out, "permessage-deflate; server_no_context_takeover; "
                                "client_no_context_takeover");
    return ok &&
           (!agreed->window_was_asked ||
            fwi_buf_printf(out, "; server_max_window_bits=%u", agreed->window_bits));
}
