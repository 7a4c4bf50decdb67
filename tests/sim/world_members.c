/*
 * Members of the simulated cluster, as their clients see it. In a room with history each
 * message must be the next one, and the one that was really said there; who comes back
 * must be given what it missed; a reset must have its reason. In a plain room nobody's
 * messages may come twice or in another order than he said them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "wire/ws_codec.h"
#include "world_inside.h"

static bool is_kept(unsigned room)
{
    return room < KEPT_ROOMS;
}

void world_channel_of(unsigned room, char out[16])
{
    snprintf(out, 16, "r:%s%u", is_kept(room) ? "kept:" : "r", room);
}

void world_member_come(world *w, unsigned k)
{
    world_member *m = &w->members[k];
    unsigned node = world_draw(w, NODES);
    if (!w->nodes[node].alive) {
        return;
    }
    bool back = m->at.epoch != 0 && world_draw(w, 3) > 0;
    unsigned room = back ? m->room : world_draw(w, ROOMS);
    char query[128], channel[16];
    world_channel_of(room, channel);
    int n = snprintf(query, sizeof query, "room=%s&user=u%u", channel + 2, k);
    if (back) {
        snprintf(query + n, sizeof query - (size_t)n, "&since=%016" PRIx64 "/%" PRIu64,
                 m->at.epoch, m->at.offset);
    }
    fwi_position since = back ? m->at : (fwi_position){0, 0};
    memset(m, 0, sizeof *m);
    m->at = since;
    m->asked = back;
    m->node = node;
    m->room = room;
    m->serial = ++w->last_serial;
    core_rig *rig = &w->nodes[node].rig;
    WORLD_TRACE(w, "member %u comes to node %u: %s", k, node, query);
    m->conn = core_connect(rig, world_draw(w, rig->loops), query);
    if (m->conn->s == NULL) {
        world_broken(w, "member %u is refused with %d", k, m->conn->refused);
    }
    world_session_begins(w, k);
    world_node_settle(w, node);
}

void world_member_go(world *w, unsigned k)
{
    world_member *m = &w->members[k];
    WORLD_TRACE(w, "member %u goes", k);
    world_session_ends(w, k);
    core_conn_free(m->conn);
    m->conn = NULL;
    if (!m->joined && !m->asked) {
        m->at = (fwi_position){0, 0};
    }
    world_node_settle(w, m->node);
}

void world_member_say(world *w, unsigned k)
{
    world_member *m = &w->members[k];
    char text[48];
    snprintf(text, sizeof text, "s%" PRIu64 ".%" PRIu64, m->serial, ++m->said);
    WORLD_TRACE(w, "member %u says %s", k, text);
    if (is_kept(m->room)) {
        truth_claim_add(&w->said, m->node, text);
    }
    core_conn_say(m->conn, text);
    world_node_settle(w, m->node);
}

/* --- what it hears --- */

static bool read_position(const char *json, fwi_position *at)
{
    const char *epoch = strstr(json, "\"epoch\":\"");
    const char *offset = strstr(json, "\"offset\":");
    if (epoch == NULL || offset == NULL) {
        return false;
    }
    at->epoch = strtoull(epoch + 9, NULL, 16);
    at->offset = strtoull(offset + 9, NULL, 10);
    return true;
}

/* Can somebody who stands there still be given all that came behind? */
static bool is_kept_since(const world *w, unsigned room, fwi_position at)
{
    char channel[16];
    uint64_t oldest;
    world_channel_of(room, channel);
    fwi_position top = model_redis_top(w->redis, channel, &oldest);
    return top.epoch == at.epoch && at.offset <= top.offset && at.offset + 1 >= oldest;
}

/* What it heard last was lost before this was said; and Redis still has what it was given
 * for it, by which that is seen. Unless it is the very message that stood here before
 * what was before it was lost: sent again, it has come to the same place. */
static bool goes_on_behind_a_loss(const world *w, const world_member *m,
                                  const truth_place *next)
{
    const truth_place *before = truth_find(&w->said, m->room, m->at, m->text);
    return before != NULL && !truth_may_follow(before, next) &&
           !truth_was_lost(&w->said, m->room, next->at, next->text) &&
           is_kept_since(w, m->room, (fwi_position){m->at.epoch, m->at.offset - 1});
}

