/*
 * The rooms a session is in, and whose it is. The session's side of core/room.h: who may
 * enter (limits, the application's verdict) and what is told about it. @thread loop
 */
#include <string.h>

#include "core/decision.h"
#include "core/presence.h"
#include "core/session_inside.h"
#include "wire/name.h"

fwi_place *fwi_session_place(fwi_session *s, const fwi_room *room)
{
    if (s->user_place.room == room) {
        return &s->user_place;
    }
    for (size_t i = 0; i < s->n_places; i++) {
        if (s->places[i].room == room) {
            return &s->places[i];
        }
    }
    return NULL;
}

fwi_place *fwi_session_place_in(fwi_session *s, const char *channel)
{
    fwi_room *room = fwi_room_find(s->shard, channel);
    return room == NULL ? NULL : fwi_session_place(s, room);
}

static void tell_result(fwi_session *s, const char *room, uint64_t ref, int code,
                        const char *reason)
{
    if (ref != 0) {
        fw_event e = {.type = FW_EVENT_RESULT,
                      .room = room,
                      .token = ref,
                      .code = code,
                      .reason = reason};
        fwi_shard_raise(s->shard, &e, s);
    }
}

static void tell_joined(fwi_session *s, const char *room, uint64_t ref,
                        const fwi_admission *a)
{
    if (ref != 0) {
        fw_event e = {.type = FW_EVENT_RESULT,
                      .room = room,
                      .token = ref,
                      .reason = "",
                      .at = a->at,
                      .recovered = a->recovered};
        fwi_shard_raise(s->shard, &e, s);
    }
}

void fwi_session_join_failed(fwi_session *s, const char *room, uint64_t ref, int err,
                             const char *reason)
{
    if (fwi_session_protocol(s)->join_failed != NULL) {
        fwi_session_protocol(s)->join_failed(s, room, err, reason);
    }
    tell_result(s, room, ref, err > 0 ? FW_ERR_REFUSED : err, reason);
}

void fwi_session_joined(fwi_session *s, fwi_place *place, const fwi_admission *a)
{
    if (place == &s->user_place) {
        return;
    }
    char room[FWI_CHANNEL_CAP];
    uint64_t ref = place->ref;
    snprintf(room, sizeof room, "%s", place->room->channel + 2);
    place->ref = 0;
    fwi_session_protocol(s)->joined(s, place, a);
    tell_joined(s, room, ref, a);
}

static bool reserve_place(fwi_session *s)
{
    uint32_t cap = s->cap_places ? 1u << (s->cap_places - 1) : 0;
    if (s->n_places < cap) {
        return true;
    }
    cap = cap ? cap * 2 : 1;
    fwi_place *places = realloc(s->places, cap * sizeof *places);
    if (places == NULL) {
        return false;
    }
    s->places = places;
    s->cap_places++;
    return true;
}

/* Gives back what loop 0 has counted for a join that doesn't come to pass. */
static void give_back(fwi_session *s, const char *channel, unsigned brought)
{
    if (brought > 0) {
        fwi_hub_interest_drop(s->shard->hub, s->shard, channel, brought);
    }
}

/* It is in the room, or on its way there: then its RESULT comes when it hears. */
static void join_again(fwi_session *s, fwi_place *there, const char *room, uint64_t ref)
{
    if (fwi_place_is_in(there)) {
        tell_result(s, room, ref, FW_OK, "");
    } else if (there->ref == 0) {
        there->ref = ref;
    } else {
        tell_result(s, room, ref, FW_ERR_BUSY, "another join is under way");
    }
}

int fwi_session_enter(fwi_session *s, const char *room, const fwi_join *join)
{
    char channel[FWI_CHANNEL_CAP];
    fwi_channel_name('r', room, channel);
    if (s->state != FWI_SESSION_OPEN || !s->announced) {
        give_back(s, channel, join->brought);
        tell_result(s, room, join->ref, FW_ERR_GONE,
                    s->announced ? "the session has ended" : "it isn't open yet");
        return FW_ERR_GONE;
    }
    fwi_place *there = fwi_session_place_in(s, channel);
    if (there != NULL) {
        give_back(s, channel, join->brought);
        join_again(s, there, room, join->ref);
        return FW_OK;
    }
    if (!reserve_place(s)) {
        give_back(s, channel, join->brought);
        return FW_ERR_MEMORY;
    }
    fwi_place *place = &s->places[s->n_places];
    *place = (fwi_place){.ref = join->ref};
    s->n_places++;
    fwi_presence_entered(s, channel); /* ahead of all that it may say there */
    int err = fwi_room_enter(s->shard, s, channel, place, join);
    if (err != FW_OK) {
        fwi_presence_left(s, channel);
        s->n_places--;
    }
    return err;
}

