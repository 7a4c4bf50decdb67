/*
 * The opening handshake (RFC 6455 4.2) and the questions at the door: is it an upgrade,
 * is the origin let in, who is the client behind a proxy. Pure.
 */
#ifndef FWI_WIRE_WS_HANDSHAKE_H
#define FWI_WIRE_WS_HANDSHAKE_H

#include "wire/http_request.h"
#include "wire/ws_extensions.h"

/* Is the request a WebSocket handshake in order? 0, or the HTTP status to refuse with:
 * 426 (no upgrade asked for, or a version other than 13: the answer carries Upgrade and
 * Sec-WebSocket-Version), 405 (not GET), 400 (Host, Connection, key ...), 505 (HTTP/1.0).
 * *why is valid for ever. */
int fwi_ws_handshake_check(const fwi_http_request *r, const char **why);

/* What a handshake in order offers of compression and we take: see wire/ws_extensions. */
void fwi_ws_handshake_deflate(const fwi_http_request *r, fwi_ws_deflate *agreed);

/* Appends the 101. protocol: the sub-protocol agreed on, or NULL; deflate: how messages
 * are compressed, or NULL. */
bool fwi_ws_handshake_answer(const fwi_http_request *r, const char *protocol,
                             const fwi_ws_deflate *deflate, fwi_buf *out);

/* The header lines that a 426 needs, for fwi_http_answer's `extra`. */
extern const char fwi_ws_upgrade_headers[];

/* May a page of this origin connect? Yes without an Origin header; when its host is the
 * one which Host names (or X-Forwarded-Host if the peer is a trusted proxy): names are
 * compared, ports only where that header carries one; or when it is in the list
 * ("*" is all; entries as browsers send them, "https://example.org:8443"). */
bool fwi_ws_origin_is_allowed(const fwi_http_request *r, bool peer_is_trusted,
                              const char *const *allowed, size_t n_allowed);

/* The same, and why: it is named, or the same host's, or there is none; or only because
 * all are let in. */
typedef enum { FWI_ORIGIN_FOREIGN, FWI_ORIGIN_ANY, FWI_ORIGIN_OURS } fwi_ws_origin;

fwi_ws_origin fwi_ws_origin_of(const fwi_http_request *r, bool peer_is_trusted,
                               const char *const *allowed, size_t n_allowed);

/* A list of networks: "127.0.0.0/8", "::1", "10.0.0.0/8", "unix" (peers on Unix sockets).
 */
typedef struct fwi_networks fwi_networks;

/* items are borrowed. NULL: *bad is the index of the entry that is wrong, or n if out of
 * memory. */
fwi_networks *fwi_networks_new(const char *const *items, size_t n, size_t *bad);
void fwi_networks_free(fwi_networks *n);
/* peer: "127.0.0.1", "::1", "::ffff:10.0.0.1"; "" is a Unix socket: trusted, since who
 * may connect there is decided by the file's permissions. */
bool fwi_networks_contain(const fwi_networks *n, const char *peer);

/* The client's address: from X-Forwarded-For the last one which isn't a trusted proxy, or
 * X-Real-IP, if the peer is trusted; else the peer. Written to out as text (a bad header
 * counts as absent). */
void fwi_client_address(const fwi_http_request *r, const char *peer,
                        const fwi_networks *trusted, char *out, size_t cap);

#endif
