/*
 * Membership: an array of sessions a room, those who are in before those who wait for the
 * channel, so that a fan-out (fanout.c) walks memory in order.
 * @thread loop
 */
#include "core/room.h"

#include <string.h>

#include "core/fanout.h"
#include "core/presence.h"
#include "core/session_inside.h"

fwi_room *fwi_room_find(fwi_shard *shard, const char *channel)
{
    fwi_room *room = NULL;
    HASH_FIND(hh, shard->rooms, channel, strlen(channel), room);
    return room;
}

static fwi_room *room_new(fwi_shard *shard, const char *channel)
{
    size_t n = strlen(channel);
    fwi_room *room = calloc(1, sizeof *room + n + 1);
    if (room == NULL) {
        return NULL;
    }
    memcpy(room->channel, channel, n + 1);
    HASH_ADD_KEYPTR(hh, shard->rooms, room->channel, n, room);
    if (!FWI_HASH_ADDED(room)) {
        free(room);
        return NULL;
    }
    room->serial = ++shard->last_room;
    room->kept = fwi_room_options_of(shard->hub, channel)->history_size > 0;
    if (room->channel[0] == 'r') {
        fwi_stat_add(&shard->stats, FWI_STAT_ROOMS, 1);
    }
    return room;
}

/* Frees a room that nobody is in and nobody walks. */
static void drop_if_unused(fwi_shard *shard, fwi_room *room)
{
    if (room->n > 0 || room->busy > 0) {
        return;
    }
    if (room->interest > 0) {
        fwi_hub_interest_drop(shard->hub, shard, room->channel, room->interest);
    }
    if (room->channel[0] == 'r') {
        fwi_stat_sub(&shard->stats, FWI_STAT_ROOMS, 1);
    }
    fwi_fanout_forget(shard, room);
    HASH_DEL(shard->rooms, room);
    free(room->members);
    free(room);
}

static bool reserve(fwi_room *room)
{
    if (room->n < room->cap) {
        return true;
    }
    uint32_t cap = room->cap ? room->cap * 2 : 2;
    fwi_session **members = realloc(room->members, cap * sizeof(fwi_session *));
    if (members == NULL) {
        return false;
    }
    room->members = members;
    room->cap = cap;
    return true;
}

/* Moves the member at `from` to the hole at `to`. */
static void move_member(fwi_room *room, uint32_t from, uint32_t to)
{
    if (from != to) {
        fwi_session *s = room->members[from];
        room->members[to] = s;
        fwi_session_place(s, room)->pos = to;
    }
}

/* The first of those who wait is in. */
static void let_in(fwi_shard *shard, fwi_room *room, const fwi_admission *a)
{
    fwi_session *s = room->members[room->n_in++];
    fwi_place *place = fwi_session_place(s, room);
    room->speak[s->protocol]++;
    if (room->channel[0] == 'r') {
        fwi_stat_add(&shard->stats, FWI_STAT_MEMBERS, 1);
    }
    fwi_fanout_entered(s, place);
    fwi_session_joined(s, place, a);
}

static void promote(fwi_shard *shard, fwi_room *room)
{
    static const fwi_admission plain = {.at = {0, 0}};
    room->subscribed = true;
    if (room->kept) {
        return;
    }
    room->busy++;
    while (room->n_in < room->n) {
        let_in(shard, room, &plain);
    }
    room->busy--;
    drop_if_unused(shard, room);
}

int fwi_room_enter(fwi_shard *shard, fwi_session *s, const char *channel,
                   fwi_place *place, const fwi_join *join)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL) {
        room = room_new(shard, channel);
    }
    if (room == NULL || !reserve(room)) {
        if (join->brought > 0) {
            fwi_hub_interest_drop(shard->hub, shard, channel, join->brought);
        }
        if (room != NULL) {
            drop_if_unused(shard, room);
        }
        return FW_ERR_MEMORY;
    }
    room->interest += join->brought;
    place->room = room;
    place->pos = room->n;
    room->members[room->n++] = s;
    bool heard = room->subscribed;
    if (room->interest == 0) {
        if (fwi_hub_interest_add(shard->hub, shard, channel, &heard) != FW_OK) {
            fwi_room_exit(shard, s, place);
            return FW_ERR_MEMORY;
        }
        room->interest = 1;
    }
    if (room->kept) {
        place->heard = ++shard->last_ticket;
        if (!fwi_history_ask(shard, fwi_session_identity(s), channel, place->heard,
                             join->since, join->quiet)) {
            fwi_room_exit(shard, s, place);
            return FW_ERR_MEMORY;
        }
    } else if (heard) {
        promote(shard, room);
    }
    return FW_OK;
}

