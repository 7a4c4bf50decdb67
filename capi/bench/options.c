/*
 * The table of options, reading them, and what they can't be together; see options.h.
 * --help is made from the table.
 */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum option_kind {
    KIND_FLAG,    /* bool */
    KIND_COUNT,   /* unsigned */
    KIND_REAL,    /* double */
    KIND_SPECIAL, /* read_special */
    KIND_HEADING  /* of --help: a line of its own */
} option_kind;

typedef struct option {
    const char *name, *value; /* of --help; NULL: takes none */
    option_kind kind;
    size_t at; /* in the plan */
    double least, most;
    const char *help;
} option;

#define AT(field)    offsetof(plan, field)
#define MOST_CLIENTS 4000000.0

static const option options[] = {
    {NULL, NULL, KIND_HEADING, 0, 0, 0, "What to load:"},
    {"url", "URL", KIND_SPECIAL, 0, 0, 0,
     "ws:// or wss:// (the certificate isn't checked); repeat it for several\n"
     "servers: members are spread over them in turn. {room}, {user} and {n}\n"
     "stand for the member's room (r0, r1 ...), name (u0, u1 ...) and number"},
    {"pid", "PID", KIND_SPECIAL, 0, 0, 0,
     "a process of the server, on this machine, whose CPU and memory are told;\n"
     "repeat it for several"},
    {"header", "LINE", KIND_SPECIAL, 0, 0, 0,
     "a header of each request, \"Name: value\"; repeat it for several"},
    {NULL, NULL, KIND_HEADING, 0, 0, 0, "Who talks, and how much:"},
    {"members", "N", KIND_COUNT, AT(members), 1, MOST_CLIENTS, "clients (100)"},
    {"rooms", "R", KIND_COUNT, AT(rooms), 1, MOST_CLIENTS,
     "that they are divided among (1); neighbours share one"},
    {"senders", "N", KIND_COUNT, AT(senders), 1, MOST_CLIENTS,
     "how many of them talk (8), spread evenly"},
    {"rate", "R", KIND_REAL, AT(rate), 1e-3, 1e8,
     "open loop: messages a second in all. Latency means something here"},
    {"closed", "K", KIND_COUNT, AT(closed), 1, 1e6,
     "closed loop: messages on their way in all (64). Throughput; the latency\n"
     "is that of the queue"},
    {"size", "B", KIND_COUNT, AT(size), 1, 64 * 1024 * 1024, "bytes of a message (128)"},
    {"settle", "S", KIND_REAL, AT(settle_s), 0, 1e6,
     "seconds of silence after connecting (0; of several URLs 0.3: nodes may\n"
     "have to tell each other about rooms before they are heard everywhere)"},
    {"warmup", "S", KIND_REAL, AT(warmup_s), 0, 1e6, "seconds before measuring (1)"},
    {"seconds", "S", KIND_REAL, AT(seconds), 0.01, 1e6, "seconds of measuring (4)"},
    {NULL, NULL, KIND_HEADING, 0, 0, 0, "What is said, and who hears it:"},
    {"echo", NULL, KIND_FLAG, AT(echo), 0, 0,
     "all talk, and each is to hear itself, not its room"},
    {"direct", NULL, KIND_FLAG, AT(direct), 0, 0,
     "each message is for the user after its sender, on the next URL: the\n"
     "server reads n at byte 12 of the message (32 bit, little endian) and\n"
     "sends it to the user u<n>"},
    {"json", NULL, KIND_FLAG, AT(json), 0, 0,
     "messages are JSON, as compressible as a feed, in text frames"},
    {"deflate", NULL, KIND_FLAG, AT(deflate), 0, 0,
     "offer permessage-deflate without context takeover"},
    {"socketio", NULL, KIND_FLAG, AT(socketio), 0, 0,
     "speak Socket.IO: the event \"m\" with a string; the URL is, for example,\n"
     "ws://HOST:PORT/socket.io/?EIO=4&transport=websocket&room={room}"},
    {"protocol", "NAME", KIND_SPECIAL, 0, 0, 0,
     "raw, or centrifuge: the members of one room, r0, talk by the JSON of that\n"
     "protocol; the URL is, for example, ws://HOST:PORT/connection/websocket"},
    {"slow", "SHARE", KIND_REAL, AT(slow), 0, 1,
     "this share (0 to 1) of the members, none that talk, reads slowly"},
    {"slow-pause", "MS", KIND_COUNT, AT(slow_pause_ms), 1, 600000,
     "how long such a member reads nothing before it reads a little (200)"},
    {NULL, NULL, KIND_HEADING, 0, 0, 0, "Instead of talking:"},
    {"idle", NULL, KIND_FLAG, AT(idle), 0, 0,
     "connect and be silent: memory of a session, the server's and the kernel's"},
    {"steps", "N,N...", KIND_SPECIAL, 0, 0, 0,
     "with --idle: how many are connected when it is measured (all)"},
    {"heartbeat", NULL, KIND_FLAG, AT(heartbeat), 0, 0,
     "connect, be silent and answer pings: CPU of a ping"},
    {"storm", "KIND COUNT", KIND_SPECIAL, 0, 0, 0,
     "the members talk (open loop, 100 a second), then so many more clients\n"
     "come: `connect` shake hands, join a room of their own (storm0, storm1\n"
     "...) and hear what they say there; `reset` send a request, or a part of\n"
     "it, or nothing, and reset the connection"},
    {"storm-at-once", "N", KIND_COUNT, AT(storm_at_once), 1, 65536,
     "how many of those may be on their way to be served (256)"},
    {"storm-silent", NULL, KIND_FLAG, AT(storm_silent), 0, 0,
     "those say nothing and are served with the 101; all join the room `storm`"},
    {"flood", "N", KIND_COUNT, AT(flood), 1, 1e9,
     "say N messages that nobody answers, as fast as it goes, and stay till\n"
     "standard input ends"},
    {"help", NULL, KIND_FLAG, AT(help), 0, 0, "this text"},
};

