/*
 * See hook_http.h. A request is an easy handle of libcurl; handles that have ended are
 * kept for the next ones, and their connections by the multi handle.
 */
#include "hook_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FDS_MAX = 4, HEADER_MAX = 8192 };

typedef struct exchange {
    struct exchange *next;     /* of those under way, or of those that are free */
    struct exchange **to_this; /* where the former stands that points here */
    fwd_http *http;
    CURL *easy;
    void *request;
    char *body; /* of the request */
    struct curl_slist *headers;
    char *answer;
    size_t len, cap;
    bool too_large;
    char error[CURL_ERROR_SIZE];
} exchange;

struct fwd_http {
    const fwd_hook_config *config;
    fwd_http_on_answer on_answer;
    void *user;
    CURLM *multi;
    exchange *under_way, *idle;
    char why[CURL_ERROR_SIZE + 64];
};

fwd_http *fwd_http_new(const fwd_hook_config *c, fwd_http_on_answer on_answer, void *user)
{
    fwd_http *http = calloc(1, sizeof *http);
    if (http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(http);
        return NULL;
    }
    http->config = c;
    http->on_answer = on_answer;
    http->user = user;
    http->multi = curl_multi_init();
    if (http->multi == NULL) {
        fwd_http_free(http);
        return NULL;
    }
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                      (long)c->concurrency * FWD_HOOKS);
    return http;
}

static void put_into(exchange **list, exchange *x)
{
    x->next = *list;
    x->to_this = list;
    if (x->next != NULL) {
        x->next->to_this = &x->next;
    }
    *list = x;
}

static void take_out(exchange *x)
{
    *x->to_this = x->next;
    if (x->next != NULL) {
        x->next->to_this = x->to_this;
    }
}

/* What belongs to one request alone. */
static void forget_request(exchange *x)
{
    curl_slist_free_all(x->headers);
    free(x->body);
    free(x->answer);
    x->headers = NULL;
    x->body = x->answer = NULL;
    x->len = x->cap = 0;
    x->too_large = false;
    x->request = NULL;
}

static void exchange_free(exchange *x)
{
    forget_request(x);
    curl_easy_cleanup(x->easy);
    free(x);
}

void fwd_http_free(fwd_http *http)
{
    if (http == NULL) {
        return;
    }
    while (fwd_http_take_back(http) != NULL) {
    }
    for (exchange *x; (x = http->idle) != NULL;) {
        take_out(x);
        exchange_free(x);
    }
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    free(http);
}

/* --- what comes --- */

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    exchange *x = user;
    n *= size;
    if (n == 0) {
        return 0;
    }
    if (n > x->http->config->max_bytes - x->len) {
        x->too_large = true;
        return 0; /* that is, not all was taken: it ends */
    }
    if (x->len + n > x->cap) {
        size_t cap = x->cap > 0 ? x->cap * 2 : 1024;
        cap = cap < x->len + n ? x->len + n : cap;
        char *more = realloc(x->answer, cap);
        if (more == NULL) {
            return 0;
        }
        x->answer = more;
        x->cap = cap;
    }
    memcpy(x->answer + x->len, data, n);
    x->len += n;
    return n;
}

/* --- what goes --- */

static void set_up(exchange *x)
{
    const fwd_hook_config *c = x->http->config;
    CURL *easy = x->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
    /* Else what ends while its name is looked up would wait for the resolver, which may
     * take half a minute, and all other hooks with it. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "fanwired/" FW_VERSION_STRING);
    /* No proxy of the environment: it would see what clients say. */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (c->tls_ca[0] != '\0') {
        curl_easy_setopt(easy, CURLOPT_CAINFO, c->tls_ca);
    }
}

static exchange *exchange_new(fwd_http *http)
{
    exchange *x = http->idle;
    if (x != NULL) {
        take_out(x);
        return x;
    }
    x = calloc(1, sizeof *x);
    if (x == NULL || (x->easy = curl_easy_init()) == NULL) {
        free(x);
        return NULL;
    }
    x->http = http;
    set_up(x);
    return x;
}

static bool add_header(exchange *x, const char *name, const char *value)
{
    char line[HEADER_MAX];
    int n = snprintf(line, sizeof line, "%s: %s", name, value);
    if (n < 0 || (size_t)n >= sizeof line) {
        return true; /* longer than any server takes: left out */
    }
    struct curl_slist *longer = curl_slist_append(x->headers, line);
    if (longer != NULL) {
        x->headers = longer;
    }
    return longer != NULL;
}

