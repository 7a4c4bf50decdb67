/*
 * How values of options are written and read. See the header.
 */
#include "core/options_value.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include <fanwire/error.h>

#include "base/log.h"
#include "wire/name.h"
#include "wire/token_keys.h"
#include "wire/url.h"
#include "wire/ws_handshake.h"

const char fwi_option_no_memory[] = "out of memory";

static const char *check_listen_url(const char *text)
{
    fwi_listen_url url;
    return fwi_listen_url_parse(text, &url);
}

static const char *check_address(const char *text)
{
    fwi_listen_url url;
    return text[0] == '\0' ? NULL : fwi_address_parse(text, &url);
}

static const char *check_redis_url(const char *text)
{
    fwi_redis_url url;
    return text[0] == '\0' ? NULL : fwi_redis_url_parse(text, &url);
}

/* Braces would move the hash tag of a Cluster, % is the escape of channel names, and
 * the rest keeps `redis-cli` usable without quoting. */
static const char *check_prefix(const char *text)
{
    size_t len = strlen(text);
    bool fine = len >= 1 && len <= 64;
    for (size_t i = 0; i < len; i++) {
        fine = fine && text[i] > ' ' && text[i] < 0x7f &&
               strchr("{}%*?[]\\", text[i]) == NULL;
    }
    return fine ? NULL : "1 to 64 ASCII characters without blanks and { } % * ? [ ] \\";
}

static const char *check_node(const char *text)
{
    return text[0] == '\0' ? NULL : fwi_name_problem(text, strlen(text));
}

static const char *check_origin(const char *text)
{
    static const char problem[] =
        "an origin as browsers send it, https://example.org or https://example.org:8443, "
        "or *";
    if (strcmp(text, "*") == 0) {
        return NULL;
    }
    const char *host = strstr(text, "://");
    if (host == NULL || host == text || host[3] == '\0') {
        return problem;
    }
    return strpbrk(host + 3, "/?#@ \t") == NULL ? NULL : problem;
}

static const char *check_network(const char *text)
{
    size_t bad = 0;
    fwi_networks *networks = fwi_networks_new(&text, 1, &bad);
    if (networks == NULL) {
        return bad == 0 ? "an address or network, 10.0.0.0/8 or ::1, or unix"
                        : fwi_option_no_memory;
    }
    fwi_networks_free(networks);
    return NULL;
}

/* What a header can carry, and two spellings can't be mixed up. */
static const char *check_api_key(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~') {
            return "ASCII characters without blanks";
        }
    }
    return NULL;
}

static const char *check_password(const char *text)
{
    return text[0] == '\0' || strlen(text) >= 8 ? NULL
                                                : "a password must have 8 bytes or more";
}

static const char *check_path(const char *text)
{
    bool good = text[0] == '\0' || /* off */
                (text[0] == '/' && strpbrk(text, "?# \t\r\n") == NULL);
    return good ? NULL : "begins with / and has no query and no blanks";
}

static const char *check_secret(const char *text)
{
    _Static_assert(FWI_KEYS_SECRET_MIN == 32, "the sentence says so");
    return strlen(text) >= FWI_KEYS_SECRET_MIN
               ? NULL
               : "each secret must have 32 bytes or more; a comma begins the next";
}

/* That it leads to somebody is seen when it is asked. */
static const char *check_http_url(const char *text)
{
    static const char problem[] = "a URL, http://HOST:PORT/PATH or https://...";
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    if (text[0] == '\0') {
        return NULL;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~') {
            return problem;
        }
    }
    return scheme > 0 && strcspn(text + scheme, "/?#") > 0 ? NULL : problem;
}

/* RFC 9110 5.6.2: what the name of a header is made of. And those which a request to a
 * hook has of its own can't be somebody else's. */
