/*
 * Is whoever calls the API allowed to? Pure. @thread any
 */
#ifndef FWI_HTTP_API_KEY_H
#define FWI_HTTP_API_KEY_H

#include "wire/http_request.h"

/* Does the request show one of the keys, as "X-API-Key: KEY" or as "Authorization: apikey
 * KEY"? How long that takes says nothing about the keys but how many there are. */
bool fwi_api_key_is_good(const char *const *keys, size_t n, const fwi_http_request *r);

/* Compares in a time that says nothing of the secret. */
bool fwi_secret_is(const char *secret, const char *shown);

#endif
