/*
 * Requests by HTTP to the hooks' URLs, many at a time on one thread. The only file that
 * knows libcurl. It knows no events: whoever asks gives the body and the headers.
 */
#ifndef FANWIRED_HOOK_HTTP_H
#define FANWIRED_HOOK_HTTP_H

#include "hook_config.h"
#include "hook_stats.h"

/* How a request has ended. */
typedef struct fwd_http_answer {
    fwd_hook_result result; /* ANSWERED: it has succeeded, and is whole */
    bool reached;           /* somebody was there who could answer */
    const char *why;        /* if it isn't ANSWERED: a sentence; borrowed */
    const char *body;       /* borrowed */
    size_t len;
} fwd_http_answer;

/* On the thread that waits, from inside fwd_http_wait. */
typedef void (*fwd_http_on_answer)(void *user, void *request, const fwd_http_answer *a);

typedef struct fwd_http fwd_http;

/* c is borrowed. NULL: out of memory. */
fwd_http *fwd_http_new(const fwd_hook_config *c, fwd_http_on_answer on_answer,
                       void *user);
/* Requests that are under way are given up, without an answer. */
void fwd_http_free(fwd_http *http);

/* Sends body, which is taken, to the hook. header(arg, name) is the value of one of
 * hook.headers, NULL: it has none. request is what on_answer gets. false: out of memory.
 */
bool fwd_http_send(fwd_http *http, fwd_hook_kind kind, void *request, char *body,
                   size_t len, const char *(*header)(const void *arg, const char *name),
                   const void *arg);

/* Waits until something is to be done, one of fds can be read, or the time is over;
 * answers come from inside. */
void fwd_http_wait(fwd_http *http, const int *fds, size_t n, int timeout_ms);

/* Takes back, one after another, what is under way: what on_answer would have got, NULL:
 * there is none. */
void *fwd_http_take_back(fwd_http *http);

#endif