static const char *check_header_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_!#$%&'*+.^`|~";
    static const char *const own[] = {
        "host",    "content-length", "content-type", "connection", "transfer-encoding",
        "upgrade", "expect",         "te",           "trailer"};
    if (text[0] == '\0' || text[strspn(text, letters)] != '\0') {
        return "the name of a header, without a colon";
    }
    for (size_t i = 0; i < FWI_ARRAY_LEN(own); i++) {
        if (strcasecmp(text, own[i]) == 0) {
            return "this header says something of the request itself";
        }
    }
    return NULL;
}

static const char *check_header_secret(const char *text)
{
    if (text[0] != '\0' && strlen(text) < 8) {
        return "8 characters or more";
    }
    return check_api_key(text);
}

const fwi_option_type fwi_option_types[FWI_TYPE_COUNT] = {
    [FWI_TYPE_NUMBER] = {.name = "number", .kind = FWI_KIND_NUMBER},
    [FWI_TYPE_THREADS] = {.name = "number", .kind = FWI_KIND_NUMBER, .can_be_auto = true},
    [FWI_TYPE_DURATION] = {.name = "duration", .kind = FWI_KIND_DURATION},
    [FWI_TYPE_SIZE] = {.name = "size", .kind = FWI_KIND_SIZE},
    [FWI_TYPE_SWITCH] = {.name = "switch",
                         .kind = FWI_KIND_SWITCH,
                         .allowed = "on or off"},
    /* Choices: in the order of the enums in options.h. */
    [FWI_TYPE_EVENTS] = {.name = "choice",
                         .kind = FWI_KIND_CHOICE,
                         .allowed = "inline|queued"},
    [FWI_TYPE_POLICY] = {.name = "choice",
                         .kind = FWI_KIND_CHOICE,
                         .allowed = "close|drop_oldest|drop_newest|latest"},
    [FWI_TYPE_LEVEL] = {.name = "choice",
                        .kind = FWI_KIND_CHOICE,
                        .allowed = "error|warn|info|debug|trace"},
    [FWI_TYPE_LOG_FORMAT] = {.name = "choice",
                             .kind = FWI_KIND_CHOICE,
                             .allowed = "text|json"},
    [FWI_TYPE_RAW_MODE] = {.name = "choice",
                           .kind = FWI_KIND_CHOICE,
                           .allowed = "app|rooms"},
    [FWI_TYPE_RAW_FORMAT] = {.name = "choice",
                             .kind = FWI_KIND_CHOICE,
                             .allowed = "plain|json"},
    [FWI_TYPE_RAW_USER] = {.name = "choice",
                           .kind = FWI_KIND_CHOICE,
                           .allowed = "auto|query|token|none"},
    [FWI_TYPE_RECOVERY] = {.name = "choice",
                           .kind = FWI_KIND_CHOICE,
                           .allowed = "stream|cache"},
    [FWI_TYPE_LISTEN_URLS] = {.name = "list",
                              .kind = FWI_KIND_LIST,
                              .allowed = "ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, "
                                         "unix:/FILE.sock:/PATH, or off",
                              .check = check_listen_url,
                              .can_be_off = true},
    [FWI_TYPE_ADDRESS] = {.name = "text",
                          .kind = FWI_KIND_TEXT,
                          .allowed = "HOST:PORT, or off",
                          .check = check_address,
                          .can_be_off = true},
    [FWI_TYPE_REDIS_URL] = {.name = "text",
                            .kind = FWI_KIND_TEXT,
                            .allowed = "redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], "
                                       "rediss://... (TLS), "
                                       "redis+unix:///FILE.sock[?db=N], "
                                       "redis+sentinel://HOST[:PORT],.../MASTER or "
                                       "redis+cluster://HOST[:PORT],...",
                            .check = check_redis_url,
                            .has_password = true},
    [FWI_TYPE_PREFIX] = {.name = "text",
                         .kind = FWI_KIND_TEXT,
                         .allowed = "1 to 64 ASCII characters without blanks and "
                                    "{ } % * ? [ ] \\",
                         .check = check_prefix},
    [FWI_TYPE_NODE] = {.name = "text",
                       .kind = FWI_KIND_TEXT,
                       .allowed = "1 to 255 bytes of UTF-8 without control characters",
                       .check = check_node},
    [FWI_TYPE_ORIGINS] = {.name = "list",
                          .kind = FWI_KIND_LIST,
                          .allowed = "https://example.org, https://example.org:8443, ... "
                                     "or *",
                          .check = check_origin},
    [FWI_TYPE_NETWORKS] = {.name = "list",
                           .kind = FWI_KIND_LIST,
                           .allowed =
                               "addresses and networks, 10.0.0.0/8 or ::1, or unix",
                           .check = check_network},
    [FWI_TYPE_FILE_NAME] = {.name = "text",
                            .kind = FWI_KIND_TEXT,
                            .allowed = "the path of a file"},
    [FWI_TYPE_API_KEYS] = {.name = "list",
                           .kind = FWI_KIND_LIST,
                           .allowed =
                               "keys of ASCII characters without blanks and commas",
                           .check = check_api_key,
                           .is_secret = true},
    [FWI_TYPE_PASSWORD] = {.name = "text",
                           .kind = FWI_KIND_TEXT,
                           .allowed = "8 bytes or more",
                           .check = check_password,
                           .is_secret = true},
    [FWI_TYPE_PATH] = {.name = "text",
                       .kind = FWI_KIND_TEXT,
                       .allowed = "/PATH, or off",
                       .check = check_path,
                       .can_be_off = true},
    [FWI_TYPE_FILE_NAMES] = {.name = "list",
                             .kind = FWI_KIND_LIST,
                             .allowed = "paths of files"},
    [FWI_TYPE_TEXT] = {.name = "text", .kind = FWI_KIND_TEXT, .allowed = "any text"},
    [FWI_TYPE_SECRETS] = {.name = "list",
                          .kind = FWI_KIND_LIST,
                          .allowed = "secrets of 32 bytes or more, without commas",
                          .check = check_secret,
                          .is_secret = true},
    [FWI_TYPE_PEMS] = {.name = "list",
                       .kind = FWI_KIND_LIST,
                       .allowed = "paths of files, or PEM texts themselves",
                       .has_lines = true},
    [FWI_TYPE_HTTP_URL] = {.name = "text",
                           .kind = FWI_KIND_TEXT,
                           .allowed = "http://[USER:PASSWORD@]HOST[:PORT]/PATH or "
                                      "https://...",
                           .check = check_http_url,
                           .has_password = true},
    [FWI_TYPE_HEADER_NAMES] = {.name = "list",
                               .kind = FWI_KIND_LIST,
                               .allowed = "names of headers",
                               .check = check_header_name},
    [FWI_TYPE_HEADER_SECRET] = {.name = "text",
                                .kind = FWI_KIND_TEXT,
                                .allowed = "8 or more ASCII characters without blanks",
                                .check = check_header_secret,
                                .is_secret = true},
};

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;

