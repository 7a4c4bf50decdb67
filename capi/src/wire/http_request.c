/*
 * The head of a request. http-parser knows the grammar; http_scan in front of it looks at
 * each byte first and finds the end of the head, so that the parser never sees a byte of
 * a body or of what follows: a body of known length is counted here, one in chunks is
 * read by http_chunks.
 *
 * Text is collected in one buffer as NUL-terminated pieces; fields are offsets into it
 * until the head is complete, pointers afterwards.
 *
 * Called by the door for each connection; knows no socket. @thread the connection's
 */
#include "wire/http_request.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

#include "wire/http_chunks.h"
#include "wire/http_scan.h"

typedef struct field {
    size_t name, value; /* offsets in text */
    size_t lines; /* how many were joined into this one; 0: it was joined to another */
} field;

struct fwi_http_request {
    http_parser parser;
    fwi_http_scan scan;
    bool in_value, complete;
    fwi_buf text;
    size_t target_len;
    field fields[FWI_HTTP_HEADERS_MAX];
    size_t n_fields;
    const char **pairs; /* name, value, ... */
    size_t *pair_lines;
    size_t n_pairs;
    const char *path, *query;
    bool in_chunks;
    fwi_http_chunks chunks;
    uint64_t body_left; /* of a known length */
    size_t body_max;
    fwi_buf body;
    int status;
    const char *why;
};

static bool refuse(fwi_http_request *r, int status, const char *why)
{
    if (r->status == 0) {
        r->status = status;
        r->why = why;
    }
    return false;
}

static bool refuse_memory(fwi_http_request *r)
{
    return refuse(r, 500, "out of memory");
}

/* --- http-parser's callbacks: collect text --- */

static bool add_text(fwi_http_request *r, const char *at, size_t len)
{
    return fwi_buf_append(&r->text, at, len) || refuse_memory(r);
}

static bool end_text(fwi_http_request *r)
{
    return add_text(r, "", 1);
}

static int on_url(http_parser *p, const char *at, size_t len)
{
    fwi_http_request *r = p->data;
    for (size_t i = 0; i < len; i++) {
        if (at[i] <= 0x20 || at[i] >= 0x7f || at[i] == '#') {
            refuse(r, 400, "a character in the request target that is not allowed");
            return -1;
        }
    }
    r->target_len += len;
    return add_text(r, at, len) ? 0 : -1;
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int on_field(http_parser *p, const char *at, size_t len)
{
    fwi_http_request *r = p->data;
    for (size_t i = 0; i < len; i++) {
        if (!is_token_char(at[i])) {
            refuse(r, 400, "a character in the name of a header that is not allowed");
            return -1;
        }
    }
    if (r->n_fields == 0 || r->in_value) { /* a new one: end what was before */
        if (r->n_fields == FWI_HTTP_HEADERS_MAX) {
            refuse(r, 431, "more than 100 headers");
            return -1;
        }
        if (!end_text(r)) {
            return -1;
        }
        r->fields[r->n_fields++] = (field){.name = r->text.len, .lines = 1};
        r->in_value = false;
    }
    if (!add_text(r, at, len)) {
        return -1;
    }
    for (char *c = r->text.data + r->text.len - len; len > 0; len--, c++) {
        if (*c >= 'A' && *c <= 'Z') {
            *c = (char)(*c | 0x20);
        }
    }
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t len)
{
    fwi_http_request *r = p->data;
    if (!r->in_value) {
        if (!end_text(r)) {
            return -1;
        }
        r->fields[r->n_fields - 1].value = r->text.len;
        r->in_value = true;
    }
    return add_text(r, at, len) ? 0 : -1;
}

static int on_complete(http_parser *p)
{
    fwi_http_request *r = p->data;
    r->complete = true;
    return 0;
}

static const http_parser_settings callbacks = {.on_url = on_url,
                                               .on_header_field = on_field,
                                               .on_header_value = on_value,
                                               .on_headers_complete = on_complete};

/* --- a complete head: join, then judge --- */

static void trim(char *value)
{
    size_t len = strlen(value);
    size_t from = strspn(value, " \t");
    while (len > from && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
        len--;
    }
    memmove(value, value + from, len - from);
    value[len - from] = '\0';
}

/* Appends the values of all later fields of the same name to a copy of this one's. */
static bool join(fwi_http_request *r, size_t first)
{
    field *f = &r->fields[first];
    for (size_t i = first + 1; i < r->n_fields; i++) {
        if (r->fields[i].lines &&
            !strcmp(r->text.data + f->name, r->text.data + r->fields[i].name)) {
            r->fields[i].lines = 0;
            f->lines++;
        }
    }
    if (f->lines == 1) {
        return true;
    }
    size_t start = r->text.len;
    size_t joined = 0;
    for (size_t i = first; joined < f->lines; i++) {
        /* text may move while it grows, so what is copied is pointed to afterwards */
        if (strcmp(r->text.data + f->name, r->text.data + r->fields[i].name) != 0) {
            continue;
        }
        size_t len = strlen(r->text.data + r->fields[i].value);
        if (!fwi_buf_reserve(&r->text, len + 3)) {
            return refuse_memory(r);
        }
        if (joined++ > 0) {
            add_text(r, ", ", 2);
        }
        add_text(r, r->text.data + r->fields[i].value, len);
    }
    f->value = start;
    return end_text(r);
}

static bool make_pairs(fwi_http_request *r)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        trim(r->text.data + r->fields[i].value);
    }
    for (size_t i = 0; i < r->n_fields; i++) {
        if (r->fields[i].lines && !join(r, i)) {
            return false;
        }
    }
    r->pairs = calloc(2 * r->n_fields + 1, sizeof *r->pairs);
    r->pair_lines = calloc(r->n_fields + 1, sizeof *r->pair_lines);
    if (r->pairs == NULL || r->pair_lines == NULL) {
        return refuse_memory(r);
    }
    for (size_t i = 0; i < r->n_fields; i++) {
        const field *f = &r->fields[i];
        if (f->lines) {
            r->pairs[2 * r->n_pairs] = r->text.data + f->name;
            r->pairs[2 * r->n_pairs + 1] = r->text.data + f->value;
            r->pair_lines[r->n_pairs++] = f->lines;
        }
    }
    return true;
}

