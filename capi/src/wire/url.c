/*
 * The three forms of addresses that options hold. One reader of HOST:PORT serves all.
 *
 * Called while options are checked, so what is wrong is said in a sentence that tells
 * what is allowed; and for log lines. Pure; @thread any
 */
#include "wire/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum { REDIS_PORT = 6379, DATABASE_MAX = 65535 };

static bool take(const char **p, const char *what)
{
    size_t n = strlen(what);
    if (strncmp(*p, what, n) != 0) {
        return false;
    }
    *p += n;
    return true;
}

static bool copy(char *out, size_t cap, const char *from, size_t len)
{
    if (len >= cap) {
        return false;
    }
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

/* Digits only, 0 to max; -1 if it is anything else. */
static long number(const char *p, size_t len, long max)
{
    long n = 0;
    if (len == 0 || len > 6) {
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)p[i])) {
            return -1;
        }
        n = n * 10 + (p[i] - '0');
    }
    return n <= max ? n : -1;
}

static bool is_host_name(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)p[i]) && p[i] != '.' && p[i] != '-' && p[i] != '_') {
            return false;
        }
    }
    return len > 0;
}

/* An IPv6 address as it stands between brackets; "fe80::1%eth0" too. */
static bool is_ipv6(const char *text)
{
    char address[256];
    struct in6_addr in6;
    size_t len = strcspn(text, "%");
    return copy(address, sizeof address, text, len) &&
           (text[len] == '\0' || text[len + 1] != '\0') &&
           inet_pton(AF_INET6, address, &in6) == 1;
}

/* HOST or [IPV6], which leaves *rest at what stands behind. */
static const char *read_host(const char *p, size_t len, char *host, size_t cap,
                             size_t *taken)
{
    if (len > 0 && p[0] == '[') {
        const char *close = memchr(p, ']', len);
        if (close == NULL || !copy(host, cap, p + 1, (size_t)(close - p) - 1) ||
            !is_ipv6(host)) {
            return "not an IPv6 address between [ and ]";
        }
        *taken = (size_t)(close - p) + 1;
        return NULL;
    }
    const char *colon = memchr(p, ':', len);
    size_t n = colon ? (size_t)(colon - p) : len;
    if (colon && memchr(colon + 1, ':', len - n - 1) != NULL) {
        return "an IPv6 address must stand between [ and ]";
    }
    if (n == 0) {
        return "a host is missing";
    }
    if (!is_host_name(p, n) || !copy(host, cap, p, n)) {
        return "not the name or address of a host";
    }
    *taken = n;
    return NULL;
}

/* HOST[:PORT]; without a port *port stays as it is. */
static const char *read_address(const char *p, size_t len, char *host, size_t cap,
                                int *port)
{
    size_t taken = 0;
    const char *problem = read_host(p, len, host, cap, &taken);
    if (problem || taken == len) {
        return problem;
    }
    long n = p[taken] == ':' ? number(p + taken + 1, len - taken - 1, 65535) : -1;
    if (n < 0) {
        return "a port is a number from 0 to 65535";
    }
    *port = (int)n;
    return NULL;
}

/* --- listen, http.listen --- */

static const char *read_listen_path(const char *p, fwi_listen_url *u)
{
    if (*p == '\0') {
        p = "/";
    }
    for (const char *c = p; *c; c++) {
        if (*c <= 0x20 || *c >= 0x7f || *c == '?' || *c == '#') {
            return "a path has no query, no blanks and only ASCII";
        }
    }
    return copy(u->path, sizeof u->path, p, strlen(p)) ? NULL : "the path is too long";
}

static const char *read_listen_unix(const char *p, fwi_listen_url *u)
{
    u->is_unix = true;
    const char *colon = strstr(p, ":/");
    size_t len = colon ? (size_t)(colon - p) : strlen(p);
    if (p[0] != '/' || len < 2) {
        return "allowed is unix:/FILE.sock:/PATH";
    }
    if (!copy(u->file, sizeof u->file, p, len)) {
        return "the name of a Unix socket has at most 107 bytes";
    }
    return read_listen_path(colon ? colon + 1 : "", u);
}

const char *fwi_listen_url_parse(const char *text, fwi_listen_url *out)
{
    const char *p = text;
    *out = (fwi_listen_url){.port = -1};
    if (take(&p, "unix:")) {
        return read_listen_unix(p, out);
    }
    out->tls = take(&p, "wss://");
    if (!out->tls && !take(&p, "ws://")) {
        return "allowed are ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, "
               "unix:/FILE.sock:/PATH";
    }
    size_t len = strcspn(p, "/?#");
    if (memchr(p, '@', len) != NULL) {
        return "an address to listen on has no user";
    }
    const char *problem = read_address(p, len, out->host, sizeof out->host, &out->port);
    if (problem) {
        return problem;
    }
    if (out->port < 0) {
        return "a port is needed: ws://HOST:PORT/PATH (0 picks a free one)";
    }
    return read_listen_path(p + len, out);
}

const char *fwi_address_parse(const char *text, fwi_listen_url *out)
{
    out->is_unix = false;
    out->port = -1;
    const char *problem =
        read_address(text, strlen(text), out->host, sizeof out->host, &out->port);
    if (problem == NULL && out->port < 0) {
        problem = "a port is needed: HOST:PORT (0 picks a free one)";
    }
    return problem;
}

