/*
 * Where a hub listens: the addresses of the options become gates (a listener and a door),
 * and what comes in by them is handed to the loops in turn.
 */
#include "api/hub_inside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/options_value.h"
#include "http/emulate.h"
#include "io/listener_fd.h"

/* --- what comes in --- */

static void run_adopt(fwi_shard *shard, fwi_item *item)
{
    fw_hub *hub = fwi_api_hub_of(shard);
    fwi_gate *gate = item->ptr;
    fwi_transport_adopt(hub->transport[shard->index], item->code, &gate->door,
                        item->text);
    fwi_item_free(item);
}

static void on_accept(void *user, int fd, const char *peer)
{
    fwi_gate *gate = user;
    fw_hub *hub = gate->hub;
    /* HTTP stays on loop 0, where the figures are. */
    unsigned to = gate == hub->http ? 0 : hub->next_loop++ % hub->n_loops;
    if (to == 0) {
        fwi_transport_adopt(hub->transport[0], fd, &gate->door, peer);
        return;
    }
    fwi_item *item = fwi_item_new(run_adopt, peer, NULL);
    if (item != NULL) {
        item->code = fd;
        item->ptr = gate;
    }
    if (fwi_shard_post(hub->shard[to], item, false) != FW_OK) {
        close(fd);
    }
}

static void on_starved(void *user)
{
    fwi_gate *gate = user;
    fwi_shard_count(gate->hub->shard[0], FWI_STAT_LIMIT_FILES);
    FWI_LOG(&gate->hub->log, FWI_LOG_WARN, "listen",
            "out of file descriptors: accepting pauses url=%s", gate->url);
}

static const fwi_listener_events listener_events = {on_accept, on_starved};

/* --- the addresses --- */

/* What every listener serves beside raw connections, and where; FWI_PROTOCOLS: no
 * session, but what is said to some. */
static const struct {
    fwi_option option;
    fwi_protocol_id protocol;
} places[] = {
    {FWI_OPT_CENTRIFUGE_PATH, FWI_CENTRIFUGE},
    {FWI_OPT_SSE_PATH, FWI_SSE},
    {FWI_OPT_CENTRIFUGE_UNI_SSE_PATH, FWI_UNI_SSE},
    {FWI_OPT_CENTRIFUGE_SSE_PATH, FWI_CENTRIFUGE_EVENTS},
    {FWI_OPT_CENTRIFUGE_HTTP_STREAM_PATH, FWI_CENTRIFUGE_LINES},
    {FWI_OPT_CENTRIFUGE_EMULATION_PATH, FWI_PROTOCOLS},
};

/* Each path has one meaning. */
static int prepare_places(const fw_hub *hub, fwi_gate *gate)
{
    gate->door.service_path = ""; /* nowhere */
    for (size_t i = 0; i < FWI_ARRAY_LEN(places); i++) {
        const char *name = fwi_option_rows[places[i].option].name;
        const char *path = fwi_options_text(hub->options, places[i].option);
        if (path[0] == '\0') {
            continue;
        }
        if (strcmp(path, gate->at.path) == 0) {
            return fwi_error(FW_ERR_OPTION, "%s: %s: listen has that path, too", name,
                             path);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(path, fwi_options_text(hub->options, places[k].option)) == 0) {
                return fwi_error(FW_ERR_OPTION, "%s: %s: %s has that path, too", name,
                                 path, fwi_option_rows[places[k].option].name);
            }
        }
        const char **at = places[i].protocol < FWI_PROTOCOLS
                              ? &gate->door.paths[places[i].protocol]
                              : &gate->door.service_path;
        *at = path;
    }
    return FW_OK;
}

static int prepare_gate(fw_hub *hub, const char *text, bool http)
{
    fwi_gate *gate = &hub->gates[hub->n_gates];
    const char *problem =
        http ? fwi_address_parse(text, &gate->at) : fwi_listen_url_parse(text, &gate->at);
    if (problem != NULL) {
        return fwi_error(FW_ERR_OPTION, "%s: %s: %s", http ? "http.listen" : "listen",
                         text, problem);
    }
    const char *lacking =
        fwi_options_text(hub->options, FWI_OPT_TLS_CERT)[0] == '\0'  ? "tls.cert"
        : fwi_options_text(hub->options, FWI_OPT_TLS_KEY)[0] == '\0' ? "tls.key"
                                                                     : NULL;
    if (gate->at.tls && lacking != NULL) {
        return fwi_error(FW_ERR_OPTION, "listen: %s: wss needs option %s", text, lacking);
    }
    int err = http ? FW_OK : prepare_places(hub, gate);
    if (err != FW_OK) {
        return err;
    }
    gate->hub = hub;
    gate->door.tls = gate->at.tls;
    gate->door.path = http ? NULL : gate->at.path;
    gate->door.service = http ? &fwi_site_service : &fwi_emulate_service;
    gate->door.user = http ? (void *)&hub->site : &hub->core;
    hub->n_gates++;
    return FW_OK;
}

