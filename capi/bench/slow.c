/*
 * The queue of slow members; see slow.h. All pause equally long, so that whoever has just
 * read is the last to read again.
 */
#include "slow.h"

#include <stdlib.h>

#include "measure.h"

enum { SIP = 4096 }; /* bytes; with the pause of 200 ms some 20 KB a second */

struct slow_readers {
    unsigned count, most, next;
    uint64_t pause_ns;
    unsigned *members; /* a ring once all are there */
    uint64_t *due_ns;
};

slow_readers *slow_new(unsigned most, unsigned pause_ms)
{
    slow_readers *s = calloc(1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->most = most;
    s->pause_ns = pause_ms * (uint64_t)1000000;
    s->members = calloc(most + 1, sizeof *s->members);
    s->due_ns = calloc(most + 1, sizeof *s->due_ns);
    if (!s->members || !s->due_ns) {
        slow_free(s);
        return NULL;
    }
    return s;
}

void slow_free(slow_readers *s)
{
    if (s) {
        free(s->members);
        free(s->due_ns);
        free(s);
    }
}

void slow_add(slow_readers *s, crowd *c, unsigned member)
{
    if (s->count < s->most) {
        s->members[s->count] = member;
        s->due_ns[s->count] = now_ns() + s->pause_ns;
        s->count++;
        crowd_mute(c, member);
    }
}

void slow_serve(slow_readers *s, crowd *c)
{
    uint64_t now = s->count > 0 ? now_ns() : 0;
    for (unsigned i = 0; i < s->count && s->due_ns[s->next] <= now; i++) {
        crowd_sip(c, s->members[s->next], SIP);
        s->due_ns[s->next] = now + s->pause_ns;
        s->next = (s->next + 1) % s->count;
    }
}
