/*
 * The admin page, embedded in the library, and what it asks by: the methods of the API
 * below /admin/api, for who has logged in with admin.password. A login gives a cookie
 * that this process alone can have made; it ends by itself, when the process does, and
 * when there is another password.
 *
 * Other sites can't use it: the cookie is SameSite=Strict, requests must be JSON, which a
 * form can't send, and one that names another origin is refused.
 *
 * @thread loop 0
 */
#ifndef FWI_HTTP_ADMIN_H
#define FWI_HTTP_ADMIN_H

#include "http/site.h"

size_t fwi_admin_on_head(fwi_site *site, fwi_http_call *call);
void fwi_admin_on_request(fwi_site *site, fwi_http_call *call);

/* The page's files, made by embed.cmake of what is in the folder admin. The last one has
 * no name. */
typedef struct fwi_admin_file {
    const char *name; /* "index.html" */
    const unsigned char *bytes;
    size_t len;
} fwi_admin_file;

extern const fwi_admin_file fwi_admin_files[];

#endif
