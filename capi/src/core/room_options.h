/*
 * What holds for a room: the options of its namespace. Room "news:sport" is of namespace
 * "news", whose options are namespace.news.X; a room without a colon has room.X. Read
 * once, from the options; constant afterwards.
 */
#ifndef FWI_CORE_ROOM_OPTIONS_H
#define FWI_CORE_ROOM_OPTIONS_H

#include "base/base.h"

typedef struct fwi_room_options {
    uint32_t history_size; /* 0: no history */
    uint64_t history_ttl_ms;
    bool presence;
    bool join_leave; /* members are told who comes and goes */
} fwi_room_options;

struct fwi_hub;

/* Never NULL; of a channel that is no room ("u:ann"): nothing is kept and told.
 * @thread any */
const fwi_room_options *fwi_room_options_of(const struct fwi_hub *hub,
                                            const char *channel);

#endif
