/*
 * See admin.h.
 */
#include "http/admin.h"

#include <string.h>

#include "core/shard.h"
#include "http/api.h"
#include "http/api_key.h"
#include "http/page.h"
#include "wire/json.h"
#include "wire/ws_handshake.h"

enum {
    LOGIN_MS = 12 * 3600 * 1000, /* a working day */
    LOGIN_BODY_MAX = 1024,
    /* Wrong passwords in a minute; then nobody can try until it is over. */
    WRONG_MAX = 10,
    WRONG_MS = 60000
};

static const char cookie_name[] = "fanwire_admin=";
static const char api_prefix[] = "/admin/api/";

static const char *path_of(const fwi_http_call *call)
{
    return fwi_http_request_path(call->request);
}

static uint64_t now_ms(const fwi_site *site)
{
    return fwi_loop_now_ms(site->hub->shard[0]->loop);
}

static bool is_post(const fwi_http_call *call)
{
    return strcmp(fwi_http_request_method(call->request), "POST") == 0;
}

/* --- files --- */

static const char *type_of(const char *name)
{
    const char *end = strrchr(name, '.');
    return strcmp(end, ".js") == 0    ? "text/javascript; charset=utf-8"
           : strcmp(end, ".css") == 0 ? "text/css; charset=utf-8"
                                      : "text/html; charset=utf-8";
}

static void send_file(fwi_http_call *call, const char *name)
{
    static const char headers[] =
        "Cache-Control: no-cache\r\n"
        "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src "
        "'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "X-Content-Type-Options: nosniff\r\n";
    for (const fwi_admin_file *f = fwi_admin_files; f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0) {
            call->answer(call, &(fwi_http_reply){.status = 200,
                                                 .type = type_of(name),
                                                 .body = f->bytes,
                                                 .len = f->len,
                                                 .extra = headers});
            return;
        }
    }
    fwi_api_refuse(call, 404, FWI_API_NO_METHOD, "there is no such page");
}

/* --- who asks --- */

/* Can't a page of another site have sent this? */
static bool is_our_own(fwi_http_call *call)
{
    const fwi_http_request *r = call->request;
    const char *type = fwi_http_request_header(r, "content-type");
    if (type == NULL || strncmp(type, "application/json", 16) != 0) {
        fwi_api_refuse(call, 403, FWI_API_UNAUTHORIZED,
                       "Content-Type must be application/json");
    } else if (!fwi_ws_origin_is_allowed(r, false, NULL, 0)) {
        fwi_api_refuse(call, 403, FWI_API_UNAUTHORIZED, "a page of another site asks");
    } else {
        return true;
    }
    return false;
}

/* The cookie's value into text; false: it isn't there. */
static bool cookie_of(const fwi_http_request *r, char text[FWI_SEAL_TEXT])
{
    const char *p = fwi_http_request_header(r, "cookie");
    while (p != NULL && *p != '\0') {
        p += strspn(p, "; ");
        size_t n = strcspn(p, ";");
        size_t name = strlen(cookie_name);
        if (n == name + FWI_SEAL_TEXT - 1 && strncmp(p, cookie_name, name) == 0) {
            snprintf(text, FWI_SEAL_TEXT, "%.*s", (int)(n - name), p + name);
            return true;
        }
        p += n;
    }
    return false;
}

static bool is_logged_in(const fwi_site *site, const fwi_http_request *r)
{
    char text[FWI_SEAL_TEXT];
    uint64_t until = 0;
    return cookie_of(r, text) && fwi_seal_read(site->secrets->admin_key, text, &until) &&
           until > now_ms(site);
}

/* Is an API call to be looked at? If not, it has been answered. */
static bool let_in(fwi_site *site, fwi_http_call *call)
{
    if (!is_our_own(call)) {
        return false;
    }
    if (!is_logged_in(site, call->request)) {
        fwi_api_refuse(call, 401, FWI_API_UNAUTHORIZED, "log in first");
        return false;
    }
    return true;
}

/* --- logging in and out --- */