void fwi_room_exit(fwi_shard *shard, fwi_session *s, fwi_place *place)
{
    fwi_room *room = place->room;
    uint32_t hole = place->pos;
    FWI_ASSERT(room->members[hole] == s);
    if (room->batch != NULL) {
        fwi_fanout_catch_up(s);
    }
    if (room->kept && hole >= room->n_in) {
        fwi_history_unask(shard, fwi_session_identity(s), room->channel);
    }
    place->room = NULL;
    if (hole < room->n_in) {
        room->speak[s->protocol]--;
        if (room->channel[0] == 'r') {
            fwi_stat_sub(&shard->stats, FWI_STAT_MEMBERS, 1);
        }
        move_member(room, room->n_in - 1, hole);
        hole = --room->n_in;
    }
    move_member(room, room->n - 1, hole);
    room->n--;
    drop_if_unused(shard, room);
}

void fwi_room_subscribed(fwi_shard *shard, const char *channel)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room != NULL) {
        promote(shard, room);
    }
}

void fwi_room_unheard(fwi_shard *shard, const char *channel)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL || room->interest == 0 || --room->interest > 0) {
        return; /* or it is heard for another's sake */
    }
    room->busy++;
    for (uint32_t i = room->n; i-- > room->n_in;) {
        if (i < room->n) {
            fwi_session *s = room->members[i];
            fwi_session_turn_away(s, fwi_session_place(s, room));
        }
    }
    room->busy--;
    drop_if_unused(shard, room);
}

/* Where the session waits that asked with this ticket; NULL: it doesn't any more. */
static fwi_place *waiting_place(fwi_shard *shard, fw_session_id id, const char *channel,
                                uint32_t ticket)
{
    fwi_session *s = fwi_session_find(shard, id);
    fwi_place *place = s != NULL ? fwi_session_place_in(s, channel) : NULL;
    bool waits = place != NULL && !fwi_place_is_in(place) && place->heard == ticket;
    return waits ? place : NULL;
}

void fwi_room_turn_away(fwi_shard *shard, fw_session_id id, const char *channel,
                        uint32_t ticket)
{
    fwi_place *place = waiting_place(shard, id, channel, ticket);
    if (place != NULL) {
        fwi_session_turn_away(fwi_session_find(shard, id), place);
    }
}

void fwi_room_admit(fwi_shard *shard, fw_session_id id, const char *channel,
                    uint32_t ticket, const fwi_admission *a)
{
    fwi_place *place = waiting_place(shard, id, channel, ticket);
    if (place == NULL) {
        return;
    }
    fwi_session *s = fwi_session_find(shard, id);
    fwi_room *room = place->room;
    room->busy++;
    fwi_session *other = room->members[room->n_in];
    uint32_t pos = place->pos;
    room->members[room->n_in] = s;
    room->members[pos] = other;
    fwi_session_place(other, room)->pos = pos;
    place->pos = room->n_in;
    fwi_fanout_stand(room, a->at);
    let_in(shard, room, a);
    room->busy--;
    drop_if_unused(shard, room);
}

void fwi_room_each(fwi_shard *shard, fwi_room *room, fwi_protocol_id protocol,
                   void (*fn)(fwi_session *s, const fwi_room *room, void *arg), void *arg)
{
    room->busy++;
    /* Backwards: into the hole of one that goes moves one that had its turn. */
    for (uint32_t i = room->n_in; i-- > 0;) {
        if (i < room->n_in && room->members[i]->protocol == protocol) {
            fn(room->members[i], room, arg);
        }
    }
    room->busy--;
    drop_if_unused(shard, room);
}

