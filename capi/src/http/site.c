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
    return site->n_api_keys > 0;
}

static bool has_admin(const fwi_site *site)
{
    return site->admin_password[0] != '\0';
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

bool fwi_site_init(fwi_site *site, fwi_hub *hub, const fw_options *o)
{
    *site = (fwi_site){
        .hub = hub,
        .n_api_keys = fwi_options_count(o, FWI_OPT_API_KEY),
        .api_max_bytes = (size_t)fwi_options_int(o, FWI_OPT_API_MAX_BYTES),
        .api_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_API_TIMEOUT),
        .api_max_items = (uint64_t)fwi_options_int(o, FWI_OPT_API_MAX_ITEMS),
        .admin_password = fwi_options_text(o, FWI_OPT_ADMIN_PASSWORD),
    };
    fwi_rand_fill(site->admin_key, sizeof site->admin_key);
    fwi_list_init(&site->jobs);
    site->api_keys = calloc(site->n_api_keys + 1, sizeof *site->api_keys);
    if (site->api_keys == NULL) {
        return false;
    }
    for (size_t i = 0; i < site->n_api_keys; i++) {
        site->api_keys[i] = fwi_options_item(o, FWI_OPT_API_KEY, i);
    }
    return true;
}

void fwi_site_stop(fwi_site *site)
{
    fwi_api_stop(site);
}

void fwi_site_fini(fwi_site *site)
{
    if (site->api_keys == NULL) {
        return;
    }
    fwi_api_forget_jobs(site);
    free(site->api_keys);
    site->api_keys = NULL;
}
