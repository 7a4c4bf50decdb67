/*
 * See presence.h. What is kept of a member is one message a session, shared by all its
 * rooms and never changed: who has another user or other info gets another one. A room in
 * which it says something more of itself has one of its own, made whenever it is wanted.
 * @thread loop; what deals with the backplane: loop 0
 */
#include "core/presence.h"

#include <inttypes.h>
#include <string.h>

#include <fanwire/version.h>

#include "core/asked.h"
#include "core/emulation.h"
#include "core/error.h"
#include "core/load.h"
#include "wire/name.h"

typedef enum { ENTERED, RENEWED, LEFT } change;

/* --- on loop 0 --- */

/* The same member as another kind of message. NULL: out of memory. */
static fw_message *news_of(const fw_message *member, fwi_msg_kind kind)
{
    fw_message *m = fwi_message_new(kind, fwi_message_bytes(member),
                                    fwi_message_len(member), FW_BINARY);
    if (m != NULL) {
        m->origin = fwi_origin_ref(member->origin);
        m->except = member->origin->session;
        atomic_store(&m->sent, true);
    }
    return m;
}

/* Past the history: it is of interest to those who are there now. */
static bool publish_news(fwi_hub *hub, const char *channel, const fw_message *member,
                         fwi_msg_kind kind)
{
    fw_message *m = news_of(member, kind);
    bool ok = m != NULL && hub->bp->ops->publish(hub->bp, channel, m, NULL);
    fw_message_unref(m);
    return ok;
}

static void change_now(fwi_hub *hub, const char *channel, fw_message *member, change what)
{
    bool tell = fwi_room_options_of(hub, channel)->join_leave;
    bool ok = true;
    if (what == LEFT) {
        hub->bp->ops->leave(hub->bp, channel, member->origin->session);
    } else {
        ok = hub->bp->ops->enter(hub->bp, channel, member, tell);
    }
    if (tell && what != RENEWED) {
        ok = publish_news(hub, channel, member,
                          what == LEFT ? FWI_MSG_LEFT : FWI_MSG_ENTERED) &&
             ok;
    }
    if (!ok) {
        fwi_shard_count(hub->shard[0], FWI_STAT_INBOX_DROPPED);
    }
}

static void run_change(fwi_shard *shard, fwi_item *item)
{
    change_now(shard->hub, item->text, item->m, (change)item->code);
    fwi_item_free(item);
}

/* --- on the session's loop --- */

static bool is_kept(const fwi_hub *hub, const char *channel)
{
    if (channel[0] == 'u') {
        return hub->set.user_presence;
    }
    const fwi_room_options *o = fwi_room_options_of(hub, channel);
    return o->presence || o->join_leave;
}

/* What s says of itself there beside what it says everywhere; NULL: nothing. */
static const char *room_info_of(const fwi_session *s, const char *room)
{
    const fwi_protocol *p = fwi_session_protocol(s);
    return p->room_info != NULL ? p->room_info(s, room) : NULL;
}

/* s->member is there. NULL: out of memory. */
static fwi_origin *origin_with(const fwi_session *s, const char *room_info)
{
    const fwi_origin *o = s->member->origin;
    const fwi_origin like = {.session = o->session,
                             .user = o->user,
                             .node_name = o->node_name,
                             .info = o->info,
                             .info_len = o->info_len,
                             .room_info = room_info,
                             .room_info_len = strlen(room_info)};
    return fwi_origin_copy(&like);
}

/* Who s is in this channel; the caller's reference. Without memory it says less there,
 * and is there all the same. */
static fw_message *member_in(const fwi_session *s, const char *channel)
{
    const char *more = channel[0] == 'r' ? room_info_of(s, channel + 2) : NULL;
    fwi_origin *origin = more != NULL ? origin_with(s, more) : NULL;
    if (origin == NULL) {
        return fw_message_ref(s->member);
    }
    fw_message *m = fwi_message_new(FWI_MSG_LEFT, fwi_message_bytes(s->member),
                                    fwi_message_len(s->member), FW_BINARY);
    if (m == NULL) {
        fwi_origin_unref(origin);
        return fw_message_ref(s->member);
    }
    m->origin = origin;
    atomic_store(&m->sent, true);
    return m;
}

