/*
 * fanwire-bench: N clients in one room of a server, some of which talk, either at a rate
 * (open loop: latency means something) or with so many messages on their way at a time
 * (closed loop: throughput). Prints one JSON object. Or, with --idle, what a silent
 * session costs in memory; with --echo all talk, each with itself; with --flood they
 * only talk, so many messages as fast as it goes, and stay until standard input ends.
 *
 * It knows nothing of the server but its URL and process number: whatever gives each
 * member what any member says can be measured, tests/bench/floor.c as well as fanwired.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "crowd.h"

typedef struct plan {
    char host[128], port[8], path[512];
    unsigned members, senders, closed;
    double rate, warmup_s, seconds;
    size_t size;
    int pid;
    bool idle, echo;
    unsigned flood; /* messages in all; 0: none */
} plan;

static const char usage[] =
    "fanwire-bench --url ws://HOST:PORT/PATH --pid PID [options]\n"
    "  --members N    clients in the room (100)\n"
    "  --senders N    how many of them talk (8)\n"
    "  --rate R       open loop: messages a second in all\n"
    "  --closed K     closed loop: messages on their way in all (64)\n"
    "  --size B       bytes of a message (128)\n"
    "  --warmup S     seconds before measuring (1)\n"
    "  --seconds S    seconds of measuring (4)\n"
    "  --idle         only connect, and measure memory\n"
    "  --echo         all talk, and each gets its own back\n"
    "  --flood N      say N messages that nobody answers, and stay till stdin ends\n";

static bool parse_url(const char *url, plan *p)
{
    if (strncmp(url, "ws://", 5) != 0) {
        return false;
    }
    const char *host = url + 5, *colon = strchr(host, ':');
    const char *path = colon ? strchr(colon, '/') : NULL;
    if (!path || (size_t)(colon - host) >= sizeof p->host ||
        (size_t)(path - colon - 1) >= sizeof p->port || strlen(path) >= sizeof p->path) {
        return false;
    }
    memcpy(p->host, host, (size_t)(colon - host));
    memcpy(p->port, colon + 1, (size_t)(path - colon - 1));
    strcpy(p->path, path);
    return true;
}

static double number(const char *text)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || *end || value < 0) {
        fprintf(stderr, "fanwire-bench: not a number: %s\n", text);
        exit(2); // NOLINT(concurrency-mt-unsafe): one thread
    }
    return value;
}

static bool parse_options(int argc, char **argv, plan *p)
{
    static const struct option options[] = {
        {"url", 1, NULL, 'u'},     {"pid", 1, NULL, 'p'},    {"members", 1, NULL, 'm'},
        {"senders", 1, NULL, 's'}, {"rate", 1, NULL, 'r'},   {"closed", 1, NULL, 'c'},
        {"size", 1, NULL, 'b'},    {"warmup", 1, NULL, 'w'}, {"seconds", 1, NULL, 't'},
        {"idle", 0, NULL, 'i'},    {"echo", 0, NULL, 'e'},   {"flood", 1, NULL, 'f'},
        {NULL, 0, NULL, 0}};
    int which;
    *p = (plan){.members = 100,
                .senders = 8,
                .closed = 64,
                .size = 128,
                .warmup_s = 1,
                .seconds = 4};
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        double value = which == 'u' || !optarg ? 0 : number(optarg);
        switch (which) {
        case 'u':
            if (!parse_url(optarg, p)) {
                return false;
            }
            break;
        case 'p':
            p->pid = (int)value;
            break;
        case 'm':
            p->members = (unsigned)value;
            break;
        case 's':
            p->senders = (unsigned)value;
            break;
        case 'r':
            p->rate = value;
            break;
        case 'c':
            p->closed = (unsigned)value;
            break;
        case 'b':
            p->size = (size_t)value;
            break;
        case 'w':
            p->warmup_s = value;
            break;
        case 't':
            p->seconds = value;
            break;
        case 'i':
            p->idle = true;
            break;
        case 'e':
            p->echo = true;
            break;
        case 'f':
            p->flood = (unsigned)value;
            break;
        default:
            return false;
        }
    }
    if (p->senders > p->members || p->echo || p->flood) {
        p->senders = p->members;
    }
    return p->path[0] && p->members > 0 && p->senders > 0 && p->pid > 0 &&
           p->size >= sizeof(mark);
}

