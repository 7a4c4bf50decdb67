/*
 * What is served on http.listen: which path is whose, and what all of them share. The
 * transport calls it for each request (wire/http_call.h); it knows no socket.
 *
 * pages.c has /health, /ready and /metrics, api.c what is below /api, admin.c /admin.
 *
 * @thread loop 0
 */
#ifndef FWI_HTTP_SITE_H
#define FWI_HTTP_SITE_H

#include "core/hub.h"
#include "http/pages.h"
#include "wire/http_call.h"
#include "wire/seal.h"

/* Who is let in. A running hub may get others. */
typedef struct fwi_site_secrets {
    fw_options *options; /* a copy, whose texts the others are */
    const char **api_keys;
    size_t n_api_keys;               /* 0: there is no API */
    const char *admin_password;      /* "": there is no page */
    uint8_t admin_key[FWI_SEAL_KEY]; /* seals the cookies that this password gives */
} fwi_site_secrets;

typedef struct fwi_site {
    fwi_hub *hub;
    /* A snapshot for a page. */
    void (*take_figures)(void *user, fwi_hub_figures *out);
    void *user;
    fwi_site_secrets *secrets;
    size_t api_max_bytes;
    uint64_t api_timeout_ms;
    uint64_t api_max_items;
    unsigned admin_wrong; /* passwords, since then */
    uint64_t admin_wrong_since_ms;
    fwi_list jobs; /* requests of the API without all their answers: api.c */
} fwi_site;

/* A path and whose it is. */
typedef struct fwi_site_row {
    const char *path;
    bool below; /* and everything below it */
    /* How large a body may be, or the call is answered: see wire/http_call.h. NULL: no
     * body is taken. */
    size_t (*on_head)(fwi_site *site, fwi_http_call *call);
    void (*on_request)(fwi_site *site, fwi_http_call *call);
    /* Is it there at all? NULL: always. */
    bool (*is_on)(const fwi_site *site);
} fwi_site_row;

/* What it has for this path; NULL: nothing. */
const fwi_site_row *fwi_site_find(const fwi_site *site, const char *path);

extern const fwi_http_service fwi_site_service; /* user is the fwi_site */

/* hub is borrowed as long as the site lives. false: out of memory. */
bool fwi_site_init(fwi_site *site, fwi_hub *hub, const fw_options *o);

/* NULL: out of memory. @thread any */
fwi_site_secrets *fwi_site_secrets_new(const fw_options *o);
void fwi_site_secrets_free(fwi_site_secrets *secrets);
/* They hold from the next request on; who has logged in with another password than the
 * new one has to do it again. secrets are taken. */
void fwi_site_exchange(fwi_site *site, fwi_site_secrets *secrets);

/* On loop 0, when its connections are closed; and when its thread has gone. */
void fwi_site_stop(fwi_site *site);
void fwi_site_fini(fwi_site *site);

/* Counts on loop 0. */
void fwi_site_count(const fwi_site *site, fwi_stat which);

#endif
