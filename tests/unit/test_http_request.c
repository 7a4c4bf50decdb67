/*
 * Heads of requests: what is taken, what is refused and with which status; each whole,
 * byte by byte and in pieces.
 */
#include <check.h>
#include <string.h>

#include "base/rand.h"
#include "wire/http_request.h"

/* Feeds in pieces of up to `max` bytes (0: whole). */
static fwi_http_request *feed(const char *in, size_t len, size_t body_max, size_t max,
                              fwi_http_result *result, size_t *taken)
{
    fwi_http_request *r = fwi_http_request_new();
    fwi_rand rnd;
    fwi_rand_init(&rnd, len + max);
    *result = FWI_HTTP_MORE;
    *taken = 0;
    while (*taken < len && *result == FWI_HTTP_MORE) {
        size_t n = max ? (size_t)fwi_rand_between(&rnd, 1, max) : len;
        n = FWI_MIN(n, len - *taken);
        char *piece = malloc(n);
        memcpy(piece, in + *taken, n);
        size_t used = 0;
        *result = fwi_http_request_feed(r, piece, n, body_max, &used);
        ck_assert(used <= n && (*result != FWI_HTTP_MORE || used == n));
        *taken += used;
        free(piece);
    }
    return r;
}

static fwi_http_request *parse(const char *in)
{
    fwi_http_result result;
    size_t taken;
    fwi_http_request *r = feed(in, strlen(in), 0, 0, &result, &taken);
    ck_assert_msg(result == FWI_HTTP_DONE, "%s: %s", in, fwi_http_request_why(r));
    return r;
}

#define HOST "Host: a\r\n"
#define LINE "GET / HTTP/1.1\r\n"
#define B(s) s, sizeof(s) - 1

