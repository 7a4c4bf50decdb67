/*
 * The thread of the hooks: events come from the hub, become requests, wait for their turn
 * (hook_queue), are made (hook_http), and what comes back is told to the hub. Whatever
 * goes wrong is told to the client that has asked, as an error that it may try again
 * after, and to nobody else.
 *
 * Events are given back when their request has ended, so a client that asks faster than
 * the back end answers isn't read meanwhile (events.per_session).
 */
#include "hooks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "hook_body.h"
#include "hook_http.h"
#include "hook_queue.h"
#include "report.h"

enum {
    BATCH = 64,
    ROUNDS = 16,      /* of so many events, before the requests have their turn */
    QUIET_MS = 10000, /* so long a failure of one kind is told once */
    IDLE_MS = 60000
};

/* One kind of failure of one hook, and what the log knows of it. */
typedef struct complaint {
    int64_t told_ms;
    unsigned long long untold;
    bool told;
} complaint;

struct fwd_hooks {
    fwd_hook_config config;
    fw_hub *hub;
    fwd_log *log;
    fwd_http *http;
    fwd_queue queue[FWD_HOOKS];
    size_t in_flight[FWD_HOOKS];
    fwd_breaker breaker[FWD_HOOKS];
    fwd_hook_stats stats;
    complaint complaints[FWD_HOOKS][FWD_HOOK_RESULTS];
    pthread_t thread;
    bool started;
    int stop_fd;        /* readable: the hub has been stopped */
    bool hub_is_closed; /* it has no more events */
    int64_t ends_ms;    /* then no answer is waited for any more */
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
    return now_us() / 1000;
}

/* --- how a request ends --- */

/* An open breaker fails every request: the log isn't to be filled by that. */
static void complain(fwd_hooks *h, fwd_hook_kind kind, fwd_hook_result result,
                     const char *why)
{
    complaint *c = &h->complaints[kind][result];
    int64_t now = now_ms();
    if (c->told && now - c->told_ms < QUIET_MS) {
        c->untold++;
        return;
    }
    char before[64] = "";
    if (c->untold > 0) {
        snprintf(before, sizeof before, " (and %llu times before)", c->untold);
    }
    fwd_log_say(h->log, FW_LOG_WARN, "%s %s: %s%s", fwd_hook_rows[kind].option,
                h->config.shown_url[kind], why, before);
    *c = (complaint){.told_ms = now, .told = true};
}

static void give_back(fwd_hooks *h, fwd_request *r, fwd_hook_result result)
{
    atomic_fetch_add(&h->stats.ended[r->kind][result], 1);
    fw_events_done(h->hub, &r->event, 1);
    fwd_queue_ended(&h->queue[r->kind], r);
    free(r);
}

/* The client is told that it wasn't its fault; numbers are the Centrifuge protocol's. */
static void refuse(fwd_hooks *h, const fwd_request *r, fwd_hook_result result)
{
    static const char busy[] = "{\"error\":{\"code\":111,\"message\":\"too many "
                               "requests\",\"temporary\":true}}";
    static const char failed[] = "{\"error\":{\"code\":100,\"message\":\"internal "
                                 "server error\",\"temporary\":true}}";
    const char *text =
        result == FWD_HOOK_FULL || result == FWD_HOOK_BROKEN ? busy : failed;
    if (r->kind != FWD_HOOK_DISCONNECT) {
        fw_answer(h->hub, fw_event_token(r->event), text, strlen(text));
    }
}

/* It has failed, or was never made. */
static void fail(fwd_hooks *h, fwd_request *r, fwd_hook_result result, const char *why)
{
    refuse(h, r, result);
    if (why != NULL) {
        complain(h, r->kind, result, why);
    }
    give_back(h, r, result);
}

/* What the back end has said is told to the hub. ANSWERED, GONE, or MALFORMED, and why is
 * written. */