static bool add_headers(exchange *x,
                        const char *(*header)(const void *arg, const char *name),
                        const void *arg)
{
    const fwd_hook_config *c = x->http->config;
    /* An empty Expect keeps libcurl from asking first whether a body may come. */
    bool ok = add_header(x, "Content-Type", "application/json") &&
              add_header(x, "Accept", "application/json") && add_header(x, "Expect", "");
    if (ok && c->secret[0] != '\0') {
        char value[HEADER_MAX];
        snprintf(value, sizeof value, "Bearer %s", c->secret);
        ok = add_header(x, "Authorization", value);
    }
    for (const char *name = fwd_hook_config_header(c, NULL); ok && name != NULL;
         name = fwd_hook_config_header(c, name)) {
        const char *value = header(arg, name);
        ok = value == NULL || value[0] == '\0' || add_header(x, name, value);
    }
    return ok;
}

bool fwd_http_send(fwd_http *http, fwd_hook_kind kind, void *request, char *body,
                   size_t len, const char *(*header)(const void *arg, const char *name),
                   const void *arg)
{
    exchange *x = exchange_new(http);
    if (x == NULL) {
        free(body);
        return false;
    }
    x->body = body;
    x->error[0] = '\0';
    bool ok = add_headers(x, header, arg);
    curl_easy_setopt(x->easy, CURLOPT_URL, http->config->url[kind]);
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    if (!ok || curl_multi_add_handle(http->multi, x->easy) != CURLM_OK) {
        exchange_free(x);
        return false;
    }
    x->request = request;
    put_into(&http->under_way, x);
    return true;
}

/* --- how it ends --- */

static fwd_http_answer failed(fwd_http *http, const exchange *x, CURLcode code)
{
    fwd_http_answer a = {.result = FWD_HOOK_UNREACHABLE, .why = http->why};
    if (x->too_large) {
        a.result = FWD_HOOK_TOO_LARGE;
        a.reached = true;
        snprintf(http->why, sizeof http->why, "the answer has more than %zu bytes",
                 http->config->max_bytes);
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        a.result = FWD_HOOK_TIMEOUT;
        snprintf(http->why, sizeof http->why, "no answer within %d ms",
                 http->config->timeout_ms);
    } else {
        snprintf(http->why, sizeof http->why, "%s",
                 x->error[0] != '\0' ? x->error : curl_easy_strerror(code));
    }
    return a;
}

/* By 502, 503 and 504 a proxy says that nobody is there behind it. */
static bool is_of_nobody(long status)
{
    return status >= 502 && status <= 504;
}

static fwd_http_answer answer_of(fwd_http *http, const exchange *x, CURLcode code)
{
    long status = 0;
    if (code != CURLE_OK) {
        return failed(http, x, code);
    }
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    fwd_http_answer a = {.result = FWD_HOOK_ANSWERED,
                         .reached = !is_of_nobody(status),
                         .why = http->why,
                         .body = x->answer != NULL ? x->answer : "",
                         .len = x->len};
    if (status >= 300 && status < 400) {
        a.result = FWD_HOOK_REDIRECT;
        snprintf(http->why, sizeof http->why,
                 "status %ld: redirects aren't followed, give the URL that it leads to",
                 status);
    } else if (status < 200 || status > 299) {
        a.result = FWD_HOOK_STATUS;
        snprintf(http->why, sizeof http->why, "status %ld", status);
    }
    return a;
}

static void finish(fwd_http *http, exchange *x, CURLcode code)
{
    fwd_http_answer a = answer_of(http, x, code);
    curl_multi_remove_handle(http->multi, x->easy);
    take_out(x);
    http->on_answer(http->user, x->request, &a);
    forget_request(x);
    put_into(&http->idle, x);
}

/* Goes on with all, and finishes those that have ended. false: none has. */
static bool go_on(fwd_http *http)
{
    bool any = false;
    int running, left;
    curl_multi_perform(http->multi, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(http->multi, &left)) != NULL;) {
        char *mine = NULL;
        if (m->msg == CURLMSG_DONE) {
            CURLcode code = m->data.result;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &mine);
            finish(http, (exchange *)(void *)mine, code);
            any = true;
        }
    }
    return any;
}

void fwd_http_wait(fwd_http *http, const int *fds, size_t n, int timeout_ms)
{
    struct curl_waitfd extra[FDS_MAX];
    for (size_t i = 0; i < n && i < FDS_MAX; i++) {
        extra[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
    }
    /* Of one that has ended already no descriptor would tell. */
    if (!go_on(http)) {
        curl_multi_poll(http->multi, extra, n < FDS_MAX ? (unsigned)n : FDS_MAX,
                        timeout_ms, NULL);
        go_on(http);
    }
}

void *fwd_http_take_back(fwd_http *http)
{
    exchange *x = http->under_way;
    if (x == NULL) {
        return NULL;
    }
    void *request = x->request;
    curl_multi_remove_handle(http->multi, x->easy);
    take_out(x);
    exchange_free(x);
    return request;
}
