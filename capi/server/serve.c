/*
 * `fanwired serve`: a hub without handlers, or with hooks, from its start to its orderly
 * end.
 *
 * Main waits for signals; the hub has threads of its own. Draining blocks, so it gets a
 * thread too: a second TERM must be heard meanwhile.
 */
#include "commands.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "handover.h"
#include "hooks.h"
#include "log_file.h"
#include "notify.h"
#include "passed.h"
#include "report.h"
#include "signals.h"

typedef struct server {
    const fwd_args *args;
    const fw_options *options; /* of the start */
    fw_options *reloaded;      /* of the last reload; NULL: there was none */
    fw_hub *hub;
    fwd_hooks *hooks; /* NULL: there are none */
    fwd_log log;
    fwd_signals signals;
    fwd_handover handover;
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
           option_is(options, "hook.connect.url", "") &&
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

/* What is wrong goes to the log and to the metric, and nothing has changed. */
static void reload(server *s)
{
    char why[1024] = "out of memory";
    fw_options *next = fwd_config_new();
    int err =
        next != NULL ? fwd_config_read(s->args, next, why, sizeof why) : FW_ERR_MEMORY;
    if (err == FW_OK) { /* what wouldn't start again isn't taken over */
        err = fwd_hooks_check(next, why, sizeof why);
    }
    if (err == FW_OK) {
        snprintf(why, sizeof why, "out of memory");
        err = fwd_hooks_settle(next);
    }
    if (err != FW_OK) {
        fw_hub_reload(s->hub, NULL);
    } else {
        err = fw_hub_reload(s->hub, next);
        snprintf(why, sizeof why, "%s", err != FW_OK ? fw_error_detail() : "");
    }
    if (err != FW_OK) {
        fwd_log_say(&s->log, FW_LOG_ERROR, "reload: nothing has changed: %s", why);
        fw_options_free(next);
        fwd_log_reopen(&s->log);
        return;
    }
    fwd_log_reload(&s->log, next);
    fw_options_free(s->reloaded);
    s->reloaded = next;
}

static void on_hup(server *s, bool draining)
{
    if (draining) {
        fwd_log_reopen(&s->log);
        return;
    }
    fwd_notify_reloading();
    reload(s);
    fwd_notify("READY=1");
}

/* Until all sessions are gone, or somebody is in a hurry. */
static void drain_and_stop(server *s)
{
    pthread_t thread;
    fwd_log_say(&s->log, FW_LOG_INFO, "draining; a second signal stops at once");
    bool draining = pthread_create(&thread, NULL, drain, s) == 0;
    fwd_wake wake = FWD_REOPEN;
    while (draining && wake == FWD_REOPEN) {
        wake = fwd_signals_wait(&s->signals);
        if (wake == FWD_REOPEN) {
            on_hup(s, true);
        }
    }
    /* Ends a drain that is still under way. */
    fw_hub_stop(s->hub);
    fwd_hooks_stop(s->hooks);
    if (draining) {
        pthread_join(thread, NULL);
    }
    fwd_log_say(&s->log, FW_LOG_INFO, "stopped");
}

static void hand_over(server *s)
{
    fw_hub_listener_release(s->hub);
    pid_t successor = fwd_handover_finish(&s->handover);
    fwd_log_say(&s->log, FW_LOG_INFO, "handed over pid=%d", (int)successor);
    fwd_notify_relieved(successor);
}

static void stop_serving(server *s)
{
    /* Whoever has got the sockets and isn't ready yet needs them open. */
    if (fwd_handover_is_under_way(&s->handover)) {
        fw_hub_listener_release(s->hub);
    }
    fwd_handover_close(&s->handover);
    fwd_notify("STOPPING=1");
}

/* Returns when this process is to go: it was told to, or another has taken its place. */
static void serve_until_the_end(server *s)
{
    for (;;) {
        switch (fwd_signals_wait_or(&s->signals, fwd_handover_fd(&s->handover),
                                    fwd_handover_timeout_ms(&s->handover))) {
        case FWD_REOPEN:
            on_hup(s, false);
            break;
        case FWD_OTHER:
            if (fwd_handover_step(&s->handover, s->hub)) {
                hand_over(s);
                return;
            }
            break;
        default:
            stop_serving(s);
            return;
        }
    }
}

static int run(server *s)
{
    int err = fw_hub_start(s->hub);
    if (err != FW_OK) {
        return fwd_report_error(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED,
                                err);
    }
    int status = fwd_hooks_start(s->hooks);
    if (status != FWD_OK) {
        fw_hub_stop(s->hub);
        return status;
    }
    fwd_handover_begin(&s->handover, s->hub);
    print_addresses(s);
    warn_of_names_by_query(s);
    fwd_notify("READY=1");
    serve_until_the_end(s);
    drain_and_stop(s);
    return FWD_OK;
}

static int take_sockets_and_run(server *s)
{
    bool lent;
    int status = fwd_passed_take(s->hub, &lent);
    if (status == FWD_OK) {
        status = fwd_handover_open(&s->handover, s->options, &s->log, lent, s->hub);
        if (status == FWD_OK) {
            status = run(s);
        }
        fwd_handover_close(&s->handover);
    }
    return status;
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
        status = take_sockets_and_run(s);
        fwd_hooks_free(s->hooks);
        s->hooks = NULL;
        fw_hub_free(s->hub); /* its last lines need the log */
        s->hub = NULL;
        fwd_signals_close(&s->signals);
    }
    fwd_log_close(&s->log);
    fw_options_free(s->reloaded);
    return status;
}

/* glibc gives the loop's thread an arena of its own, which grows by a page and a system
 * call at a time: a tenth of what a connection costs. Where one loop does all the work,
 * the process' first arena serves as well, and that grows by as much as it is told. What
 * isn't touched of it takes no memory. Several loops would wait for each other there.
 * Before there are threads: mallopt isn't for more than one.
 */
static void settle_malloc(const fw_options *options)
{
#ifdef __GLIBC__
    if (option_is(options, "threads", "1")) {
        mallopt(M_ARENA_MAX, 1);     /* NOLINT(concurrency-mt-unsafe) */
        mallopt(M_TOP_PAD, 4 << 20); /* NOLINT(concurrency-mt-unsafe) */
    }
#else
    (void)options;
#endif
}

int fwd_serve(const fwd_args *args, fw_options *options)
{
    server s = {.args = args, .options = options};
    settle_malloc(options);
    int err = fwd_hooks_settle(options);
    if (err == FW_OK) {
        err = fw_hub_new(&s.hub, options);
    }
    if (err != FW_OK) {
        return fwd_report_error(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED,
                                err);
    }
    int status = fwd_hooks_new(&s.hooks, options, s.hub, &s.log);
    if (status == FWD_OK && !args->check_config) {
        status = open_and_run(&s);
    }
    fwd_hooks_free(s.hooks);
    fw_hub_free(s.hub);
    return status;
}