/* Largest first: values are shown in the largest unit that divides them. */
static const unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const unit sizes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}};

static void show_with_unit(const unit *units, int64_t value, char *out, size_t cap)
{
    const unit *u = units;
    while (u->factor > 1 && value % u->factor != 0) {
        u++;
    }
    if (value == 0) {
        u = units == durations ? &durations[2] : &sizes[3];
    }
    snprintf(out, cap, "%" PRId64 "%s", value / u->factor, u->name);
}

/* "a|b|c" as "a, b or c". */
static void show_choices(const char *choices, char *out, size_t cap)
{
    size_t n = 0;
    for (const char *at = choices; *at != '\0' && n < cap;) {
        size_t len = strcspn(at, "|");
        const char *next = at[len] == '|' ? at + len + 1 : at + len;
        const char *glue = at == choices ? "" : *next == '\0' ? " or " : ", ";
        n += (size_t)snprintf(out + n, cap - n, "%s%.*s", glue, (int)len, at);
        at = next;
    }
}

void fwi_option_allowed(const fwi_option_row *row, char out[FWI_ALLOWED_MAX])
{
    char min[32], max[32];
    switch (row->type->kind) {
    case FWI_KIND_NUMBER:
        snprintf(out, FWI_ALLOWED_MAX, "a whole number from %" PRId64 " to %" PRId64 "%s",
                 row->min, row->max, row->type->can_be_auto ? ", or auto" : "");
        break;
    case FWI_KIND_DURATION:
        show_with_unit(durations, row->min, min, sizeof min);
        show_with_unit(durations, row->max, max, sizeof max);
        snprintf(out, FWI_ALLOWED_MAX, "a whole number with ms, s, m or h, from %s to %s",
                 min, max);
        break;
    case FWI_KIND_SIZE:
        show_with_unit(sizes, row->min, min, sizeof min);
        show_with_unit(sizes, row->max, max, sizeof max);
        snprintf(out, FWI_ALLOWED_MAX, "bytes, or with KiB, MiB or GiB, from %s to %s",
                 min, max);
        break;
    case FWI_KIND_CHOICE:
        show_choices(row->type->allowed, out, FWI_ALLOWED_MAX);
        break;
    default:
        snprintf(out, FWI_ALLOWED_MAX, "%s", row->type->allowed);
    }
}