enum { N_OPTIONS = sizeof options / sizeof *options };

static char complaint[512];

__attribute__((format(printf, 1, 2))) static const char *wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(complaint, sizeof complaint, format, args);
    va_end(args);
    return complaint;
}

/* --- values
 * ----------------------------------------------------------------------------*/

static const char *read_number(const option *o, const char *text, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    if (errno || end == text || *end || *value != *value) {
        return wrong("--%s: not a number: %s", o->name, text);
    }
    if (*value < o->least || *value > o->most) {
        return wrong("--%s: %s: %.12g to %.12g are possible", o->name, text, o->least,
                     o->most);
    }
    if (o->kind != KIND_REAL && *value != (double)(unsigned long)*value) {
        return wrong("--%s: not a whole number: %s", o->name, text);
    }
    return NULL;
}

static const char *read_url(plan *p, const char *text)
{
    if (p->n_targets == PLAN_URLS) {
        return wrong("--url: at most %d", PLAN_URLS);
    }
    const char *why = target_read(&p->targets[p->n_targets++], text);
    return why ? wrong("--url: %s %s", text, why) : NULL;
}

static const char *read_pid(plan *p, const char *text)
{
    const option as = {.name = "pid", .kind = KIND_COUNT, .least = 1, .most = 1 << 30};
    double value;
    const char *why = read_number(&as, text, &value);
    if (!why && p->n_pids == PLAN_PIDS) {
        why = wrong("--pid: at most %d", PLAN_PIDS);
    }
    if (!why) {
        p->pids[p->n_pids++] = (int)value;
    }
    return why;
}

static const char *read_header(plan *p, const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || strpbrk(text, "\r\n")) {
        return wrong("--header: not \"Name: value\": %s", text);
    }
    if (p->n_headers == PLAN_HEADERS) {
        return wrong("--header: at most %d", PLAN_HEADERS);
    }
    p->headers[p->n_headers++] = text;
    return NULL;
}

static const char *read_steps(plan *p, const char *text)
{
    p->n_steps = 0;
    for (const char *at = text; *at;) {
        char *end;
        unsigned long step = strtoul(at, &end, 10);
        bool rises = step > (p->n_steps > 0 ? p->steps[p->n_steps - 1] : 0);
        if (*at < '0' || *at > '9' || !rises || step > (unsigned long)MOST_CLIENTS ||
            p->n_steps == PLAN_STEPS || (*end && (*end != ',' || !end[1]))) {
            return wrong("--steps: not at most %d numbers that rise: %s", PLAN_STEPS,
                         text);
        }
        p->steps[p->n_steps++] = (unsigned)step;
        at = *end ? end + 1 : end;
    }
    return p->n_steps > 0 ? NULL : wrong("--steps: no number");
}

static const char *read_storm(plan *p, const char *kind, const char *count)
{
    const option as = {
        .name = "storm", .kind = KIND_COUNT, .least = 1, .most = MOST_CLIENTS};
    double value;
    p->storm = strcmp(kind, "connect") == 0 ? STORM_CONNECT
               : strcmp(kind, "reset") == 0 ? STORM_RESET
                                            : STORM_NONE;
    if (p->storm == STORM_NONE) {
        return wrong("--storm: neither connect nor reset: %s", kind);
    }
    if (!count) {
        return wrong("--storm %s: a number is missing: how many clients", kind);
    }
    const char *why = read_number(&as, count, &value);
    p->storm_count = why ? 0 : (unsigned)value;
    return why;
}