static void hear_kept(world *w, unsigned k, fwi_position at, const char *text)
{
    world_member *m = &w->members[k];
    const truth_place *real = truth_find(&w->said, m->room, at, text);
    if (real == NULL) {
        world_broken(w, "member %u hears \"%s\" at %" PRIu64 ", which wasn't there", k,
                     text, at.offset);
    } else if (!m->joined && !m->asked) {
        world_broken(w, "member %u hears \"%s\" and hasn't joined", k, text);
    } else if (at.epoch != m->at.epoch || at.offset != m->at.offset + 1) {
        world_broken(w,
                     "member %u stood at %" PRIx64 "/%" PRIu64 " and hears %" PRIx64
                     "/%" PRIu64,
                     k, m->at.epoch, m->at.offset, at.epoch, at.offset);
    } else if (goes_on_behind_a_loss(w, m, real)) {
        world_broken(w, "member %u hears \"%s\" and isn't told that \"%s\" is lost", k,
                     text, m->text);
    }
    m->at = at;
    snprintf(m->text, sizeof m->text, "%s", text);
}

static void hear_plain(world *w, unsigned k, const char *text)
{
    world_member *m = &w->members[k];
    char *end;
    uint64_t who = strtoull(text + 1, &end, 10), n = strtoull(end + 1, NULL, 10);
    uint64_t *last = &m->heard[who % FWI_ARRAY_LEN(m->heard)];
    if (n <= *last) {
        world_broken(w, "member %u hears \"%s\" behind number %" PRIu64, k, text, *last);
    }
    *last = n;
}

static void hear_joined(world *w, unsigned k, const char *json)
{
    world_member *m = &w->members[k];
    fwi_position at = {0, 0};
    if (is_kept(m->room) && !read_position(json, &at)) {
        world_broken(w, "member %u is told no position: %s", k, json);
    }
    if (m->asked && strstr(json, "\"recovered\":true") != NULL) {
        if (at.epoch != m->at.epoch || at.offset != m->at.offset) {
            world_broken(w, "member %u has heard up to %" PRIu64 " and is told %" PRIu64,
                         k, m->at.offset, at.offset);
        }
    } else if (m->asked && is_kept_since(w, m->room, m->at) &&
               !truth_was_lost(&w->said, m->room, m->at, NULL)) {
        world_broken(w, "member %u isn't given what is kept behind %" PRIu64, k,
                     m->at.offset);
    }
    m->at = at;
    m->joined = true;
}

static void hear_reset(world *w, unsigned k, const char *json)
{
    world_member *m = &w->members[k];
    fwi_position at;
    if (!read_position(json, &at)) {
        world_broken(w, "member %u is told no position: %s", k, json);
    } else if (is_kept_since(w, m->room, m->at) &&
               !truth_was_lost(&w->said, m->room, m->at, NULL)) {
        world_broken(w, "member %u is reset without need: %s", k, json);
    } else {
        m->at = at;
        m->text[0] = '\0';
    }
}

static void hear(world *w, unsigned k, const char *json)
{
    world_member *m = &w->members[k];
    char text[48] = "";
    const char *data = strstr(json, "\"data\":\"");
    WORLD_TRACE(w, "member %u hears %s", k, json);
    if (strncmp(json, "{\"joined\":", 10) == 0) {
        hear_joined(w, k, json);
    } else if (strstr(json, "\"reset\":") != NULL) {
        hear_reset(w, k, json);
    } else if (world_hear_news(w, k, json)) {
        return;
    } else if (data == NULL || sscanf(data + 8, "%47[^\"]", text) != 1) {
        world_broken(w, "member %u hears %s", k, json);
    } else if (!is_kept(m->room)) {
        hear_plain(w, k, text);
    } else {
        fwi_position at = {0, 0};
        read_position(json, &at);
        hear_kept(w, k, at, text);
    }
}

void world_member_hear(world *w, unsigned k)
{
    world_member *m = &w->members[k];
    char json[512];
    if (m->conn == NULL) {
        return;
    }
    for (int op; (op = core_conn_next(m->conn, json, sizeof json)) >= 0;) {
        if (op == FWI_WS_TEXT) {
            hear(w, k, json);
        } else {
            world_broken(w, "member %u gets a frame of kind %d", k, op);
        }
    }
    if (m->conn->s == NULL) {
        world_broken(w, "member %u is closed", k);
    }
}

void world_member_check_end(world *w, unsigned k)
{
    const world_member *m = &w->members[k];
    char channel[16];
    uint64_t oldest;
    if (m->conn == NULL) {
        return;
    }
    if (!m->joined) {
        world_broken(w, "member %u was never let in", k);
        return;
    }
    world_channel_of(m->room, channel);
    fwi_position top = model_redis_top(w->redis, channel, &oldest);
    if (is_kept(m->room) && (top.epoch != m->at.epoch || top.offset != m->at.offset)) {
        world_broken(w,
                     "member %u stands at %" PRIx64 "/%" PRIu64 ", its room at %" PRIx64
                     "/%" PRIu64,
                     k, m->at.epoch, m->at.offset, top.epoch, top.offset);
    }
}