/* What the open loop remembers between turns. */
typedef struct schedule {
    uint64_t next_ns, step_ns;
    unsigned turn; /* whose turn it is to talk */
} schedule;

/* Says what is due; returns how long there is nothing to say, in ms. */
static int say_what_is_due(crowd *c, const plan *p, schedule *s)
{
    uint64_t now = now_ns();
    /* Marked with the time that was planned: a generator or server that is behind
     * must not make its own latency look better. */
    while (s->next_ns <= now && crowd_say(c, s->turn % p->senders, s->next_ns)) {
        s->turn++;
        s->next_ns += s->step_ns;
    }
    /* Whole milliseconds are slept, the rest is spun: the generator has its own core. */
    uint64_t pause_ms = s->next_ns > now ? (s->next_ns - now) / 1000000u : 1;
    return pause_ms < 10 ? (int)pause_ms : 10;
}

static void keep_outstanding(crowd *c, const plan *p)
{
    for (unsigned i = 0; i < p->senders; i++) {
        unsigned share = p->closed / p->senders + (i < p->closed % p->senders);
        while (crowd_outstanding(c, i) < share && crowd_say(c, i, now_ns())) {
        }
    }
}

static void talk(crowd *c, const plan *p, schedule *s, double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        int pause_ms = 10;
        if (p->rate > 0) {
            pause_ms = say_what_is_due(c, p, s);
        } else {
            keep_outstanding(c, p);
        }
        crowd_turn(c, pause_ms);
    }
}

/* Waits for what is still on its way, as long as something comes; the rest is lost. */
static void drain(crowd *c)
{
    const uint64_t patience_ns = 5000000000u;
    uint64_t missing = crowd_missing(c), progress_ns = now_ns();
    while (missing > 0 && now_ns() - progress_ns < patience_ns) {
        crowd_turn(c, 10);
        if (crowd_missing(c) != missing) {
            missing = crowd_missing(c);
            progress_ns = now_ns();
        }
    }
}

typedef struct measurement {
    double seconds, cpu_us, connect_s, connect_cpu_us;
    crowd_figures in_window, after; /* what came in the window; what came later */
} measurement;

static void print_latency(const char *name, const histogram *h)
{
    printf("  \"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, "
           "\"max\": %.1f},\n",
           name, histogram_us(h, 0.5), histogram_us(h, 0.9), histogram_us(h, 0.99),
           histogram_us(h, 0.999), (double)h->max / 1000.0);
}

static void print_result(const plan *p, const measurement *m, uint64_t missing)
{
    const crowd_figures *f = &m->in_window;
    double n = (double)f->delivered;
    printf("{\n  \"members\": %u, \"senders\": %u, \"size\": %zu,\n", p->members,
           p->senders, p->size);
    if (p->rate > 0) {
        printf("  \"loop\": \"open\", \"rate\": %.1f,\n", p->rate);
    } else {
        printf("  \"loop\": \"closed\", \"outstanding\": %u,\n", p->closed);
    }
    printf("  \"seconds\": %.3f, \"sent\": %llu, \"delivered\": %llu,\n", m->seconds,
           (unsigned long long)f->sent, (unsigned long long)f->delivered);
    printf("  \"deliveries_per_s\": %.0f,\n", n / m->seconds);
    printf("  \"cpu_us_per_delivery\": %.4f, \"cpu_share\": %.3f,\n",
           n > 0 ? m->cpu_us / n : 0.0, m->cpu_us / 1e6 / m->seconds);
    printf("  \"frames_per_read\": %.2f,\n", f->reads ? n / (double)f->reads : 0.0);
    print_latency("latency_us", &f->latency);
    print_latency("last_member_us", &f->last);
    printf("  \"connect_s\": %.3f, \"connect_cpu_us\": %.2f,\n", m->connect_s,
           m->connect_cpu_us / p->members);
    printf("  \"lost\": %llu, \"duplicated\": %llu, \"out_of_order\": %llu, "
           "\"closed\": %llu\n}\n",
           (unsigned long long)missing,
           (unsigned long long)(f->duplicated + m->after.duplicated),
           (unsigned long long)(f->late + m->after.late),
           (unsigned long long)(f->closed + m->after.closed));
}

