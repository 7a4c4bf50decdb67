/*
 * The pages for machines that watch over a node: made of a snapshot of figures, for each
 * request. Knows no socket.
 */
#include "http/pages.h"

#include <inttypes.h>
#include <string.h>

#include "http/site.h"

#include "wire/json.h"

static bool has_redis(const fwi_hub_figures *f)
{
    return strcmp(f->backplane, "redis") == 0;
}

static bool json_text(fwi_buf *out, const char *text)
{
    return fwi_json_put_string(out, text, strlen(text));
}

/* What keeps new connections away from this node; NULL: nothing. */
static const char *not_ready(const fwi_hub_figures *f)
{
    if (f->draining) {
        return "draining";
    }
    return has_redis(f) && !f->bp.up ? "redis is away" : NULL;
}

/* Alive is not ready: a node without Redis must not be restarted for that, its members
 * still hear each other. */
static bool health_page(const fwi_hub_figures *f, fwi_buf *body)
{
    const char *status = f->draining            ? "draining"
                         : not_ready(f) != NULL ? "degraded"
                                                : "ok";
    bool ok =
        fwi_buf_printf(body,
                       "{\"status\":\"%s\",\"node\":\"%016" PRIx64 "\",\"name\":", status,
                       f->node) &&
        json_text(body, f->node_name) && fwi_buf_puts(body, ",\"version\":") &&
        json_text(body, f->version) && fwi_buf_puts(body, ",\"backplane\":") &&
        json_text(body, f->backplane);
    if (has_redis(f)) {
        uint64_t ms = f->bp.probe_age_us / 1000;
        ok = ok && fwi_buf_printf(body,
                                  ",\"redis_up\":%s,\"probe_age_seconds\":%" PRIu64
                                  ".%03" PRIu64,
                                  f->bp.up ? "true" : "false", ms / 1000, ms % 1000);
    } else {
        ok = ok && fwi_buf_puts(body, ",\"redis_up\":null,\"probe_age_seconds\":null");
    }
    return ok && fwi_buf_printf(
                     body, ",\"sessions\":%" PRIu64 ",\"uptime_seconds\":%" PRIu64 "}\n",
                     f->sums[FWI_STAT_SESSIONS], f->uptime_us / 1000000);
}

static bool ready_page(const fwi_hub_figures *f, fwi_buf *body)
{
    const char *why = not_ready(f);
    return why == NULL ? fwi_buf_puts(body, "ready\n")
                       : fwi_buf_printf(body, "not ready: %s\n", why);
}

bool fwi_page_of_figures(const fwi_hub_figures *f, const char *method, const char *path,
                         fwi_page *p)
{
    *p = (fwi_page){
        .status = 200, .type = fwi_page_text, .extra = "Cache-Control: no-store\r\n"};
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        p->status = 405;
        p->extra = "Allow: GET, HEAD\r\n";
        return fwi_buf_puts(&p->body, "only GET and HEAD\n");
    }
    if (strcmp(path, "/health") == 0) {
        p->type = fwi_page_json;
        return health_page(f, &p->body);
    }
    if (strcmp(path, "/ready") == 0) {
        p->status = not_ready(f) == NULL ? 200 : 503;
        return ready_page(f, &p->body);
    }
    p->type = "text/plain; version=0.0.4; charset=utf-8";
    return fwi_metrics_text(f, &p->body);
}

void fwi_pages_on_request(fwi_site *site, fwi_http_call *call)
{
    const fwi_http_request *r = call->request;
    fwi_hub_figures figures;
    fwi_page p;
    site->take_figures(site->user, &figures);
    bool ok = fwi_page_of_figures(&figures, fwi_http_request_method(r),
                                  fwi_http_request_path(r), &p);
    fwi_page_send(&p, call, ok);
}
