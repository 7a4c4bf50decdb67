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

#include "base/hex.h"

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379, DATABASE_MAX = 65535 };

static const char several[] = "several Redis servers are not supported yet: name one";

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

static const char *percent_decode(char *out, size_t cap, const char *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)p[i];
        if (c == '%') {
            int high = i + 2 < len ? fwi_hex_digit(p[i + 1]) : -1;
            int low = high >= 0 ? fwi_hex_digit(p[i + 2]) : -1;
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

static const char *read_database(const char *p, size_t len, fwi_redis_url *u)
{
    long n = number(p, len, DATABASE_MAX);
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
    return take(&query, "?db=") ? read_database(query, strlen(query), u)
                                : "behind a Unix socket's name only ?db=N is allowed";
}

static const char *read_redis_tcp(const char *p, fwi_redis_url *u)
{
    size_t len = strcspn(p, "/?#");
    if (memchr(p, ',', len) != NULL) {
        return several;
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
    return *p == '\0' || strcmp(p, "/") == 0 ? NULL
                                             : read_database(p + 1, strlen(p + 1), u);
}

/* --- redis.url with Sentinels or a Cluster --- */

static const char *read_hosts(const char *p, size_t len, fwi_redis_url *u)
{
    bool cluster = u->kind == FWI_REDIS_CLUSTER;
    const char *end = p + len;
    for (;;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        size_t n = (size_t)((comma ? comma : end) - p);
        if (u->n_hosts == FWI_REDIS_HOSTS_MAX) {
            return cluster ? "at most 16 nodes of the Cluster" : "at most 16 Sentinels";
        }
        fwi_redis_host *h = &u->hosts[u->n_hosts++];
        h->port = cluster ? REDIS_PORT : SENTINEL_PORT;
        const char *problem = read_address(p, n, h->host, sizeof h->host, &h->port);
        if (problem != NULL) {
            return problem;
        }
        if (h->port == 0) {
            return cluster ? "the port of a Redis server is a number from 1 to 65535"
                           : "the port of a Sentinel is a number from 1 to 65535";
        }
        if (comma == NULL) {
            return NULL;
        }
        p = comma + 1;
    }
}

/* One of db=N, sentinel_user=U, sentinel_password=P. */
static const char *read_sentinel_setting(const char *p, size_t len, fwi_redis_url *u)
{
    const char *value = p, *end = p + len;
    if (memchr(p, ',', len) != NULL) {
        return "a comma in a user or password is written %2C";
    }
    if (take(&value, "db=")) {
        return read_database(value, (size_t)(end - value), u);
    }
    if (take(&value, "sentinel_user=")) {
        return percent_decode(u->sentinel_user, sizeof u->sentinel_user, value,
                              (size_t)(end - value));
    }
    if (take(&value, "sentinel_password=")) {
        return percent_decode(u->sentinel_password, sizeof u->sentinel_password, value,
                              (size_t)(end - value));
    }
    return "behind the name of a master are allowed "
           "?db=N&sentinel_user=USER&sentinel_password=PASSWORD";
}

/* What Sentinel itself allows in a master's name. */
static bool is_master_name(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)p[i]) && strchr(".-_", p[i]) == NULL) {
            return false;
        }
    }
    return len > 0;
}

static const char *read_redis_sentinel(const char *p, fwi_redis_url *u)
{
    u->kind = FWI_REDIS_SENTINEL;
    size_t len = strcspn(p, "/?#");
    const char *problem = read_hosts(p, len, u);
    if (problem != NULL) {
        return problem;
    }
    p += len;
    len = *p == '/' ? strcspn(p + 1, "?") : 0;
    if (len == 0) {
        return "the name of the master is missing: "
               "redis+sentinel://HOST:PORT,HOST:PORT/MASTER";
    }
    if (memchr(p + 1, ',', len) != NULL) {
        return several;
    }
    if (!is_master_name(p + 1, len) || !copy(u->master, sizeof u->master, p + 1, len)) {
        return "the name of a master has up to 127 letters, digits and . - _";
    }
    p += 1 + len;
    while (*p != '\0') {
        p++; /* ? or & */
        len = strcspn(p, "&");
        problem = read_sentinel_setting(p, len, u);
        if (problem != NULL) {
            return problem;
        }
        p += len;
    }
    return NULL;
}

