/*
 * The public side of signing tokens.
 */
#include <fanwire/token.h>

#include <string.h>

#include "base/utf8.h"
#include "core/error.h"
#include "wire/token_sign.h"

static int put_out(const fwi_buf *text, char *token, size_t cap)
{
    if (text->len >= cap) {
        return fwi_error(FW_ERR_TOO_BIG,
                         "the token has %zu bytes, and there is room for "
                         "%zu with its NUL",
                         text->len, cap);
    }
    memcpy(token, text->data, text->len);
    token[text->len] = '\0';
    return FW_OK;
}

int fw_token_sign(const char *claims, const char *key, const char *kid, char *token,
                  size_t cap)
{
    if (claims == NULL || key == NULL || token == NULL) {
        return fwi_error(FW_ERR_INVALID, "claims, key and token must not be NULL");
    }
    if (kid != NULL && !fwi_utf8_is_valid(kid, strlen(kid))) {
        return fwi_error(FW_ERR_INVALID, "kid: not UTF-8");
    }
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_buf text;
    fwi_buf_init(&text);
    int err;
    switch (fwi_token_sign(&text, claims, strlen(claims), key, kid, problem)) {
    case FWI_TOKEN_GOOD:
        err = put_out(&text, token, cap);
        break;
    case FWI_TOKEN_NO_MEMORY:
        err = fwi_error(FW_ERR_MEMORY, "out of memory");
        break;
    default:
        err = fwi_error(FW_ERR_INVALID, "%s", problem);
        break;
    }
    fwi_buf_fini(&text);
    return err;
}
