/*
 * From the body of a request to the commands of its job, in each of the forms that there
 * are. All of it is looked at as far as that can be done without beginning one.
 * @thread loop 0
 */
#include <string.h>

#include "http/api_inside.h"

static bool faulty(fwi_api_fault *f, const char *what, const char *at, const char *body)
{
    snprintf(f->why, sizeof f->why, "%s (byte %zu)", what, (size_t)(at - body));
    return false;
}

static bool add(fwi_api_job *job, const fwi_api_method *method, const fwi_json *params,
                uint64_t id, fwi_api_fault *f)
{
    f->too_many = job->n >= job->site->api_max_items;
    if (f->too_many) {
        return false; /* none of them will be done: what follows isn't read */
    }
    if (job->n == job->cap) {
        size_t cap = job->cap ? job->cap * 2 : 1;
        fwi_api_command *commands = realloc(job->commands, cap * sizeof *commands);
        if (commands == NULL) {
            f->why[0] = '\0';
            return false;
        }
        job->commands = commands;
        job->cap = cap;
    }
    job->commands[job->n++] =
        (fwi_api_command){.job = job, .method = method, .params = *params, .id = id};
    return true;
}

static const fwi_api_method *method_named(const fwi_json *name)
{
    /* Names of methods need no escapes, so they are compared as they are written. */
    return name->kind == FWI_JSON_STRING
               ? fwi_api_method_find(name->at + 1, name->len - 2)
               : NULL;
}

/* One of a batch: {"publish":{...}}. */
static bool add_of_batch(fwi_api_job *job, const fwi_json *command, const char *body,
                         fwi_api_fault *f)
{
    fwi_json key, value, params = {0};
    const fwi_api_method *method = NULL;
    if (command->kind != FWI_JSON_OBJECT) {
        return faulty(f, "a command must be an object", command->at, body);
    }
    fwi_json_walk w = fwi_json_inside(command);
    while (method == NULL && fwi_json_next(&w, &key, &value)) {
        method = method_named(&key);
        params = value;
    }
    return add(job, method, &params, 0, f);
}

static bool read_batch(fwi_api_job *job, const fwi_json *request, const char *body,
                       fwi_api_fault *f)
{
    fwi_json list, command;
    if (!fwi_json_get(request, "commands", &list) || list.kind != FWI_JSON_ARRAY) {
        return faulty(f, "\"commands\" must be an array", request->at, body);
    }
    fwi_json_walk w = fwi_json_inside(&list);
    while (fwi_json_next(&w, NULL, &command)) {
        if (!add_of_batch(job, &command, body, f)) {
            return false;
        }
    }
    return true;
}

/* {"id":1,"method":"publish","params":{...}} */
static bool add_of_lines(fwi_api_job *job, const fwi_json *command, const char *body,
                         fwi_api_fault *f)
{
    fwi_json name, params, number;
    uint64_t id = 0;
    if (command->kind != FWI_JSON_OBJECT) {
        return faulty(f, "a command must be an object", command->at, body);
    }
    if (!fwi_json_get(command, "method", &name) || name.kind != FWI_JSON_STRING) {
        return faulty(f, "\"method\" must be a string", command->at, body);
    }
    if (fwi_json_get(command, "id", &number) && !fwi_json_to_u64(&number, &id)) {
        return faulty(f, "\"id\" must be a whole number", number.at, body);
    }
    fwi_json_get(command, "params", &params);
    return add(job, method_named(&name), &params, id, f);
}

static bool read_lines(fwi_api_job *job, const char *body, size_t len, fwi_api_fault *f)
{
    size_t at = 0, used = 0, bad = 0;
    for (;;) {
        fwi_json command;
        if (!fwi_json_read_first(body + at, len - at, &command, &used, &bad)) {
            return faulty(f, "not JSON", body + at + bad, body);
        }
        if (command.kind == FWI_JSON_NONE) {
            return job->n > 0 || faulty(f, "there is no command", body, body);
        }
        if (!add_of_lines(job, &command, body, f)) {
            return false;
        }
        at += used;
    }
}

static bool read_object(fwi_json *request, const char *body, size_t len, fwi_api_fault *f)
{
    size_t bad = 0;
    if (!fwi_json_read(body, len, request, &bad)) {
        return faulty(f, "not JSON", body + bad, body);
    }
    return request->kind == FWI_JSON_OBJECT ||
           faulty(f, "the request must be an object", request->at, body);
}

static bool read_commands(fwi_api_job *job, const fwi_api_method *method,
                          const char *body, size_t len, fwi_api_fault *f)
{
    fwi_json request;
    if (job->form == FWI_API_LINES) {
        return read_lines(job, body, len, f);
    }
    if (!read_object(&request, body, len, f)) {
        return false;
    }
    return job->form == FWI_API_BATCH ? read_batch(job, &request, body, f)
                                      : add(job, method, &request, 0, f);
}

bool fwi_api_read_job(fwi_api_job *job, const fwi_api_method *method, fwi_api_fault *f)
{
    size_t len;
    const char *body = fwi_http_request_body(job->call->request, &len);
    fwi_json fields[FWI_API_FIELDS_MAX];
    bool ok = read_commands(job, method, body, len, f);
    uint64_t items = job->n;
    for (size_t i = 0; ok && i < job->n; i++) {
        const fwi_api_command *c = &job->commands[i];
        if (c->method == NULL) {
            continue;
        }
        ok = fwi_api_read_fields(c->method, &c->params, body, fields, f->why);
        if (ok && c->method->weigh != NULL) {
            items += c->method->weigh(fields) - 1;
        }
    }
    if (ok && items > job->site->api_max_items) {
        f->too_many = true;
        ok = false;
    }
    return ok;
}