static bool is_host_value(const char *host)
{
    /* RFC 3986 3.2.2 without a user: no / ? # @, and of course no list. */
    for (const char *c = host; *c; c++) {
        if (*c <= 0x20 || *c >= 0x7f || strchr(",/?#@\\\"<>^`{|}", *c) != NULL) {
            return false;
        }
    }
    return true;
}

static bool check_host(fwi_http_request *r)
{
    const char *host = fwi_http_request_header(r, "host");
    if (host == NULL) {
        return r->parser.http_minor == 0 || refuse(r, 400, "the Host header is missing");
    }
    if (fwi_http_request_header_lines(r, "host") > 1) {
        return refuse(r, 400, "more than one Host header");
    }
    return is_host_value(host) || refuse(r, 400, "a Host header that names no host");
}

/* "/path?query", "http://host/path?query" or, for OPTIONS, "*": RFC 9112 3.2. */
static bool split_target(fwi_http_request *r)
{
    char *target = r->text.data;
    if (strncasecmp(target, "http://", 7) == 0 ||
        strncasecmp(target, "https://", 8) == 0) {
        char *authority = strchr(target, ':') + 3;
        size_t len = strcspn(authority, "/?");
        const char *host = fwi_http_request_header(r, "host");
        if (host == NULL || strlen(host) != len ||
            strncasecmp(host, authority, len) != 0) {
            return refuse(r, 400, "the request target and Host name different hosts");
        }
        target = authority + len;
        if (*target != '/') { /* "http://host?q": there is room for the slash before it */
            *--target = '/';
        }
    } else if (*target != '/' &&
               !(r->parser.method == HTTP_OPTIONS && strcmp(target, "*") == 0)) {
        return refuse(r, 400, "the request target must begin with a slash");
    }
    char *mark = strchr(target, '?');
    r->path = target;
    r->query = "";
    if (mark) {
        *mark = '\0';
        r->query = mark + 1;
    }
    return true;
}

