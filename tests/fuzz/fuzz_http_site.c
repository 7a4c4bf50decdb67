/*
 * Requests to http.listen as anybody may write them, whole and one behind the other: the
 * pages, the API and the admin page by whatever key, cookie or password is shown
 * (site.h). The first byte says how many loops there are.
 *
 * Each request has one answer in its time, whose lines are lines; what says that it is
 * JSON is; and nothing of the API or behind the admin page's door is given to who hasn't
 * shown what is asked for.
 */
#include <strings.h>

#include "site.h"

typedef struct request {
    fwi_http_call call;
    fwi_http_request *r;
    unsigned answers;
} request;

/* Of a request: written after docs/http-api.md, not after http/api_key.c. */
static bool shows_key(const fwi_http_request *r)
{
    const char *key = fwi_http_request_header(r, "x-api-key");
    const char *other = fwi_http_request_header(r, "authorization");
    if (key == NULL && other != NULL && strncasecmp(other, "apikey ", 7) == 0) {
        for (key = other + 7; *key == ' '; key++) {
            /* as many blanks as they like */
        }
    }
    return key != NULL && strcmp(key, FUZZ_API_KEY) == 0;
}

static bool shows_seal(const fwi_http_request *r)
{
    const char *cookie = fwi_http_request_header(r, "cookie");
    return cookie != NULL && strstr(cookie, fuzz_seal) != NULL;
}

static bool is_below(const fwi_http_request *r, const char *path)
{
    size_t n = strlen(path);
    const char *asked = fwi_http_request_path(r);
    return strncmp(asked, path, n) == 0 && (asked[n] == '\0' || asked[n] == '/');
}

static void are_lines(const char *extra)
{
    while (*extra != '\0') {
        size_t n = strcspn(extra, "\r\n");
        MUST(n > 0 && strncmp(extra + n, "\r\n", 2) == 0);
        for (size_t i = 0; i < n; i++) {
            MUST((unsigned char)extra[i] >= ' ');
        }
        extra += n + 2;
    }
}

static void on_answer(fwi_http_call *call, const fwi_http_reply *reply)
{
    request *a = fwi_container_of(call, request, call);
    a->answers++;
    MUST(a->answers == 1 && reply->status >= 200 && reply->status < 600);
    if (reply->status < 300) {
        MUST(!is_below(a->r, "/api") || shows_key(a->r));
        MUST(!is_below(a->r, "/admin/api") || shows_seal(a->r));
    }
    if (reply->extra != NULL) {
        are_lines(reply->extra);
    }
    if (reply->type != NULL && strcmp(reply->type, "application/json") == 0) {
        fuzz_are_values(reply->body, reply->len);
    }
}

/* What the transport does with bytes that have come. How many of them were the request's;
 * 0: there is no more to be had of this connection. */
static size_t serve(request *a, const uint8_t *bytes, size_t len)
{
    size_t used = 0, more = 0;
    fwi_http_result result = fwi_http_request_feed(a->r, bytes, len, FWI_HTTP_ASK, &used);
    if (result == FWI_HTTP_HEAD) {
        size_t max = fwi_site_service.on_head(&site, &a->call);
        if (a->answers > 0) {
            return 0;
        }
        fwi_http_request_allow_body(a->r, max);
        result = fwi_http_request_feed(a->r, bytes + used, len - used, 0, &more);
    }
    if (result != FWI_HTTP_DONE) {
        return 0;
    }
    fwi_site_service.on_request(&site, &a->call);
    core_rig_settle(&rig);
    if (a->answers == 0) {
        core_rig_advance(&rig, FUZZ_ANSWER_MS);
    }
    MUST(a->answers == 1);
    return fwi_http_request_keeps_alive(a->r) ? used + more : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    fuzz_site_begin(1 + fuzz_u8(&in) % 2);
    size_t used = 1;
    while (in.left > 0 && used > 0) {
        request a = {.r = fwi_http_request_new()};
        MUST(a.r != NULL);
        a.call = (fwi_http_call){.request = a.r, .answer = on_answer};
        uint8_t *bytes = fuzz_bytes(in.at, in.left);
        used = serve(&a, bytes, in.left);
        free(bytes);
        fwi_http_request_free(a.r);
        free(fuzz_take(&in, used).data);
    }
    fuzz_site_end();
    return 0;
}
