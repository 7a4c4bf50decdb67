/*
 * See page.h.
 */
#include "http/page.h"

#include <string.h>

const char fwi_page_text[] = "text/plain; charset=utf-8";
const char fwi_page_json[] = "application/json";

void fwi_page_send(fwi_page *p, fwi_http_call *call, bool ok)
{
    static const char sorry[] = "out of memory\n";
    const fwi_http_reply reply = {.status = p->status,
                                  .type = p->type,
                                  .body = p->body.data,
                                  .len = p->body.len,
                                  .extra = p->extra};
    const fwi_http_reply no_memory = {
        .status = 500, .type = fwi_page_text, .body = sorry, .len = strlen(sorry)};
    call->answer(call, ok ? &reply : &no_memory);
    fwi_buf_fini(&p->body);
}
