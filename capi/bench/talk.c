/*
 * Saying messages in an open or a closed loop; see talk.h. What a message costs here is
 * the same for any number of senders: none of them is looked at but the one whose turn
 * it is.
 */
#include "talk.h"

#include <stdio.h>
#include <stdlib.h>

#include "measure.h"
#include "slow.h"

enum { CONNECTING_AT_ONCE = 64 };

struct talk {
    const plan *p;
    talk_guests guests;
    crowd *crowd;
    ledger *ledger;
    slow_readers *slow;
    form form;
    uint64_t closed, slow_closed;
    unsigned started; /* members that connect or have connected */
    /* Open loop. */
    uint64_t next_ns, step_ns;
    unsigned turn; /* whose turn it is */
    /* Closed loop: a ring of senders that may say something, one entry a message. */
    unsigned *ready;
    unsigned ready_size, ready_at, ready_count, on_their_way;
};

/* --- what the crowd tells
 * --------------------------------------------------------------*/

static void on_open(void *user, unsigned n)
{
    talk *t = user;
    if (n >= t->p->members) {
        t->guests.events.on_open(t->guests.events.user, n);
        return;
    }
    ledger_opened(t->ledger, n);
    if (ledger_is_slow(t->ledger, n)) {
        slow_add(t->slow, t->crowd, n);
    }
}

static void on_message(void *user, unsigned n, const uint8_t *data, size_t len)
{
    talk *t = user;
    mark m;
    if (n >= t->p->members) {
        t->guests.events.on_message(t->guests.events.user, n, data, len);
    } else if (form_read(&t->form, data, len, &m)) {
        ledger_heard(t->ledger, n, &m, crowd_now_ns(t->crowd));
    }
}

static void on_close(void *user, unsigned n, bool opened)
{
    talk *t = user;
    if (n >= t->p->members) {
        t->guests.events.on_close(t->guests.events.user, n, opened);
        return;
    }
    bool slow = ledger_is_slow(t->ledger, n);
    t->slow_closed += slow;
    t->closed += !slow;
    ledger_closed(t->ledger, n);
}

static void names(void *user, unsigned n, target_names *out)
{
    talk *t = user;
    if (n >= t->p->members) {
        t->guests.events.names(t->guests.events.user, n, out);
        return;
    }
    snprintf(out->room, sizeof out->room, "r%u", layout_room(&t->p->layout, n));
    snprintf(out->user, sizeof out->user, "u%u", n);
    out->number = n;
}

static void make_ready(talk *t, unsigned sender)
{
    t->ready[(t->ready_at + t->ready_count++) % t->ready_size] = sender;
}

static void on_finished(void *user, unsigned sender)
{
    talk *t = user;
    t->on_their_way--;
    make_ready(t, sender);
}

/* --- setting up
 * ------------------------------------------------------------------------*/

/* Messages that a sender has on its way when each has its part of them. */
static unsigned share_of(const plan *p)
{
    return (p->closed + p->senders - 1) / p->senders;
}

static unsigned window_of(const plan *p)
{
    /* Open: ten seconds of what a sender says, and then it waits for its hearers. Closed:
     * more than are ever on their way, so that one that is lost stops nobody at once. */
    const double least = 16, most = 4 * 65536;
    double window = p->rate > 0 ? 10 * p->rate / p->senders + 64 : 4.0 * share_of(p);
    window = window < least ? least : window;
    return (unsigned)(window < most ? window : most);
}

static bool set_up_closed(talk *t)
{
    const plan *p = t->p;
    t->ready_size = p->closed + p->senders;
    t->ready = calloc(t->ready_size, sizeof *t->ready);
    if (!t->ready) {
        return false;
    }
    unsigned count = p->closed > p->senders ? p->closed : p->senders;
    for (unsigned i = 0; i < count; i++) {
        make_ready(t, i % p->senders);
    }
    return true;
}

static bool set_up_books(talk *t)
{
    const plan *p = t->p;
    bool closed = p->rate <= 0 && p->scenario == SCENARIO_TALK;
    ledger_options o = {.layout = p->layout,
                        .hearers = p->hearers,
                        .window = p->scenario == SCENARIO_FLOOD ? 1 : window_of(p),
                        .on_finished = closed ? on_finished : NULL,
                        .user = t};
    t->ledger = ledger_new(&o);
    t->slow = t->ledger ? slow_new(ledger_slow_count(t->ledger), p->slow_pause_ms) : NULL;
    return t->slow && form_init(&t->form, p->form, p->size) &&
           (!closed || set_up_closed(t));
}

talk *talk_new(const plan *p, const talk_guests *guests)
{
    talk *t = calloc(1, sizeof *t);
    if (!t) {
        return NULL;
    }
    t->p = p;
    t->guests = guests ? *guests : (talk_guests){0};
    if (!set_up_books(t)) {
        fputs("fanwire-bench: not enough memory for so many members and senders\n",
              stderr);
        talk_free(t);
        return NULL;
    }
    crowd_options o = {.targets = p->targets,
                       .n_targets = p->n_targets,
                       .members = p->members,
                       .guests = t->guests.count,
                       .handshake = {.headers = p->headers,
                                     .n_headers = p->n_headers,
                                     .deflate = p->deflate},
                       .dialect = p->dialect,
                       .most = t->form.heard,
                       .slow = ledger_slow_members(t->ledger),
                       .events = {.on_open = on_open,
                                  .on_message = on_message,
                                  .on_close = on_close,
                                  .names = names,
                                  .user = t}};
    t->crowd = crowd_new(&o);
    if (!t->crowd) {
        talk_free(t);
        return NULL;
    }
    return t;
}

