/*
 * What the options say of hooks. The library has checked each of them; what isn't right
 * with several together is found here, before anything is started.
 */
#include "hook_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const fwd_hook_row fwd_hook_rows[FWD_HOOKS] = {
    [FWD_HOOK_CONNECT] = {"connect", "hook.connect.url", FW_EVENT_CONNECT},
    [FWD_HOOK_REFRESH] = {"refresh", "hook.refresh.url", FW_EVENT_REFRESH},
    [FWD_HOOK_SUBSCRIBE] = {"subscribe", "hook.subscribe.url", FW_EVENT_JOIN},
    [FWD_HOOK_SUB_REFRESH] = {"sub_refresh", "hook.sub_refresh.url",
                              FW_EVENT_SUB_REFRESH},
    [FWD_HOOK_PUBLISH] = {"publish", "hook.publish.url", FW_EVENT_PUBLISH},
    [FWD_HOOK_RPC] = {"rpc", "hook.rpc.url", FW_EVENT_RPC},
    [FWD_HOOK_DISCONNECT] = {"disconnect", "hook.disconnect.url", FW_EVENT_CLOSE},
};

bool fwd_hooks_are_wanted(const fw_options *options)
{
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        if (fw_options_get(options, fwd_hook_rows[i].option)[0] != '\0') {
            return true;
        }
    }
    return false;
}

/* A number, a duration (then in milliseconds) or a size (in bytes), which the library has
 * found to be one. */
static long long number_of(const fw_options *options, const char *name)
{
    static const struct {
        const char *unit;
        long long factor;
    } units[] = {{"", 1},        {"ms", 1},        {"s", 1000},      {"m", 60000},
                 {"h", 3600000}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    char *unit;
    long long number = strtoll(fw_options_get(options, name), &unit, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            return number * units[i].factor;
        }
    }
    return number;
}

/* "a,b" as two texts, each with a NUL. false: out of memory. */
static bool split_headers(fwd_hook_config *c, const char *list)
{
    c->header_names = strdup(list);
    if (c->header_names == NULL) {
        return false;
    }
    c->n_headers = list[0] != '\0';
    for (char *p = c->header_names; *p != '\0'; p++) {
        if (*p == ',') {
            *p = '\0';
            c->n_headers++;
        }
    }
    return true;
}

const char *fwd_hook_config_header(const fwd_hook_config *c, const char *before)
{
    const char *name = before == NULL ? c->header_names : before + strlen(before) + 1;
    size_t at = 0;
    for (const char *p = c->header_names; p != name; p += strlen(p) + 1) {
        at++;
    }
    return at < c->n_headers ? name : NULL;
}

static bool passes_on(const fwd_hook_config *c, const char *header)
{
    const char *name = NULL;
    do {
        name = fwd_hook_config_header(c, name);
    } while (name != NULL && strcasecmp(name, header) != 0);
    return name != NULL;
}

static int check(const fwd_hook_config *c, const fw_options *options, char *why,
                 size_t cap)
{
    if (c->secret[0] != '\0' && passes_on(c, "authorization")) {
        snprintf(why, cap, "hook.headers: authorization: hook.secret sets this header");
        return FW_ERR_OPTION;
    }
    if (number_of(options, "decision.timeout") <= 2 * (long long)c->timeout_ms) {
        snprintf(
            why, cap,
            "hook.timeout: %s: a request may wait so long and then take so long, and "
            "decision.timeout (%s) must be longer than both",
            fw_options_get(options, "hook.timeout"),
            fw_options_get(options, "decision.timeout"));
        return FW_ERR_OPTION;
    }
    return FW_OK;
}

static int out_of_memory(char *why, size_t cap)
{
    snprintf(why, cap, "out of memory");
    return FW_ERR_MEMORY;
}

int fwd_hook_config_read(fwd_hook_config *c, const fw_options *options, char *why,
                         size_t cap)
{
    *c = (fwd_hook_config){
        .secret = fw_options_get(options, "hook.secret"),
        .tls_ca = fw_options_get(options, "hook.tls.ca"),
        .timeout_ms = (int)number_of(options, "hook.timeout"),
        .concurrency = (size_t)number_of(options, "hook.concurrency"),
        .per_session = (size_t)number_of(options, "hook.per_session"),
        .queue = (size_t)number_of(options, "hook.queue"),
        .max_bytes = (size_t)number_of(options, "hook.max_bytes"),
        .breaker_failures = (unsigned)number_of(options, "hook.breaker.failures"),
        .breaker_pause_ms = (int)number_of(options, "hook.breaker.pause"),
    };
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        c->url[i] = fw_options_get(options, fwd_hook_rows[i].option);
        c->shown_url[i] = strdup(fw_options_shown(options, fwd_hook_rows[i].option));
        if (c->shown_url[i] == NULL) {
            return out_of_memory(why, cap);
        }
    }
    if (!split_headers(c, fw_options_get(options, "hook.headers"))) {
        return out_of_memory(why, cap);
    }
    return check(c, options, why, cap);
}

void fwd_hook_config_fini(fwd_hook_config *c)
{
    free(c->header_names);
    c->header_names = NULL;
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        free(c->shown_url[i]);
        c->shown_url[i] = NULL;
    }
}
