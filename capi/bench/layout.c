/*
 * The arithmetic of members, rooms and senders; see layout.h. Called when a run is set
 * up, and once a message for its target.
 */
#include "layout.h"

#include <stdint.h>

unsigned layout_url(const layout *l, unsigned member)
{
    return member % l->urls;
}

unsigned layout_room(const layout *l, unsigned member)
{
    return (unsigned)((uint64_t)member * l->rooms / l->members);
}

unsigned layout_room_begin(const layout *l, unsigned room)
{
    return (unsigned)(((uint64_t)room * l->members + l->rooms - 1) / l->rooms);
}

unsigned layout_sender(const layout *l, unsigned sender)
{
    unsigned member = (unsigned)((uint64_t)sender * l->members / l->senders);
    /* Steps that are a multiple of the number of URLs would put all on the first. */
    if (l->members / l->senders >= l->urls) {
        unsigned wanted = sender % l->urls, is = member % l->urls;
        member += (wanted + l->urls - is) % l->urls;
    }
    return member;
}

unsigned layout_target(const layout *l, unsigned member)
{
    return (member + 1) % l->members;
}

bool layout_is_slow(const layout *l, unsigned k)
{
    unsigned silent = l->members - l->senders;
    double slow = l->slow * l->members;
    if (slow > silent) {
        slow = silent;
    }
    uint64_t count = (uint64_t)(slow + 0.5);
    return silent > 0 && (k + 1) * count / silent > k * count / silent;
}
