/*
 * See site.h.
 */
#include "http/site.h"

#include <string.h>

#include "base/rand.h"
#include "core/shard.h"
#include "http/admin.h"
#include "http/api.h"
#include "http/page.h"

static bool has_api(const fwi_site *site)
{
    return site->secrets->n_api_keys > 0;
}

static bool has_admin(const fwi_site *site)
{
    return site->secrets->admin_password[0] != '\0';
}

static const fwi_site_row rows[] = {
    {.path = "/health", .on_request = fwi_pages_on_request},
    {.path = "/ready", .on_request = fwi_pages_on_request},
    {.path = "/metrics", .on_request = fwi_pages_on_request},
    {.path = "/api",
     .below = true,
     .on_head = fwi_api_on_head,
     .on_request = fwi_api_on_request,
     .is_on = has_api},
    {.path = "/admin",
     .below = true,
     .on_head = fwi_admin_on_head,
     .on_request = fwi_admin_on_request,
     .is_on = has_admin},
};

static bool fits(const fwi_site_row *row, const char *path)
{
    size_t n = strlen(row->path);
    return strncmp(path, row->path, n) == 0 &&
           (path[n] == '\0' || (row->below && path[n] == '/'));
}

const fwi_site_row *fwi_site_find(const fwi_site *site, const char *path)
{
    for (size_t i = 0; i < FWI_ARRAY_LEN(rows); i++) {
        bool is_on = rows[i].is_on == NULL || rows[i].is_on(site);
        if (is_on && fits(&rows[i], path)) {
            return &rows[i];
        }
    }
    return NULL;
}

static void not_found(const fwi_site *site, fwi_http_call *call)
{
    fwi_page p = {.status = 404, .type = fwi_page_text};
    bool ok =
        fwi_buf_printf(&p.body, "not found: there are /health, /ready and /metrics%s%s\n",
                       has_api(site) ? ", /api" : "", has_admin(site) ? ", /admin" : "");
    fwi_page_send(&p, call, ok);
}

static size_t on_head(void *user, fwi_http_call *call)
{
    fwi_site *site = user;
    const fwi_site_row *row = fwi_site_find(site, fwi_http_request_path(call->request));
    if (row == NULL) {
        not_found(site, call);
        return 0;
    }
    return row->on_head != NULL ? row->on_head(site, call) : 0;
}

static void on_request(void *user, fwi_http_call *call)
{
    fwi_site *site = user;
    const fwi_site_row *row = fwi_site_find(site, fwi_http_request_path(call->request));
    fwi_site_count(site, FWI_STAT_HTTP_REQUESTS);
    if (row == NULL) {
        not_found(site, call);
    } else {
        row->on_request(site, call);
    }
}

static void on_gone(void *user, fwi_http_call *call)
{
    (void)user;
    if (call->state != NULL) { /* who answers at once has none */
        fwi_api_on_gone(call);
    }
}

static void on_limit(void *user, fwi_http_limit which)
{
    static const fwi_stat stats[] = {
        [FWI_HTTP_TOO_MANY] = FWI_STAT_LIMIT_HTTP_CONNECTIONS,
        [FWI_HTTP_TOO_LARGE] = FWI_STAT_LIMIT_HTTP_BODY,
        [FWI_HTTP_TOO_SLOW] = FWI_STAT_LIMIT_HTTP_REQUEST,
    };
    fwi_site_count(user, stats[which]);
}

const fwi_http_service fwi_site_service = {
    .on_head = on_head,
    .on_request = on_request,
    .on_gone = on_gone,
    .on_limit = on_limit,
};

void fwi_site_count(const fwi_site *site, fwi_stat which)
{
    fwi_shard_count(site->hub->shard[0], which);
}

fwi_site_secrets *fwi_site_secrets_new(const fw_options *o)
{
    fwi_site_secrets *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->options = fwi_options_copy(o);
    s->n_api_keys = fwi_options_count(o, FWI_OPT_API_KEY);
    s->api_keys = calloc(s->n_api_keys + 1, sizeof *s->api_keys);
    if (s->options == NULL || s->api_keys == NULL) {
        fwi_site_secrets_free(s);
        return NULL;
    }
    for (size_t i = 0; i < s->n_api_keys; i++) {
        s->api_keys[i] = fwi_options_item(s->options, FWI_OPT_API_KEY, i);
    }
    s->admin_password = fwi_options_text(s->options, FWI_OPT_ADMIN_PASSWORD);
    fwi_rand_fill(s->admin_key, sizeof s->admin_key);
    return s;
}

void fwi_site_secrets_free(fwi_site_secrets *secrets)
{
    if (secrets != NULL) {
        fw_options_free(secrets->options);
        free(secrets->api_keys);
        free(secrets);
    }
}

void fwi_site_exchange(fwi_site *site, fwi_site_secrets *secrets)
{
    fwi_site_secrets *before = site->secrets;
    if (strcmp(secrets->admin_password, before->admin_password) == 0) {
        memcpy(secrets->admin_key, before->admin_key, sizeof secrets->admin_key);
    }
    site->secrets = secrets;
    fwi_site_secrets_free(before);
}

bool fwi_site_init(fwi_site *site, fwi_hub *hub, const fw_options *o)
{
    *site = (fwi_site){
        .hub = hub,
        .secrets = fwi_site_secrets_new(o),
        .api_max_bytes = (size_t)fwi_options_int(o, FWI_OPT_API_MAX_BYTES),
        .api_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_API_TIMEOUT),
        .api_max_items = (uint64_t)fwi_options_int(o, FWI_OPT_API_MAX_ITEMS),
    };
    fwi_list_init(&site->jobs);
    return site->secrets != NULL;
}

void fwi_site_stop(fwi_site *site)
{
    fwi_api_stop(site);
}

void fwi_site_fini(fwi_site *site)
{
    if (site->secrets == NULL) {
        return;
    }
    fwi_api_forget_jobs(site);
    fwi_site_secrets_free(site->secrets);
    site->secrets = NULL;
}
