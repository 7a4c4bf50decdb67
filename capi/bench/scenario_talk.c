/*
 * Members that talk: deliveries, their latency, and what they cost the server. Also with
 * slow members and with compression.
 */
#include <stdlib.h>

#include "report.h"
#include "scenario.h"
#include "talk.h"
#include "usage.h"

typedef struct measurement {
    usage connecting, connected, begin, end;
    /* What came in the window, and what came later. */
    ledger_figures heard, after;
    crowd_figures traffic;
} measurement;

static void report_load(const plan *p)
{
    report_count("members", p->members);
    report_count("rooms", p->rooms);
    report_count("senders", p->senders);
    report_count("size", p->size);
    report_text("loop", p->rate > 0 ? "open" : "closed");
    if (p->rate > 0) {
        report_real("rate", p->rate, 1);
    } else {
        report_count("outstanding", p->closed);
    }
}

static void report_cpu(const plan *p, const measurement *m)
{
    double cpu_us = usage_cpu_us(p, &m->begin, &m->end);
    double heard = (double)(m->heard.delivered + m->heard.slow_delivered);
    report_real("cpu_us_per_delivery", heard > 0 ? cpu_us / heard : 0, 4);
    report_real("cpu_us_per_message",
                m->heard.sent > 0 ? cpu_us / (double)m->heard.sent : 0, 4);
    report_real("cpu_share", cpu_us / 1e6 / usage_seconds(&m->begin, &m->end), 3);
    usage_report(p, &m->begin, &m->end);
    report_real("connect_cpu_us",
                usage_cpu_us(p, &m->connecting, &m->connected) / p->members, 2);
    report_count("pss", usage_pss(p));
    usage_report_pss(p);
}

static void report_slow(talk *t, const measurement *m)
{
    report_count("slow_members", ledger_slow_count(talk_ledger(t)));
    report_count("slow_delivered", m->heard.slow_delivered);
    report_count("slow_skipped", m->heard.slow_skipped + m->after.slow_skipped);
    report_count("slow_closed", talk_slow_closed(t));
    report_latency("slow_latency_us", &m->heard.slow_latency);
}

static void report_result(const plan *p, talk *t, const measurement *m)
{
    const ledger_figures *f = &m->heard;
    double seconds = usage_seconds(&m->begin, &m->end);
    double heard = (double)(f->delivered + f->slow_delivered);
    uint64_t reads = m->traffic.reads;
    report_begin(NULL, '{');
    report_load(p);
    report_real("seconds", seconds, 3);
    report_count("sent", f->sent);
    report_count("delivered", f->delivered);
    report_real("deliveries_per_s", heard / seconds, 0);
    report_real("messages_per_s", (double)f->sent / seconds, 1);
    if (p->n_pids > 0) {
        report_cpu(p, m);
    }
    report_real("frames_per_read", reads ? heard / (double)reads : 0, 2);
    report_latency("latency_us", &f->latency);
    report_latency("last_member_us", &f->last);
    report_real("connect_s", usage_seconds(&m->connecting, &m->connected), 3);
    if (p->slow > 0) {
        report_slow(t, m);
    }
    if (p->deflate) {
        report_count("compressed_frames", m->traffic.compressed_frames);
        report_count("wire_bytes", m->traffic.wire_bytes);
        report_count("payload_bytes", m->traffic.payload_bytes);
    }
    report_count("lost", talk_lost(t));
    report_count("duplicated", f->duplicated + m->after.duplicated);
    report_count("out_of_order", f->late + m->after.late);
    report_count("unexpected", f->unexpected + m->after.unexpected);
    report_count("closed", talk_closed(t));
    report_end('}');
}

bool scenario_talk(const plan *p)
{
    static measurement m;
    talk *t = talk_new(p, NULL);
    if (!t) {
        return false;
    }
    usage_take(p, &m.connecting);
    bool ok = talk_connect(t, p->members);
    usage_take(p, &m.connected);
    if (ok) {
        talk_settle(t);
        talk_for(t, p->warmup_s, NULL, NULL);
        talk_reset_figures(t);
        usage_take(p, &m.begin);
        talk_for(t, p->seconds, NULL, NULL);
        usage_take(p, &m.end);
        m.heard = *ledger_figures_of(talk_ledger(t));
        m.traffic = *crowd_figures_of(talk_crowd(t));
        talk_reset_figures(t);
        talk_drain(t);
        m.after = *ledger_figures_of(talk_ledger(t));
        report_result(p, t, &m);
        ok = m.heard.delivered > 0;
        if (!ok) {
            fputs("fanwire-bench: nothing that was said has been heard\n", stderr);
        }
    }
    talk_free(t);
    return ok;
}