static const char *read_protocol(plan *p, const char *text)
{
    p->centrifuge = strcmp(text, "centrifuge") == 0;
    return p->centrifuge || strcmp(text, "raw") == 0
               ? NULL
               : wrong("--protocol: neither raw nor centrifuge: %s", text);
}

/* --- the command line
 * ------------------------------------------------------------------*/

typedef struct reading {
    plan *p;
    int argc, at;
    char *const *argv;
} reading;

static const option *option_of(const char *name, size_t len)
{
    for (unsigned i = 0; i < N_OPTIONS; i++) {
        if (options[i].name && strlen(options[i].name) == len &&
            memcmp(options[i].name, name, len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static const char *read_special(reading *r, const option *o, const char *value)
{
    if (strcmp(o->name, "url") == 0) {
        return read_url(r->p, value);
    }
    if (strcmp(o->name, "pid") == 0) {
        return read_pid(r->p, value);
    }
    if (strcmp(o->name, "header") == 0) {
        return read_header(r->p, value);
    }
    if (strcmp(o->name, "protocol") == 0) {
        return read_protocol(r->p, value);
    }
    if (strcmp(o->name, "steps") == 0) {
        return read_steps(r->p, value);
    }
    return read_storm(r->p, value, r->at < r->argc ? r->argv[r->at++] : NULL);
}

static const char *read_value(reading *r, const option *o, const char *value)
{
    void *place = (char *)r->p + o->at;
    double number;
    const char *why = NULL;
    switch (o->kind) {
    case KIND_FLAG:
        *(bool *)place = true;
        break;
    case KIND_COUNT:
        why = read_number(o, value, &number);
        if (!why) {
            *(unsigned *)place = (unsigned)number;
        }
        break;
    case KIND_REAL:
        why = read_number(o, value, &number);
        if (!why) {
            *(double *)place = number;
        }
        break;
    default:
        why = read_special(r, o, value);
    }
    return why;
}

static const char *read_option(reading *r)
{
    const char *word = r->argv[r->at++];
    const char *name = word + 2;
    size_t len = strcspn(word, "=");
    const option *o =
        strncmp(word, "--", 2) == 0 && len > 2 ? option_of(name, len - 2) : NULL;
    if (!o) {
        return wrong("%s: no such option; --help lists them", word);
    }
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    if (!o->value && value) {
        return wrong("--%s takes no value: %s", o->name, word);
    }
    if (o->value && !value) {
        value = r->at < r->argc ? r->argv[r->at++] : NULL;
    }
    if (o->value && !value) {
        return wrong("--%s: a value is missing: %s", o->name, o->value);
    }
    return read_value(r, o, value);
}

/* --- what goes together
 * ----------------------------------------------------------------*/

static const char *check_modes(const plan *p)
{
    if (p->idle + p->heartbeat + (p->storm != STORM_NONE) + (p->flood > 0) > 1) {
        return wrong("only one of --idle, --heartbeat, --storm and --flood");
    }
    if (p->echo && p->direct) {
        return wrong("only one of --echo and --direct");
    }
    if (p->rate > 0 && p->closed > 0) {
        return wrong("only one of --rate (open loop) and --closed (closed loop)");
    }
    if (p->storm != STORM_NONE && p->closed > 0) {
        return wrong("--storm: the members talk in an open loop, by --rate");
    }
    if (p->n_steps > 0 && !p->idle) {
        return wrong("--steps is of --idle");
    }
    if (p->direct + p->json + p->socketio + p->centrifuge > 1) {
        return wrong("only one of --direct, --json, --socketio and --protocol "
                     "centrifuge: each says how messages look");
    }
    if (p->centrifuge && (p->echo || p->rooms > 1 || p->storm != STORM_NONE)) {
        return wrong("--protocol centrifuge is of one room: neither with --echo, --rooms "
                     "nor --storm");
    }
    if (p->dialect && p->flood > 0) {
        return wrong("--flood speaks nothing but raw messages");
    }
    if (p->slow > 0 && (p->echo || p->direct || p->scenario != SCENARIO_TALK)) {
        return wrong("--slow is of rooms: neither with --echo or --direct nor instead of "
                     "talking");
    }
    return NULL;
}

static const char *check_sizes(const plan *p)
{
    if (p->size < form_least(p->form)) {
        return wrong("--size: %u: the mark of a message needs %zu bytes", p->size,
                     form_least(p->form));
    }
    if (p->rooms > p->members) {
        return wrong("--rooms: %u: more than the %u members", p->rooms, p->members);
    }
    if (p->direct && p->members < 2) {
        return wrong("--direct: there must be two members at least");
    }
    if (p->closed / p->senders > 65536) {
        return wrong("--closed: %u: at most 65536 for each of %u senders", p->closed,
                     p->senders);
    }
    return NULL;
}

static const char *check_urls(const plan *p)
{
    if (p->n_targets == 0) {
        return wrong("--url is missing: what to load; --help lists all options");
    }
    for (unsigned i = 0; i < p->n_targets; i++) {
        const target *t = &p->targets[i];
        bool storms = p->storm == STORM_CONNECT && !p->storm_silent && !p->echo;
        if ((p->rooms > 1 || storms) && p->hearers == HEARD_BY_ROOM &&
            !target_has(t, "{room}")) {
            return wrong("%s: each --url must say with {room} where the room's name goes",
                         storms ? "--storm connect" : "--rooms");
        }
        if (p->direct && !target_has(t, "{user}")) {
            return wrong(
                "--direct: each --url must say with {user} where the user's name "
                "goes");
        }
    }
    return NULL;
}

static void complete(plan *p)
{
    p->scenario = p->idle                  ? SCENARIO_IDLE
                  : p->heartbeat           ? SCENARIO_HEARTBEAT
                  : p->storm != STORM_NONE ? SCENARIO_STORM
                  : p->flood > 0           ? SCENARIO_FLOOD
                                           : SCENARIO_TALK;
    p->hearers = p->echo ? HEARD_BY_SENDER : p->direct ? HEARD_BY_TARGET : HEARD_BY_ROOM;
    p->form = p->json         ? FORM_JSON
              : p->socketio   ? FORM_SOCKETIO
              : p->centrifuge ? FORM_CENTRIFUGE
              : p->flood > 0  ? FORM_PLAIN
                              : FORM_BINARY;
    p->dialect = p->socketio     ? &dialect_socketio
                 : p->centrifuge ? &dialect_centrifuge
                                 : NULL;
    if (p->n_steps > 0) {
        p->members = p->steps[p->n_steps - 1];
    }
    if (p->senders > p->members || p->echo || p->flood > 0) {
        p->senders = p->members;
    }
}

static void set_defaults(plan *p)
{
    if (p->storm != STORM_NONE && p->rate <= 0) {
        p->rate = 100;
    }
    if (p->rate <= 0 && p->closed == 0) {
        p->closed = 64;
    }
    if (p->settle_s < 0) {
        p->settle_s = p->n_targets > 1 ? 0.3 : 0;
    }
    p->storm_silent = p->storm_silent || p->direct;
    p->layout = (layout){.members = p->members,
                         .rooms = p->rooms,
                         .senders = p->senders,
                         .urls = p->n_targets,
                         .slow = p->slow};
}

const char *options_read(plan *p, int argc, char *const *argv)
{
    *p = (plan){.members = 100,
                .rooms = 1,
                .senders = 8,
                .size = 128,
                .settle_s = -1,
                .warmup_s = 1,
                .seconds = 4,
                .slow_pause_ms = 200,
                .storm_at_once = 256};
    reading r = {.p = p, .argc = argc, .argv = argv, .at = 1};
    const char *why = NULL;
    while (!why && !p->help && r.at < argc) {
        why = read_option(&r);
    }
    if (why || p->help) {
        return why;
    }
    complete(p);
    why = check_modes(p);
    why = why ? why : check_sizes(p);
    why = why ? why : check_urls(p);
    if (!why) {
        set_defaults(p);
    }
    return why;
}

/* --- help
 * ------------------------------------------------------------------------------*/

static void help_option(FILE *out, const option *o)
{
    char left[64];
    snprintf(left, sizeof left, "  --%s %s", o->name, o->value ? o->value : "");
    fprintf(out, "%-21s ", left);
    for (const char *p = o->help; *p; p++) {
        fputc(*p, out);
        if (*p == '\n') {
            fprintf(out, "%22s", "");
        }
    }
    fputc('\n', out);
}

void options_help(FILE *out)
{
    fputs("fanwire-bench: loads a WebSocket server with many clients, and measures it\n"
          "\n"
          "usage: fanwire-bench --url URL [--pid PID] [options]\n"
          "\n"
          "It works with any server that gives each member of a room what any member\n"
          "says there, byte for byte, the one who said it included. One thread; what it\n"
          "found is one JSON object on standard output. Exit status: 0, 1 when it could\n"
          "not measure, 2 for wrong options.\n",
          out);
    for (unsigned i = 0; i < N_OPTIONS; i++) {
        if (options[i].kind == KIND_HEADING) {
            fprintf(out, "\n%s\n", options[i].help);
        } else {
            help_option(out, &options[i]);
        }
    }
    fputs("\nFor example, a thousand clients of two servers, all in one room:\n"
          "  fanwire-bench --url 'ws://10.0.0.1:8080/ws?room={room}' \\\n"
          "                --url 'ws://10.0.0.2:8080/ws?room={room}' \\\n"
          "                --members 1000 --rate 50 --seconds 30\n",
          out);
}