/* Digits only, no sign, no blanks; *rest is what follows them. False: no digit, or more
 * than an option can hold. */
static bool read_digits(const char *text, int64_t *value, const char **rest)
{
    int64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, *p - '0', &v)) {
            return false;
        }
    }
    *value = v;
    *rest = p;
    return p != text;
}

static bool read_with_unit(const unit *units, size_t n, const char *text, int64_t *value)
{
    const char *rest;
    if (!read_digits(text, value, &rest)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rest, units[i].name) == 0) {
            return !__builtin_mul_overflow(*value, units[i].factor, value);
        }
    }
    return false;
}

static bool read_switch(const char *text, int64_t *value)
{
    static const char *const names[][3] = {{"off", "false", "no"}, {"on", "true", "yes"}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(names); i++) {
        for (size_t j = 0; j < FWI_ARRAY_LEN(names[i]); j++) {
            if (strcmp(text, names[i][j]) == 0) {
                *value = (int64_t)i;
                return true;
            }
        }
    }
    return false;
}

static bool read_choice(const char *choices, const char *text, int64_t *value)
{
    size_t len = strlen(text);
    int64_t i = 0;
    for (const char *at = choices; at != NULL; i++) {
        size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, text, n) == 0) {
            *value = i;
            return true;
        }
        at = at[n] == '|' ? at + n + 1 : NULL;
    }
    return false;
}

/* Is it well written? The range is looked at afterwards. */
static bool read_number(const fwi_option_row *row, const char *text, int64_t *value)
{
    const char *rest;
    switch (row->type->kind) {
    case FWI_KIND_NUMBER:
        return read_digits(text, value, &rest) && *rest == '\0';
    case FWI_KIND_DURATION:
        return read_with_unit(durations, FWI_ARRAY_LEN(durations), text, value);
    case FWI_KIND_SIZE:
        return read_with_unit(sizes, FWI_ARRAY_LEN(sizes), text, value);
    case FWI_KIND_SWITCH:
        return read_switch(text, value);
    case FWI_KIND_CHOICE:
        return read_choice(row->type->allowed, text, value);
    default:
        return false;
    }
}

static const char *read_text(const fwi_option_type *type, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        bool breaks = type->has_lines && (*p == '\n' || *p == '\r');
        if (!breaks && ((unsigned char)*p < ' ' || *p == 0x7f)) {
            return "no control characters";
        }
    }
    return type->check != NULL ? type->check(text) : NULL;
}