/* A join that says nothing of it may still be of a client that has said before what it
 * has heard. Then *with says so, too. */
static bool may_recover(fwi_session *s, const char *room, const fwi_join *join,
                        fwi_join *with)
{
    const fwi_protocol *p = fwi_session_protocol(s);
    bool says = !join->quiet && (join->since.epoch != 0 || join->since.offset != 0);
    *with = *join;
    if (says || p->since == NULL) {
        return false;
    }
    with->quiet = false;
    with->since = p->since(s, room);
    return with->since.epoch != 0 || with->since.offset != 0;
}

bool fwi_session_asks_join(const fwi_session *s, const char *room)
{
    const fwi_hub *hub = s->shard->hub;
    char channel[FWI_CHANNEL_CAP];
    return fwi_events_want(&hub->events, FW_EVENT_JOIN) &&
           fwi_room_options_of(hub, fwi_channel_name('r', room, channel))->ask_subscribe;
}

/* The application is asked, where it wants to be, or it enters. */
static int ask_or_enter(fwi_session *s, const char *room, const fwi_join *join)
{
    fwi_hub *hub = s->shard->hub;
    char channel[FWI_CHANNEL_CAP];
    fwi_channel_name('r', room, channel);
    if (s->state != FWI_SESSION_OPEN || fwi_session_place_in(s, channel) != NULL) {
        return fwi_session_enter(s, room, join);
    }
    if (s->n_places + s->n_asking >= hub->set.limit_rooms) {
        give_back(s, channel, join->brought);
        fwi_shard_count(s->shard, FWI_STAT_LIMIT_ROOMS);
        return FW_ERR_LIMIT;
    }
    if (!fwi_session_asks_join(s, room)) {
        return fwi_session_enter(s, room, join);
    }
    give_back(s, channel, join->brought);
    fwi_decision *d = fwi_decision_new(s, FWI_ASKS_JOIN, room, join->ref);
    if (d == NULL) {
        return FW_ERR_MEMORY;
    }
    if (!join->quiet) {
        d->since = join->since;
    }
    fw_event e = {.type = FW_EVENT_JOIN,
                  .room = room,
                  .token = fwi_decision_token(d),
                  .data = join->data,
                  .len = join->len};
    fwi_shard_raise(s->shard, &e, s);
    return FW_OK;
}

int fwi_session_join(fwi_session *s, const char *room, const fwi_join *join)
{
    const fwi_protocol *p = fwi_session_protocol(s);
    fwi_join recovering;
    if (may_recover(s, room, join, &recovering)) {
        join = &recovering; /* ahead of the gift: then it counts as one that is there */
    }
    bool keeps = join->gift != NULL && p->given != NULL && p->given(s, join->gift);
    int err = ask_or_enter(s, room, join);
    if (err != FW_OK && keeps) {
        p->join_failed(s, room, err, "");
    }
    return err;
}

void fwi_session_cancel_decision(fwi_session *s, fwi_decision *d)
{
    char room[FWI_CHANNEL_CAP];
    bool is_join = d->kind == FWI_ASKS_JOIN;
    uint64_t ref = d->ref;
    snprintf(room, sizeof room, "%s", d->name);
    fwi_decision_cancel(d);
    if (is_join) {
        fwi_session_join_failed(s, room, ref, FW_ERR_GONE, "it left before it was in");
    }
}

static bool asks_for(const fwi_decision *d, const char *room)
{
    return d->kind == FWI_ASKS_JOIN && strcmp(d->name, room) == 0;
}

/* One session may have asked several times. Those who are told may ask again at once:
 * these questions come behind, and are kept. */
static void cancel_asking(fwi_session *s, const char *room)
{
    unsigned n = 0;
    for (fwi_list *e = s->decisions.next; e != &s->decisions; e = e->next) {
        n += asks_for(fwi_list_entry(e, fwi_decision, link), room);
    }
    for (; n > 0; n--) {
        for (fwi_list *e = s->decisions.next; e != &s->decisions; e = e->next) {
            fwi_decision *d = fwi_list_entry(e, fwi_decision, link);
            if (asks_for(d, room)) {
                fwi_session_cancel_decision(s, d);
                break;
            }
        }
    }
}

