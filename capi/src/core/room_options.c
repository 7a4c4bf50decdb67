/*
 * Which options a room has. Namespaces are found by a hash of their name, made when the
 * hub is made and only read afterwards, by any thread.
 */
#include "core/room_options.h"

#include <string.h>

#include "base/hashmap.h"
#include "core/hub.h"
#include "core/options_namespaces.h"

typedef struct fwi_namespace_options {
    char name[FWI_NAMESPACE_MAX_BYTES + 1];
    fwi_room_options options;
    UT_hash_handle hh;
} fwi_namespace_options;

/* Where an option's number is read: of rooms without a namespace, or of the index-th. */
typedef struct reading {
    const fw_options *options;
    size_t index; /* SIZE_MAX: room.X */
} reading;

static uint64_t number(const reading *r, fwi_option which)
{
    return (uint64_t)(r->index == SIZE_MAX
                          ? fwi_options_int(r->options, which)
                          : fwi_options_namespace_int(r->options, r->index, which));
}

static fwi_room_options read_options(const fw_options *o, size_t index)
{
    reading r = {o, index};
    return (fwi_room_options){
        .history_size = (uint32_t)number(&r, FWI_OPT_ROOM_HISTORY_SIZE),
        .history_ttl_ms = number(&r, FWI_OPT_ROOM_HISTORY_TTL),
        .newest_only = number(&r, FWI_OPT_ROOM_HISTORY_SIZE) > 0 &&
                       number(&r, FWI_OPT_ROOM_RECOVERY_MODE) == FWI_RECOVERY_CACHE,
        .presence = number(&r, FWI_OPT_ROOM_PRESENCE) != 0,
        .join_leave = number(&r, FWI_OPT_ROOM_JOIN_LEAVE) != 0,
        .publish_rate = (uint32_t)number(&r, FWI_OPT_ROOM_PUBLISH_RATE),
        .join_rate = (uint32_t)number(&r, FWI_OPT_ROOM_JOIN_RATE),
        .ask_subscribe = number(&r, FWI_OPT_ROOM_ASK_SUBSCRIBE) != 0,
        .ask_publish = number(&r, FWI_OPT_ROOM_ASK_PUBLISH) != 0,
        .allow_subscribe = number(&r, FWI_OPT_ROOM_ALLOW_SUBSCRIBE) != 0,
        .allow_publish = number(&r, FWI_OPT_ROOM_ALLOW_PUBLISH) != 0,
        .allow_presence = number(&r, FWI_OPT_ROOM_ALLOW_PRESENCE) != 0,
        .allow_history = number(&r, FWI_OPT_ROOM_ALLOW_HISTORY) != 0,
    };
}

bool fwi_rooms_options_init(fwi_rooms_options *rooms, const fw_options *o)
{
    *rooms = (fwi_rooms_options){.others = read_options(o, SIZE_MAX)};
    size_t n = fwi_options_namespaces(o);
    if (n == 0) {
        return true;
    }
    rooms->namespaces = calloc(n, sizeof *rooms->namespaces);
    for (size_t i = 0; rooms->namespaces != NULL && i < n; i++) {
        fwi_namespace_options *ns = &rooms->namespaces[i];
        snprintf(ns->name, sizeof ns->name, "%s", fwi_options_namespace(o, i));
        ns->options = read_options(o, i);
        HASH_ADD_KEYPTR(hh, rooms->by_name, ns->name, strlen(ns->name), ns);
        if (!FWI_HASH_ADDED(ns)) {
            fwi_rooms_options_fini(rooms);
        }
    }
    return rooms->namespaces != NULL;
}

void fwi_rooms_options_fini(fwi_rooms_options *rooms)
{
    HASH_CLEAR(hh, rooms->by_name);
    free(rooms->namespaces);
    *rooms = (fwi_rooms_options){0};
}

const fwi_room_options *fwi_room_options_of(const fwi_hub *hub, const char *channel)
{
    static const fwi_room_options none = {0};
    if (channel[0] != 'r' || channel[1] != ':') {
        return &none;
    }
    const fwi_rooms_options *rooms = &hub->rooms;
    const char *name = channel + 2;
    name += name[0] == '$'; /* a private room is of the same namespace */
    size_t len = rooms->by_name != NULL ? strcspn(name, ":") : 0;
    if (len == 0 || len > FWI_NAMESPACE_MAX_BYTES || name[len] != ':') {
        return &rooms->others;
    }
    fwi_namespace_options *ns;
    HASH_FIND(hh, rooms->by_name, name, len, ns);
    return ns != NULL ? &ns->options : &rooms->others;
}
