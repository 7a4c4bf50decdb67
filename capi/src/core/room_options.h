/*
 * What holds for a room: the options of its namespace. Room "news:a:b" is of namespace
 * "news", what stands before its first colon, and so is the private "$news:a". If any
 * option namespace.news.X was set, its namespace has those and the table's defaults;
 * every other room, with a colon or without, has room.X. Read once, from the options;
 * constant afterwards.
 */
#ifndef FWI_CORE_ROOM_OPTIONS_H
#define FWI_CORE_ROOM_OPTIONS_H

#include <fanwire/options.h>

#include "base/base.h"

typedef struct fwi_room_options {
    uint32_t history_size; /* 0: no history */
    uint64_t history_ttl_ms;
    bool newest_only; /* of its history the newest message is all that clients want */
    bool presence;
    bool join_leave;                  /* members are told who comes and goes */
    uint32_t publish_rate, join_rate; /* a second, of clients; 0: any */
    /* Does the application decide, where it wants to? */
    bool ask_subscribe, ask_publish;
    /* What clients of the Centrifuge protocol may do, where it doesn't. */
    bool allow_subscribe, allow_publish, allow_presence, allow_history;
} fwi_room_options;

struct fwi_hub;

/* Of rooms whose namespace has no options, and of those that have some, by name. */
typedef struct fwi_rooms_options {
    fwi_room_options others;
    struct fwi_namespace_options *namespaces; /* one block; NULL: none */
    struct fwi_namespace_options *by_name;
} fwi_rooms_options;

/* False: out of memory; then there is nothing to give back. @thread init */
bool fwi_rooms_options_init(fwi_rooms_options *rooms, const fw_options *o);
void fwi_rooms_options_fini(fwi_rooms_options *rooms);

/* Takes no lock and no memory: it is asked for every publish. Never NULL; of a channel
 * that is no room ("u:ann"): nothing is kept and told.
 * @thread any */
const fwi_room_options *fwi_room_options_of(const struct fwi_hub *hub,
                                            const char *channel);

#endif