static fwd_hook_result pass_on(fwd_hooks *h, const fwd_request *r,
                               const fwd_http_answer *a, char *why, size_t cap)
{
    if (r->kind == FWD_HOOK_DISCONNECT) {
        return FWD_HOOK_ANSWERED;
    }
    switch (fw_answer(h->hub, fw_event_token(r->event), a->body, a->len)) {
    case FW_OK:
        return FWD_HOOK_ANSWERED;
    case FW_ERR_GONE:
    case FW_ERR_CLOSED:
        return FWD_HOOK_GONE;
    default:
        snprintf(why, cap, "%s", fw_error_detail());
        return FWD_HOOK_MALFORMED;
    }
}

static void tell_breaker(fwd_hooks *h, const fwd_request *r, bool reached)
{
    fwd_hook_kind kind = r->kind;
    fwd_breaker *b = &h->breaker[kind];
    bool changed = fwd_breaker_tell(b, reached, r->began_us / 1000, now_ms());
    if (changed && reached) {
        fwd_log_say(h->log, FW_LOG_WARN, "%s %s: it answers again",
                    fwd_hook_rows[kind].option, h->config.shown_url[kind]);
    } else if (changed) {
        fwd_log_say(h->log, FW_LOG_WARN,
                    "%s %s: it isn't asked for %d ms, since %u requests in a row have "
                    "found nobody there or weren't answered in time",
                    fwd_hook_rows[kind].option, h->config.shown_url[kind],
                    h->config.breaker_pause_ms, b->failures);
    }
    atomic_store(&h->stats.breaker[kind], b->state);
}

static void on_answer(void *user, void *request, const fwd_http_answer *a)
{
    fwd_hooks *h = user;
    fwd_request *r = request;
    char why[256];
    atomic_store(&h->stats.in_flight[r->kind], --h->in_flight[r->kind]);
    fwd_hook_stats_took(&h->stats, r->kind, now_us() - r->began_us);
    tell_breaker(h, r, a->reached);
    if (a->result != FWD_HOOK_ANSWERED) {
        fail(h, r, a->result, a->why);
        return;
    }
    fwd_hook_result result = pass_on(h, r, a, why, sizeof why);
    if (result == FWD_HOOK_MALFORMED) {
        fail(h, r, result, why);
    } else {
        give_back(h, r, result);
    }
}

/* --- how it begins --- */

static const char *header_of(const void *event, const char *name)
{
    return fw_event_header(event, name);
}

static void unasked(fwd_hooks *h, fwd_request *r, fwd_hook_result result, const char *why)
{
    fwd_breaker_unasked(&h->breaker[r->kind], now_ms());
    atomic_store(&h->stats.breaker[r->kind], h->breaker[r->kind].state);
    fail(h, r, result, why);
}

static void make_request(fwd_hooks *h, fwd_request *r)
{
    size_t len;
    char *body = fwd_hook_body(r->kind, r->event, &len);
    r->began_us = now_us();
    if (body == NULL ||
        !fwd_http_send(h->http, r->kind, r, body, len, header_of, r->event)) {
        unasked(h, r, FWD_HOOK_UNREACHABLE, "out of memory");
        return;
    }
    atomic_store(&h->stats.in_flight[r->kind], ++h->in_flight[r->kind]);
}

static void drop_late(fwd_hooks *h, fwd_queue *q)
{
    fwd_request *r;
    while ((r = fwd_queue_pop_late(q, now_ms())) != NULL) {
        unasked(h, r, FWD_HOOK_LATE,
                "it has waited for hook.timeout: hook.concurrency is too small, or the "
                "back end too slow");
    }
}

/* Who has waited when the breaker opened would only wait for longer. */
static void drop_all(fwd_hooks *h, fwd_queue *q)
{
    fwd_request *r;
    while ((r = fwd_queue_pop(q)) != NULL) {
        fail(h, r, FWD_HOOK_BROKEN, NULL);
    }
}

