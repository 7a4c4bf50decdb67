/*
 * Sessions whose connection is somebody else's.
 */
#include "api/hub_inside.h"

#include <string.h>

#include "core/attached.h"
#include "wire/http_request.h"

/* NULL with the detail set. */
static fwi_facts *facts_of(const fwi_http_request *r, const char *address)
{
    fwi_facts_source from = {.path = "/", .query = "", .address = address, .peer = ""};
    if (r != NULL) {
        from.path = fwi_http_request_path(r);
        from.query = fwi_http_request_query(r);
        from.headers = fwi_http_request_headers(r, &from.n_headers);
    }
    fwi_facts *facts = fwi_facts_new(&from);
    if (facts == NULL) {
        fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    return facts;
}

static int read_head(const void *head, size_t len, const char *address, fwi_facts **out)
{
    fwi_http_request *r = fwi_http_request_new();
    size_t used;
    int err = FW_OK;
    if (r == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    switch (fwi_http_request_feed(r, head, len, 0, &used)) {
    case FWI_HTTP_DONE:
        *out = facts_of(r, address);
        err = *out != NULL ? FW_OK : FW_ERR_MEMORY;
        break;
    case FWI_HTTP_MORE:
        err = fwi_error(FW_ERR_INVALID, "head: it doesn't end");
        break;
    default:
        err =
            fwi_error(fwi_http_request_status(r) == 500 ? FW_ERR_MEMORY : FW_ERR_INVALID,
                      "head: %s", fwi_http_request_why(r));
        break;
    }
    fwi_http_request_free(r);
    return err;
}

static int check_attach(const fw_hub *hub, const char *user, uint64_t ref)
{
    const fwi_events *q = &hub->core.events;
    if (!q->queued || !fwi_events_want(q, FW_EVENT_DELIVER) ||
        !fwi_events_want(q, FW_EVENT_RESULT)) {
        return fwi_error(FW_ERR_STATE,
                         "attached sessions need events=queued, and DELIVER "
                         "and RESULT switched on by fw_hub_on");
    }
    int err = fwi_check_ref(ref);
    return err == FW_OK && user != NULL ? fwi_check_name("user", user) : err;
}

int fw_session_attach(fw_hub *hub, const char *user, const void *head, size_t len,
                      const char *address, uint64_t ref)
{
    fwi_facts *facts = NULL;
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK) {
        err = check_attach(hub, user, ref);
    }
    if (err != FW_OK) {
        return err;
    }
    address = address ? address : "";
    if (head != NULL) {
        err = read_head(head, len, address, &facts);
    } else {
        facts = facts_of(NULL, address);
        err = facts != NULL ? FW_OK : FW_ERR_MEMORY;
    }
    return err != FW_OK ? err : fwi_attach(&hub->core, facts, user, ref);
}

int fw_session_feed(fw_hub *hub, fw_session_id id, const void *data, size_t len,
                    unsigned flags)
{
    int err = fwi_api_enter_running(hub);
    if (err != FW_OK) {
        return err;
    }
    fw_message *m = fwi_api_message(hub, data, len, flags, &err);
    if (m != NULL) {
        err = fwi_attached_feed(&hub->core, id, m);
        fw_message_unref(m);
    }
    return err;
}

int fw_session_feed_close(fw_hub *hub, fw_session_id id, unsigned code,
                          const char *reason)
{
    int err = fwi_api_enter_running(hub);
    if (err == FW_OK && code != 1005 && code != 1006) {
        err = fwi_check_close(code, reason);
    } else if (err == FW_OK) {
        reason = "";
    }
    return err != FW_OK
               ? err
               : fwi_attached_feed_close(&hub->core, id, code, reason ? reason : "");
}
