/*
 * `fanwired serve`: a hub without handlers, from its start to its orderly end.
 *
 * Main waits for signals; the hub has threads of its own. Draining blocks, so it gets a
 * thread too: a second TERM must be heard meanwhile.
 */
#include "commands.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "log_file.h"
#include "notify.h"
#include "report.h"
#include "signals.h"

typedef struct server {
    const fw_options *options;
    fw_hub *hub;
    fwd_log log;
    fwd_signals signals;
} server;

static bool option_is(const fw_options *options, const char *name, const char *value)
{
    return strcmp(fw_options_get(options, name), value) == 0;
}

static bool starts_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Can only this machine connect there? A Unix socket has a proxy before it. */
static bool is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    return host != NULL &&
           (starts_with(host + 3, "127.") || starts_with(host + 3, "[::1]") ||
            starts_with(host + 3, "localhost:"));
}

/* Is the user's name what the query says? */
static bool takes_names_by_query(const fw_options *options)
{
    bool no_key = option_is(options, "token.hmac_secret", "") &&
                  option_is(options, "token.public_key", "") &&
                  option_is(options, "token.jwks", "");
    return option_is(options, "raw.mode", "rooms") &&
           (option_is(options, "raw.user", "query") ||
            (option_is(options, "raw.user", "auto") && no_key));
}

/* raw.user=query believes whatever name a client gives. Fine on one's own machine;
 * whoever can be reached from elsewhere should know. */
static void warn_of_names_by_query(server *s)
{
    const char *why = NULL, *url;
    if (!takes_names_by_query(s->options)) {
        return;
    }
    for (size_t i = 0; (url = fw_hub_listen_url(s->hub, i)) != NULL && why == NULL; i++) {
        why = is_loopback(url) ? NULL : url;
    }
    if (why == NULL && !option_is(s->options, "proxy.trusted",
                                  fw_options_describe("proxy.trusted", "default"))) {
        why = "a proxy";
    }
    if (why != NULL) {
        fwd_log_say(&s->log, FW_LOG_WARN,
                    "raw.user=query: any client can take any user's name, and is reached "
                    "through %s; raw.user=token asks for tokens, raw.user=none takes no "
                    "names",
                    why);
    }
}

/* For people and scripts: what was really taken where port 0 was asked for. */
static void print_addresses(const server *s)
{
    const char *text;
    for (size_t i = 0; (text = fw_hub_listen_url(s->hub, i)) != NULL; i++) {
        printf("listening %s\n", text);
    }
    text = fw_hub_http_address(s->hub);
    if (text != NULL) {
        printf("http %s\n", text);
    }
    text = fw_options_shown(s->options, "redis.url");
    if (text[0] != '\0') {
        printf("redis %s\n", text);
    }
    fflush(stdout);
}

static void *drain(void *user)
{
    server *s = user;
    int err = fw_hub_drain(s->hub, -1);
    if (err == FW_ERR_TIMEOUT) {
        fwd_log_say(&s->log, FW_LOG_WARN,
                    "drain.timeout is over, the rest is closed now");
    }
    fwd_signals_done(&s->signals);
    return NULL;
}

static void reopen_log(server *s, bool draining)
{
    if (!draining) {
        fwd_notify_reloading();
    }
    fwd_log_reopen(&s->log);
    if (!draining) {
        fwd_notify("READY=1");
    }
}

/* Until all sessions are gone, or somebody is in a hurry. */
static void drain_and_stop(server *s)
{
    pthread_t thread;
    fwd_log_say(&s->log, FW_LOG_INFO, "draining; a second signal stops at once");
    fwd_notify("STOPPING=1");
    bool draining = pthread_create(&thread, NULL, drain, s) == 0;
    fwd_wake wake = FWD_REOPEN;
    while (draining && wake == FWD_REOPEN) {
        wake = fwd_signals_wait(&s->signals);
        if (wake == FWD_REOPEN) {
            reopen_log(s, true);
        }
    }
    /* Ends a drain that is still under way. */
    fw_hub_stop(s->hub);
    if (draining) {
        pthread_join(thread, NULL);
    }
    fwd_log_say(&s->log, FW_LOG_INFO, "stopped");
}

static int run(server *s)
{
    int err = fw_hub_start(s->hub);
    if (err != FW_OK) {
        return fwd_report_error(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED,
                                err);
    }
    print_addresses(s);
    warn_of_names_by_query(s);
    fwd_notify("READY=1");
    while (fwd_signals_wait(&s->signals) == FWD_REOPEN) {
        reopen_log(s, false);
    }
    drain_and_stop(s);
    return FWD_OK;
}

static int open_and_run(server *s)
{
    int status = fwd_log_open(&s->log, s->options);
    if (status == FWD_OK && fwd_signals_open(&s->signals) != 0) {
        char why[128];
        status =
            fwd_report(FWD_FAILED, "signals: %s", strerror_r(errno, why, sizeof why));
    } else if (status == FWD_OK) {
        fw_hub_on_log(s->hub, fwd_log_line, &s->log);
        status = run(s);
        fw_hub_free(s->hub); /* its last lines need the log */
        s->hub = NULL;
        fwd_signals_close(&s->signals);
    }
    fwd_log_close(&s->log);
    return status;
}

int fwd_serve(const fwd_args *args, const fw_options *options)
{
    server s = {.options = options};
    int err = fw_hub_new(&s.hub, options);
    if (err != FW_OK) {
        return fwd_report_error(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED,
                                err);
    }
    int status = FWD_OK;
    if (!args->check_config) {
        status = open_and_run(&s);
    }
    fw_hub_free(s.hub);
    return status;
}
