/*
 * What a hook is asked: a JSON object, in the words of Centrifugo's proxy.
 */
#ifndef FANWIRED_HOOK_BODY_H
#define FANWIRED_HOOK_BODY_H

#include "hook_config.h"

/* Owned by the caller, to be given to free(). NULL: out of memory. */
char *fwd_hook_body(fwd_hook_kind kind, const fw_event *e, size_t *len);

#endif
