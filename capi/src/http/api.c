/*
 * See api.h: who is let in, requests to jobs, jobs to answers.
 * @thread loop 0
 */
#include "http/api.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "http/api_inside.h"
#include "http/api_key.h"

enum { PREFIX_LEN = sizeof "/api/" - 1 };

/* --- refusals of a request as a whole --- */

static void put_error(fwi_buf *out, unsigned code, const char *message, bool *ok)
{
    *ok = *ok && fwi_buf_printf(out, "{\"error\":{\"code\":%u,\"message\":", code) &&
          fwi_json_put_string(out, message, strlen(message)) && fwi_buf_puts(out, "}}");
}

void fwi_api_refuse(fwi_http_call *call, int status, fwi_api_code code,
                    const char *message)
{
    fwi_page p = {.status = status,
                  .type = fwi_page_json,
                  .extra = status == 401   ? "WWW-Authenticate: apikey\r\n"
                           : status == 405 ? "Allow: POST\r\n"
                                           : NULL};
    bool ok = true;
    put_error(&p.body, code, message, &ok);
    fwi_page_send(&p, call, ok);
}

/* What comes behind "/api/"; "" for "/api" itself. */
static const char *name_of(const fwi_http_call *call)
{
    const char *path = fwi_http_request_path(call->request);
    return strlen(path) <= PREFIX_LEN ? "" : path + PREFIX_LEN;
}

static bool shows_key(fwi_site *site, fwi_http_call *call)
{
    const fwi_site_secrets *s = site->secrets;
    if (fwi_api_key_is_good(s->api_keys, s->n_api_keys, call->request)) {
        return true;
    }
    fwi_site_count(site, FWI_STAT_API_UNAUTHORIZED);
    fwi_api_refuse(call, 401, FWI_API_UNAUTHORIZED,
                   "X-API-Key or Authorization: apikey is missing or wrong");
    return false;
}

static fwi_api_form form_of(const char *name)
{
    return name[0] == '\0'              ? FWI_API_LINES
           : strcmp(name, "batch") == 0 ? FWI_API_BATCH
                                        : FWI_API_SINGLE;
}

bool fwi_api_expects(const fwi_site *site, fwi_http_call *call, const char *name)
{
    if (form_of(name) == FWI_API_SINGLE &&
        fwi_api_method_find(name, strlen(name)) == NULL) {
        fwi_api_refuse(call, 404, FWI_API_NO_METHOD, "there is no such method");
    } else if (strcmp(fwi_http_request_method(call->request), "POST") != 0) {
        fwi_api_refuse(call, 405, FWI_API_BAD, "only POST");
    } else if (atomic_load(&site->hub->draining)) {
        fwi_api_refuse(call, 503, FWI_API_INTERNAL, "this node is draining");
    } else {
        return true;
    }
    return false;
}

size_t fwi_api_on_head(fwi_site *site, fwi_http_call *call)
{
    return shows_key(site, call) && fwi_api_expects(site, call, name_of(call))
               ? site->api_max_bytes
               : 0;
}

/* --- jobs --- */

static void command_free(fwi_api_command *c)
{
    if (c->state_free != NULL) {
        c->state_free(c->state);
    }
    fwi_buf_fini(&c->result);
}

static void job_free(fwi_api_job *job)
{
    fwi_list_remove(&job->link);
    if (fwi_timer_is_set(&job->timer)) { /* else there may be no loop any more */
        fwi_loop_timer_clear(job->site->hub->shard[0]->loop, &job->timer);
    }
    for (size_t i = 0; i < job->n; i++) {
        command_free(&job->commands[i]);
    }
    free(job->commands);
    free(job);
}

static bool put_command(fwi_buf *out, const fwi_api_command *c, const char *as)
{
    bool ok = true;
    if (c->job->form == FWI_API_LINES) {
        ok = fwi_buf_puts(out, "{");
        if (c->id != 0) {
            ok = ok && fwi_buf_printf(out, "\"id\":%" PRIu64 ",", c->id);
        }
    } else {
        ok = fwi_buf_puts(out, "{");
    }
    if (c->code != FWI_API_OK) {
        ok = ok && fwi_buf_printf(out, "\"error\":{\"code\":%u,\"message\":", c->code) &&
             fwi_json_put_string(out, c->message, strlen(c->message)) &&
             fwi_buf_puts(out, "}");
    } else {
        ok = ok && fwi_buf_printf(out, "\"%s\":", as) &&
             (c->result.len > 0 ? fwi_buf_append(out, c->result.data, c->result.len)
                                : fwi_buf_puts(out, "{}"));
    }
    return ok && fwi_buf_puts(out, "}");
}

