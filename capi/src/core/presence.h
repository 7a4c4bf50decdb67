/*
 * Presence: who is in a room, told to the backplane as sessions come and go, and asked
 * of it. A session's loop says what happens to loop 0, which has the backplane; so what
 * a session says in a room comes behind the news that it has come.
 */
#ifndef FWI_CORE_PRESENCE_H
#define FWI_CORE_PRESENCE_H

#include "core/ask.h"
#include "core/session_inside.h"

enum { FWI_INFO_MAX = 1024 };

/* s is let into a room, or becomes a user's: it hears the channel now or soon, and may
 * speak already. And it is on its way out. @thread loop */
void fwi_presence_entered(fwi_session *s, const char *channel);
void fwi_presence_left(fwi_session *s, const char *channel);

/* Who it is, for what it says, and for what it says in a room; the caller's reference.
 * NULL: out of memory. @thread loop */
fwi_origin *fwi_presence_origin(fwi_session *s);
fwi_origin *fwi_presence_origin_in(fwi_session *s, const char *room);

/* The session has another user, other info, or other info in this room. @thread loop */
void fwi_presence_renew(fwi_session *s);
void fwi_presence_renew_in(fwi_session *s, const fwi_place *place);
void fwi_presence_set_info(fwi_session *s, const void *data, size_t len);

/* Is it about somebody's coming or going? */
static inline bool fwi_presence_is_news(const fw_message *m)
{
    return (m->kind == FWI_MSG_ENTERED || m->kind == FWI_MSG_LEFT) && m->origin != NULL;
}

/* ROOM_JOIN or ROOM_LEAVE, of such a message. @thread loop 0 */
void fwi_presence_raise(fwi_hub *hub, const char *channel, const fw_message *m);

/* The questions of core/hub.h, asked here; who is borrowed. @thread loop 0 */
void fwi_ask_presence(fwi_hub *hub, const char *channel, uint64_t cursor, uint32_t limit,
                      const fwi_asker *who);
void fwi_ask_nodes(fwi_hub *hub, const fwi_asker *who);

/* The backplane's sink. */
void fwi_presence_on_members(void *user, uint64_t number, const fwi_member_page *page);
void fwi_presence_on_node(void *user, uint64_t node, const char *name, bool up);
fw_message *fwi_presence_describe(void *user);

#endif
