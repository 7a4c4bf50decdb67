/*
 * Orders that came over the backplane: about one of our sessions, to the node's channel,
 * or about all sessions of a user, to the user's. Whoever may publish to Redis may write
 * one, so what they name is looked at first. @thread loop 0
 */
#include "base/utf8.h"
#include "core/emulation.h"
#include "core/gift.h"
#include "core/presence.h"
#include "core/session_inside.h"
#include "wire/name.h"
#include "wire/ws_codec.h"

/* Is what the order names fit to be used? */
static bool is_fit(const fw_message *m, const char *text)
{
    switch (m->kind) {
    case FWI_MSG_JOIN:
    case FWI_MSG_LEAVE:
        return fwi_name_problem(text, fwi_message_len(m)) == NULL;
    case FWI_MSG_SET_INFO:
        return fwi_message_len(m) <= FWI_INFO_MAX;
    case FWI_MSG_REFRESH:
        return fwi_message_refresh_time(m) >= 0;
    case FWI_MSG_SET_USER:
        return fwi_message_len(m) == 0 ||
               fwi_name_problem(text, fwi_message_len(m)) == NULL;
    case FWI_MSG_CLOSE:
        return fwi_ws_close_code_is_valid(m->code) &&
               fwi_message_len(m) <= FWI_WS_CONTROL_MAX - 2 &&
               fwi_utf8_is_valid(fwi_message_bytes(m), fwi_message_len(m));
    default:
        return true;
    }
}

static void give(fwi_hub *hub, fw_message *m)
{
    fwi_claims *gift = fwi_gift_of(m);
    if (gift != NULL) {
        fwi_hub_give(hub, m->target, gift->channel, m);
    }
    fwi_claims_free(gift);
}

/* About one of our sessions. */
static void on_order(fwi_hub *hub, fw_message *m)
{
    const char *text = (const char *)fwi_message_bytes(m);
    if (m->target.node != hub->node || !is_fit(m, text)) {
        return;
    }
    switch (m->kind) {
    case FWI_MSG_SESSION:
        fwi_hub_send(hub, m->target, m);
        break;
    case FWI_MSG_CLOSE:
        fwi_hub_close(hub, m->target, m->code, text);
        break;
    case FWI_MSG_JOIN:
        fwi_hub_join_since(hub, m->target, text, fwi_message_join_since(m), 0);
        break;
    case FWI_MSG_GIVE:
        give(hub, m);
        break;
    case FWI_MSG_LEAVE:
        fwi_hub_leave(hub, m->target, text);
        break;
    case FWI_MSG_SET_USER:
        fwi_hub_set_user(hub, m->target, text[0] ? text : NULL);
        break;
    case FWI_MSG_SET_INFO:
        fwi_hub_set_info(hub, m->target, text, fwi_message_len(m));
        break;
    case FWI_MSG_REFRESH:
        fwi_hub_refresh(hub, m->target, fwi_message_refresh_time(m));
        break;
    case FWI_MSG_EMULATED:
        fwi_emulation_came(hub, m);
        break;
    default:
        break;
    }
}

/* --- all sessions of a user --- */

static void run_close_channel(fwi_shard *shard, fwi_item *item)
{
    fwi_room_close_but(shard, item->text, item->m->code,
                       (const char *)fwi_message_bytes(item->m), item->m->except);
    fwi_item_free(item);
}

static void run_leave_channel(fwi_shard *shard, fwi_item *item)
{
    fwi_room_leave_all(shard, item->text, (const char *)fwi_message_bytes(item->m));
    fwi_item_free(item);
}

static void run_join_channel(fwi_shard *shard, fwi_item *item)
{
    const fwi_join join = {.since = fwi_message_join_since(item->m)};
    fwi_room_join_all(shard, item->text, (const char *)fwi_message_bytes(item->m), &join);
    fwi_item_free(item);
}

static void run_give_channel(fwi_shard *shard, fwi_item *item)
{
    const fwi_join join = {.since = fwi_message_join_since(item->m), .gift = item->m};
    fwi_claims *gift = fwi_gift_of(item->m);
    if (gift != NULL) {
        fwi_room_join_all(shard, item->text, gift->channel, &join);
    }
    fwi_claims_free(gift);
    fwi_item_free(item);
}

static void run_set_info_channel(fwi_shard *shard, fwi_item *item)
{
    fwi_room_set_info_all(shard, item->text, item->m);
    fwi_item_free(item);
}

static void run_refresh_channel(fwi_shard *shard, fwi_item *item)
{
    fwi_room_refresh_all(shard, item->text, fwi_message_refresh_time(item->m));
    fwi_item_free(item);
}

/* What an order to all sessions of a user has them do; NULL: there is no such. */
static fwi_item_fn of_user(const fw_message *m)
{
    switch (m->kind) {
    case FWI_MSG_CLOSE:
        return run_close_channel;
    case FWI_MSG_JOIN:
        return run_join_channel;
    case FWI_MSG_GIVE:
        return run_give_channel;
    case FWI_MSG_LEAVE:
        return run_leave_channel;
    case FWI_MSG_SET_INFO:
        return run_set_info_channel;
    case FWI_MSG_REFRESH:
        return run_refresh_channel;
    default:
        return NULL;
    }
}

static void on_user_order(fwi_hub *hub, const char *channel, fw_message *m)
{
    const fwi_route *r = fwi_route_find(&hub->routes, channel);
    if (r != NULL && is_fit(m, (const char *)fwi_message_bytes(m))) {
        fwi_hub_to_loops(hub, r->loops, of_user(m), channel, m);
    }
}

void fwi_orders_came(fwi_hub *hub, const char *channel, fw_message *m)
{
    if (channel[0] == 'u' && of_user(m) != NULL) {
        on_user_order(hub, channel, m);
    } else {
        on_order(hub, m);
    }
}