static const char *read_redis_cluster(const char *p, fwi_redis_url *u)
{
    size_t len = strcspn(p, "/?#");
    const char *problem = read_hosts(p, len, u);
    if (problem != NULL) {
        return problem;
    }
    p += len;
    return *p == '\0' || strcmp(p, "/") == 0 || strcmp(p, "/0") == 0
               ? NULL
               : "behind the nodes of a Cluster nothing is allowed: it has one database";
}

fwi_redis_url fwi_redis_url_of_host(const fwi_redis_url *u)
{
    bool sentinel = u->kind == FWI_REDIS_SENTINEL;
    fwi_redis_url out = {.kind = FWI_REDIS_ONE, .tls = u->tls};
    memcpy(out.user, sentinel ? u->sentinel_user : u->user, sizeof out.user);
    memcpy(out.password, sentinel ? u->sentinel_password : u->password,
           sizeof out.password);
    return out;
}

/* --- redis.url, all forms --- */

static const char *read_behind_user(const char *p, fwi_redis_url *u)
{
    return u->is_unix                      ? read_redis_unix(p, u)
           : u->kind == FWI_REDIS_SENTINEL ? read_redis_sentinel(p, u)
           : u->kind == FWI_REDIS_CLUSTER  ? read_redis_cluster(p, u)
                                           : read_redis_tcp(p, u);
}

static bool read_scheme(const char **p, fwi_redis_url *u)
{
    static const struct {
        const char *scheme;
        fwi_redis_kind kind;
        bool tls;
    } several_hosts[] = {
        {"redis+sentinel://", FWI_REDIS_SENTINEL, false},
        {"rediss+sentinel://", FWI_REDIS_SENTINEL, true},
        {"redis+cluster://", FWI_REDIS_CLUSTER, false},
        {"rediss+cluster://", FWI_REDIS_CLUSTER, true},
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(several_hosts); i++) {
        if (take(p, several_hosts[i].scheme)) {
            u->kind = several_hosts[i].kind;
            u->tls = several_hosts[i].tls;
            return true;
        }
    }
    u->is_unix = take(p, "redis+unix://");
    u->tls = !u->is_unix && take(p, "rediss://");
    return u->is_unix || u->tls || take(p, "redis://");
}

const char *fwi_redis_url_parse(const char *text, fwi_redis_url *out)
{
    const char *p = text;
    *out = (fwi_redis_url){0};
    if (!read_scheme(&p, out)) {
        return "allowed are redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://..., "
               "redis+unix:///FILE.sock[?db=N], redis+sentinel://HOST:PORT,.../MASTER, "
               "redis+cluster://HOST:PORT,...";
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
    return read_behind_user(p, out);
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

/* HOST:PORT, [IPV6]:PORT */
static size_t host_text(const char *host, int port, char *out, size_t cap)
{
    bool v6 = strchr(host, ':') != NULL;
    int n = snprintf(out, cap, "%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return FWI_MIN((size_t)n, cap - 1);
}

void fwi_redis_url_text(const fwi_redis_url *u, char *out, size_t cap)
{
    char user[3 * sizeof u->user + 8], hosts[1024];
    user_text(u->user, user, sizeof user);
    if (u->is_unix) {
        snprintf(out, cap, "redis+unix://%s%s?db=%d", user, u->file, u->database);
        return;
    }
    const char *scheme = u->tls ? "rediss" : "redis";
    if (u->kind == FWI_REDIS_ONE) {
        host_text(u->host, u->port, hosts, sizeof hosts);
        snprintf(out, cap, "%s://%s%s/%d", scheme, user, hosts, u->database);
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < u->n_hosts && n + 2 < sizeof hosts; i++) {
        if (i > 0) {
            hosts[n++] = ',';
        }
        n += host_text(u->hosts[i].host, u->hosts[i].port, hosts + n, sizeof hosts - n);
    }
    if (u->kind == FWI_REDIS_CLUSTER) {
        snprintf(out, cap, "%s+cluster://%s%s", scheme, user, hosts);
    } else {
        snprintf(out, cap, "%s+sentinel://%s%s/%s?db=%d", scheme, user, hosts, u->master,
                 u->database);
    }
}
