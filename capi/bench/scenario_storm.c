/*
 * A storm: many clients that come at once, to join or to reset, beside members that were
 * there before and go on talking. What a client of the storm costs the server, and how
 * long the members have to wait for each other meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "report.h"
#include "scenario.h"
#include "talk.h"
#include "usage.h"

enum {
    START_NS = 300 * 1000, /* of a turn, for beginning to connect */
    PART_OF_A_REQUEST = 60 /* bytes: the request's line and a piece of a header */
};
#define GUEST UINT32_MAX /* the sender in the marks of what the storm's clients say */

typedef struct storm {
    const plan *p;
    talk *talk;
    unsigned started, served, refused, closed;
    uint64_t begin_ns, end_ns, progress_ns;
    unsigned progress;
    bool *is_served;
} storm;

static unsigned guest_of(const storm *s, unsigned n)
{
    return n - s->p->members;
}

static void serve(storm *s, unsigned n)
{
    bool *is_served = &s->is_served[guest_of(s, n)];
    s->served += !*is_served;
    *is_served = true;
}

static void on_open(void *user, unsigned n)
{
    storm *s = user;
    const form *f = talk_form(s->talk);
    uint8_t *place =
        s->p->storm_silent ? NULL : crowd_put(talk_crowd(s->talk), n, f->len);
    if (s->p->storm_silent) {
        serve(s, n);
    } else if (place) {
        form_put(f, place, &(mark){.magic = MARK_MAGIC, .sender = GUEST, .serial = n});
    }
}

static void on_message(void *user, unsigned n, const uint8_t *data, size_t len)
{
    storm *s = user;
    mark m;
    if (form_read(talk_form(s->talk), data, len, &m) && m.sender == GUEST &&
        m.serial == n) {
        serve(s, n);
    }
}

static void on_close(void *user, unsigned n, bool opened)
{
    storm *s = user;
    bool early = !s->is_served[guest_of(s, n)];
    s->refused += !opened;
    s->closed += opened && early;
}

static void names(void *user, unsigned n, target_names *out)
{
    const storm *s = user;
    unsigned guest = guest_of(s, n);
    if (s->p->storm_silent || s->p->storm == STORM_RESET) {
        strcpy(out->room, "storm");
    } else {
        /* Of its own: in a room of all, each would have to hear all the others. */
        snprintf(out->room, sizeof out->room, "storm%u", guest);
    }
    snprintf(out->user, sizeof out->user, "s%u", guest);
    out->number = n;
}

/* Half of those that reset have asked, a quarter in part, and a quarter not at all. */
static size_t bytes_before_reset(unsigned guest)
{
    return guest % 4 < 2 ? SIZE_MAX : guest % 4 == 2 ? PART_OF_A_REQUEST : 0;
}

static unsigned on_their_way(const storm *s)
{
    if (s->p->storm == STORM_RESET) {
        return crowd_resets_left(talk_crowd(s->talk));
    }
    return s->started - s->served - s->refused - s->closed;
}

static void start_some(storm *s)
{
    uint64_t begin = now_ns();
    while (s->started < s->p->storm_count && on_their_way(s) < s->p->storm_at_once &&
           now_ns() - begin < START_NS) {
        unsigned guest = s->started++, n = s->p->members + guest;
        if (s->p->storm == STORM_RESET) {
            (void)crowd_start_and_reset(talk_crowd(s->talk), n,
                                        bytes_before_reset(guest));
        } else {
            (void)crowd_start(talk_crowd(s->talk), n);
        }
    }
}

/* false: the storm is over, or nothing has come of it for long. */
static bool go_on(void *user)
{
    storm *s = user;
    const uint64_t patience_ns = 10000000000u;
    start_some(s);
    unsigned done = s->started - on_their_way(s);
    uint64_t now = now_ns();
    if (done != s->progress) {
        s->progress = done;
        s->progress_ns = now;
    }
    s->end_ns = now;
    return done < s->p->storm_count && now - s->progress_ns < patience_ns;
}

