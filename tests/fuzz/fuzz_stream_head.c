/*
 * Heads of requests for streams of events, and what the door answers: whatever an Origin
 * or another header is, an answer is lines up to the one that is empty, and no page gets
 * a line that lets it read but who may. The first byte says which protocol it is, the
 * second who is let in.
 */
#include "fuzz.h"
#include "transport/conn.h"

static const char *const page[] = {"https://a.example"}, *const all[] = {"*"};

/* Nobody is behind a proxy, nobody is allowed by name; one page is; all are. */
static fwi_transport_config config_of(unsigned how)
{
    static const char *const nets[] = {"127.0.0.1"};
    static fwi_networks *trusted;
    size_t bad;
    if (trusted == NULL) {
        trusted = fwi_networks_new(nets, 1, &bad);
        MUST(trusted != NULL);
    }
    return (fwi_transport_config){.origins = how % 3 == 1   ? page
                                             : how % 3 == 2 ? all
                                                            : NULL,
                                  .n_origins = how % 3 > 0,
                                  .trusted = trusted};
}

static fwi_head *head_of(const fwi_http_request *r, unsigned what)
{
    static const char peer[] = "127.0.0.1";
    fwi_head *head = calloc(1, sizeof *head + sizeof peer);
    MUST(head != NULL);
    head->request = (fwi_http_request *)(uintptr_t)r;
    head->protocol = what % 2 ? FWI_UNI_SSE : FWI_SSE;
    memcpy(head->peer, peer, sizeof peer);
    return head;
}

/* Lines with a name each; NULL behind the empty one, or what follows it. */
static const char *are_fields(const char *at, const char *end)
{
    while (at < end) {
        const char *eol = memchr(at, '\r', (size_t)(end - at));
        MUST(eol != NULL && eol + 1 < end && eol[1] == '\n');
        MUST(memchr(at, '\n', (size_t)(eol - at)) == NULL);
        if (eol == at) {
            return at + 2;
        }
        const char *colon = memchr(at, ':', (size_t)(eol - at));
        MUST(colon != NULL && colon > at && colon[1] == ' ');
        at = eol + 2;
    }
    return NULL;
}

static void check_lines(fwi_buf *out, const fwi_http_request *r, bool foreign)
{
    static const char allow[] = "Access-Control-Allow-Origin: ";
    const char *origin = fwi_http_request_header(r, "origin");
    const char *text = fwi_buf_text(out), *allowed = strstr(text, allow);
    MUST(allowed == NULL || (origin != NULL && !foreign));
    if (allowed != NULL) {
        allowed += sizeof allow - 1;
        size_t n = strcspn(allowed, "\r");
        MUST((n == 1 && *allowed == '*') ||
             (n == strlen(origin) && memcmp(allowed, origin, n) == 0));
    }
}

/* A whole answer: a status, and lines up to the end or what belongs to it. */
static void check_answer(fwi_buf *out, const fwi_http_request *r)
{
    MUST(out->len > 0 && memcmp(out->data, "HTTP/1.1 2", 10) == 0);
    check_lines(out, r, false);
    const char *eol = strstr(out->data, "\r\n");
    MUST(eol != NULL);
    const char *end = out->data + out->len, *rest = are_fields(eol + 2, end);
    MUST(rest == end || (rest != NULL && memcmp(rest, "retry: ", 7) == 0));
}

static void answer(const fwi_transport_config *config, const fwi_head *head)
{
    const char *why = NULL;
    fwi_buf out;
    fwi_buf_init(&out);
    int status = fwi_stream_check(config, head, &why);
    MUST(status == 0 || why != NULL);
    if (status != 0) {
        MUST(fwi_stream_put_lines(&out, config, head));
        check_lines(&out, head->request, status == 403);
        MUST(are_fields(out.data, out.data + out.len) == NULL);
    } else if (fwi_stream_is_question(head)) {
        MUST(fwi_stream_put_reply(&out, config, head));
        check_answer(&out, head->request);
    } else if (fwi_stream_comes_again(head, 503)) {
        MUST(fwi_stream_put_retry(&out, config, head, 1000, "later"));
        check_answer(&out, head->request);
    } else {
        MUST(fwi_stream_put_head(&out, config, head));
        check_answer(&out, head->request);
    }
    fwi_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned what = fuzz_u8(&in);
    const fwi_transport_config config = config_of(fuzz_u8(&in));
    size_t used = 0;
    fwi_http_request *r = fwi_http_request_new();
    MUST(r != NULL);
    uint8_t *bytes = fuzz_bytes(in.at, in.left);
    if (fwi_http_request_feed(r, bytes, in.left, 0, &used) == FWI_HTTP_DONE) {
        fwi_head *head = head_of(r, what);
        answer(&config, head);
        free(head);
    }
    free(bytes);
    fwi_http_request_free(r);
    return 0;
}