static bool put_job(fwi_buf *out, const fwi_api_job *job)
{
    bool ok = job->form != FWI_API_BATCH || fwi_buf_puts(out, "{\"replies\":[");
    for (size_t i = 0; i < job->n && ok; i++) {
        const fwi_api_command *c = &job->commands[i];
        const char *as =
            job->form == FWI_API_BATCH && c->method ? c->method->name : "result";
        if (i > 0) {
            ok = fwi_buf_puts(out, job->form == FWI_API_BATCH ? "," : "\n");
        }
        ok = ok && !c->no_memory && put_command(out, c, as);
    }
    return ok && (job->form != FWI_API_BATCH || fwi_buf_puts(out, "]}"));
}

static void answer(fwi_api_job *job)
{
    fwi_http_call *call = job->call;
    fwi_page p = {.status = 200, .type = fwi_page_json};
    bool ok = put_job(&p.body, job);
    for (size_t i = 0; i < job->n; i++) {
        fwi_site_count(job->site, FWI_STAT_API_COMMANDS);
        if (job->commands[i].code != FWI_API_OK) {
            fwi_site_count(job->site, FWI_STAT_API_ERRORS);
        }
    }
    job->call = NULL; /* first: the answer may be the call's end */
    fwi_page_send(&p, call, ok);
}

static void on_late(fwi_timer *t)
{
    fwi_api_job *job = fwi_container_of(t, fwi_api_job, timer);
    fwi_site_count(job->site, FWI_STAT_LIMIT_API_TIME);
    for (size_t i = 0; i < job->n; i++) {
        if (job->commands[i].waiting > 0) {
            fwi_api_fail(&job->commands[i], FWI_API_INTERNAL,
                         "no answer in time (api.timeout); it may be done all the same");
        }
    }
    if (job->call != NULL) {
        answer(job);
    }
}

static void part_done(fwi_api_job *job)
{
    if (--job->pending > 0) {
        return;
    }
    if (job->call != NULL) {
        answer(job);
    }
    job_free(job);
}

void fwi_api_await(fwi_api_command *c)
{
    c->waiting++;
}

void fwi_api_answered(fwi_api_command *c)
{
    FWI_ASSERT(c->waiting > 0);
    if (--c->waiting > 0) {
        return;
    }
    if (c->finish != NULL && c->code == FWI_API_OK && c->job->call != NULL) {
        c->finish(c);
    }
    part_done(c->job);
}

static void run(fwi_api_job *job)
{
    fwi_json fields[FWI_API_FIELDS_MAX];
    char why[FWI_API_MESSAGE];
    job->pending = 1 + (unsigned)job->n;
    for (size_t i = 0; i < job->n; i++) {
        fwi_api_command *c = &job->commands[i];
        fwi_api_await(c);
        if (c->method == NULL) {
            fwi_api_fail(c, FWI_API_NO_METHOD, "there is no such method");
        } else if (fwi_api_read_fields(c->method, &c->params, "", fields, why) &&
                   fwi_api_has_no_missing(c, fields)) {
            c->method->run(c, fields);
        }
        fwi_api_answered(c);
    }
    if (job->pending > 1) {
        fwi_loop_timer_set(job->site->hub->shard[0]->loop, &job->timer,
                           job->site->api_timeout_ms);
    }
    part_done(job);
}

/* --- beginning --- */

static fwi_api_job *job_new(fwi_site *site, fwi_http_call *call, fwi_api_form f)
{
    fwi_api_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        job->site = site;
        job->call = call;
        job->form = f;
        fwi_timer_init(&job->timer, on_late);
        fwi_list_append(&site->jobs, &job->link);
        call->state = job;
    }
    return job;
}

