/*
 * The opening handshake, Origin, and the client's address behind proxies.
 */
#include <check.h>
#include <string.h>

#include "wire/ws_handshake.h"

static fwi_http_request *parse(const char *in)
{
    fwi_http_request *r = fwi_http_request_new();
    size_t used;
    ck_assert_msg(fwi_http_request_feed(r, in, strlen(in), 10, &used) == FWI_HTTP_DONE,
                  "%s: %s", in, fwi_http_request_why(r));
    return r;
}

#define GET  "GET /ws HTTP/1.1\r\n"
#define HOST "Host: example.org\r\n"
#define UP   "Upgrade: websocket\r\n"
#define CONN "Connection: Upgrade\r\n"
#define VER  "Sec-WebSocket-Version: 13\r\n"
#define KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ALL  HOST UP CONN VER KEY
#define K(k) GET HOST UP CONN VER "Sec-WebSocket-Key: " k "\r\n\r\n"
#define E(e) GET ALL "Sec-WebSocket-Extensions: " e "\r\n\r\n"
#define MANY "0,1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v" /* 32 */
#define P(p) GET ALL "Sec-WebSocket-Protocol: " p "\r\n\r\n"

static const struct {
    const char *name, *in;
    int want;
} handshakes[] = {
    {"in order", GET ALL "\r\n", 0},
    {"words in other cases",
     GET HOST "UPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\n" VER KEY "\r\n",
     0},
    {"one of several upgrades",
     GET HOST "Upgrade: h2c, websocket\r\n" CONN VER KEY "\r\n", 0},
    {"two Connection lines", GET ALL "Connection: keep-alive\r\n\r\n", 0},
    {"blanks around", GET HOST "Upgrade:  websocket \r\n" CONN VER KEY "\r\n", 0},
    {"POST", "POST /ws HTTP/1.1\r\n" ALL "\r\n", 405},
    {"HEAD", "HEAD /ws HTTP/1.1\r\n" ALL "\r\n", 405},
    {"HTTP/1.0", "GET /ws HTTP/1.0\r\n" ALL "\r\n", 505},
    {"no upgrade at all", GET HOST "\r\n", 426},
    {"upgrade to h2c", GET HOST "Upgrade: h2c\r\n" CONN VER KEY "\r\n", 426},
    {"upgrade to something longer",
     GET HOST "Upgrade: websockets\r\n" CONN VER KEY "\r\n", 426},
    {"no Connection", GET HOST UP VER KEY "\r\n", 400},
    {"Connection: up", GET HOST UP "Connection: up\r\n" VER KEY "\r\n", 400},
    {"Connection: close", GET HOST UP "Connection: close\r\n" VER KEY "\r\n", 400},
    {"an empty Host", GET "Host: \r\n" UP CONN VER KEY "\r\n", 400},
    {"a body", GET ALL "Content-Length: 1\r\n\r\nx", 400},
    {"no version", GET HOST UP CONN KEY "\r\n", 426},
    {"version 8", GET HOST UP CONN KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
    {"version 99", GET HOST UP CONN KEY "Sec-WebSocket-Version: 99\r\n\r\n", 426},
    {"version 13x", GET HOST UP CONN KEY "Sec-WebSocket-Version: 13x\r\n\r\n", 426},
    {"version 013", GET HOST UP CONN KEY "Sec-WebSocket-Version: 013\r\n\r\n", 426},
    {"two versions", GET ALL VER "\r\n", 400},
    {"no key", GET HOST UP CONN VER "\r\n", 400},
    {"two keys", GET ALL KEY "\r\n", 400},
    {"an empty key", K(""), 400},
    {"a key of 15 bytes", K("dGhlIHNhbXBsZSBub25j"), 400},
    {"a key of 17 bytes", K("dGhlIHNhbXBsZSBub25jZWU="), 400},
    {"a key of 18 bytes", K("dGhlIHNhbXBsZSBub25jZWVl"), 400},
    {"a key without padding", K("dGhlIHNhbXBsZSBub25jZQ"), 400},
    {"a key not in base64", K("dGhlIHNhbXBsZSBub25j!Q=="), 400},
    {"a key with a blank", K("dGhlIHNhbXBsZSBub25 ZQ=="), 400},
    {"a key in the URL alphabet", K("dGhlIHNhbXBsZSBub25_-Q=="), 400},
    {"protocols", P("a, b.c,d"), 0},
    {"empty elements of a list", P("a,,b,"), 0},
    {"a protocol twice", P("a, b, a"), 400},
    {"protocols that differ in case", P("a, A"), 0},
    {"a protocol with a blank", P("a b"), 400},
    {"a protocol with a slash", P("a/b"), 400},
    {"no protocol in the header", P(" , "), 400},
    {"as many protocols as may be", P(MANY), 0},
    {"one protocol more", P(MANY ",w"), 400},
    {"an extension", E("permessage-deflate; client_max_window_bits"), 0},
    {"extensions in two lines",
     GET ALL "Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions: y; z\r\n\r\n", 0},
    {"a parameter that is unknown", E("permessage-deflate; unknown=1"), 0},
    {"no extension in the header", E(""), 0},
    {"an extension that can't be read", E("permessage-deflate; =1"), 400},
    {"a quote that doesn't end", E("x; a=\"b"), 400},
};

START_TEST(handshakes_are_taken_or_refused)
{
    fwi_http_request *r = parse(handshakes[_i].in);
    const char *why;
    int got = fwi_ws_handshake_check(r, &why);
    ck_assert_msg(got == handshakes[_i].want, "%s: %d %s", handshakes[_i].name, got, why);
    ck_assert((got == 0) == (why[0] == '\0'));
    fwi_http_request_free(r);
}
END_TEST

START_TEST(the_answer_is_that_of_the_rfc)
{
    fwi_http_request *r = parse(GET ALL "\r\n");
    fwi_buf b = {0};
    ck_assert(fwi_ws_handshake_answer(r, NULL, NULL, &b));
    ck_assert_str_eq(fwi_buf_text(&b),
                     "HTTP/1.1 101 Switching Protocols\r\n"
                     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                     "\r\n\r\n");
    b.len = 0;
    ck_assert(fwi_ws_handshake_answer(r, "chat", NULL, &b));
    ck_assert_ptr_nonnull(
        strstr(fwi_buf_text(&b), "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"));
    b.len = 0;
    const fwi_ws_deflate deflate = {.window_bits = 10, .window_was_asked = true};
    ck_assert(fwi_ws_handshake_answer(r, NULL, &deflate, &b));
    ck_assert_ptr_nonnull(strstr(
        fwi_buf_text(&b), "\r\nSec-WebSocket-Extensions: permessage-deflate; "
                          "server_no_context_takeover; client_no_context_takeover; "
                          "server_max_window_bits=10\r\n\r\n"));
    fwi_buf_fini(&b);
    fwi_http_request_free(r);
}
END_TEST

static const struct {
    const char *origin, *host, *forwarded; /* NULL: no such header */
    bool trusted, want;
} origins[] = {
    {NULL, "example.org", NULL, false, true},
    {"https://example.org", "example.org", NULL, false, true},
    {"http://EXAMPLE.org:8080", "example.org", NULL, false, true},
    {"http://example.org:8080", "example.org:8080", NULL, false, true},
    {"http://example.org:8081", "example.org:8080", NULL, false, false},
    {"http://example.org", "example.org:80", NULL, false, true},
    {"https://example.org", "example.org:443", NULL, false, true},
    {"http://example.org", "example.org:443", NULL, false, false},
    {"http://[::1]:8080", "[::1]:8080", NULL, false, true},
    {"http://[::1]:8080", "[::1]", NULL, false, true},
    {"http://[::2]", "[::1]", NULL, false, false},
    {"https://evil.org", "example.org", NULL, false, false},
    {"https://example.org.evil.org", "example.org", NULL, false, false},
    {"https://evilexample.org", "example.org", NULL, false, false},
    {"null", "example.org", NULL, false, false},
    {"", "example.org", NULL, false, false},
    {"https://", "example.org", NULL, false, false},
    {"example.org", "example.org", NULL, false, false},
    {"https://listed.org:8443", "example.org", NULL, false, true},
    {"https://listed.org", "example.org", NULL, false, false},
    {"https://public.org", "backend:9090", "public.org", true, true},
    {"https://public.org", "backend:9090", "public.org, inner", true, true},
    {"https://public.org", "backend:9090", "public.org", false, false},
    {"https://public.org:8443", "backend:9090", "public.org:443", true, false},
};

START_TEST(origins_are_let_in_or_not)
{
    static const char *const list[] = {"https://other.org", "https://listed.org:8443"};
    fwi_buf b = {0};
    fwi_buf_printf(&b, GET "Host: %s\r\n", origins[_i].host);
    if (origins[_i].origin) {
        fwi_buf_printf(&b, "Origin: %s\r\n", origins[_i].origin);
    }
    if (origins[_i].forwarded) {
        fwi_buf_printf(&b, "X-Forwarded-Host: %s\r\n", origins[_i].forwarded);
    }
    fwi_buf_puts(&b, "\r\n");
    fwi_http_request *r = parse(fwi_buf_text(&b));
    ck_assert_msg(fwi_ws_origin_is_allowed(r, origins[_i].trusted, list, 2) ==
                      origins[_i].want,
                  "%s at %s", origins[_i].origin, origins[_i].host);
    static const char *const all[] = {"*"};
    ck_assert(fwi_ws_origin_is_allowed(r, false, all, 1));
    fwi_http_request_free(r);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(two_origins_are_none)
{
    fwi_http_request *r = parse(
        GET HOST "Origin: https://example.org\r\nOrigin: https://example.org\r\n\r\n");
    ck_assert(!fwi_ws_origin_is_allowed(r, false, NULL, 0));
    fwi_http_request_free(r);
}
END_TEST

static const char *const networks[] = {"127.0.0.0/8", "::1", "10.1.0.0/15", "unix",
                                       "2001:db8::/33"};

static fwi_networks *trusted_networks(void)
{
    size_t bad;
    fwi_networks *n = fwi_networks_new(networks, FWI_ARRAY_LEN(networks), &bad);
    ck_assert_ptr_nonnull(n);
    return n;
}

static const struct {
    const char *peer;
    bool want;
} peers[] = {
    {"127.0.0.1", true},
    {"127.255.0.9", true},
    {"128.0.0.1", false},
    {"::1", true},
    {"::2", false},
    {"::ffff:127.0.0.1", true},
    {"10.0.255.255", true},
    {"10.1.2.3", true},
    {"10.2.0.0", false},
    {"2001:db8::1", true},
    {"2001:db8:8000::1", false},
    {"", true},
    {"nonsense", false},
    {"::1%lo", true},
};

START_TEST(networks_contain_their_addresses)
{
    fwi_networks *n = trusted_networks();
    ck_assert_msg(fwi_networks_contain(n, peers[_i].peer) == peers[_i].want, "%s",
                  peers[_i].peer);
    fwi_networks_free(n);
}
END_TEST

START_TEST(a_wrong_network_is_named)
{
    static const char *const wrong[] = {"10.0.0.0/33", "::1/129",    "10.0.0/8",
                                        "x",           "",           "10.0.0.0/",
                                        "10.0.0.0/8x", "10.0.0.0/-1"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(wrong); i++) {
        const char *items[] = {"127.0.0.1", wrong[i]};
        size_t bad = 9;
        ck_assert_msg(fwi_networks_new(items, 2, &bad) == NULL && bad == 1, "%s",
                      wrong[i]);
    }
    static const char *const all[] = {"0.0.0.0/0"};
    size_t bad;
    fwi_networks *n = fwi_networks_new(all, 1, &bad);
    ck_assert(fwi_networks_contain(n, "8.8.8.8") && !fwi_networks_contain(n, "::1"));
    fwi_networks_free(n);
    n = fwi_networks_new(NULL, 0, &bad);
    ck_assert(!fwi_networks_contain(n, "127.0.0.1"));
    fwi_networks_free(n);
}
END_TEST

static const struct {
    const char *name, *peer, *headers, *want;
} clients[] = {
    {"no proxy", "8.8.8.8", "", "8.8.8.8"},
    {"an IPv4 peer on a v6 listener", "::ffff:8.8.8.8", "", "8.8.8.8"},
    {"a stranger's header is not believed", "8.8.8.8", "X-Forwarded-For: 1.1.1.1\r\n",
     "8.8.8.8"},
    {"one proxy", "127.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
    {"the last that is no proxy", "127.0.0.1",
     "X-Forwarded-For: 6.6.6.6, 1.1.1.1 , 10.1.0.1\r\n", "1.1.1.1"},
    {"two lines are one list", "127.0.0.1",
     "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 10.1.0.1\r\n", "1.1.1.1"},
    {"garbage before it is not looked at", "127.0.0.1",
     "X-Forwarded-For: <script>, 1.1.1.1\r\n", "1.1.1.1"},
    {"all are proxies: the first", "127.0.0.1", "X-Forwarded-For: 127.0.0.9, ::1\r\n",
     "127.0.0.9"},
    {"a bad list counts as absent", "127.0.0.1", "X-Forwarded-For: 1.1.1.1, x\r\n",
     "127.0.0.1"},
    {"an empty list", "127.0.0.1", "X-Forwarded-For:\r\n", "127.0.0.1"},
    {"a comma at the end", "127.0.0.1", "X-Forwarded-For: 1.1.1.1,\r\n", "127.0.0.1"},
    {"X-Real-IP", "::1", "X-Real-IP: 2001:DB8:FFFF::1\r\n", "2001:db8:ffff::1"},
    {"X-Real-IP when the list is bad", "::1",
     "X-Forwarded-For: x\r\nX-Real-IP: 1.1.1.1\r\n", "1.1.1.1"},
    {"a bad X-Real-IP", "::1", "X-Real-IP: 1.1.1.1.1\r\n", "::1"},
    {"a Unix socket's peer is trusted", "", "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
    {"a Unix socket", "", "", ""},
};

START_TEST(the_client_is_found_behind_proxies)
{
    fwi_networks *n = trusted_networks();
    char in[500], out[64];
    snprintf(in, sizeof in, GET HOST "%s\r\n", clients[_i].headers);
    fwi_http_request *r = parse(in);
    fwi_client_address(r, clients[_i].peer, n, out, sizeof out);
    ck_assert_msg(strcmp(out, clients[_i].want) == 0, "%s: %s", clients[_i].name, out);
    fwi_http_request_free(r);
    fwi_networks_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ws_handshake");
    TCase *tc = tcase_create("ws_handshake");
    tcase_add_loop_test(tc, handshakes_are_taken_or_refused, 0,
                        FWI_ARRAY_LEN(handshakes));
    tcase_add_test(tc, the_answer_is_that_of_the_rfc);
    tcase_add_loop_test(tc, origins_are_let_in_or_not, 0, FWI_ARRAY_LEN(origins));
    tcase_add_test(tc, two_origins_are_none);
    tcase_add_loop_test(tc, networks_contain_their_addresses, 0, FWI_ARRAY_LEN(peers));
    tcase_add_test(tc, a_wrong_network_is_named);
    tcase_add_loop_test(tc, the_client_is_found_behind_proxies, 0,
                        FWI_ARRAY_LEN(clients));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
