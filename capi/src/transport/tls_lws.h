/*
 * What a TLS listener is told to be: which versions and ciphers, and which files. Pure
 * but for a look at the files.
 */
#ifndef FWI_TLS_LWS_H
#define FWI_TLS_LWS_H

#include "transport/transport_lws.h"

struct lws_context_creation_info;

/* Are both files there, and not empty? FW_OK or FW_ERR_TLS, which names the one that
 * isn't. @thread any */
int fwi_tls_check_files(const fwi_transport_config *config);

/* Fills in what a virtual host with TLS needs, and nothing of another kind. The config is
 * borrowed as long as info. @thread loop */
void fwi_tls_fill(struct lws_context_creation_info *info,
                  const fwi_transport_config *config);

#endif
