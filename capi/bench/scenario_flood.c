/*
 * Messages that nobody answers, as many and as fast as it goes: what fills a server's
 * queues for another program to measure how they are emptied.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "measure.h"
#include "scenario.h"
#include "talk.h"

enum { UNSENT_MOST = 256 * 1024 }; /* bytes that a member has to send still */

static uint64_t unsent(talk *t, const plan *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->members; i++) {
        sum += crowd_unsent(talk_crowd(t), i);
    }
    return sum;
}

static bool say_next(talk *t, const plan *p, unsigned said)
{
    unsigned n = said % p->members;
    const form *f = talk_form(t);
    bool full = crowd_unsent(talk_crowd(t), n) > UNSENT_MOST;
    uint8_t *place = full ? NULL : crowd_put(talk_crowd(t), n, f->len);
    if (place) {
        form_put(f, place, &(mark){.magic = MARK_MAGIC});
    }
    return place != NULL;
}

/* Not before standard input ends are the connections closed: the server is to have
 * nothing else to do while its queues are emptied. */
static bool stay(talk *t)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    while (poll(&in, 1, 100) == 0 || read(STDIN_FILENO, &byte, 1) > 0) {
        crowd_turn(talk_crowd(t), 0); /* pings are answered */
    }
    return talk_closed(t) == 0;
}

bool scenario_flood(const plan *p)
{
    talk *t = talk_new(p, NULL);
    bool ok = t && talk_connect(t, p->members);
    if (ok) {
        uint64_t begin = now_ns();
        unsigned said = 0;
        do {
            while (said < p->flood && say_next(t, p, said)) {
                said++;
            }
            crowd_turn(talk_crowd(t), said < p->flood ? 0 : 10);
        } while ((said < p->flood || unsent(t, p) > 0) && talk_closed(t) == 0);
        /* On one line: whoever waits for it reads no further while this stays. */
        printf("{\"members\": %u, \"size\": %u, \"sent\": %u, \"seconds\": %.3f, "
               "\"closed\": %llu}\n",
               p->members, p->size, said, (double)(now_ns() - begin) / 1e9,
               (unsigned long long)talk_closed(t));
        fflush(stdout);
        ok = stay(t);
    }
    if (t) {
        talk_free(t);
    }
    return ok;
}