void fwi_listen_url_text(const fwi_listen_url *u, int port, char *out, size_t cap)
{
    if (u->is_unix) {
        snprintf(out, cap, "unix:%s:%s", u->file, u->path);
        return;
    }
    bool v6 = strchr(u->host, ':') != NULL;
    snprintf(out, cap, "%s://%s%s%s:%d%s", u->tls ? "wss" : "ws", v6 ? "[" : "", u->host,
             v6 ? "]" : "", port, u->path);
}

/* --- redis.url --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *percent_decode(char *out, size_t cap, const char *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)p[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(p[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(p[i + 2]) : -1;
            c = low >= 0 ? high << 4 | low : 0;
            i += 2;
        }
        if (c == 0) {
            return "in a user or password % begins two hexadecimal digits, not 00";
        }
        if (n + 1 >= cap) {
            return "the user or password is too long";
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return NULL;
}

/* USER, USER:PASSWORD or :PASSWORD */
static const char *read_user(const char *p, size_t len, fwi_redis_url *u)
{
    const char *colon = memchr(p, ':', len);
    size_t user = colon ? (size_t)(colon - p) : len;
    const char *problem = percent_decode(u->user, sizeof u->user, p, user);
    if (problem == NULL && colon) {
        problem =
            percent_decode(u->password, sizeof u->password, colon + 1, len - user - 1);
    }
    return problem;
}

static const char *read_database(const char *p, fwi_redis_url *u)
{
    long n = number(p, strlen(p), DATABASE_MAX);
    if (n < 0) {
        return "the database is a number, 0 to 65535";
    }
    u->database = (int)n;
    return NULL;
}

static const char *read_redis_unix(const char *p, fwi_redis_url *u)
{
    u->is_unix = true;
    size_t len = strcspn(p, "?");
    if (p[0] != '/' || len < 2) {
        return "allowed is redis+unix:///FILE.sock[?db=N], with an absolute file name";
    }
    const char *query = p + len;
    if (!copy(u->file, sizeof u->file, p, len)) {
        return "the name of a Unix socket has at most 107 bytes";
    }
    if (*query == '\0') {
        return NULL;
    }
    return take(&query, "?db=") ? read_database(query, u)
                                : "behind a Unix socket's name only ?db=N is allowed";
}

static const char *read_redis_tcp(const char *p, fwi_redis_url *u)
{
    size_t len = strcspn(p, "/?#");
    if (memchr(p, ',', len) != NULL) {
        return "several Redis servers are not supported yet: name one";
    }
    u->port = REDIS_PORT;
    const char *problem = read_address(p, len, u->host, sizeof u->host, &u->port);
    if (problem) {
        return problem;
    }
    if (u->port == 0) {
        return "the port of a Redis server is a number from 1 to 65535";
    }
    p += len;
    if (*p == '?' || *p == '#') {
        return "behind the host only /DATABASE is allowed";
    }
    return *p == '\0' || strcmp(p, "/") == 0 ? NULL : read_database(p + 1, u);
}

const char *fwi_redis_url_parse(const char *text, fwi_redis_url *out)
{
    const char *p = text;
    *out = (fwi_redis_url){0};
    if (take(&p, "redis+sentinel:")) {
        return "Sentinel is not supported yet: allowed are redis://, rediss://, "
               "redis+unix://";
    }
    if (take(&p, "redis+cluster:")) {
        return "Cluster is not supported yet: allowed are redis://, rediss://, "
               "redis+unix://";
    }
    bool is_unix = take(&p, "redis+unix://");
    out->tls = !is_unix && take(&p, "rediss://");
    if (!is_unix && !out->tls && !take(&p, "redis://")) {
        return "allowed are redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://..., "
               "redis+unix:///FILE.sock[?db=N]";
    }
    /* The last @: one inside a password may have been left unescaped. */
    size_t len = strcspn(p, "/?#");
    const char *at = memrchr(p, '@', len);
    if (at) {
        const char *problem = read_user(p, (size_t)(at - p), out);
        if (problem) {
            return problem;
        }
        p = at + 1;
    }
    return is_unix ? read_redis_unix(p, out) : read_redis_tcp(p, out);
}

/* "user@" with what isn't harmless in a log line escaped, "" without a user. */
static void user_text(const char *user, char *out, size_t cap)
{
    size_t n = 0;
    for (; *user && n + 5 < cap; user++) {
        unsigned char c = (unsigned char)*user;
        if (isalnum(c) || strchr("-._~", c) != NULL) {
            out[n++] = (char)c;
        } else {
            n += (size_t)snprintf(out + n, cap - n, "%%%02X", c);
        }
    }
    if (n > 0) {
        out[n++] = '@';
    }
    out[n] = '\0';
}

void fwi_redis_url_text(const fwi_redis_url *u, char *out, size_t cap)
{
    char user[3 * sizeof u->user + 8];
    user_text(u->user, user, sizeof user);
    if (u->is_unix) {
        snprintf(out, cap, "redis+unix://%s%s?db=%d", user, u->file, u->database);
        return;
    }
    bool v6 = strchr(u->host, ':') != NULL;
    snprintf(out, cap, "%s://%s%s%s%s:%d/%d", u->tls ? "rediss" : "redis", user,
             v6 ? "[" : "", u->host, v6 ? "]" : "", u->port, u->database);
}