static const struct {
    const char *name, *in;
    size_t len;
    int status; /* 0: taken, 1: not complete */
} cases[] = {
    {"a plain request", B(LINE HOST "\r\n"), 0},
    {"empty lines before it", B("\r\n\r\n" LINE HOST "\r\n"), 0},
    {"not ended", B(LINE HOST), 1},
    {"HTTP/1.0 without Host", B("GET / HTTP/1.0\r\n\r\n"), 0},
    {"an empty Host", B(LINE "Host:\r\n\r\n"), 0},
    {"a tab before the value", B(LINE "Host:\ta \t\r\n\r\n"), 0},
    {"bytes above 7F in a value", B(LINE HOST "X: \xc3\xa9\r\n\r\n"), 0},
    {"an upgrade", B(LINE HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), 0},
    {"a length of 0", B(LINE HOST "Content-Length: 0\r\n\r\n"), 0},
    {"asterisk for OPTIONS", B("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"absolute form", B("GET http://a/x?y HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"absolute form, host in capitals", B("GET http://A HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"absolute form of another host", B("GET http://b/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no Host", B(LINE "\r\n"), 400},
    {"two Hosts", B(LINE HOST HOST "\r\n"), 400},
    {"two hosts in one", B(LINE "Host: a, b\r\n\r\n"), 400},
    {"a user in Host", B(LINE "Host: u@a\r\n\r\n"), 400},
    {"a path in Host", B(LINE "Host: a/b\r\n\r\n"), 400},
    {"a NUL in the path", B("GET /a\0b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a NUL in a value", B(LINE HOST "X: a\0b\r\n\r\n"), 400},
    {"a control character in a value", B(LINE HOST "X: a\x01\r\n\r\n"), 400},
    {"DEL in a value", B(LINE HOST "X: a\x7f\r\n\r\n"), 400},
    {"a bare CR in a value", B(LINE HOST "X: a\rb\r\n\r\n"), 400},
    {"a bare LF", B(LINE HOST "X: a\nY: b\r\n\r\n"), 400},
    {"a bare LF at the end", B(LINE HOST "\n"), 400},
    {"a bare LF in the request line", B("GET / HTTP/1.1\n" HOST "\r\n"), 400},
    {"two CR", B(LINE HOST "\r\r\n"), 400},
    {"folding", B(LINE HOST "X: a\r\n b\r\n\r\n"), 400},
    {"folding by a tab", B(LINE HOST "X: a\r\n\tb\r\n\r\n"), 400},
    {"a blank before the first header", B(LINE " " HOST "\r\n"), 400},
    {"a blank before the colon", B(LINE "Host : a\r\n\r\n"), 400},
    {"a blank in a name", B(LINE HOST "X Y: a\r\n\r\n"), 400},
    {"a tab in a name", B(LINE HOST "X\t: a\r\n\r\n"), 400},
    {"no name", B(LINE HOST ": a\r\n\r\n"), 400},
    {"no colon", B(LINE HOST "nonsense\r\n\r\n"), 400},
    {"a quote in a name", B(LINE HOST "\"X\": a\r\n\r\n"), 400},
    {"a byte above 7F in a name", B(LINE HOST "X\xe9: a\r\n\r\n"), 400},
    {"a byte above 7F in the path", B("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a tab in the path", B("GET /a\tb HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a fragment in the path", B("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no slash", B("GET a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"asterisk for GET", B("GET * HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"another scheme", B("GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"HTTP/0.9", B("GET /\r\n\r\n"), 505},
    {"HTTP/2.0", B("GET / HTTP/2.0\r\n" HOST "\r\n"), 505},
    {"HTTP/1", B("GET / HTTP/1\r\n" HOST "\r\n"), 400},
    {"HTTP/1.x", B("GET / HTTP/1.x\r\n" HOST "\r\n"), 400},
    {"another protocol", B("GET / XTTP/1.1\r\n" HOST "\r\n"), 400},
    {"the HTTP/2 preface", B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400},
    {"CONNECT", B("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"), 405},
    {"an unknown method", B("GRAB / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a method in small letters", B("get / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a TLS hello", B("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400},
    {"garbage", B("\xde\xad\xbe\xef"), 400},
    {"Redis", B("*1\r\n$4\r\nPING\r\n"), 400},
    {"a body", B("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"), 413},
    {"a huge body", B(LINE HOST "Content-Length: 99999999999999999999\r\n\r\n"), 400},
    {"two lengths", B(LINE HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"), 400},
    {"a list of lengths", B(LINE HOST "Content-Length: 0, 0\r\n\r\n"), 400},
    {"a negative length", B(LINE HOST "Content-Length: -1\r\n\r\n"), 400},
    {"a signed length", B(LINE HOST "Content-Length: +0\r\n\r\n"), 400},
    {"a hexadecimal length", B(LINE HOST "Content-Length: 0x0\r\n\r\n"), 400},
    {"no length", B(LINE HOST "Content-Length: \r\n\r\n"), 400},
    {"chunked", B(LINE HOST "Transfer-Encoding: chunked\r\n\r\n"), 411},
    {"chunked and a length",
     B(LINE HOST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {"the same in the other order",
     B(LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"), 400},
};

START_TEST(heads_are_taken_or_refused_however_they_come)
{
    static const size_t pieces[] = {0, 1, 2, 5, 30};
    for (size_t i = 0; i < FWI_ARRAY_LEN(pieces); i++) {
        fwi_http_result result;
        size_t taken;
        fwi_http_request *r =
            feed(cases[_i].in, cases[_i].len, 0, pieces[i], &result, &taken);
        int status = result == FWI_HTTP_BAD    ? fwi_http_request_status(r)
                     : result == FWI_HTTP_MORE ? 1
                                               : 0;
        ck_assert_msg(status == cases[_i].status, "%s, pieces of %zu: %d (%s)",
                      cases[_i].name, pieces[i], status, fwi_http_request_why(r));
        ck_assert((status < 400) == (fwi_http_request_why(r)[0] == '\0'));
        fwi_http_request_free(r);
    }
}
END_TEST

START_TEST(bytes_behind_the_head_are_left_alone)
{
    static const char *const heads[] = {
        LINE HOST "\r\n", LINE HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        LINE HOST "Connection: close\r\n\r\n"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(heads); i++) {
        for (size_t piece = 0; piece < 200; piece += 9) {
            char in[300];
            int len = snprintf(in, sizeof in, "%s%s", heads[i], "GET /next \x01\x02\r\n");
            fwi_http_result result;
            size_t taken;
            fwi_http_request *r = feed(in, (size_t)len, 0, piece, &result, &taken);
            ck_assert(result == FWI_HTTP_DONE);
            ck_assert_uint_eq(taken, strlen(heads[i]));
            fwi_http_request_free(r);
        }
    }
}
END_TEST

START_TEST(target_is_split_into_path_and_query)
{
    static const struct {
        const char *target, *path, *query;
    } t[] = {{"/", "/", ""},
             {"/ws?room=a&x", "/ws", "room=a&x"},
             {"/ws?", "/ws", ""},
             {"/a?b?c", "/a", "b?c"},
             {"//x/y", "//x/y", ""},
             {"http://h", "/", ""},
             {"http://h?q=1", "/", "q=1"},
             {"HTTP://h/p?q", "/p", "q"},
             {"/%41|{}^`\"", "/%41|{}^`\"", ""}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(t); i++) {
        char in[200];
        snprintf(in, sizeof in, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", t[i].target);
        fwi_http_request *r = parse(in);
        ck_assert_str_eq(fwi_http_request_path(r), t[i].path);
        ck_assert_str_eq(fwi_http_request_query(r), t[i].query);
        ck_assert_str_eq(fwi_http_request_method(r), "GET");
        fwi_http_request_free(r);
    }
}
END_TEST

START_TEST(headers_of_one_name_are_joined)
{
    fwi_http_request *r = parse(LINE "HoSt: a\r\nX-A:  one \r\nY:\r\nx-a: two\r\n"
                                     "Z: z\r\nX-a:three\r\nCookie: c=1; d=2\r\n\r\n");
    ck_assert_str_eq(fwi_http_request_header(r, "x-a"), "one, two, three");
    ck_assert_uint_eq(fwi_http_request_header_lines(r, "x-a"), 3);
    ck_assert_str_eq(fwi_http_request_header(r, "y"), "");
    ck_assert_str_eq(fwi_http_request_header(r, "z"), "z");
    ck_assert_str_eq(fwi_http_request_header(r, "cookie"), "c=1; d=2");
    ck_assert_ptr_null(fwi_http_request_header(r, "none"));
    ck_assert_uint_eq(fwi_http_request_header_lines(r, "none"), 0);
    size_t n;
    const char *const *h = fwi_http_request_headers(r, &n);
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq(h[0], "host");
    ck_assert_str_eq(h[2], "x-a");
    ck_assert_str_eq(h[3], "one, two, three");
    fwi_http_request_free(r);
}
END_TEST

START_TEST(tokens_are_found_whole_and_without_case)
{
    fwi_http_request *r =
        parse(LINE HOST "Connection: keep-alive , UPGRADE\r\nConnection: x\r\n\r\n");
    ck_assert(fwi_http_request_has_token(r, "connection", "upgrade"));
    ck_assert(fwi_http_request_has_token(r, "connection", "keep-alive"));
    ck_assert(fwi_http_request_has_token(r, "connection", "x"));
    ck_assert(!fwi_http_request_has_token(r, "connection", "up"));
    ck_assert(!fwi_http_request_has_token(r, "connection", "keep"));
    ck_assert(!fwi_http_request_has_token(r, "connection", ""));
    ck_assert(!fwi_http_request_has_token(r, "none", "x"));
    fwi_http_request_free(r);
}
END_TEST

START_TEST(keep_alive_follows_the_version)
{
    static const struct {
        const char *in;
        bool is_1_1, keeps;
    } t[] = {{LINE HOST "\r\n", true, true},
             {LINE HOST "Connection: Close\r\n\r\n", true, false},
             {"GET / HTTP/1.0\r\n\r\n", false, false},
             {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, true}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(t); i++) {
        fwi_http_request *r = parse(t[i].in);
        ck_assert(fwi_http_request_is_1_1(r) == t[i].is_1_1);
        ck_assert(fwi_http_request_keeps_alive(r) == t[i].keeps);
        fwi_http_request_free(r);
    }
}
END_TEST

START_TEST(a_body_of_known_length_comes_whole)
{
    static const char in[] =
        "POST /api HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhello\0worldMORE";
    for (size_t piece = 0; piece < 40; piece++) {
        fwi_http_result result;
        size_t taken, len;
        fwi_http_request *r = feed(in, sizeof in - 1, 11, piece, &result, &taken);
        ck_assert(result == FWI_HTTP_DONE);
        ck_assert_uint_eq(taken, sizeof in - 1 - 4);
        const char *body = fwi_http_request_body(r, &len);
        ck_assert(len == 11 && memcmp(body, "hello\0world", 11) == 0);
        fwi_http_request_free(r);
    }
    fwi_http_result result;
    size_t taken;
    fwi_http_request *r = feed(in, sizeof in - 1, 10, 0, &result, &taken);
    ck_assert(result == FWI_HTTP_BAD && fwi_http_request_status(r) == 413);
    fwi_http_request_free(r);
}
END_TEST

static const struct {
    const char *name, *body;
    int status;     /* 0: taken, 1: not complete */
    const char *is; /* what is in it */
} chunked[] = {
    {"nothing", "0\r\n\r\n", 0, ""},
    {"one chunk", "5\r\nhello\r\n0\r\n\r\n", 0, "hello"},
    {"two chunks", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 0, "hello"},
    {"hexadecimal, zeros in front", "000B\r\nhello world\r\n00\r\n\r\n", 0,
     "hello world"},
    {"an extension", "5;a=\"b\"\r\nhello\r\n0 ; x\r\n\r\n", 0, "hello"},
    {"trailers", "5\r\nhello\r\n0\r\nX: y\r\nZ: 1\r\n\r\n", 0, "hello"},
    {"not ended", "5\r\nhello\r\n", 1, ""},
    {"the end not ended", "0\r\n", 1, ""},
    {"no size", "\r\nhello", 400, NULL},
    {"no digits", "xyz\r\nhello", 400, NULL},
    {"a sign", "+5\r\nhello\r\n", 400, NULL},
    {"0x", "0x5\r\nhello\r\n", 400, NULL},
    {"too many digits", "0000000000000005\r\nhello\r\n", 400, NULL},
    {"a bare LF", "5\nhello\r\n", 400, NULL},
    {"a bare CR", "5\rhello\r\n", 400, NULL},
    {"longer than its size", "4\r\nhello\r\n", 400, NULL},
    {"shorter than its size", "6\r\nhello\r\n0\r\n\r\n", 400, NULL},
    {"a control character in an extension", "5;\1\r\nhello\r\n", 400, NULL},
    {"a bare LF in a trailer", "0\r\nX: y\nZ: 1\r\n\r\n", 400, NULL},
    {"more than allowed", "c\r\nhello worlds\r\n0\r\n\r\n", 413, NULL},
    {"more in pieces", "6\r\nhello \r\n6\r\nworlds\r\n0\r\n\r\n", 413, NULL},
    {"a huge one", "fffffffffffffff\r\nx", 413, NULL},
};

START_TEST(a_body_in_chunks_is_put_together)
{
    for (size_t piece = 0; piece < 12; piece++) {
        fwi_buf in = {0};
        fwi_buf_puts(&in,
                     "POST /api HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n");
        fwi_buf_puts(&in, chunked[_i].body);
        size_t whole = in.len;
        if (chunked[_i].status == 0) {
            fwi_buf_puts(&in, "MORE");
        }
        fwi_http_result result;
        size_t taken, len;
        fwi_http_request *r = feed(in.data, in.len, 11, piece, &result, &taken);
        int status = result == FWI_HTTP_BAD    ? fwi_http_request_status(r)
                     : result == FWI_HTTP_MORE ? 1
                                               : 0;
        ck_assert_msg(status == chunked[_i].status, "%s, pieces of %zu: %d (%s)",
                      chunked[_i].name, piece, status, fwi_http_request_why(r));
        if (status == 0) {
            const char *body = fwi_http_request_body(r, &len);
            ck_assert_uint_eq(taken, whole);
            ck_assert(len == strlen(chunked[_i].is) &&
                      memcmp(body, chunked[_i].is, len) == 0);
        }
        fwi_http_request_free(r);
        fwi_buf_fini(&in);
    }
}
END_TEST

START_TEST(what_isn_t_the_body_between_chunks_is_bounded)
{
    for (size_t where = 0; where < 2; where++) {
        fwi_buf in = {0};
        fwi_buf_puts(&in,
                     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        fwi_buf_puts(&in, where ? "0\r\n" : "5;");
        for (size_t i = 0; i < 20000; i++) {
            fwi_buf_puts(&in, "x");
        }
        fwi_http_result result;
        size_t taken;
        fwi_http_request *r = feed(in.data, in.len, 11, 100, &result, &taken);
        ck_assert_int_eq(fwi_http_request_status(r), 400);
        fwi_http_request_free(r);
        fwi_buf_fini(&in);
    }
}
END_TEST

START_TEST(a_coding_that_is_not_chunks_is_refused)
{
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(heads); i++) {
        fwi_http_result result;
        size_t taken;
        fwi_http_request *r = feed(heads[i], strlen(heads[i]), 11, 0, &result, &taken);
        ck_assert_msg(result == FWI_HTTP_BAD, "%s", heads[i]);
        ck_assert_int_ge(fwi_http_request_status(r), 400);
        fwi_http_request_free(r);
    }
}
END_TEST

START_TEST(a_head_may_be_seen_before_its_body_is_allowed)
{
    static const char in[] = "POST / HTTP/1.1\r\n" HOST
                             "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t max = 4; max <= 5; max++) {
        size_t used, more, len;
        fwi_http_request *r = fwi_http_request_new();
        ck_assert(fwi_http_request_feed(r, in, sizeof in - 1, FWI_HTTP_ASK, &used) ==
                  FWI_HTTP_HEAD);
        ck_assert_uint_eq(used, sizeof in - 1 - 5);
        ck_assert(fwi_http_request_waits_for_100(r));
        ck_assert(fwi_http_request_allow_body(r, max) == (max == 5));
        fwi_http_result result = fwi_http_request_feed(r, in + used, 5, 0, &more);
        ck_assert(result == (max == 5 ? FWI_HTTP_DONE : FWI_HTTP_BAD));
        ck_assert_int_eq(fwi_http_request_status(r), max == 5 ? 0 : 413);
        fwi_http_request_body(r, &len);
        ck_assert_uint_eq(len, max == 5 ? 5 : 0);
        fwi_http_request_free(r);
    }
    size_t used;
    fwi_http_request *r = fwi_http_request_new();
    ck_assert(fwi_http_request_feed(r, LINE HOST "\r\n", strlen(LINE HOST "\r\n"),
                                    FWI_HTTP_ASK, &used) == FWI_HTTP_DONE);
    ck_assert(!fwi_http_request_waits_for_100(r));
    fwi_http_request_free(r);
}
END_TEST

static int status_of(const fwi_buf *b, size_t piece)
{
    fwi_http_result result;
    size_t taken;
    fwi_http_request *r = feed(b->data, b->len, 0, piece, &result, &taken);
    int status = fwi_http_request_status(r);
    ck_assert((result == FWI_HTTP_DONE) == (status == 0));
    fwi_http_request_free(r);
    return status;
}

START_TEST(a_head_has_at_most_16_kib)
{
    for (size_t over = 0; over < 2; over++) {
        for (size_t where = 0; where < 2; where++) {
            fwi_buf b = {0};
            const char *before = where ? "GET /" : LINE HOST "X: ";
            const char *behind = where ? " HTTP/1.1\r\n" HOST "\r\n" : "\r\n\r\n";
            fwi_buf_puts(&b, before);
            while (b.len + strlen(behind) < FWI_HTTP_HEAD_MAX + over) {
                fwi_buf_puts(&b, "x");
            }
            fwi_buf_puts(&b, behind);
            ck_assert_int_eq(status_of(&b, 0), over ? 431 : 0);
            ck_assert_int_eq(status_of(&b, 100), over ? 431 : 0);
            fwi_buf_fini(&b);
        }
    }
}
END_TEST

START_TEST(a_head_has_at_most_100_headers)
{
    for (int n = 99; n <= 101; n++) {
        fwi_buf b = {0};
        fwi_buf_puts(&b, LINE HOST);
        for (int i = 1; i < n; i++) {
            fwi_buf_printf(&b, "X%d: %d\r\n", i % 50, i);
        }
        fwi_buf_puts(&b, "\r\n");
        ck_assert_int_eq(status_of(&b, 0), n > 100 ? 431 : 0);
        fwi_buf_fini(&b);
    }
}
END_TEST

START_TEST(broken_heads_end_the_same_however_they_come)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 11);
    for (int i = 0; i < 3000; i++) {
        char in[] = "GET /ws?a=b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nContent-Length: 3\r\nX: y\r\n\r\nabc";
        for (uint64_t k = fwi_rand_between(&rnd, 1, 4); k > 0; k--) {
            in[fwi_rand_between(&rnd, 0, sizeof in - 2)] = (char)fwi_rand_next(&rnd);
        }
        fwi_http_result a, b;
        size_t taken_a, taken_b;
        fwi_http_request *ra = feed(in, sizeof in - 1, 8, 0, &a, &taken_a);
        fwi_http_request *rb = feed(in, sizeof in - 1, 8, 4, &b, &taken_b);
        ck_assert_int_eq(a, b);
        ck_assert_int_eq(fwi_http_request_status(ra), fwi_http_request_status(rb));
        ck_assert(a == FWI_HTTP_BAD || taken_a == taken_b);
        fwi_http_request_free(ra);
        fwi_http_request_free(rb);
    }
}
END_TEST

START_TEST(answers_are_whole)
{
    fwi_buf b = {0};
    ck_assert(fwi_http_answer(&b, 200, "text/plain", "ok\n", 3, false, "X: y\r\n"));
    ck_assert_str_eq(fwi_buf_text(&b), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                       "Content-Length: 3\r\nConnection: keep-alive\r\n"
                                       "X: y\r\n\r\nok\n");
    b.len = 0;
    ck_assert(fwi_http_answer(&b, 204, NULL, NULL, 0, true, NULL));
    ck_assert_str_eq(fwi_buf_text(&b),
                     "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    ck_assert_str_eq(fwi_http_reason(431), "Request Header Fields Too Large");
    ck_assert_str_eq(fwi_http_reason(799), "Error");
    fwi_buf_fini(&b);
}
END_TEST

static const struct {
    const char *query, *name;
    size_t index;
    long want;
    const char *value;
} queries[] = {
    {"room=a&room=b&user=ann", "room", 0, 1, "a"},
    {"room=a&room=b&user=ann", "room", 1, 1, "b"},
    {"room=a&room=b&user=ann", "room", 2, -1, NULL},
    {"room=a&room=b&user=ann", "user", 0, 3, "ann"},
    {"room=a", "roo", 0, -1, NULL},
    {"room=a", "rooms", 0, -1, NULL},
    {"", "room", 0, -1, NULL},
    {"&&room=a&", "room", 0, 1, "a"},
    {"room", "room", 0, 0, ""},
    {"room=", "room", 0, 0, ""},
    {"a=b=c", "a", 0, 3, "b=c"},
    {"r%6Fom=x", "room", 0, 1, "x"},
    {"a=%C3%a9+b%2B", "a", 0, 5, "\xc3\xa9 b+"},
    {"a=%26b", "a", 0, 2, "&b"},
    {"a=12345678", "a", 0, -2, NULL},
    {"a=1234567", "a", 0, 7, "1234567"},
    {"a=%4", "a", 0, -2, NULL},
    {"a=%", "a", 0, -2, NULL},
    {"a=%zz", "a", 0, -2, NULL},
    {"a=%4&b=1", "b", 0, 1, "1"},
    {"%=1&b=2", "b", 0, 1, "2"},
    {"a=%00", "a", 0, -2, NULL},
    {"a=%ff", "a", 0, -2, NULL},
    {"a=%c3", "a", 0, -2, NULL},
};

START_TEST(query_parameters_are_decoded)
{
    char out[8];
    long got = fwi_http_query_get(queries[_i].query, queries[_i].name, queries[_i].index,
                                  out, sizeof out);
    ck_assert_msg(got == queries[_i].want, "%s: %ld", queries[_i].query, got);
    if (got >= 0) {
        ck_assert_str_eq(out, queries[_i].value);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_request");
    TCase *tc = tcase_create("http_request");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, heads_are_taken_or_refused_however_they_come, 0,
                        FWI_ARRAY_LEN(cases));
    tcase_add_test(tc, bytes_behind_the_head_are_left_alone);
    tcase_add_test(tc, target_is_split_into_path_and_query);
    tcase_add_test(tc, headers_of_one_name_are_joined);
    tcase_add_test(tc, tokens_are_found_whole_and_without_case);
    tcase_add_test(tc, keep_alive_follows_the_version);
    tcase_add_test(tc, a_body_of_known_length_comes_whole);
    tcase_add_loop_test(tc, a_body_in_chunks_is_put_together, 0, FWI_ARRAY_LEN(chunked));
    tcase_add_test(tc, what_isn_t_the_body_between_chunks_is_bounded);
    tcase_add_test(tc, a_coding_that_is_not_chunks_is_refused);
    tcase_add_test(tc, a_head_may_be_seen_before_its_body_is_allowed);
    tcase_add_test(tc, a_head_has_at_most_16_kib);
    tcase_add_test(tc, a_head_has_at_most_100_headers);
    tcase_add_test(tc, broken_heads_end_the_same_however_they_come);
    tcase_add_test(tc, answers_are_whole);
    tcase_add_loop_test(tc, query_parameters_are_decoded, 0, FWI_ARRAY_LEN(queries));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
