/*
 * The keys for tokens that the options name: files are read here, and what is in them is
 * understood by wire/token_keys. Called when a hub is made, and by whoever reloads.
 */
#include "api/hub_inside.h"

#include <errno.h>
#include <string.h>

typedef bool (*add_fn)(fwi_keys *keys, const char *text, size_t len,
                       char problem[FWI_KEYS_PROBLEM_MAX]);

/* name: the option's; source: a file, or what else it came from. */
static int refuse(int err, const char *name, const char *source, const char *problem)
{
    char shown[200];
    return fwi_error(err, "%s: %s: %s", name,
                     fwi_log_quote(shown, sizeof shown, source, strlen(source)), problem);
}

/* All that is in a file; a byte more than is allowed is enough to be refused. */
static int read_file(const char *name, const char *path, fwi_buf *out)
{
    char why[128];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return refuse(FW_ERR_SYSTEM, name, path, strerror_r(errno, why, sizeof why));
    }
    bool room = fwi_buf_reserve(out, FWI_KEYS_TEXT_MAX + 1);
    if (room) {
        out->len = fread(out->data, 1, FWI_KEYS_TEXT_MAX + 1, file);
    }
    int number = ferror(file) ? errno : 0;
    fclose(file);
    if (!room) {
        return fwi_error(FW_ERR_MEMORY, "%s: out of memory", name);
    }
    return number == 0
               ? FW_OK
               : refuse(FW_ERR_SYSTEM, name, path, strerror_r(number, why, sizeof why));
}

static int add_file(fwi_keys *keys, const char *name, const char *path, add_fn add)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_buf text;
    fwi_buf_init(&text);
    int err = read_file(name, path, &text);
    if (err == FW_OK && !add(keys, text.data, text.len, problem)) {
        err = refuse(FW_ERR_OPTION, name, path, problem);
    }
    fwi_buf_fini(&text);
    return err;
}

static int add_secret(fwi_keys *keys, const char *name, const char *secret)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    return fwi_keys_add_secret(keys, secret, strlen(secret), problem)
               ? FW_OK
               : refuse(FW_ERR_OPTION, name, "***", problem);
}

static int add_public_key(fwi_keys *keys, const char *name, const char *value)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    if (strstr(value, "-----BEGIN ") == NULL) {
        return add_file(keys, name, value, fwi_keys_add_pem);
    }
    return fwi_keys_add_pem(keys, value, strlen(value), problem)
               ? FW_OK
               : refuse(FW_ERR_OPTION, name, "a PEM text", problem);
}

static int add_jwks(fwi_keys *keys, const char *name, const char *value)
{
    return add_file(keys, name, value, fwi_keys_add_jwks);
}

static int add_all(fwi_keys *keys, const fw_options *o)
{
    static const struct {
        fwi_option option;
        int (*add)(fwi_keys *keys, const char *name, const char *value);
    } kinds[] = {{FWI_OPT_TOKEN_HMAC_SECRET, add_secret},
                 {FWI_OPT_TOKEN_PUBLIC_KEY, add_public_key},
                 {FWI_OPT_TOKEN_JWKS, add_jwks}};
    int err = FW_OK;
    for (size_t i = 0; i < FWI_ARRAY_LEN(kinds); i++) {
        const char *name = fw_options_name(kinds[i].option);
        size_t n = fwi_options_count(o, kinds[i].option);
        for (size_t k = 0; k < n && err == FW_OK; k++) {
            err = kinds[i].add(keys, name, fwi_options_item(o, kinds[i].option, k));
        }
    }
    return err;
}

int fwi_api_read_keys(const fw_options *o, fwi_keys **keys)
{
    *keys = NULL;
    if (!fwi_options_have_keys(o)) {
        return fwi_options_int(o, FWI_OPT_RAW_USER) == FWI_RAW_USER_TOKEN
                   ? fwi_error(FW_ERR_OPTION,
                               "raw.user: token: a key is needed: token.hmac_secret, "
                               "token.public_key or token.jwks")
                   : FW_OK;
    }
    fwi_keys *all = fwi_keys_new(fwi_options_text(o, FWI_OPT_TOKEN_ISSUER),
                                 fwi_options_text(o, FWI_OPT_TOKEN_AUDIENCE));
    if (all == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    int err = add_all(all, o);
    if (err != FW_OK) {
        fwi_keys_unref(all);
        return err;
    }
    *keys = all;
    return FW_OK;
}