static void begin(fwi_site *site, fwi_http_call *call, const char *name)
{
    fwi_api_fault f = {.why = ""};
    fwi_api_job *job = job_new(site, call, form_of(name));
    if (job == NULL) {
        fwi_api_refuse(call, 500, FWI_API_INTERNAL, "out of memory");
        return;
    }
    if (fwi_api_read_job(job, fwi_api_method_find(name, strlen(name)), &f)) {
        run(job);
        return;
    }
    job_free(job);
    if (f.too_many) {
        fwi_site_count(site, FWI_STAT_LIMIT_API_ITEMS);
        fwi_api_refuse(call, 200, FWI_API_LIMIT,
                       "more commands and channels than api.max_items allows");
    } else {
        bool memory = f.why[0] == '\0';
        fwi_api_refuse(call, memory ? 500 : 400, memory ? FWI_API_INTERNAL : FWI_API_BAD,
                       memory ? "out of memory" : f.why);
    }
}

void fwi_api_begin(fwi_site *site, fwi_http_call *call, const char *name)
{
    if (fwi_api_expects(site, call, name)) {
        begin(site, call, name);
    }
}

void fwi_api_on_request(fwi_site *site, fwi_http_call *call)
{
    if (shows_key(site, call)) {
        fwi_api_begin(site, call, name_of(call));
    }
}

void fwi_api_on_gone(fwi_http_call *call)
{
    fwi_api_job *job = call->state;
    job->call = NULL;
}

void fwi_api_stop(fwi_site *site)
{
    for (fwi_list *e = site->jobs.next; e != &site->jobs; e = e->next) {
        fwi_api_job *job = fwi_list_entry(e, fwi_api_job, link);
        fwi_loop_timer_clear(site->hub->shard[0]->loop, &job->timer);
    }
}

void fwi_api_forget_jobs(fwi_site *site)
{
    while (!fwi_list_is_empty(&site->jobs)) {
        job_free(fwi_list_entry(site->jobs.next, fwi_api_job, link));
    }
}

/* --- for the methods --- */

fwi_hub *fwi_api_hub(const fwi_api_command *c)
{
    return c->job->site->hub;
}

const fwi_site *fwi_api_site(const fwi_api_command *c)
{
    return c->job->site;
}

bool fwi_api_is_late(const fwi_api_command *c)
{
    return c->job->call == NULL;
}

void fwi_api_fail(fwi_api_command *c, fwi_api_code code, const char *fmt, ...)
{
    va_list ap;
    if (c->code != FWI_API_OK) {
        return; /* the first reason counts */
    }
    c->code = code;
    va_start(ap, fmt);
    vsnprintf(c->message, sizeof c->message, fmt, ap);
    va_end(ap);
}

fwi_api_code fwi_api_code_of(int err)
{
    switch (err) {
    case FW_ERR_INVALID:
        return FWI_API_BAD;
    case FW_ERR_TOO_BIG:
    case FW_ERR_LIMIT:
        return FWI_API_LIMIT;
    case FW_ERR_STATE:
        return FWI_API_NOT_AVAILABLE;
    case FW_ERR_BUSY:
        return FWI_API_TOO_MANY;
    default:
        return FWI_API_INTERNAL;
    }
}

void fwi_api_fail_with(fwi_api_command *c, int err, const char *why)
{
    fwi_api_fail(c, fwi_api_code_of(err), "%s",
                 why != NULL && why[0] != '\0' ? why : fw_strerror(err));
}

void fwi_api_puts(fwi_api_command *c, const char *text)
{
    c->no_memory = !fwi_buf_puts(&c->result, text) || c->no_memory;
}

void fwi_api_printf(fwi_api_command *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    c->no_memory = !fwi_buf_vprintf(&c->result, fmt, ap) || c->no_memory;
    va_end(ap);
}

void fwi_api_put_string(fwi_api_command *c, const char *text, size_t len)
{
    c->no_memory = !fwi_json_put_string(&c->result, text, len) || c->no_memory;
}

void fwi_api_put_bytes(fwi_api_command *c, const void *bytes, size_t len)
{
    c->no_memory = !fwi_json_put_base64(&c->result, bytes, len) || c->no_memory;
}

void fwi_api_put_value(fwi_api_command *c, const char *before, const void *bytes,
                       size_t len)
{
    fwi_json value;
    if (fwi_json_read(bytes, len, &value, NULL)) {
        fwi_api_puts(c, before);
        c->no_memory = !fwi_json_put_line(&c->result, &value) || c->no_memory;
    } else if (fwi_utf8_is_valid(bytes, len)) {
        fwi_api_puts(c, before);
        fwi_api_put_string(c, bytes, len);
    }
}