static void post_change(fwi_session *s, const char *channel, change what)
{
    fwi_hub *hub = s->shard->hub;
    fw_message *member = member_in(s, channel);
    if (s->shard->index == 0) {
        change_now(hub, channel, member, what);
        fw_message_unref(member);
        return;
    }
    fwi_item *item = fwi_item_new(run_change, channel, member);
    fw_message_unref(member);
    if (item != NULL) {
        item->code = (int)what;
    }
    if (fwi_shard_post(hub->shard[0], item, false) == FW_ERR_MEMORY) {
        fwi_shard_count(s->shard, FWI_STAT_INBOX_DROPPED);
    }
}

/* false: out of memory, and the session keeps what it had. */
static bool make_member(fwi_session *s, const void *info, size_t len)
{
    const fwi_origin like = {.session = fwi_session_identity(s),
                             .user = s->user ? s->user : "",
                             .node_name = s->shard->hub->name,
                             .info = info,
                             .info_len = len};
    fwi_origin *origin = fwi_origin_copy(&like);
    fw_message *m = origin ? fwi_message_new(FWI_MSG_LEFT, info, len, FW_BINARY) : NULL;
    if (m == NULL) {
        fwi_origin_unref(origin);
        fwi_shard_count(s->shard, FWI_STAT_INBOX_DROPPED);
        return false;
    }
    m->origin = origin;
    atomic_store(&m->sent, true);
    fw_message_unref(s->member);
    s->member = m;
    return true;
}

static bool has_member(fwi_session *s)
{
    return s->member != NULL || make_member(s, NULL, 0);
}

fwi_origin *fwi_presence_origin(fwi_session *s)
{
    return has_member(s) ? fwi_origin_ref(s->member->origin) : NULL;
}

fwi_origin *fwi_presence_origin_in(fwi_session *s, const char *room)
{
    const char *more = room_info_of(s, room);
    return more == NULL    ? fwi_presence_origin(s)
           : has_member(s) ? origin_with(s, more)
                           : NULL;
}

void fwi_presence_entered(fwi_session *s, const char *channel)
{
    if (is_kept(s->shard->hub, channel) && has_member(s)) {
        post_change(s, channel, ENTERED);
    }
}

void fwi_presence_left(fwi_session *s, const char *channel)
{
    if (is_kept(s->shard->hub, channel) && has_member(s)) {
        post_change(s, channel, LEFT);
    }
}

void fwi_presence_renew_in(fwi_session *s, const fwi_place *place)
{
    if (place->room != NULL && is_kept(s->shard->hub, place->room->channel) &&
        has_member(s)) {
        post_change(s, place->room->channel, RENEWED);
    }
}

static void renew(fwi_session *s, const void *info, size_t len)
{
    if (!make_member(s, info, len)) {
        /* It mustn't speak as who it was. */
        fw_message_unref(s->member);
        s->member = NULL;
        return;
    }
    for (size_t i = 0; i < s->n_places; i++) {
        fwi_presence_renew_in(s, &s->places[i]);
    }
    fwi_presence_renew_in(s, &s->user_place);
}

void fwi_presence_renew(fwi_session *s)
{
    if (s->member != NULL) {
        renew(s, fwi_message_bytes(s->member), fwi_message_len(s->member));
    }
}

void fwi_presence_set_info(fwi_session *s, const void *data, size_t len)
{
    if (s->state == FWI_SESSION_OPEN) {
        renew(s, data, len);
    }
}

/* --- questions --- */

static void ask_now(fwi_hub *hub, const char *channel, uint64_t cursor, uint32_t limit,
                    const fwi_asker *who)
{
    fwi_backplane *bp = hub->bp;
    uint64_t number = fwi_ask_new(hub, FWI_ASK_PRESENCE, channel, who);
    bool of_nodes = channel[0] == '\0';
    bool ok = number != 0 &&
              (of_nodes ? bp->ops->read_nodes(bp, number)
                        : bp->ops->read_presence(bp, channel, cursor, limit, number));
    if (!ok) {
        free(fwi_ask_take(hub, number));
        fw_event e = {
            .type = FW_EVENT_PRESENCE, .code = FW_ERR_MEMORY, .reason = "out of memory"};
        fwi_asker_tell(hub, who, &e);
    }
}

void fwi_ask_presence(fwi_hub *hub, const char *channel, uint64_t cursor, uint32_t limit,
                      const fwi_asker *who)
{
    ask_now(hub, channel, cursor, limit, who);
}

void fwi_ask_nodes(fwi_hub *hub, const fwi_asker *who)
{
    ask_now(hub, "", 0, 0, who);
}

static void run_read(fwi_shard *shard, fwi_item *item)
{
    ask_now(shard->hub, item->text, item->id.local, item->count,
            &(fwi_asker){.ref = item->ref});
    fwi_item_free(item);
}