int fwi_gates_prepare(fw_hub *hub)
{
    size_t n = fwi_options_count(hub->options, FWI_OPT_LISTEN);
    const char *http = fwi_options_text(hub->options, FWI_OPT_HTTP_LISTEN);
    hub->gates = calloc(n + 1, sizeof *hub->gates);
    if (hub->gates == NULL) {
        return FW_ERR_MEMORY;
    }
    int err = FW_OK;
    for (size_t i = 0; i < n && err == FW_OK; i++) {
        err = prepare_gate(hub, fwi_options_item(hub->options, FWI_OPT_LISTEN, i), false);
    }
    if (err == FW_OK && http[0] != '\0') {
        err = prepare_gate(hub, http, true);
        hub->http = &hub->gates[n];
    }
    return err;
}

/* By a socket that the hub was given, or by one of its own. */
static int open_listener(fw_hub *hub, fwi_gate *gate, const fwi_listen_at *at)
{
    int fd = fwi_taken_for(hub, at);
    if (fd == -ENOENT) {
        return fwi_listener_open(&gate->listener, hub->loop[0], at, &listener_events,
                                 gate);
    }
    if (fd < 0) {
        char why[128];
        return fwi_error(FW_ERR_SYSTEM, "%s", strerror_r(-fd, why, sizeof why));
    }
    return fwi_listener_adopt(&gate->listener, hub->loop[0], fd, &listener_events, gate);
}

static fwi_listen_at address_of(const fwi_gate *gate)
{
    return (fwi_listen_at){
        .host = gate->at.is_unix ? NULL : gate->at.host,
        .port = gate->at.port,
        .file = gate->at.is_unix ? gate->at.file : NULL,
        .shared = fwi_options_int(gate->hub->options, FWI_OPT_LISTEN_SHARED) != 0,
    };
}

bool fwi_gates_want(const fw_hub *hub, int fd)
{
    bool wanted = false;
    for (size_t i = 0; i < hub->n_gates && !wanted; i++) {
        const fwi_listen_at at = address_of(&hub->gates[i]);
        wanted = fwi_listener_fd_fits(fd, &at);
    }
    return wanted;
}

static int open_gate(fw_hub *hub, fwi_gate *gate)
{
    const fwi_listen_at at = address_of(gate);
    const char *option = gate == hub->http ? "http.listen" : "listen";
    fwi_listen_url_text(&gate->at, gate->at.port, gate->url, sizeof gate->url);
    int err = open_listener(hub, gate, &at);
    if (err != FW_OK) {
        char why[400];
        snprintf(why, sizeof why, "%s", fw_error_detail());
        return gate == hub->http ? fwi_error(err, "%s %s:%d: %s", option, gate->at.host,
                                             gate->at.port, why)
                                 : fwi_error(err, "%s %s: %s", option, gate->url, why);
    }
    int port = gate->at.is_unix ? 0 : fwi_listener_port(gate->listener);
    if (gate == hub->http) {
        bool v6 = strchr(gate->at.host, ':') != NULL;
        snprintf(gate->url, sizeof gate->url, v6 ? "[%s]:%d" : "%s:%d", gate->at.host,
                 port);
    } else {
        fwi_listen_url_text(&gate->at, port, gate->url, sizeof gate->url);
    }
    return FW_OK;
}

int fwi_gates_open(fw_hub *hub)
{
    for (size_t i = 0; i < hub->n_taken; i++) {
        hub->taken[i].used = false; /* of a start that failed */
    }
    for (size_t i = 0; i < hub->n_gates; i++) {
        int err = open_gate(hub, &hub->gates[i]);
        if (err != FW_OK) {
            return err;
        }
        FWI_LOG(&hub->log, FWI_LOG_INFO, "listen", "listening on %s%s",
                &hub->gates[i] == hub->http ? "http://" : "", hub->gates[i].url);
    }
    return FW_OK;
}

void fwi_gates_close(fw_hub *hub, bool also_http)
{
    for (size_t i = 0; i < hub->n_gates; i++) {
        fwi_gate *gate = &hub->gates[i];
        if (gate->listener != NULL && (also_http || gate != hub->http)) {
            if (fwi_listener_is_lent(gate->listener)) {
                atomic_store(&hub->core.released, true);
            }
            fwi_listener_close(gate->listener);
            gate->listener = NULL;
        }
    }
}

void fwi_gates_free(fw_hub *hub)
{
    free(hub->gates);
    hub->gates = NULL;
    hub->n_gates = 0;
}

const char *fw_hub_listen_url(const fw_hub *hub, size_t index)
{
    size_t n = hub->http ? hub->n_gates - 1 : hub->n_gates;
    return index < n && hub->gates[index].url[0] ? hub->gates[index].url : NULL;
}

const char *fw_hub_http_address(const fw_hub *hub)
{
    return hub->http && hub->http->url[0] ? hub->http->url : NULL;
}
