/*
 * What a request at the door asks for, by its path: a session, and in which protocol, or
 * an answer; and whether that can be had. Looks at the request alone. @thread loop
 */
#include <string.h>

#include "transport/conn.h"
#include "wire/ws_handshake.h"

static bool is_at(const fwi_head *head, const char *path)
{
    return path != NULL && strcmp(fwi_http_request_path(head->request), path) == 0;
}

static bool is_for_service(const fwi_head *head)
{
    const fwi_door *door = head->door;
    return door->service != NULL &&
           (door->service_path == NULL || is_at(head, door->service_path));
}

void fwi_door_find(fwi_head *head)
{
    const fwi_door *door = head->door;
    head->wish = FWI_WISH_SESSION;
    for (unsigned i = 0; i < FWI_PROTOCOLS; i++) {
        if (is_at(head, door->paths[i])) {
            head->protocol = (fwi_protocol_id)i;
            return;
        }
    }
    head->protocol = FWI_RAW;
    if (!is_at(head, door->path)) {
        head->wish = is_for_service(head) ? FWI_WISH_CALL : FWI_WISH_NOTHING;
    }
}

/* Is the binary form of the Centrifuge protocol asked for? */
static bool wants_protobuf(const fwi_http_request *r)
{
    static const char *const names[] = {"format", "cf_protocol"};
    char value[16];
    for (size_t i = 0; i < FWI_ARRAY_LEN(names); i++) {
        if (fwi_http_query_get(fwi_http_request_query(r), names[i], 0, value,
                               sizeof value) > 0 &&
            strcmp(value, "protobuf") == 0) {
            return true;
        }
    }
    return fwi_http_request_has_token(r, "sec-websocket-protocol",
                                      "centrifuge-protobuf") &&
           !fwi_http_request_has_token(r, "sec-websocket-protocol", "centrifuge-json");
}

int fwi_door_check(const fwi_transport_config *config, const fwi_head *head,
                   const char **why)
{
    if (fwi_stream_is_meant(head)) {
        return fwi_stream_check(config, head, why);
    }
    int status = fwi_ws_handshake_check(head->request, why);
    if (status != 0) {
        return status;
    }
    bool trusted = fwi_networks_contain(config->trusted, head->peer);
    if (!fwi_ws_origin_is_allowed(head->request, trusted, config->origins,
                                  config->n_origins)) {
        *why = "this origin is not allowed";
        return 403;
    }
    if (head->protocol == FWI_CENTRIFUGE && wants_protobuf(head->request)) {
        *why = "Protobuf is not spoken here, JSON is";
        return 400;
    }
    return 0;
}

const char *fwi_door_subprotocol(const fwi_head *head)
{
    bool json = head->protocol == FWI_CENTRIFUGE &&
                fwi_http_request_has_token(head->request, "sec-websocket-protocol",
                                           "centrifuge-json");
    return json ? "centrifuge-json" : NULL;
}

void fwi_door_address(const fwi_conn *c, char address[FWI_ADDRESS_CAP])
{
    const fwi_transport_config *config = fwi_transport_config_of(c->transport);
    fwi_client_address(c->head->request, c->head->peer, config->trusted, address,
                       FWI_ADDRESS_CAP);
}

fwi_facts *fwi_door_facts(const fwi_conn *c)
{
    const fwi_http_request *r = c->head->request;
    char address[FWI_ADDRESS_CAP];
    fwi_door_address(c, address);
    size_t n_headers = 0;
    const char *const *headers = fwi_http_request_headers(r, &n_headers);
    const fwi_facts_source source = {
        .secure = c->secure,
        .path = fwi_http_request_path(r),
        .query = fwi_http_request_query(r),
        .address = address,
        .peer = c->head->peer,
        .protocol = fwi_door_subprotocol(c->head),
        .headers = headers,
        .n_headers = n_headers,
    };
    return fwi_facts_new(&source);
}