static bool measure_talk(crowd *c, const plan *p)
{
    static measurement m;
    uint64_t cpu = process_cpu_ns(p->pid), begin = now_ns();
    if (!crowd_connect(c, p->members)) {
        return false;
    }
    m.connect_s = (double)(now_ns() - begin) / 1e9;
    m.connect_cpu_us = (double)(process_cpu_ns(p->pid) - cpu) / 1e3;
    schedule s = {.next_ns = now_ns(),
                  .step_ns = p->rate > 0 ? (uint64_t)(1e9 / p->rate) : 0};
    talk(c, p, &s, p->warmup_s);
    crowd_reset_figures(c);
    cpu = process_cpu_ns(p->pid);
    begin = now_ns();
    talk(c, p, &s, p->seconds);
    m.seconds = (double)(now_ns() - begin) / 1e9;
    m.cpu_us = (double)(process_cpu_ns(p->pid) - cpu) / 1e3;
    m.in_window = *crowd_figures_of(c);
    crowd_reset_figures(c);
    drain(c);
    m.after = *crowd_figures_of(c);
    print_result(p, &m, crowd_missing(c));
    return m.in_window.delivered > 0;
}

/* The first hundred pay for what a server keeps once; they are left out. */
static bool measure_idle(crowd *c, const plan *p)
{
    const unsigned first = p->members > 1000 ? 100 : p->members / 10;
    const double settle_s = 1.0;
    if (!crowd_connect(c, first)) {
        return false;
    }
    plan silent = *p;
    silent.rate = 1e-6;
    schedule never = {.next_ns = UINT64_MAX};
    talk(c, &silent, &never, settle_s);
    uint64_t before = process_pss(p->pid);
    if (!crowd_connect(c, p->members)) {
        return false;
    }
    talk(c, &silent, &never, settle_s);
    uint64_t after = process_pss(p->pid);
    printf("{\"members\": %u, \"pss_before\": %llu, \"pss_after\": %llu, "
           "\"bytes_per_session\": %.0f}\n",
           p->members, (unsigned long long)before, (unsigned long long)after,
           ((double)after - (double)before) / (p->members - first));
    return before > 0;
}

static unsigned unwritten(const crowd *c, const plan *p)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < p->senders; i++) {
        sum += crowd_outstanding(c, i);
    }
    return sum;
}

/* Fills the server's queues. Not before standard input ends are the connections closed:
 * the server is to have nothing else to do while its queues are emptied. */
static bool measure_flood(crowd *c, const plan *p)
{
    if (!crowd_connect(c, p->members)) {
        return false;
    }
    uint64_t begin = now_ns();
    unsigned said = 0;
    do {
        while (said < p->flood && crowd_say(c, said % p->senders, 0)) {
            said++;
        }
        crowd_turn(c, said < p->flood ? 0 : 10);
    } while ((said < p->flood || unwritten(c, p) > 0) &&
             crowd_figures_of(c)->closed == 0);
    printf("{\"members\": %u, \"size\": %zu, \"sent\": %u, \"seconds\": %.3f, "
           "\"closed\": %llu}\n",
           p->members, p->size, said, (double)(now_ns() - begin) / 1e9,
           (unsigned long long)crowd_figures_of(c)->closed);
    fflush(stdout);
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    while (poll(&in, 1, 100) == 0 || read(STDIN_FILENO, &byte, 1) > 0) {
        crowd_turn(c, 0); /* pings are answered */
    }
    return crowd_figures_of(c)->closed == 0;
}

static bool measure(crowd *c, const plan *p)
{
    return p->idle    ? measure_idle(c, p)
           : p->flood ? measure_flood(c, p)
                      : measure_talk(c, p);
}

int main(int argc, char **argv)
{
    plan p;
    if (!parse_options(argc, argv, &p)) {
        fputs(usage, stderr);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    crowd_options options = {.host = p.host,
                             .port = p.port,
                             .path = p.path,
                             .members = p.members,
                             .senders = p.senders,
                             .size = p.size,
                             .hearers = p.echo    ? HEARD_BY_SENDER
                                        : p.flood ? HEARD_BY_NOBODY
                                                  : HEARD_BY_ALL};
    crowd *c = crowd_new(&options);
    if (!c) {
        return 1;
    }
    bool ok = measure(c, &p);
    crowd_free(c);
    return ok ? 0 : 1;
}
