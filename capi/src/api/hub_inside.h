/*
 * What an fw_hub is: the core's hub with the adapters that were picked for it. Only the
 * api layer sees it.
 */
#ifndef FWI_API_HUB_INSIDE_H
#define FWI_API_HUB_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <fanwire/hub.h>
#include <fanwire/stats.h>

#include "backplane/backplanes.h"
#include "base/fdmark.h"
#include "base/forkmark.h"
#include "core/error.h"
#include "core/shard.h"
#include "http/site.h"
#include "io/guest_uv.h"
#include "io/loop_uv.h"
#include "transport/transport_lws.h"

typedef enum { FWI_HUB_NEW, FWI_HUB_RUNNING, FWI_HUB_STOPPED } fwi_hub_state;

/* An address that is listened on. */
typedef struct fwi_gate {
    fw_hub *hub;
    fwi_listen_url at;
    fwi_door door;
    fwi_listener *listener; /* NULL: closed */
    char url[700];
} fwi_gate;

/* Who is let in and by which rules, as transports are told. Replaced as a whole by a
 * reload, when no loop looks at the one before any more. */
typedef struct fwi_access {
    fw_options *options; /* the origins are its */
    fwi_transport_config config;
    const char **origins;
    fwi_networks *trusted;
} fwi_access;

/* A socket that listens already, given to the hub before its start. */
typedef struct fwi_taken {
    int fd;
    fwi_fdmark mark;
    bool used; /* a gate has it */
} fwi_taken;

struct fw_hub {
    fwi_forkmark process;
    atomic_bool abandoned; /* in a forked child: the inherited descriptors are closed */
    _Atomic int state;
    atomic_bool silent; /* it has stopped, and all its events are in the queue */
    fw_options *options;
    fwi_hub core;
    fwi_log log;
    fw_log_fn log_fn;
    void *log_user;
    fw_metrics_fn metrics_fn;
    void *metrics_user;

    unsigned n_loops;
    fwi_loop *loop[FWI_LOOPS_MAX];
    fwi_shard *shard[FWI_LOOPS_MAX];
    fwi_transport *transport[FWI_LOOPS_MAX];
    bool thread[FWI_LOOPS_MAX];
    fwi_access *access;
    /* Of the reload that is under way: */
    bool beats_changed;
    fwi_site_secrets *secrets; /* until loop 0 has taken them */
    fwi_redis_config redis;
    uint64_t started_us;
    int boot_err; /* what the last start's first act on loop 0 came to */

    fwi_gate *gates; /* of option listen, and behind them that of http.listen */
    size_t n_gates;
    fwi_gate *http; /* NULL: off */
    fwi_site site;  /* what is served there */
    unsigned next_loop;
    fwi_taken *taken;
    size_t n_taken;

    int event_fd; /* -1: events are inline */
    int wake_fd;  /* fw_hub_event_wake; -1: none. Under the lock of the events, and: */
    fwi_fdmark wake_mark;

    pthread_mutex_t life; /* one at a time starts, stops, or asks the loops to drain */
    pthread_mutex_t lock; /* for the waiters: drain, stop, start, stats */
    pthread_cond_t changed;
    uint64_t figures_seq;
    fwi_backplane_figures figures;
    char down_why[256];
};

/* Every public function begins with one of these.
 * FW_OK, FW_ERR_FORKED; with running also FW_ERR_CLOSED. */
int fwi_api_enter(fw_hub *hub);
int fwi_api_enter_running(fw_hub *hub);
/* For those that wait for the loops: FW_ERR_STATE on a thread of the hub's own. */
int fwi_api_enter_outside(fw_hub *hub);

/* Runs `run` on each loop (or loop 0 alone) and waits until all have given their item to
 * fwi_api_ack, which frees it. Not from a loop's thread. */
void fwi_api_on_loops(fw_hub *hub, fwi_item_fn run, bool only_first);
void fwi_api_ack(fw_hub *hub, fwi_item *item);

/* Waits until `is_done` or the time is over; false: the time is over. */
bool fwi_api_wait(fw_hub *hub, bool (*is_done)(fw_hub *hub), uint64_t timeout_ms);

/* A moment from now, for waiting on `changed`. */
struct timespec fwi_api_deadline(uint64_t ms);

fw_hub *fwi_api_hub_of(const fwi_shard *shard);

/* Writes a byte to the socket of fw_hub_event_wake, if there is one. */
void fwi_api_wake(fw_hub *hub);

/* The parts of a running hub (api_assembly.c): made and connected, nothing runs yet; and
 * freed when no thread runs any more. What put_together couldn't finish is left for
 * take_apart. */
int fwi_put_together(fw_hub *hub);
void fwi_take_apart(fw_hub *hub);
/* What these options say of it; copies them. NULL: *err, with the detail. */
fwi_access *fwi_access_new(const fw_hub *hub, const fw_options *options, int *err);
void fwi_access_free(fwi_access *a); /* takes NULL */
/* take_apart leaves the shards, their inboxes closed: other threads may be on the way
 * into one, by a call that began before the stop or by an event that is finished after
 * it. These go with the last event. */
void fwi_shards_free(fw_hub *hub);

/* Opening and closing of the addresses (api_listen.c). */
int fwi_gates_prepare(fw_hub *hub);
int fwi_gates_open(fw_hub *hub);
void fwi_gates_close(fw_hub *hub, bool also_http);
void fwi_gates_free(fw_hub *hub);
/* Is this socket bound to an address of the options? */
bool fwi_gates_want(const fw_hub *hub, int fd);

/* Sockets that were given to the hub (api_listener.c). A duplicate of the first that is
 * bound to this address and hasn't been used; -ENOENT: there is none; or -errno. */
int fwi_taken_for(fw_hub *hub, const fwi_listen_at *at);
/* The start has succeeded: accepting begins on them, not before; whoever they come from
 * serves as long as it may fail. Says which ones nobody wanted, and frees all. */
void fwi_taken_serve(fw_hub *hub);
void fwi_taken_free(fw_hub *hub);
/* Who was accepted before lent listeners were closed is let in or refused, for so long at
 * most. Returns what is left of that time; at once where none was lent. */
uint64_t fwi_let_in_last(fw_hub *hub, uint64_t most_ms);

/* The hub's figures now; on loop 0's thread, or any (then of a moment ago). */
void fwi_figures_take(fw_hub *hub, fwi_hub_figures *out);

/* Is this what a sender may send? FW_OK, or FW_ERR_ with the detail. */
int fwi_check_payload(const fw_hub *hub, const void *data, size_t len, unsigned flags);
int fwi_check_name(const char *what, const char *name);
int fwi_check_ref(uint64_t ref);
int fwi_check_close(unsigned code, const char *reason);
/* A message of the caller's bytes, if they may be sent. NULL: *err. */
fw_message *fwi_api_message(const fw_hub *hub, const void *data, size_t len,
                            unsigned flags, int *err);

/* fw_room_publish_ref, where ref 0 asks for no RESULT. */
int fwi_api_publish_room(fw_hub *hub, const char *room, fw_message *m, uint64_t ref);

/* The keys for tokens that the options name, files read; NULL: none are named. FW_OK,
 * FW_ERR_OPTION (a key can't be used), FW_ERR_SYSTEM (a file can't be read),
 * FW_ERR_MEMORY. */
int fwi_api_read_keys(const fw_options *o, fwi_keys **keys);

/* What backplanes are told of Redis by the options. FW_OK or FW_ERR_OPTION. */
int fwi_redis_config_read(const fw_options *o, fwi_redis_config *config);

#endif