static void set_cookie(fwi_http_call *call, const char *value, unsigned seconds)
{
    static const char body[] = "{\"result\":{}}";
    char header[FWI_SEAL_TEXT + 160];
    snprintf(header, sizeof header,
             "Cache-Control: no-store\r\nSet-Cookie: %s%s; Path=/admin; Max-Age=%u; "
             "HttpOnly; SameSite=Strict\r\n",
             cookie_name, value, seconds);
    call->answer(call, &(fwi_http_reply){.status = 200,
                                         .type = fwi_page_json,
                                         .body = body,
                                         .len = sizeof body - 1,
                                         .extra = header});
}

/* More wrong passwords than may be? */
static bool is_shut(fwi_site *site)
{
    if (now_ms(site) - site->admin_wrong_since_ms >= WRONG_MS) {
        site->admin_wrong = 0;
    }
    return site->admin_wrong >= WRONG_MAX;
}

static void count_wrong(fwi_site *site)
{
    if (site->admin_wrong++ == 0) {
        site->admin_wrong_since_ms = now_ms(site);
    }
    fwi_site_count(site, FWI_STAT_ADMIN_REFUSED);
    FWI_LOG(&site->hub->log, FWI_LOG_WARN, "admin", "a wrong password");
}

/* {"password":"..."} */
static bool password_is_right(const fwi_site *site, const fwi_http_call *call)
{
    size_t len;
    const char *body = fwi_http_request_body(call->request, &len);
    fwi_json request, password;
    fwi_buf shown;
    fwi_buf_init(&shown);
    bool right = fwi_json_read(body, len, &request, NULL) &&
                 fwi_json_get(&request, "password", &password) &&
                 fwi_json_put_text_of(&shown, &password) &&
                 fwi_buf_text(&shown) != NULL && strlen(shown.data) == shown.len &&
                 fwi_secret_is(site->secrets->admin_password, shown.data);
    fwi_buf_fini(&shown);
    return right;
}

static void log_in(fwi_site *site, fwi_http_call *call)
{
    char text[FWI_SEAL_TEXT];
    if (!is_our_own(call)) {
        return;
    }
    if (is_shut(site)) {
        fwi_site_count(site, FWI_STAT_LIMIT_ADMIN_LOGINS);
        fwi_api_refuse(call, 429, FWI_API_TOO_MANY,
                       "too many wrong passwords: try again in a minute");
    } else if (!password_is_right(site, call)) {
        count_wrong(site);
        fwi_api_refuse(call, 401, FWI_API_UNAUTHORIZED, "the password is wrong");
    } else if (!fwi_seal_make(site->secrets->admin_key, now_ms(site) + LOGIN_MS, text)) {
        fwi_api_refuse(call, 500, FWI_API_INTERNAL, "no seal can be made");
    } else {
        FWI_LOG(&site->hub->log, FWI_LOG_INFO, "admin", "somebody has logged in");
        set_cookie(call, text, LOGIN_MS / 1000);
    }
}

static void log_out(fwi_http_call *call)
{
    if (is_our_own(call)) {
        set_cookie(call, "", 0);
    }
}

/* --- paths --- */

/* Of "/admin/api/METHOD": METHOD; NULL: it is another path. */
static const char *method_of(const fwi_http_call *call)
{
    size_t n = strlen(api_prefix);
    return strncmp(path_of(call), api_prefix, n) == 0 ? path_of(call) + n : NULL;
}

size_t fwi_admin_on_head(fwi_site *site, fwi_http_call *call)
{
    const char *method = method_of(call);
    if (method == NULL) {
        return LOGIN_BODY_MAX;
    }
    return let_in(site, call) && fwi_api_expects(site, call, method) ? site->api_max_bytes
                                                                     : 0;
}

void fwi_admin_on_request(fwi_site *site, fwi_http_call *call)
{
    const char *path = path_of(call), *method = method_of(call);
    if (method != NULL) {
        if (let_in(site, call)) {
            fwi_api_begin(site, call, method);
        }
    } else if (strcmp(path, "/admin/login") == 0 && is_post(call)) {
        log_in(site, call);
    } else if (strcmp(path, "/admin/logout") == 0 && is_post(call)) {
        log_out(call);
    } else if (strcmp(path, "/admin") == 0 || strcmp(path, "/admin/") == 0) {
        send_file(call, "index.html");
    } else {
        send_file(call, path + strlen("/admin/"));
    }
}