static void make_requests(fwd_hooks *h)
{
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        fwd_queue *q = &h->queue[i];
        fwd_request *r;
        drop_late(h, q);
        if (h->breaker[i].state == FWD_BREAKER_OPEN) {
            drop_all(h, q);
        }
        while (h->in_flight[i] < h->config.concurrency &&
               (r = fwd_queue_pop(q)) != NULL) {
            make_request(h, r);
            drop_late(h, q); /* who comes next may have waited in its lane for long */
        }
        atomic_store(&h->stats.queued[i], q->n);
    }
}

static void take_request(fwd_hooks *h, fwd_request *r)
{
    r->wait_until_ms = now_ms() + h->config.timeout_ms;
    if (!fwd_breaker_may_ask(&h->breaker[r->kind], now_ms())) {
        /* Nothing is said of each: that it is open was. */
        refuse(h, r, FWD_HOOK_BROKEN);
        atomic_fetch_add(&h->stats.ended[r->kind][FWD_HOOK_BROKEN], 1);
    } else if (!fwd_queue_push(&h->queue[r->kind], r)) {
        fwd_breaker_unasked(&h->breaker[r->kind], now_ms());
        refuse(h, r, FWD_HOOK_FULL);
        complain(h, r->kind, FWD_HOOK_FULL, "too many requests wait: hook.queue");
        atomic_fetch_add(&h->stats.ended[r->kind][FWD_HOOK_FULL], 1);
    } else {
        return;
    }
    /* It is in no lane, so nobody moves up. */
    fw_events_done(h->hub, &r->event, 1);
    free(r);
}

/* --- what comes from the hub --- */

static fwd_hook_kind kind_of(const fw_event *e)
{
    fwd_hook_kind kind = FWD_HOOK_CONNECT;
    while (kind < FWD_HOOKS && fwd_hook_rows[kind].event != fw_event_kind(e)) {
        kind++;
    }
    return kind;
}

static void on_event(fwd_hooks *h, fw_event *e)
{
    fwd_hook_kind kind = kind_of(e);
    fwd_request *r = kind < FWD_HOOKS ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        /* Out of memory: the hub says no when its own time is over. */
        fw_events_done(h->hub, &e, 1);
        return;
    }
    r->kind = kind;
    r->event = e;
    r->session = fw_event_session(e);
    take_request(h, r);
}

/* So many at most: who is refused may ask again at once, and as fast as this looks; the
 * other hooks have their turn all the same. What is left is readable still. */
static void take_events(fwd_hooks *h)
{
    fw_event *events[BATCH];
    int n = h->hub_is_closed ? 0 : BATCH;
    for (int round = 0; round < ROUNDS && n == BATCH; round++) {
        n = fw_hub_poll(h->hub, events, BATCH, 0);
        for (int i = 0; i < n; i++) {
            on_event(h, events[i]);
        }
    }
    if (n == FW_ERR_CLOSED) {
        h->hub_is_closed = true;
        h->ends_ms = now_ms() + 2 * (int64_t)h->config.timeout_ms;
    }
}

static int wait_ms(const fwd_hooks *h)
{
    int64_t now = now_ms(), until = now + IDLE_MS;
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        int64_t late = fwd_queue_next_late_ms(&h->queue[i]);
        until = late < until ? late : until;
    }
    until = h->hub_is_closed && h->ends_ms < until ? h->ends_ms : until;
    return until > now ? (int)(until - now) : 0;
}

static bool is_over(const fwd_hooks *h)
{
    bool idle = true;
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        idle = idle && h->in_flight[i] == 0 && h->queue[i].n == 0;
    }
    return h->hub_is_closed && (idle || now_ms() >= h->ends_ms);
}

/* Nobody waits for what is left. */
static void abandon(fwd_hooks *h)
{
    for (fwd_request *r; (r = fwd_http_take_back(h->http)) != NULL;) {
        give_back(h, r, FWD_HOOK_ABANDONED);
    }
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        for (fwd_request *r; (r = fwd_queue_pop(&h->queue[i])) != NULL;) {
            give_back(h, r, FWD_HOOK_ABANDONED);
        }
    }
}