/* The name of the room and the ref of who asked for it are the caller's. */
static void take_out(fwi_session *s, fwi_place *place, char room[FWI_CHANNEL_CAP],
                     uint64_t *ref)
{
    *ref = place->ref;
    snprintf(room, FWI_CHANNEL_CAP, "%s", place->room->channel + 2);
    fwi_presence_left(s, place->room->channel);
    fwi_room_exit(s->shard, s, place);
    *place = s->places[--s->n_places];
}

void fwi_session_turn_away(fwi_session *s, fwi_place *place)
{
    char room[FWI_CHANNEL_CAP];
    uint64_t ref;
    if (place == &s->user_place) {
        fwi_session_close(s, 1011, "out of memory"); /* as if it hadn't been let in */
        return;
    }
    take_out(s, place, room, &ref);
    fwi_session_join_failed(s, room, ref, FW_ERR_MEMORY, "out of memory");
}

void fwi_session_leave_place(fwi_session *s, fwi_place *place, int code)
{
    char room[FWI_CHANNEL_CAP];
    bool was_in = fwi_place_is_in(place);
    uint64_t ref;
    take_out(s, place, room, &ref);
    if (!was_in) {
        fwi_session_join_failed(s, room, ref, FW_ERR_GONE, "it left before it was in");
        return;
    }
    if (code == 0 && fwi_session_protocol(s)->left != NULL) {
        fwi_session_protocol(s)->left(s, room);
    }
    if (s->announced) {
        fw_event e = {.type = FW_EVENT_LEAVE, .room = room, .code = code};
        fwi_shard_raise(s->shard, &e, s);
    }
}

int fwi_session_leave(fwi_session *s, const char *room)
{
    char channel[FWI_CHANNEL_CAP];
    fwi_place *place = fwi_session_place_in(s, fwi_channel_name('r', room, channel));
    if (place == NULL) {
        cancel_asking(s, room);
    } else {
        fwi_session_leave_place(s, place, 0);
    }
    return FW_OK;
}

void fwi_session_uncount_user(fwi_session *s)
{
    char channel[FWI_CHANNEL_CAP];
    if (s->counts_user) {
        s->counts_user = false;
        fwi_limits_give(&s->shard->hub->limits, fwi_channel_name('u', s->user, channel));
    }
}

int fwi_session_become(fwi_session *s, const char *user)
{
    fwi_hub *hub = s->shard->hub;
    char channel[FWI_CHANNEL_CAP];
    int64_t most = hub->set.limit_user;
    fwi_channel_name('u', user, channel);
    if (most > 0 && !fwi_limits_take(&hub->limits, channel, most)) {
        fwi_shard_count(s->shard, FWI_STAT_LIMIT_USER);
        return FW_ERR_LIMIT;
    }
    int err = fwi_session_set_user(s, user, 0);
    if (most > 0 && err != FW_OK) {
        fwi_limits_give(&hub->limits, channel);
    }
    s->counts_user = most > 0 && err == FW_OK;
    return err;
}

int fwi_session_set_user(fwi_session *s, const char *user, unsigned brought)
{
    char channel[FWI_CHANNEL_CAP];
    char *copy = NULL;
    if (user != NULL) {
        fwi_channel_name('u', user, channel);
        if (s->user != NULL && strcmp(s->user, user) == 0) {
            give_back(s, channel, brought); /* to go and come back would make it deaf */
            return FW_OK;
        }
        copy = strdup(user);
        if (copy == NULL) {
            give_back(s, channel, brought);
            return FW_ERR_MEMORY;
        }
    }
    if (s->user_place.room != NULL) {
        fwi_presence_left(s, s->user_place.room->channel);
        fwi_room_exit(s->shard, s, &s->user_place);
    }
    fwi_session_uncount_user(s);
    free(s->user);
    s->user = copy;
    fwi_presence_renew(s);
    if (copy == NULL) {
        return FW_OK;
    }
    fwi_presence_entered(s, channel);
    int err = fwi_room_enter(s->shard, s, channel, &s->user_place,
                             &(fwi_join){.brought = brought});
    if (err != FW_OK) {
        fwi_presence_left(s, channel);
        free(s->user);
        s->user = NULL;
    }
    return err;
}
