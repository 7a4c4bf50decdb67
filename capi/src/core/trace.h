/*
 * Following one room's messages: whoever wants to know asks all nodes, and for a while
 * each of them reports to him what it does with every message of that room.
 *
 *   request  on channel "all":  TRACE   target = asker and its number, code = seconds,
 *                                       data = the room
 *   report   on the asker's:    TRACED  target = the same, origin = sender of the message
 *                                       and the reporting node's name, data = the record
 *
 * As long as nobody asks it costs a look at one number a message, on loop 0. A message
 * that is followed is delivered by itself and not with the others of its turn: what the
 * loop's counters say behind it is what became of this one.
 */
#ifndef FWI_CORE_TRACE_H
#define FWI_CORE_TRACE_H

#include "core/message.h"

struct fwi_hub;
struct fwi_item;
struct fwi_shard;

enum {
    FWI_TRACES_MAX = 16,          /* at a time, of a node */
    FWI_TRACE_REPORTS_MAX = 1000, /* a second, of each */
    FWI_TRACE_SECONDS_MAX = 60,   /* a request that isn't renewed holds so long */
};

/* What was done with a message. The numbers travel. */
typedef enum {
    FWI_TRACE_BEGUN = 1,     /* with none: the node reports from now on */
    FWI_TRACE_PUBLISHED = 2, /* handed to the backplane */
    FWI_TRACE_WAITS = 3,     /* kept by its publisher until the room is heard */
    FWI_TRACE_REFUSED = 4,   /* dropped by its publisher: too much waits already */
    FWI_TRACE_DELIVERED = 5, /* given to the members on a loop: the numbers say more */
    FWI_TRACE_HELD = 6,      /* a message before it is missing */
    FWI_TRACE_REPEATED = 7,  /* it had come before, and was dropped */
    FWI_TRACE_LOST = 8,      /* dropped on its way to a loop: its inbox is full */
    FWI_TRACE_OMITTED = 9,   /* with none: so many reports were left out */
} fwi_trace_what;

/* Numbers of a record, in the order in which they travel. */
typedef struct fwi_trace_record {
    uint8_t what;
    uint64_t node, serial; /* the message's id in its envelope; zero: unknown */
    uint64_t bytes;
    uint64_t loop, members; /* members of that loop when it came */
    uint64_t given;         /* to so many of them */
    uint64_t excepted;      /* it isn't for its sender */
    uint64_t waiting;       /* members that aren't in yet */
    uint64_t dropped;       /* messages that full outboxes lost by it */
    uint64_t closed;        /* sessions that are closed for it: too slow */
} fwi_trace_record;

/* A request that holds. */
typedef struct fwi_trace {
    fw_session_id asker; /* its node and its number */
    uint64_t until_ms;
    uint64_t second; /* in which so many reports were sent */
    uint32_t sent, omitted;
    char channel[2 + 255 + 1];
} fwi_trace;

typedef struct fwi_traces {
    unsigned n;
    fwi_trace *list; /* FWI_TRACES_MAX of them, made with the first */
} fwi_traces;

void fwi_traces_fini(fwi_traces *t);

/* All nodes are asked. seconds 0 ends it. FW_OK or FW_ERR_. @thread any */
int fwi_hub_trace(struct fwi_hub *hub, const char *channel, unsigned seconds,
                  uint64_t ref);

static inline bool fwi_trace_is(const fw_message *m)
{
    return m->kind == FWI_MSG_TRACE || m->kind == FWI_MSG_TRACED;
}

/* One of these has come. @thread loop 0 */
void fwi_trace_came(struct fwi_hub *hub, const char *channel, fw_message *m);

/* Is the channel followed? Look at traces.n first: mostly that is the answer. */
bool fwi_trace_follows(struct fwi_hub *hub, const char *channel);

/* Reports what isn't a delivery. @thread loop 0 */
void fwi_trace_note(struct fwi_hub *hub, const char *channel, const fw_message *m,
                    fwi_trace_what what);

/* For fwi_hub_deliver: runs on the loop instead of a plain delivery. */
void fwi_trace_run_deliver(struct fwi_shard *shard, struct fwi_item *item);

#endif
