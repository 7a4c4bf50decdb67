/*
 * The HTTP API for back ends: POST /api/METHOD with JSON, in the shapes of Centrifugo's
 * server API, so that its client libraries work. docs/http-api.md is its manual.
 *
 * A request becomes a job of one command, or of many (a batch; in the older form one a
 * line). All of it is looked at before anything is done. Commands are begun in their
 * order; what they ask of the backplane is answered in its time, and when the last answer
 * is there the job is answered and gone. Who waits too long is answered with what there
 * is, and the job stays without him until the rest has come.
 *
 * api.c has the jobs, api_fields.c what parameters there may be, api_publish.c,
 * api_rooms.c and api_users.c the methods.
 *
 * @thread loop 0
 */
#ifndef FWI_HTTP_API_H
#define FWI_HTTP_API_H

#include "http/site.h"

/* What an answer's "error" has as its code: numbers of Centrifugo's. */
typedef enum {
    FWI_API_OK = 0,
    FWI_API_INTERNAL = 100, /* it may be tried again */
    FWI_API_UNAUTHORIZED = 101,
    FWI_API_NO_METHOD = 104,
    FWI_API_LIMIT = 106,
    FWI_API_BAD = 107,
    FWI_API_NOT_AVAILABLE = 108,
    FWI_API_TOO_MANY = 111, /* it may be tried again, later */
    FWI_API_UNRECOVERABLE = 112
} fwi_api_code;

size_t fwi_api_on_head(fwi_site *site, fwi_http_call *call);
void fwi_api_on_request(fwi_site *site, fwi_http_call *call);

/* For who has other keys. Does it call a method, which is "name"? If not, it has been
 * answered. And the request is complete. */
bool fwi_api_expects(const fwi_site *site, fwi_http_call *call, const char *name);
void fwi_api_begin(fwi_site *site, fwi_http_call *call, const char *name);

/* Answers with an error in the API's form. */
void fwi_api_refuse(fwi_http_call *call, int status, fwi_api_code code,
                    const char *message);

/* The client has left. */
void fwi_api_on_gone(fwi_http_call *call);

/* The loop ends, and with it all waiting; answers may still come in this turn. And when
 * none can any more. */
void fwi_api_stop(fwi_site *site);
void fwi_api_forget_jobs(fwi_site *site);

#endif
