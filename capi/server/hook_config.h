/*
 * Hooks: which there are, and what the options say of them. The back end of an
 * application is asked by HTTP what an application in C would be asked by events.
 */
#ifndef FANWIRED_HOOK_CONFIG_H
#define FANWIRED_HOOK_CONFIG_H

#include <fanwire/fanwire.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    FWD_HOOK_CONNECT,
    FWD_HOOK_REFRESH,
    FWD_HOOK_SUBSCRIBE,
    FWD_HOOK_SUB_REFRESH,
    FWD_HOOK_PUBLISH,
    FWD_HOOK_RPC,
    FWD_HOOK_DISCONNECT,
    FWD_HOOKS
} fwd_hook_kind;

/* The name of its option is "hook.NAME.url". */
typedef struct fwd_hook_row {
    const char *name, *option;
    fw_event_type event;
} fwd_hook_row;

extern const fwd_hook_row fwd_hook_rows[FWD_HOOKS];

typedef struct fwd_hook_config {
    /* Of each hook; "" is off. These and the other texts are borrowed from the options.
     */
    const char *url[FWD_HOOKS];
    char *shown_url[FWD_HOOKS];  /* without passwords */
    const char *secret, *tls_ca; /* "": none */
    int timeout_ms;
    size_t concurrency, per_session, queue; /* of each hook */
    size_t max_bytes;
    unsigned breaker_failures; /* 0: no breaker */
    int breaker_pause_ms;
    char *header_names; /* those of hook.headers, each with a NUL behind it */
    size_t n_headers;
} fwd_hook_config;

/* Is any hook wanted? */
bool fwd_hooks_are_wanted(const fw_options *options);

/* FW_OK, FW_ERR_OPTION or FW_ERR_MEMORY, and why says in a line what is wrong; fini is
 * due in any case. */
int fwd_hook_config_read(fwd_hook_config *c, const fw_options *options, char *why,
                         size_t cap);
void fwd_hook_config_fini(fwd_hook_config *c);

/* The next of the headers that are passed on: begin with NULL; NULL: there is none. */
const char *fwd_hook_config_header(const fwd_hook_config *c, const char *before);

#endif