void talk_free(talk *t)
{
    if (t->crowd) {
        crowd_free(t->crowd);
    }
    ledger_free(t->ledger);
    slow_free(t->slow);
    form_fini(&t->form);
    free(t->ready);
    free(t);
}

crowd *talk_crowd(talk *t)
{
    return t->crowd;
}

ledger *talk_ledger(talk *t)
{
    return t->ledger;
}

const form *talk_form(const talk *t)
{
    return &t->form;
}

bool talk_connect(talk *t, unsigned members)
{
    const uint64_t patience_ns = 10000000000u;
    const crowd_figures *f = crowd_figures_of(t->crowd);
    uint64_t progress_ns = now_ns();
    unsigned open = crowd_open(t->crowd);
    while (open < members) {
        while (t->started < members && crowd_connecting(t->crowd) < CONNECTING_AT_ONCE &&
               crowd_start(t->crowd, t->started)) {
            t->started++;
        }
        crowd_turn(t->crowd, 100);
        if (crowd_open(t->crowd) != open) {
            open = crowd_open(t->crowd);
            progress_ns = now_ns();
        }
        if (f->closed + f->refused > 0 || now_ns() - progress_ns > patience_ns) {
            fprintf(stderr, "fanwire-bench: %u of %u connected, %llu refused or closed\n",
                    open, members, (unsigned long long)(f->closed + f->refused));
            return false;
        }
    }
    return true;
}

void talk_settle(talk *t)
{
    talk_wait(t, t->p->settle_s);
}

/* --- talking
 * ---------------------------------------------------------------------------*/

static bool say(talk *t, unsigned sender, uint64_t when_ns)
{
    uint8_t *place =
        crowd_put(t->crowd, ledger_member_of(t->ledger, sender), t->form.len);
    if (place) {
        mark m;
        ledger_say(t->ledger, sender, when_ns, &m);
        form_put(&t->form, place, &m);
    }
    return place != NULL;
}

/* Says what is due; returns how long there is nothing to say, in ms. */
static int say_what_is_due(talk *t)
{
    uint64_t now = now_ns();
    if (t->step_ns == 0) {
        t->step_ns = (uint64_t)(1e9 / t->p->rate);
        t->next_ns = now;
    }
    /* Marked with the time that was planned: a generator or server that is behind must
     * not make its own latency look better. */
    while (t->next_ns <= now) {
        unsigned sender = t->turn % t->p->senders;
        if (!ledger_may_say(t->ledger, sender)) {
            break;
        }
        (void)say(t, sender, t->next_ns); /* one that was closed misses its turn */
        t->turn++;
        t->next_ns += t->step_ns;
    }
    /* Whole milliseconds are slept, the rest is spun: the generator has its own core. */
    uint64_t pause_ms = t->next_ns > now ? (t->next_ns - now) / 1000000u : 1;
    return pause_ms < 10 ? (int)pause_ms : 10;
}

static void keep_on_their_way(talk *t)
{
    while (t->ready_count > 0 && t->on_their_way < t->p->closed) {
        unsigned sender = t->ready[t->ready_at];
        t->ready_at = (t->ready_at + 1) % t->ready_size;
        t->ready_count--;
        /* One that was closed, or waits for what was lost, is not asked again. */
        if (ledger_may_say(t->ledger, sender) && say(t, sender, now_ns())) {
            t->on_their_way++;
        }
    }
}

static void turn(talk *t, int timeout_ms)
{
    slow_serve(t->slow, t->crowd);
    crowd_turn(t->crowd, timeout_ms);
}

void talk_wait(talk *t, double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        turn(t, 10);
    }
}

void talk_for(talk *t, double seconds, bool (*meanwhile)(void *user), void *user)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        int pause_ms = 10;
        if (t->p->rate > 0) {
            pause_ms = say_what_is_due(t);
        } else {
            keep_on_their_way(t);
        }
        if (meanwhile && !meanwhile(user)) {
            return;
        }
        turn(t, pause_ms);
    }
}

void talk_drain(talk *t)
{
    const uint64_t patience_ns = 5000000000u;
    uint64_t missing = ledger_missing(t->ledger), progress_ns = now_ns();
    while (missing > 0 && now_ns() - progress_ns < patience_ns &&
           crowd_open(t->crowd) > 0) {
        turn(t, 10);
        if (ledger_missing(t->ledger) != missing) {
            missing = ledger_missing(t->ledger);
            progress_ns = now_ns();
        }
    }
}

uint64_t talk_closed(const talk *t)
{
    return t->closed;
}

uint64_t talk_slow_closed(const talk *t)
{
    return t->slow_closed;
}

uint64_t talk_lost(const talk *t)
{
    return ledger_missing(t->ledger) + ledger_lost(t->ledger);
}

void talk_reset_figures(talk *t)
{
    crowd_reset_figures(t->crowd);
    ledger_reset_figures(t->ledger);
}
