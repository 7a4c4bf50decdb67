/**
 * Tokens (JWT, RFC 7519), by which clients say who they are. Hubs verify them with the
 * keys that the options "token.hmac_secret", "token.public_key" and "token.jwks" name;
 * here is what gives them out. Any other JWT library does as well.
 */
#ifndef FANWIRE_TOKEN_H
#define FANWIRE_TOKEN_H

#include <stddef.h>

#include <fanwire/export.h>

FW_BEGIN_DECLS

/**
 * Sign a token. Claims that every hub would refuse are refused here; whether they hold at
 * the moment ("exp", "nbf") is not looked at.
 *
 * @param claims borrowed; a JSON object. "sub": the user's name; "exp": the end, in
 *               seconds since 1970; "info": JSON that others see of the user. With a
 *               "channel" it is a token for subscribing to that one, else for connecting.
 *               docs/tokens.md has all of them
 * @param key    borrowed; a secret of 32 bytes or more (HS256), or the PEM text of a
 *               private key: RSA (RS256), P-256 (ES256), P-384 (ES384), Ed25519 (EdDSA)
 * @param kid    borrowed; the name of the key, for those who have several; NULL is none
 * @param token  out, NUL-terminated
 * @param cap    its room in bytes; 65537 is enough for every token that hubs take
 * @return FW_OK; FW_ERR_INVALID: claims, key or kid can't be used, the detail says why;
 *         FW_ERR_TOO_BIG: it doesn't fit; FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_token_sign(const char *claims, const char *key, const char *kid,
                         char *token, size_t cap);

FW_END_DECLS

#endif
