/*
 * The opening handshake and the check of Origin. Whatever the RFC says that a client must
 * send is asked for: what is let pass here would be guessed at later.
 *
 * Called by the door with a complete head; knows no socket. Pure; @thread any
 */
#include "wire/ws_handshake.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "wire/sha1.h"

enum { KEY_LEN = 24, ACCEPT_LEN = 28 };
/* Each is compared with each: the thousands that a head has room for took a second. */
enum { PROTOCOLS_MAX = 32 };

const char fwi_ws_upgrade_headers[] =
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";

/* 16 bytes in base64 are 22 characters and two "=". */
static bool is_key(const char *key)
{
    return strlen(key) == KEY_LEN && strcmp(key + 22, "==") == 0 &&
           strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                       "0123456789+/") == 22;
}

static int check_key(const fwi_http_request *r, const char **why)
{
    if (fwi_http_request_header_lines(r, "sec-websocket-key") != 1) {
        *why = "one Sec-WebSocket-Key header is needed";
        return 400;
    }
    if (!is_key(fwi_http_request_header(r, "sec-websocket-key"))) {
        *why = "Sec-WebSocket-Key must be 16 bytes in base64";
        return 400;
    }
    return 0;
}

static int check_version(const fwi_http_request *r, const char **why)
{
    if (fwi_http_request_header_lines(r, "sec-websocket-version") > 1) {
        *why = "more than one Sec-WebSocket-Version header";
        return 400;
    }
    const char *version = fwi_http_request_header(r, "sec-websocket-version");
    if (version == NULL || strcmp(version, "13") != 0) {
        *why = "only version 13 of WebSocket is spoken here";
        return 426;
    }
    return 0;
}

static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* RFC 6455 4.1: tokens, at least one, none twice; and not too many. Compared as they are,
 * since the one that is agreed on is sent back as it is. */
static bool protocols_are_right(const char *list)
{
    size_t n = 0;
    for (const char *p = list; *p;) {
        p += strspn(p, ", \t");
        size_t len = strspn(p, token_chars);
        const char *behind = p + len + strspn(p + len, " \t");
        if ((*behind != '\0' && *behind != ',') || (len > 0 && ++n > PROTOCOLS_MAX)) {
            return false;
        }
        for (const char *q = list; q < p && len > 0;) {
            q += strspn(q, ", \t");
            size_t other = strspn(q, token_chars);
            if (q < p && other == len && memcmp(p, q, len) == 0) {
                return false;
            }
            q += other;
        }
        p = behind;
    }
    return n > 0;
}

static int check_protocols(const fwi_http_request *r, const char **why)
{
    const char *list = fwi_http_request_header(r, "sec-websocket-protocol");
    if (list && !protocols_are_right(list)) {
        *why = "Sec-WebSocket-Protocol must be a list of at most 32 different names";
        return 400;
    }
    return 0;
}

static const char *extensions_of(const fwi_http_request *r)
{
    return fwi_http_request_header(r, "sec-websocket-extensions");
}

/* What can't be read fails the connection (RFC 6455 9.1), whatever we would have made of
 * it; what is in order but not for us is only left out of the answer. */
static int check_extensions(const fwi_http_request *r, const char **why)
{
    fwi_ws_deflate deflate;
    if (!fwi_ws_extensions_choose(extensions_of(r), &deflate)) {
        *why = "Sec-WebSocket-Extensions must be a list of names and their parameters";
        return 400;
    }
    return 0;
}

int fwi_ws_handshake_check(const fwi_http_request *r, const char **why)
{
    *why = "";
    if (strcmp(fwi_http_request_method(r), "GET") != 0) {
        *why = "a WebSocket handshake is a GET";
        return 405;
    }
    if (!fwi_http_request_has_token(r, "upgrade", "websocket")) {
        *why = "this address speaks WebSocket: ask for an upgrade";
        return 426;
    }
    if (!fwi_http_request_is_1_1(r)) {
        *why = "a WebSocket handshake is HTTP/1.1";
        return 505;
    }
    if (!fwi_http_request_has_token(r, "connection", "upgrade")) {
        *why = "Connection must contain Upgrade (does a proxy drop it?)";
        return 400;
    }
    const char *host = fwi_http_request_header(r, "host");
    if (fwi_http_request_header_lines(r, "host") != 1 || host[0] == '\0') {
        *why = "one Host header is needed";
        return 400;
    }
    size_t body_len;
    fwi_http_request_body(r, &body_len);
    if (body_len > 0) {
        *why = "a WebSocket handshake has no body";
        return 400;
    }
    int status = check_version(r, why);
    if (status == 0) {
        status = check_key(r, why);
    }
    if (status == 0) {
        status = check_protocols(r, why);
    }
    return status ? status : check_extensions(r, why);
}