void fwi_room_reset(fwi_shard *shard, const char *channel, fwi_position at)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL) {
        return;
    }
    room->busy++;
    for (unsigned i = 0; i < FWI_PROTOCOLS; i++) {
        if (room->speak[i] > 0) {
            fwi_protocols[i]->reset(shard, room, at);
        }
    }
    fwi_fanout_stand(room, at);
    room->busy--;
    drop_if_unused(shard, room);
}

void fwi_room_deliver(fwi_shard *shard, const char *channel, fw_message *m)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL || room->n_in == 0) {
        return;
    }
    fwi_telling told = {.shard = shard, .channel = channel, .m = m};
    for (unsigned i = 0; i < FWI_PROTOCOLS; i++) {
        if (room->speak[i] > 0) {
            fwi_telling_as(&told, i);
        }
    }
    fwi_fanout_say(shard, room, &told);
    fwi_telling_fini(&told);
}

void fwi_room_count_all(fwi_shard *shard,
                        void (*each)(void *user, const char *channel, uint32_t members),
                        void *user)
{
    for (const fwi_room *room = shard->rooms; room != NULL; room = room->hh.next) {
        if (room->n_in > 0) {
            each(user, room->channel, room->n_in);
        }
    }
}

/* Does something to each member. Backwards: handlers may take members out of this room,
 * and the last one then moves into the hole; who was put in meanwhile isn't meant. */
static void for_each(fwi_shard *shard, const char *channel,
                     void (*act)(fwi_session *s, const void *what), const void *what)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL) {
        return;
    }
    room->busy++;
    for (uint32_t i = room->n; i-- > 0;) {
        if (i < room->n) {
            act(room->members[i], what);
        }
    }
    room->busy--;
    drop_if_unused(shard, room);
}

static void leave_it(fwi_session *s, const void *room)
{
    fwi_session_leave(s, room);
}

void fwi_room_leave_all(fwi_shard *shard, const char *channel, const char *from)
{
    for_each(shard, channel, leave_it, from);
}

typedef struct into {
    const char *room;
    const fwi_join *join;
} into;

static void join_it(fwi_session *s, const void *what)
{
    const into *to = what;
    fwi_session_join(s, to->room, to->join);
}

void fwi_room_join_all(fwi_shard *shard, const char *channel, const char *room,
                       const fwi_join *join)
{
    for_each(shard, channel, join_it, &(into){room, join});
}

static void set_info_of(fwi_session *s, const void *what)
{
    const fw_message *info = what;
    fwi_presence_set_info(s, fwi_message_bytes(info), fwi_message_len(info));
}

void fwi_room_set_info_all(fwi_shard *shard, const char *channel, const fw_message *info)
{
    for_each(shard, channel, set_info_of, info);
}

static void refresh_it(fwi_session *s, const void *expires_s)
{
    fwi_session_refresh(s, *(const int64_t *)expires_s);
}

void fwi_room_refresh_all(fwi_shard *shard, const char *channel, int64_t expires_s)
{
    for_each(shard, channel, refresh_it, &expires_s);
}

typedef struct ending {
    unsigned code;
    const char *reason;
    fw_session_id except;
} ending;

static void close_it(fwi_session *s, const void *what)
{
    const ending *e = what;
    if (!fw_session_id_equal(fwi_session_identity(s), e->except)) {
        fwi_session_close(s, e->code, e->reason);
    }
}

void fwi_room_close_but(fwi_shard *shard, const char *channel, unsigned code,
                        const char *reason, fw_session_id except)
{
    for_each(shard, channel, close_it, &(ending){code, reason, except});
}

static void end_slow(fwi_session *s, const fwi_room *room, void *arg)
{
    (void)room;
    (void)arg;
    fwi_session_end(s, FWI_END_SLOW);
}

void fwi_room_behind(fwi_shard *shard, const char *channel)
{
    fwi_room *room = fwi_room_find(shard, channel);
    if (room == NULL) {
        return;
    }
    room->busy++;
    for (unsigned i = 0; i < FWI_PROTOCOLS; i++) {
        fwi_room_each(shard, room, (fwi_protocol_id)i, end_slow, NULL);
    }
    room->busy--;
    drop_if_unused(shard, room);
}