static void *run(void *user)
{
    fwd_hooks *h = user;
    /* Until the hub is closed its descriptor says when there is something. */
    const int fds[] = {h->stop_fd, fw_hub_event_fd(h->hub)};
    while (!is_over(h)) {
        take_events(h);
        make_requests(h);
        fwd_http_wait(h->http, fds, h->hub_is_closed ? 0 : 2, wait_ms(h));
    }
    abandon(h);
    return NULL;
}

/* --- life --- */

int fwd_hooks_settle(fw_options *options)
{
    return fwd_hooks_are_wanted(options) ? fw_options_set(options, "events", "queued")
                                         : FW_OK;
}

int fwd_hooks_check(const fw_options *options, char *why, size_t cap)
{
    if (!fwd_hooks_are_wanted(options)) {
        return FW_OK;
    }
    fwd_hook_config config;
    int err = fwd_hook_config_read(&config, options, why, cap);
    fwd_hook_config_fini(&config);
    return err;
}

static int listen_to(fwd_hooks *h)
{
    int err = fw_hub_on_metrics(h->hub, fwd_hook_stats_text, &h->stats);
    for (size_t i = 0; i < FWD_HOOKS && err == FW_OK; i++) {
        if (h->config.url[i][0] != '\0') {
            err = fw_hub_on(h->hub, fwd_hook_rows[i].event, NULL, NULL);
        }
    }
    return err == FW_OK ? FWD_OK : fwd_report_error(FWD_FAILED, err);
}

int fwd_hooks_new(fwd_hooks **hooks, const fw_options *options, fw_hub *hub, fwd_log *log)
{
    *hooks = NULL;
    if (!fwd_hooks_are_wanted(options)) {
        return FWD_OK;
    }
    fwd_hooks *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return fwd_report_error(FWD_FAILED, FW_ERR_MEMORY);
    }
    h->hub = hub;
    h->log = log;
    h->stop_fd = -1;
    char why[1024];
    int err = fwd_hook_config_read(&h->config, options, why, sizeof why);
    if (err != FW_OK) {
        fwd_hooks_free(h);
        return fwd_report(err == FW_ERR_OPTION ? FWD_CONFIGURATION : FWD_FAILED, "%s",
                          why);
    }
    fwd_hook_stats_init(&h->stats, &h->config);
    for (size_t i = 0; i < FWD_HOOKS; i++) {
        /* What is said keeps its order. */
        fwd_queue_init(&h->queue[i], h->config.queue,
                       i == FWD_HOOK_PUBLISH ? 1 : h->config.per_session);
        fwd_breaker_init(&h->breaker[i], h->config.breaker_failures,
                         h->config.breaker_pause_ms);
    }
    h->http = fwd_http_new(&h->config, on_answer, h);
    h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = h->http != NULL && h->stop_fd >= 0
                     ? listen_to(h)
                     : fwd_report(FWD_FAILED, "hooks: out of memory or descriptors");
    if (status != FWD_OK) {
        fwd_hooks_free(h);
        return status;
    }
    *hooks = h;
    return FWD_OK;
}

int fwd_hooks_start(fwd_hooks *hooks)
{
    if (hooks == NULL) {
        return FWD_OK;
    }
    int err = pthread_create(&hooks->thread, NULL, run, hooks);
    if (err != 0) {
        char why[128];
        return fwd_report(FWD_FAILED, "hooks: a thread: %s",
                          strerror_r(err, why, sizeof why));
    }
    hooks->started = true;
    return FWD_OK;
}

void fwd_hooks_stop(fwd_hooks *hooks)
{
    if (hooks != NULL && hooks->started) {
        uint64_t one = 1;
        (void)!write(hooks->stop_fd, &one, sizeof one);
        pthread_join(hooks->thread, NULL);
        hooks->started = false;
    }
}

void fwd_hooks_free(fwd_hooks *hooks)
{
    if (hooks == NULL) {
        return;
    }
    fwd_http_free(hooks->http);
    if (hooks->stop_fd >= 0) {
        close(hooks->stop_fd);
    }
    fwd_hook_config_fini(&hooks->config);
    free(hooks);
}
