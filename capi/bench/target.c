/*
 * Reading a URL and filling in its placeholders; see target.h. Called by the options and,
 * once a connection, by the crowd.
 */
#include "target.h"

#include <stdio.h>
#include <string.h>

static const char *const placeholders[] = {"{room}", "{user}", "{n}"};

enum { N_PLACEHOLDERS = sizeof placeholders / sizeof *placeholders };

/* Which placeholder stands here; N_PLACEHOLDERS: none. */
static unsigned placeholder_at(const char *p)
{
    unsigned i = 0;
    while (i < N_PLACEHOLDERS &&
           strncmp(p, placeholders[i], strlen(placeholders[i])) != 0) {
        i++;
    }
    return i;
}

static bool copy(char *out, size_t size, const char *from, size_t len)
{
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

static const char *read_port(target *t, const char *from, size_t len)
{
    if (len == 0) {
        strcpy(t->port, t->tls ? "443" : "80");
        return NULL;
    }
    unsigned port = 0;
    for (size_t i = 1; i < len && port < 65536; i++) {
        port = from[i] >= '0' && from[i] <= '9' ? port * 10 + (unsigned)(from[i] - '0')
                                                : 65536;
    }
    if (from[0] != ':' || port == 0 || port > 65535) {
        return "has no port of 1 to 65535 behind its host";
    }
    snprintf(t->port, sizeof t->port, "%u", port);
    return NULL;
}

static const char *read_path(target *t, const char *path)
{
    for (const char *p = path; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            return "has a blank or control character in its path";
        }
        if (*p == '#') {
            return "has a fragment, which no request carries";
        }
        if (*p == '{' && placeholder_at(p) == N_PLACEHOLDERS) {
            return "has a brace that begins none of {room}, {user} and {n}";
        }
    }
    if (strlen(path) + 2 > sizeof t->path) {
        return "is too long";
    }
    snprintf(t->path, sizeof t->path, "%s%s", *path == '/' ? "" : "/", path);
    return NULL;
}

const char *target_read(target *t, const char *url)
{
    t->tls = strncmp(url, "wss://", 6) == 0;
    if (!t->tls && strncmp(url, "ws://", 5) != 0) {
        return "begins with neither ws:// nor wss://";
    }
    const char *host = url + (t->tls ? 6 : 5);
    size_t authority = strcspn(host, "/?#"), len = strcspn(host, ":/?#");
    const char *behind = host + len;
    if (*host == '[') { /* an IPv6 address: the brackets are the URL's, not its */
        const char *end = memchr(host, ']', authority);
        host++;
        len = end ? (size_t)(end - host) : 0;
        behind = end ? end + 1 : host;
        authority--;
    }
    if (!copy(t->host, sizeof t->host, host, len)) {
        return "has no host, or one that is too long";
    }
    const char *path = host + authority;
    const char *wrong = read_port(t, behind, (size_t)(path - behind));
    return wrong ? wrong : read_path(t, path);
}

bool target_has(const target *t, const char *placeholder)
{
    return strstr(t->path, placeholder) != NULL;
}

size_t target_path(const target *t, const target_names *names, char *out, size_t size)
{
    char number[12];
    snprintf(number, sizeof number, "%u", names->number);
    const char *const values[N_PLACEHOLDERS] = {names->room, names->user, number};
    size_t at = 0;
    for (const char *p = t->path; *p;) {
        unsigned which = *p == '{' ? placeholder_at(p) : N_PLACEHOLDERS;
        bool literal = which == N_PLACEHOLDERS;
        const char *from = literal ? p : values[which];
        size_t len = literal ? 1 : strlen(from);
        if (at + len >= size) {
            return 0;
        }
        memcpy(out + at, from, len);
        at += len;
        p += literal ? 1 : strlen(placeholders[which]);
    }
    out[at] = '\0';
    return at;
}