void fwi_ws_handshake_deflate(const fwi_http_request *r, fwi_ws_deflate *agreed)
{
    fwi_ws_extensions_choose(extensions_of(r), agreed);
}

bool fwi_ws_handshake_answer(const fwi_http_request *r, const char *protocol,
                             const fwi_ws_deflate *deflate, fwi_buf *out)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    char text[KEY_LEN + sizeof guid];
    memcpy(text, fwi_http_request_header(r, "sec-websocket-key"), KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof guid);
    uint8_t hash[FWI_SHA1_LEN];
    if (!fwi_sha1(text, KEY_LEN + sizeof guid - 1, hash)) {
        return false;
    }
    unsigned char accept[ACCEPT_LEN + 1];
    EVP_EncodeBlock(accept, hash, FWI_SHA1_LEN);
    size_t before = out->len;
    bool ok = fwi_buf_puts(out, "HTTP/1.1 101 Switching Protocols\r\n"
                                "Upgrade: websocket\r\n"
                                "Connection: Upgrade\r\n"
                                "Sec-WebSocket-Accept: ") &&
              fwi_buf_puts(out, (const char *)accept) && fwi_buf_puts(out, "\r\n");
    if (protocol) {
        ok = ok && fwi_buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", protocol);
    }
    if (deflate) {
        ok = ok && fwi_buf_puts(out, "Sec-WebSocket-Extensions: ") &&
             fwi_ws_extensions_answer(deflate, out) && fwi_buf_puts(out, "\r\n");
    }
    ok = ok && fwi_buf_puts(out, "\r\n");
    if (!ok) {
        out->len = before;
    }
    return ok;
}

/* --- origin --- */

/* HOST[:PORT], as in Host and behind an origin's "://". */
typedef struct authority {
    const char *host;
    size_t host_len;
    const char *port; /* NULL: none */
    size_t port_len;
} authority;

static authority split_authority(const char *text, size_t len)
{
    authority a = {.host = text, .host_len = len};
    const char *bracket = memrchr(text, ']', len);
    size_t from = bracket ? (size_t)(bracket - text) : 0;
    const char *colon = memchr(text + from, ':', len - from);
    if (colon) {
        a.host_len = (size_t)(colon - text);
        a.port = colon + 1;
        a.port_len = len - a.host_len - 1;
    }
    return a;
}

static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

/* The value of Host, or what a proxy in front says that it was (the first of a list). */
static authority asked_for(const fwi_http_request *r, bool peer_is_trusted)
{
    const char *host = NULL;
    if (peer_is_trusted) {
        host = fwi_http_request_header(r, "x-forwarded-host");
    }
    if (host == NULL) {
        host = fwi_http_request_header(r, "host");
    }
    if (host == NULL) {
        host = "";
    }
    return split_authority(host, strcspn(host, ", \t"));
}

static bool is_same_host(const char *origin, authority host)
{
    const char *colon = strstr(origin, "://");
    if (colon == NULL || host.host_len == 0) {
        return false;
    }
    authority from = split_authority(colon + 3, strlen(colon + 3));
    if (!is_same(from.host, from.host_len, host.host, host.host_len)) {
        return false;
    }
    if (host.port == NULL) {
        return true;
    }
    if (from.port == NULL) {
        size_t scheme_len = (size_t)(colon - origin);
        from.port = is_same(origin, scheme_len, "https", 5)  ? "443"
                    : is_same(origin, scheme_len, "http", 4) ? "80"
                                                             : "";
        from.port_len = strlen(from.port);
    }
    return is_same(from.port, from.port_len, host.port, host.port_len);
}

fwi_ws_origin fwi_ws_origin_of(const fwi_http_request *r, bool peer_is_trusted,
                               const char *const *allowed, size_t n_allowed)
{
    const char *origin = fwi_http_request_header(r, "origin");
    bool any = false;
    if (origin == NULL) {
        return FWI_ORIGIN_OURS;
    }
    for (size_t i = 0; i < n_allowed; i++) {
        if (strcasecmp(allowed[i], origin) == 0) {
            return FWI_ORIGIN_OURS;
        }
        any = any || strcmp(allowed[i], "*") == 0;
    }
    return is_same_host(origin, asked_for(r, peer_is_trusted)) ? FWI_ORIGIN_OURS
           : any                                               ? FWI_ORIGIN_ANY
                                                               : FWI_ORIGIN_FOREIGN;
}

bool fwi_ws_origin_is_allowed(const fwi_http_request *r, bool peer_is_trusted,
                              const char *const *allowed, size_t n_allowed)
{
    return fwi_ws_origin_of(r, peer_is_trusted, allowed, n_allowed) != FWI_ORIGIN_FOREIGN;
}