int fwi_option_read(const fwi_option_row *row, const char *text, int64_t *number,
                    char problem[FWI_PROBLEM_MAX])
{
    fwi_option_kind kind = row->type->kind;
    if (kind == FWI_KIND_TEXT || kind == FWI_KIND_LIST) {
        const char *wrong = read_text(row->type, text);
        if (wrong == NULL) {
            return FW_OK;
        }
        snprintf(problem, FWI_PROBLEM_MAX, "%s", wrong);
        return wrong == fwi_option_no_memory ? FW_ERR_MEMORY : FW_ERR_OPTION;
    }
    if (row->type->can_be_auto && strcmp(text, "auto") == 0) {
        *number = 0;
        return FW_OK;
    }
    int64_t value;
    bool ranged = kind != FWI_KIND_SWITCH && kind != FWI_KIND_CHOICE;
    if (read_number(row, text, &value) &&
        (!ranged || (value >= row->min && value <= row->max))) {
        *number = value;
        return FW_OK;
    }
    char allowed[FWI_ALLOWED_MAX];
    fwi_option_allowed(row, allowed);
    const char *rest;
    bool bare =
        kind == FWI_KIND_DURATION && read_digits(text, &value, &rest) && *rest == '\0';
    snprintf(problem, FWI_PROBLEM_MAX, "%s%s", bare ? "a duration needs its unit: " : "",
             allowed);
    return FW_ERR_OPTION;
}

/* Copies what stands behind ?, the values hidden: of a misspelt name nobody knows what it
 * is. That of db is shown. */
static void show_query(const char *query, char *out, size_t cap)
{
    size_t n = 0;
    while (*query != '\0' && n < cap) {
        size_t len = 1 + strcspn(query + 1, "&");
        const char *is = memchr(query, '=', len);
        bool shown = is == NULL || strncmp(query + 1, "db=", 3) == 0;
        size_t kept = shown ? len : (size_t)(is - query) + 1;
        n += (size_t)snprintf(out + n, cap - n, "%.*s%s", (int)kept, query,
                              shown ? "" : "***");
        query += len;
    }
}

const char *fwi_option_show(const char *text, char *out, size_t cap)
{
    char plain[1024];
    const char *userinfo = strstr(text, "://");
    userinfo = userinfo != NULL ? userinfo + 3 : text;
    /* The last @: a password that was not percent-encoded may hold one. */
    const char *at = strrchr(userinfo, '@');
    const char *query = userinfo + strcspn(userinfo, "?");
    const char *kept = userinfo, *rest = at != NULL ? at : userinfo;
    if (at != NULL && at < query) {
        /* Without a colon it isn't clear whether this is a name or a forgotten one's
         * secret. */
        const char *colon = memchr(userinfo, ':', (size_t)(at - userinfo));
        kept = colon != NULL ? colon + 1 : userinfo;
    } else if (at != NULL) {
        query = rest = text + strlen(text); /* Either may belong to a password. */
    }
    if (at == NULL && *query == '\0') {
        return fwi_log_quote(out, cap, text, strlen(text)); /* Nothing is a secret. */
    }
    size_t n = (size_t)snprintf(plain, sizeof plain, "%.*s%s%.*s", (int)(kept - text),
                                text, at != NULL ? "***" : "", (int)(query - rest), rest);
    if (n < sizeof plain) {
        show_query(query, plain + n, sizeof plain - n);
    }
    return fwi_log_quote(out, cap, plain, strlen(plain));
}

/* "--Redis_URL" is meant to be "redis.url". */
static size_t normal_name(const char *name, char *out, size_t cap)
{
    size_t n = 0;
    for (; *name != '\0' && n < cap; name++) {
        char c = *name;
        if (c == '_' || c == '-') {
            c = '.';
        } else if (c >= 'A' && c <= 'Z') {
            c = (char)(c + ('a' - 'A'));
        }
        if (c != '.' || n > 0) {
            out[n++] = c;
        }
    }
    return n;
}

size_t fwi_option_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    char x[LONGEST], y[LONGEST];
    size_t nx = normal_name(a, x, LONGEST), ny = normal_name(b, y, LONGEST);
    size_t row[LONGEST + 1]; /* of Levenshtein's matrix: y's prefixes against x's */
    for (size_t j = 0; j <= ny; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= nx; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= ny; j++) {
            size_t change = diagonal + (x[i - 1] != y[j - 1]);
            diagonal = row[j];
            row[j] = FWI_MIN(change, FWI_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[ny];
}
