/*
 * `fanwired token`: prints a token for a user, signed with the secret that the servers
 * verify with, or with a private key from a file. Asks no server and no Redis.
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "question.h"
#include "report.h"

enum { KEY_MAX = 65536, TOKEN_ROOM = 65537 };

/* A member whose value is a text; NULL: it isn't put there. */
static void put_text(FILE *out, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        fwd_put_field(out, false, name, text, strlen(text));
    }
}

/* A member whose value is JSON already; the library checks that the whole is. */
static void put_json(FILE *out, const char *name, const char *json)
{
    if (json != NULL) {
        fprintf(out, ",\"%s\":%s", name, json);
    }
}

static void put_list(FILE *out, const char *name, const char *items)
{
    if (items == NULL) {
        return;
    }
    fprintf(out, ",\"%s\":", name);
    for (const char *at = items, *end; at != NULL; at = *end == ',' ? end + 1 : NULL) {
        end = at + strcspn(at, ",");
        fputc(at == items ? '[' : ',', out);
        fwd_put_string(out, at, (size_t)(end - at));
    }
    fputc(']', out);
}

/* "1h" in seconds; -1: it is none. Options are checked by the library, but this is none.
 */
static int64_t read_duration(const char *text)
{
    static const struct {
        const char *name;
        int64_t s;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}};
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (errno == 0 && text[0] >= '0' && text[0] <= '9' && n <= INT32_MAX &&
            strcmp(end, units[i].name) == 0) {
            return n * units[i].s;
        }
    }
    return -1;
}

/* An hour if nothing is said: a token that is lost isn't good for ever. */
static int put_expiry(FILE *out, const char *expire)
{
    int64_t s = read_duration(expire != NULL ? expire : "1h");
    if (s < 0) {
        return fwd_report(FWD_CONFIGURATION,
                          "expire: %s: a whole number with s, m or h; 0s is never",
                          expire);
    }
    if (s > 0) {
        fprintf(out, ",\"exp\":%" PRId64, (int64_t)time(NULL) + s);
    }
    return FWD_OK;
}

/* The claims into *text, to be given to free(). */
static int make_claims(const fwd_args *args, const fw_options *options, char **text)
{
    size_t len;
    const char *user = fwd_args_flag(args, "user");
    FILE *out = open_memstream(text, &len);
    if (out == NULL) {
        return fwd_report(FWD_FAILED, "out of memory");
    }
    fwd_put_field(out, true, "sub", user, strlen(user));
    fprintf(out, ",\"iat\":%" PRId64, (int64_t)time(NULL));
    int status = put_expiry(out, fwd_args_flag(args, "expire"));
    put_text(out, "iss", fw_options_get(options, "token.issuer"));
    put_text(out, "aud", fw_options_get(options, "token.audience"));
    put_text(out, "channel", fwd_args_flag(args, "channel"));
    put_text(out, "client", fwd_args_flag(args, "client"));
    put_list(out, "channels", fwd_args_flag(args, "channels"));
    put_json(out, "info", fwd_args_flag(args, "info"));
    put_json(out, "meta", fwd_args_flag(args, "meta"));
    put_json(out, "data", fwd_args_flag(args, "data"));
    fputc('}', out);
    if (fclose(out) != 0) {
        free(*text);
        *text = NULL;
        return fwd_report(FWD_FAILED, "out of memory");
    }
    return status;
}

static int read_key_file(const char *path, char *key)
{
    char why[128];
    FILE *file = fopen(path, "re");
    size_t n = file != NULL ? fread(key, 1, KEY_MAX - 1, file) : 0;
    bool read = file != NULL && !ferror(file);
    if (!read) {
        (void)fwd_report(FWD_FAILED, "key: %s: %s", path,
                         strerror_r(errno, why, sizeof why));
    }
    if (file != NULL) {
        fclose(file);
    }
    key[n] = '\0';
    if (read && strstr(key, "-----BEGIN ") == NULL) {
        return fwd_report(FWD_CONFIGURATION, "key: %s: a private key in PEM is wanted",
                          path);
    }
    return read ? FWD_OK : FWD_FAILED;
}

/* What to sign with, into key (KEY_MAX bytes). */
static int read_key(const fwd_args *args, const fw_options *options, char *key)
{
    const char *path = fwd_args_flag(args, "key");
    const char *secrets = fw_options_get(options, "token.hmac_secret");
    if (path != NULL) {
        return read_key_file(path, key);
    }
    if (secrets[0] == '\0') {
        return fwd_report(FWD_CONFIGURATION,
                          "token.hmac_secret: token needs it, or --key FILE with a "
                          "private key");
    }
    snprintf(key, KEY_MAX, "%.*s", (int)strcspn(secrets, ","), secrets);
    return FWD_OK;
}

static int print_token(const fwd_args *args, const char *token)
{
    if (args->json) {
        fwd_print_field(true, "token", token, strlen(token));
        puts("}");
    } else {
        puts(token);
    }
    return fflush(stdout) == 0 ? FWD_OK : FWD_FAILED;
}

static int sign(const fwd_args *args, const char *claims, const char *key)
{
    char *token = malloc(TOKEN_ROOM);
    int err = token != NULL ? fw_token_sign(claims, key, fwd_args_flag(args, "kid"),
                                            token, TOKEN_ROOM)
                            : FW_ERR_MEMORY;
    int status = err == FW_OK
                     ? print_token(args, token)
                     : fwd_report_error(
                           err == FW_ERR_MEMORY ? FWD_FAILED : FWD_CONFIGURATION, err);
    free(token);
    return status;
}

int fwd_token(const fwd_args *args, const fw_options *options)
{
    char key[KEY_MAX], *claims = NULL;
    if (fwd_args_flag(args, "user") == NULL) {
        return fwd_report(FWD_CONFIGURATION,
                          "usage: fanwired token --user USER [--expire 1h] [--channel "
                          "ROOM] [--name value]...");
    }
    int status = read_key(args, options, key);
    if (status == FWD_OK) {
        status = make_claims(args, options, &claims);
    }
    if (status == FWD_OK) {
        status = sign(args, claims, key);
    }
    explicit_bzero(key, sizeof key);
    free(claims);
    return status;
}
