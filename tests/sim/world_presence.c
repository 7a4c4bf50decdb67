/*
 * Who is there, as members are told it, and as Redis has it in the end. Each session is
 * in one room, once: so its JOIN and its LEAVE are told once, and once more for each time
 * that others have taken its node for dead. Who is there has left only then. When all is
 * well, Redis knows after a while who is there, and of nobody else.
 */
#include <string.h>

#include "world_inside.h"

/* Who had claimed a dead node's entries may have died himself: then others notice at the
 * first beat behind the end of his claim. */
enum { CONVERGED_MS = LEASE_MS + LEASE_MS / 3 + 1000 };

static world_session *session_of(world *w, fw_session_id id)
{
    for (uint64_t i = 1; i <= w->last_serial; i++) {
        if (fw_session_id_equal(w->sessions[i].id, id)) {
            return &w->sessions[i];
        }
    }
    return NULL;
}

void world_session_begins(world *w, unsigned k)
{
    const world_member *m = &w->members[k];
    FWI_ASSERT(m->serial < FWI_ARRAY_LEN(w->sessions));
    w->sessions[m->serial] =
        (world_session){.id = m->conn->id, .room = m->room, .is_here = true};
}

void world_session_ends(world *w, unsigned k)
{
    w->sessions[w->members[k].serial].is_here = false;
}

/* Doesn't it hear what is published now? Nor does a node between two links, which reads
 * anew what was said meanwhile, but not who has left. */
static bool is_deaf(const world_node *n)
{
    if (!atomic_load(&n->rig.hub.backplane_up)) {
        return true;
    }
    for (unsigned i = 0; i < LINKS_MAX; i++) {
        if (n->links[i].at != NULL && model_link_is_deaf(n->links[i].at)) {
            return true;
        }
    }
    return false;
}

/* Everybody in the room, on a node that has been well for long enough to have heard of
 * it, is to be told. A node with a deaf link thinks that it is well, until its probe
 * doesn't come back. */
static void owe_leave(world *w, const world_session *gone)
{
    for (unsigned k = 0; k < MEMBERS; k++) {
        world_member *m = &w->members[k];
        if (m->conn != NULL && m->joined && m->room == gone->room &&
            !is_deaf(&w->nodes[m->node])) {
            m->owed[gone - w->sessions]++;
        }
    }
}

void world_session_swept(world *w, const char *session)
{
    fw_session_id id;
    world_session *s = NULL;
    if (fw_session_id_parse(session, &id) == FW_OK) {
        s = session_of(w, id);
    }
    if (s == NULL) {
        world_broken(w, "an entry of %s is swept, and there was none", session);
        return;
    }
    WORLD_TRACE(w, "redis: %s is swept", session);
    s->swept++;
    if (w->calm && w->now_ms - w->up_since_ms >= LEASE_MS * 2 / 3) {
        owe_leave(w, s);
    }
}

/* {"room":"r2","join":{"user":"u1","session":"...","node":"..."}} */
bool world_hear_news(world *w, unsigned k, const char *json)
{
    world_member *m = &w->members[k];
    bool joins = strstr(json, "\"join\":{") != NULL;
    const char *text = strstr(json, "\"session\":\"");
    char digits[FW_SESSION_ID_TEXT];
    fw_session_id id;
    if (!joins && strstr(json, "\"leave\":{") == NULL) {
        return false;
    }
    snprintf(digits, sizeof digits, "%s", text != NULL ? text + 11 : "");
    world_session *s = NULL;
    if (fw_session_id_parse(digits, &id) == FW_OK) {
        s = session_of(w, id);
    }
    if (s == NULL || s->room != m->room) {
        world_broken(w, "member %u hears of somebody else's room: %s", k, json);
        return true;
    }
    size_t who = (size_t)(s - w->sessions);
    if (joins && who == m->serial) {
        world_broken(w, "member %u is told of its own JOIN", k);
    } else if (joins && ++m->joins[who] > 1 + s->swept) {
        world_broken(w, "member %u hears of a JOIN twice: %s", k, json);
    } else if (!joins && s->is_here && s->swept == 0) {
        world_broken(w, "member %u hears that somebody left who is there: %s", k, json);
    } else if (!joins && ++m->leaves[who] > 1 + s->swept) {
        world_broken(w, "member %u hears of a LEAVE twice: %s", k, json);
    }
    return true;
}

/* --- the end --- */

static void check_room(world *w, unsigned room)
{
    char channel[16], session[FW_SESSION_ID_TEXT];
    size_t here = 0;
    world_channel_of(room, channel);
    for (uint64_t i = 1; i <= w->last_serial; i++) {
        const world_session *s = &w->sessions[i];
        if (!s->is_here || s->room != room) {
            continue;
        }
        here++;
        fw_session_id_text(s->id, session);
        if (!model_redis_is_present(w->redis, channel, session)) {
            world_broken(w, "%s is in %s, and Redis doesn't know", session, channel);
        }
    }
    size_t known = model_redis_present(w->redis, channel);
    if (known != here) {
        world_broken(w, "%zu are in %s, and Redis knows of %zu", here, channel, known);
    }
}

void world_presence_watch(world *w)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (!atomic_load(&w->nodes[i].rig.hub.backplane_up)) {
            w->up_since_ms = w->now_ms;
        }
    }
    if (w->now_ms - w->up_since_ms >= CONVERGED_MS) {
        world_presence_check(w);
    }
}

void world_presence_check(world *w)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        check_room(w, room);
    }
    if (model_redis_nodes(w->redis) != NODES) {
        world_broken(w, "Redis knows of %zu nodes, and there are %d",
                     model_redis_nodes(w->redis), NODES);
    }
}

void world_presence_check_end(world *w)
{
    world_presence_check(w);
    for (unsigned k = 0; k < MEMBERS; k++) {
        const world_member *m = &w->members[k];
        for (uint64_t i = 1; m->conn != NULL && i <= w->last_serial; i++) {
            if (m->owed[i] > m->leaves[i]) {
                world_broken(w, "member %u wasn't told of a LEAVE", k);
            }
        }
    }
}