static void report_kind(const storm *s, double calm_us, double stormy_us)
{
    const plan *p = s->p;
    report_begin("storm", '{');
    report_text("kind", p->storm == STORM_RESET ? "reset" : "connect");
    report_count("count", p->storm_count);
    report_count("at_once", p->storm_at_once);
    report_real("seconds", (double)(s->end_ns - s->begin_ns) / 1e9, 3);
    if (p->storm == STORM_CONNECT) {
        report_count("served", s->served);
        report_count("closed", s->closed);
    }
    report_count("refused", p->storm == STORM_RESET
                                ? crowd_figures_of(talk_crowd(s->talk))->refused
                                : s->refused);
    report_count("unfinished", p->storm_count - (s->started - on_their_way(s)));
    if (p->n_pids > 0) {
        report_real("cpu_us_each", (stormy_us - calm_us) / p->storm_count, 2);
    }
    report_end('}');
}

typedef struct windows {
    ledger_figures before, during;
    usage begin, calm, storm;
} windows;

static void report_storm(const storm *s, const windows *w)
{
    const plan *p = s->p;
    double calm_s = usage_seconds(&w->begin, &w->calm);
    double storm_s = usage_seconds(&w->calm, &w->storm);
    /* What the members' talk costs is taken off, by what it cost before. */
    double calm_us = usage_cpu_us(p, &w->begin, &w->calm) / calm_s * storm_s;
    report_begin(NULL, '{');
    report_count("members", p->members);
    report_count("senders", p->senders);
    report_count("size", p->size);
    report_real("rate", p->rate, 1);
    report_kind(s, calm_us, usage_cpu_us(p, &w->calm, &w->storm));
    report_count("sent", w->before.sent + w->during.sent);
    report_count("delivered", w->before.delivered + w->during.delivered);
    report_latency("control_before_us", &w->before.latency);
    report_latency("control_during_us", &w->during.latency);
    report_count("lost", talk_lost(s->talk));
    report_count("duplicated", w->before.duplicated + w->during.duplicated);
    report_count("out_of_order", w->before.late + w->during.late);
    report_count("closed", talk_closed(s->talk));
    report_end('}');
}

static bool measure_storm(storm *s)
{
    static windows w;
    /* Long enough for the server to end what is left of the storm. */
    const double aftermath_s = 1.0, late_s = 0.1;
    talk *t = s->talk;
    if (!talk_connect(t, s->p->members)) {
        return false;
    }
    talk_settle(t);
    talk_for(t, s->p->warmup_s, NULL, NULL);
    talk_reset_figures(t);
    usage_take(s->p, &w.begin);
    talk_for(t, s->p->seconds, NULL, NULL);
    usage_take(s->p, &w.calm);
    w.before = *ledger_figures_of(talk_ledger(t));
    talk_reset_figures(t);
    s->begin_ns = s->progress_ns = now_ns();
    talk_for(t, 3600, go_on, s);
    talk_for(t, late_s, NULL, NULL); /* what was held up by the storm is in the figures */
    w.during = *ledger_figures_of(talk_ledger(t));
    talk_for(t, aftermath_s, NULL, NULL);
    usage_take(s->p, &w.storm);
    talk_drain(t);
    report_storm(s, &w);
    return w.before.delivered > 0 && on_their_way(s) == 0;
}

bool scenario_storm(const plan *p)
{
    storm s = {.p = p, .is_served = calloc(p->storm_count, sizeof(bool))};
    talk_guests guests = {.count = p->storm_count,
                          .events = {.on_open = on_open,
                                     .on_message = on_message,
                                     .on_close = on_close,
                                     .names = names,
                                     .user = &s}};
    s.talk = s.is_served ? talk_new(p, &guests) : NULL;
    bool ok = s.talk && measure_storm(&s);
    if (s.talk) {
        talk_free(s.talk);
    }
    free(s.is_served);
    return ok;
}