static int post_read(fwi_hub *hub, fwi_item *item, uint64_t ref)
{
    if (item != NULL) {
        item->ref = ref;
    }
    return fwi_shard_post(hub->shard[0], item, true);
}

int fwi_hub_read_presence(fwi_hub *hub, const char *channel, uint64_t cursor,
                          uint32_t limit, uint64_t ref)
{
    fwi_item *item = fwi_item_new(run_read, channel, NULL);
    if (item != NULL) {
        item->id.local = cursor;
        item->count = limit;
    }
    return post_read(hub, item, ref);
}

int fwi_hub_read_nodes(fwi_hub *hub, uint64_t ref)
{
    return post_read(hub, fwi_item_new(run_read, NULL, NULL), ref);
}

/* --- what the backplane tells --- */

void fwi_presence_on_members(void *user, uint64_t number, const fwi_member_page *page)
{
    fwi_hub *hub = user;
    fwi_ask *a = fwi_ask_take(hub, number);
    if (a == NULL) {
        return;
    }
    fwi_members *list = fwi_members_new(page->members, page->n);
    fw_event e = {.type = FW_EVENT_PRESENCE,
                  .code = list ? page->err : FW_ERR_MEMORY,
                  .reason = list ? page->why : "out of memory",
                  .members = list};
    if (list != NULL) {
        list->total = page->total;
        list->next = page->next;
    }
    fwi_asker_tell(hub, &a->who, &e);
    fwi_members_unref(list);
    free(a);
}

void fwi_presence_on_node(void *user, uint64_t node, const char *name, bool up)
{
    fwi_hub *hub = user;
    char quoted[300]; /* whoever may write to Redis may have named it */
    FWI_LOG(&hub->log, FWI_LOG_INFO, "hub", "node %s: %016" PRIx64 " name=%s",
            up ? "up" : "down", node,
            fwi_log_quote(quoted, sizeof quoted, name, strlen(name)));
    fwi_emulation_on_node(hub, node, up);
    fw_event e = {.type = up ? FW_EVENT_NODE_UP : FW_EVENT_NODE_DOWN,
                  .session = {.node = node},
                  .reason = name};
    fwi_shard_raise(hub->shard[0], &e, NULL);
}

void fwi_presence_raise(fwi_hub *hub, const char *channel, const fw_message *m)
{
    fw_event e = {.type = m->kind == FWI_MSG_ENTERED ? FW_EVENT_ROOM_JOIN
                                                     : FW_EVENT_ROOM_LEAVE,
                  .session = m->origin->session,
                  .user = m->origin->user[0] ? m->origin->user : NULL,
                  .room = channel + 2,
                  .reason = m->origin->node_name,
                  .data = fwi_message_bytes(m),
                  .len = fwi_message_len(m)};
    fwi_shard_raise(hub->shard[0], &e, NULL);
}

/* What the others are told of this node, as JSON. false: out of memory. */
static bool put_facts(fwi_hub *hub, fwi_buf *out)
{
    uint64_t up_us = fwi_loop_now_us(hub->shard[0]->loop) - hub->started_us;
    uint64_t rooms = 0, members = 0;
    for (unsigned i = 0; i < hub->n_shards; i++) {
        rooms += fwi_stat_get(&hub->shard[i]->stats, FWI_STAT_ROOMS);
        members += fwi_stat_get(&hub->shard[i]->stats, FWI_STAT_MEMBERS);
    }
    return fwi_buf_printf(out,
                          "{\"version\":\"%s\",\"sessions\":%ld,\"rooms\":%" PRIu64
                          ",\"members\":%" PRIu64 ",\"uptime\":%" PRIu64 ",\"metrics\":",
                          FW_VERSION_STRING, atomic_load(&hub->sessions), rooms, members,
                          up_us / 1000000) &&
           fwi_load_put(hub, out) && fwi_buf_puts(out, "}");
}

fw_message *fwi_presence_describe(void *user)
{
    fwi_hub *hub = user;
    fwi_buf facts;
    fwi_buf_init(&facts);
    fw_message *m = put_facts(hub, &facts)
                        ? fwi_message_new(FWI_MSG_LEFT, facts.data, facts.len, FW_TEXT)
                        : NULL;
    fwi_buf_fini(&facts);
    fwi_origin *origin =
        m ? fwi_origin_new((fw_session_id){hub->node, 0}, "", hub->name) : NULL;
    if (origin == NULL) {
        fw_message_unref(m);
        return NULL;
    }
    m->origin = origin;
    return m;
}