/* RFC 9112 6.1: chunks are the one coding that is spoken here, and HTTP/1.0 has none. */
static bool check_coding(fwi_http_request *r, const char *coding, size_t body_max)
{
    if (body_max == 0) {
        return refuse(r, 411, "a body needs a Content-Length");
    }
    if (r->parser.http_minor == 0) {
        return refuse(r, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (strcasecmp(coding, "chunked") != 0) {
        return refuse(r, 501, "a Transfer-Encoding that is not chunked");
    }
    r->in_chunks = true;
    return true;
}

static bool check_size(fwi_http_request *r, size_t body_max)
{
    r->body_max = body_max;
    return r->body_left <= body_max || refuse(r, 413, "the body is too large");
}

/* RFC 9112 6.1-6.3. A body counts only if it is clear where it ends. */
static bool check_body(fwi_http_request *r, size_t body_max)
{
    const char *length = fwi_http_request_header(r, "content-length");
    const char *coding = fwi_http_request_header(r, "transfer-encoding");
    r->body_max = body_max;
    if (coding != NULL) {
        return length ? refuse(r, 400, "both Content-Length and Transfer-Encoding")
                      : check_coding(r, coding, body_max);
    }
    if (length == NULL) {
        return true;
    }
    size_t digits = strspn(length, "0123456789");
    if (fwi_http_request_header_lines(r, "content-length") > 1 || digits == 0 ||
        length[digits] != '\0') {
        return refuse(r, 400, "Content-Length must be one number");
    }
    /* 18 digits fit; a longer number is too large or has silly zeros in front. */
    r->body_left = digits > 18 ? UINT64_MAX : strtoull(length, NULL, 10);
    return check_size(r, body_max);
}

static bool finish_head(fwi_http_request *r, size_t body_max)
{
    if (!end_text(r)) {
        return false;
    }
    if (r->parser.http_major != 1) {
        return refuse(r, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    if (r->parser.method == HTTP_CONNECT) {
        return refuse(r, 405, "this is no proxy");
    }
    return make_pairs(r) && check_host(r) && split_target(r) && check_body(r, body_max);
}

/* --- the door --- */

fwi_http_request *fwi_http_request_new(void)
{
    fwi_http_request *r = calloc(1, sizeof *r);
    if (r) {
        http_parser_init(&r->parser, HTTP_REQUEST);
        r->parser.data = r;
    }
    return r;
}

void fwi_http_request_free(fwi_http_request *r)
{
    if (r) {
        fwi_buf_fini(&r->text);
        fwi_buf_fini(&r->body);
        free(r->pairs);
        free(r->pair_lines);
        free(r);
    }
}

static const char *parser_complaint(enum http_errno error)
{
    switch (error) {
    case HPE_INVALID_METHOD:
        return "not a method of HTTP/1.1";
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT:
        return "not an HTTP request";
    case HPE_INVALID_HEADER_TOKEN:
        return "a header that is not well-formed";
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
        return "the length of the body is not clear";
    default:
        return "a request that is not well-formed";
    }
}

static bool feed_head(fwi_http_request *r, const char *data, size_t len, size_t body_max,
                      size_t *n)
{
    const char *why = NULL;
    int status = fwi_http_scan_feed(&r->scan, data, len, n, &why);
    if (status != 0) {
        return refuse(r, status, why);
    }
    /* With an upgrade asked for the parser stops before the last LF; that is no failure.
     */
    http_parser_execute(&r->parser, &callbacks, data, *n);
    enum http_errno error = HTTP_PARSER_ERRNO(&r->parser);
    if (error != HPE_OK) {
        return refuse(r, 400, parser_complaint(error));
    }
    if (r->complete != r->scan.ended) {
        return refuse(r, 400, "a request that is not well-formed");
    }
    return !r->complete || finish_head(r, body_max);
}

static bool has_body(const fwi_http_request *r)
{
    return r->in_chunks || r->body_left > 0;
}

static bool feed_chunks(fwi_http_request *r, const char *data, size_t len, size_t *used)
{
    const char *why = "";
    switch (
        fwi_http_chunks_feed(&r->chunks, data, len, r->body_max, &r->body, used, &why)) {
    case FWI_CHUNKS_MORE:
        return true;
    case FWI_CHUNKS_DONE:
        r->in_chunks = false;
        return true;
    case FWI_CHUNKS_BAD:
        return refuse(r, 400, why);
    case FWI_CHUNKS_TOO_BIG:
        return refuse(r, 413, "the body is too large");
    default:
        return refuse_memory(r);
    }
}

static bool feed_body(fwi_http_request *r, const char *data, size_t len, size_t *used)
{
    if (r->in_chunks) {
        return feed_chunks(r, data, len, used);
    }
    size_t n = (size_t)FWI_MIN(r->body_left, (uint64_t)len);
    if (!fwi_buf_append(&r->body, data, n)) {
        return refuse_memory(r);
    }
    r->body_left -= n;
    *used = n;
    return true;
}

fwi_http_result fwi_http_request_feed(fwi_http_request *r, const void *data, size_t len,
                                      size_t body_max, size_t *used)
{
    *used = 0;
    if (r->status == 0 && !r->scan.ended) {
        feed_head(r, data, len, body_max, used);
        if (r->status == 0 && r->scan.ended && body_max == FWI_HTTP_ASK && has_body(r)) {
            return FWI_HTTP_HEAD;
        }
    }
    if (r->status == 0 && r->scan.ended && has_body(r)) {
        size_t n = 0;
        feed_body(r, (const char *)data + *used, len - *used, &n);
        *used += n;
    }
    if (r->status != 0) {
        return FWI_HTTP_BAD;
    }
    return r->scan.ended && !has_body(r) ? FWI_HTTP_DONE : FWI_HTTP_MORE;
}

bool fwi_http_request_allow_body(fwi_http_request *r, size_t body_max)
{
    if (body_max == 0) {
        return refuse(r, 413, "no body is taken here");
    }
    return check_size(r, body_max);
}

bool fwi_http_request_waits_for_100(const fwi_http_request *r)
{
    return fwi_http_request_is_1_1(r) &&
           fwi_http_request_has_token(r, "expect", "100-continue");
}

int fwi_http_request_status(const fwi_http_request *r)
{
    return r->status;
}

const char *fwi_http_request_why(const fwi_http_request *r)
{
    return r->why ? r->why : "";
}

const char *fwi_http_request_method(const fwi_http_request *r)
{
    return http_method_str((enum http_method)r->parser.method);
}

const char *fwi_http_request_path(const fwi_http_request *r)
{
    return r->path;
}

const char *fwi_http_request_query(const fwi_http_request *r)
{
    return r->query;
}

bool fwi_http_request_is_1_1(const fwi_http_request *r)
{
    return r->parser.http_minor >= 1; /* 1.2, if it ever comes, is to be taken for 1.1 */
}

bool fwi_http_request_keeps_alive(const fwi_http_request *r)
{
    return fwi_http_request_is_1_1(r)
               ? !fwi_http_request_has_token(r, "connection", "close")
               : fwi_http_request_has_token(r, "connection", "keep-alive");
}

static size_t find(const fwi_http_request *r, const char *name)
{
    size_t i = 0;
    while (i < r->n_pairs && strcmp(r->pairs[2 * i], name) != 0) {
        i++;
    }
    return i;
}

const char *fwi_http_request_header(const fwi_http_request *r, const char *name)
{
    size_t i = find(r, name);
    return i < r->n_pairs ? r->pairs[2 * i + 1] : NULL;
}

size_t fwi_http_request_header_lines(const fwi_http_request *r, const char *name)
{
    size_t i = find(r, name);
    return i < r->n_pairs ? r->pair_lines[i] : 0;
}

bool fwi_http_request_has_token(const fwi_http_request *r, const char *name,
                                const char *token)
{
    const char *p = fwi_http_request_header(r, name);
    size_t want = strlen(token);
    while (p && *p) {
        p += strspn(p, ", \t");
        size_t len = strcspn(p, ",");
        const char *next = p + len;
        while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t')) {
            len--;
        }
        if (len == want && strncasecmp(p, token, len) == 0) {
            return true;
        }
        p = next;
    }
    return false;
}

const char *const *fwi_http_request_headers(const fwi_http_request *r, size_t *n)
{
    *n = r->n_pairs;
    return r->pairs;
}

const char *fwi_http_request_body(const fwi_http_request *r, size_t *len)
{
    *len = r->body.len;
    return r->body.data ? r->body.data : "";
}
