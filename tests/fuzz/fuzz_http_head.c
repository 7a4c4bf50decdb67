/*
 * Heads and bodies of requests: the same in pieces as whole; then what the door asks of a
 * head that was taken: is it a handshake, with which extensions, from which page, for
 * whom, and what its query says. The first two bytes say what bodies are allowed and how
 * it is cut.
 */
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/ws_handshake.h"

enum { BODY_MAX = 64 };

typedef struct outcome {
    fwi_http_request *r;
    fwi_http_result result;
    size_t taken;
} outcome;

static void feed(outcome *o, const uint8_t *data, size_t len, size_t body_max,
                 size_t piece)
{
    *o = (outcome){.r = fwi_http_request_new(), .result = FWI_HTTP_MORE};
    MUST(o->r != NULL);
    while (o->taken < len && o->result == FWI_HTTP_MORE) {
        size_t n = FWI_MIN(len - o->taken, piece), used = 0;
        uint8_t *bytes = fuzz_bytes(data + o->taken, n);
        o->result = fwi_http_request_feed(o->r, bytes, n, body_max, &used);
        MUST(used <= n && (o->result != FWI_HTTP_MORE || used == n));
        o->taken += used;
        free(bytes);
        if (o->result == FWI_HTTP_HEAD) {
            MUST(body_max == FWI_HTTP_ASK);
            body_max = BODY_MAX;
            bool allowed = fwi_http_request_allow_body(o->r, body_max);
            o->result = allowed ? FWI_HTTP_MORE : FWI_HTTP_BAD;
        }
    }
}

static void is_line(const char *text)
{
    for (; *text != '\0'; text++) {
        MUST((unsigned char)*text >= 0x20 || *text == '\t');
    }
}

static void check_query(const char *query)
{
    enum { CAP = 16 };
    char out[CAP];
    for (size_t i = 0; i < 3; i++) {
        long len = fwi_http_query_get(query, "room", i, out, CAP);
        MUST(len >= -2 && len < CAP);
        MUST(len < 0 ||
             (strlen(out) == (size_t)len && fwi_utf8_is_valid(out, strlen(out))));
    }
}

static void check_door(const fwi_http_request *r)
{
    static const char *const nets[] = {"127.0.0.1"}, *const pages[] = {
                                                         "https://a.example"};
    static fwi_networks *trusted;
    const char *why = NULL;
    char address[46];
    size_t bad;
    fwi_buf answer;
    fwi_buf_init(&answer);
    if (trusted == NULL) {
        trusted = fwi_networks_new(nets, 1, &bad);
        MUST(trusted != NULL);
    }
    int status = fwi_ws_handshake_check(r, &why);
    MUST(status == 0 || why != NULL);
    if (status == 0) {
        fwi_ws_deflate deflate = {0};
        fwi_ws_handshake_deflate(r, &deflate);
        MUST(deflate.window_bits == 0 || (deflate.window_bits >= FWI_WS_WINDOW_MIN &&
                                          deflate.window_bits <= FWI_WS_WINDOW_MAX));
        MUST(fwi_ws_handshake_answer(r, NULL, deflate.window_bits ? &deflate : NULL,
                                     &answer));
    }
    fwi_ws_origin_is_allowed(r, true, pages, 1);
    fwi_ws_origin_is_allowed(r, false, NULL, 0);
    fwi_client_address(r, "127.0.0.1", trusted, address, sizeof address);
    is_line(address);
    fwi_buf_fini(&answer);
}

static void check_request(const fwi_http_request *r)
{
    size_t n, len;
    const char *path = fwi_http_request_path(r);
    const char *const *headers = fwi_http_request_headers(r, &n);
    const char *body = fwi_http_request_body(r, &len);
    MUST(path[0] == '/' || strcmp(path, "*") == 0);
    MUST(n <= FWI_HTTP_HEADERS_MAX && len <= BODY_MAX && (len == 0 || body != NULL));
    for (size_t i = 0; i < n; i++) {
        is_line(headers[2 * i]);
        is_line(headers[2 * i + 1]);
        MUST(fwi_http_request_header(r, headers[2 * i]) != NULL);
    }
    check_query(fwi_http_request_query(r));
    check_door(r);
}

static void are_same(const outcome *a, const outcome *b)
{
    MUST(a->result == b->result);
    if (a->result == FWI_HTTP_BAD) {
        MUST(fwi_http_request_status(a->r) == fwi_http_request_status(b->r));
    } else if (a->result == FWI_HTTP_DONE) {
        size_t a_len, b_len;
        const char *a_body = fwi_http_request_body(a->r, &a_len);
        const char *b_body = fwi_http_request_body(b->r, &b_len);
        MUST(a->taken == b->taken && a_len == b_len);
        MUST(a_len == 0 || memcmp(a_body, b_body, a_len) == 0);
        MUST(strcmp(fwi_http_request_path(a->r), fwi_http_request_path(b->r)) == 0);
        MUST(strcmp(fwi_http_request_query(a->r), fwi_http_request_query(b->r)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t bodies[] = {0, BODY_MAX, FWI_HTTP_ASK};
    fuzz_input in = {data, size};
    size_t body_max = bodies[fuzz_u8(&in) % 3], piece = fuzz_u8(&in) % 100 + 1u;
    outcome whole, cut;
    feed(&whole, in.at, in.left, body_max, in.left);
    feed(&cut, in.at, in.left, body_max, piece);
    are_same(&whole, &cut);
    if (whole.result == FWI_HTTP_DONE) {
        check_request(whole.r);
    }
    MUST(whole.result != FWI_HTTP_BAD || fwi_http_request_why(whole.r)[0] != '\0');
    fwi_http_request_free(whole.r);
    fwi_http_request_free(cut.r);
    return 0;
}
