/*
 * Requests to the HTTP API and to the admin page, over a hub without sockets that has two
 * members in a room with history and presence. The input is cut at each byte FF; a piece
 * is a way, a line break and the body:
 *
 *   METHOD        of the API, with a good key; none is its older form
 *   !METHOD       of the admin page, by who has logged in; !login by who hasn't
 *
 * Each request has one answer, which is JSON, within the time that it may take. The first
 * byte says how many loops there are.
 */
#include "site.h"

enum { MARK = 0xff, NAME_MAX_BYTES = 40 };

static char cookie[160];

typedef struct request {
    fwi_http_call call;
    fwi_http_request *r;
    unsigned answers;
    int status;
} request;

static void on_answer(fwi_http_call *call, const fwi_http_reply *reply)
{
    static const char name[] = "Set-Cookie: ";
    request *a = fwi_container_of(call, request, call);
    const char *set = reply->extra != NULL ? strstr(reply->extra, name) : NULL;
    a->answers++;
    a->status = reply->status;
    fuzz_are_values(reply->body, reply->len);
    if (set != NULL && a->status == 200) {
        set += sizeof name - 1;
        snprintf(cookie, sizeof cookie, "%.*s", (int)strcspn(set, ";"), set);
    }
    fwi_http_request_free(a->r);
    a->r = NULL;
}

/* What the transport does with a request that has come whole. */
static void serve(request *a, const char *head, const char *body, size_t len)
{
    size_t used = 0, more = 0;
    a->r = fwi_http_request_new();
    MUST(a->r != NULL);
    a->call = (fwi_http_call){.request = a->r, .answer = on_answer};
    fwi_http_result result =
        fwi_http_request_feed(a->r, head, strlen(head), FWI_HTTP_ASK, &used);
    if (result == FWI_HTTP_HEAD) {
        size_t max = fwi_site_service.on_head(&site, &a->call);
        if (a->answers > 0 || !fwi_http_request_allow_body(a->r, max)) {
            return;
        }
        result = fwi_http_request_feed(a->r, body, len, 0, &more);
    }
    MUST(result == FWI_HTTP_DONE);
    fwi_site_service.on_request(&site, &a->call);
}

/* A way that may stand in a head. */
static void copy_way(char out[NAME_MAX_BYTES], const char *from)
{
    size_t n = 0;
    for (; *from != '\0' && n < NAME_MAX_BYTES - 1; from++) {
        if ((*from >= 'a' && *from <= 'z') || *from == '_' || *from == '/') {
            out[n++] = *from;
        }
    }
    out[n] = '\0';
}

static void ask(const char *way, const char *body, size_t len)
{
    char head[512], name[NAME_MAX_BYTES];
    request a = {.answers = 0};
    copy_way(name, way);
    bool admin = way[0] == '!';
    bool door = admin && (strcmp(name, "login") == 0 || strcmp(name, "logout") == 0);
    snprintf(
        head, sizeof head,
        "POST %s%s HTTP/1.1\r\nHost: x\r\nX-API-Key: " FUZZ_API_KEY "\r\n"
        "Content-Type: application/json\r\nCookie: %s\r\nContent-Length: %zu\r\n\r\n",
        door              ? "/admin/"
        : admin           ? "/admin/api/"
        : name[0] != '\0' ? "/api/"
                          : "/api",
        name, cookie, len);
    uint8_t *bytes = fuzz_bytes(body, len);
    serve(&a, head, (const char *)bytes, len);
    free(bytes);
    core_rig_settle(&rig);
    if (a.answers == 0 && a.r != NULL) {
        core_rig_advance(&rig, FUZZ_ANSWER_MS);
    }
    MUST(a.answers == 1 || (a.answers == 0 && fwi_http_request_status(a.r) == 413));
    fwi_http_request_free(a.r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    fuzz_site_begin(1 + fuzz_u8(&in) % 2);
    snprintf(cookie, sizeof cookie, "fanwire_admin=%s", fuzz_seal);
    while (in.left > 0) {
        fuzz_piece piece = fuzz_until(&in, MARK);
        fuzz_input rest = {(const uint8_t *)piece.data, piece.len};
        fuzz_piece way = fuzz_until(&rest, '\n'), body = fuzz_rest(&rest);
        ask(way.data, body.data, body.len);
        free(way.data);
        free(body.data);
        free(piece.data);
    }
    fuzz_site_end();
    return 0;
}
