/*
 * The lines of CLUSTER NODES:
 *
 *   ID HOST:PORT@BUS[,NAME] FLAGS MASTER PING PONG EPOCH LINK SLOT FIRST-LAST [S->-ID]
 * ...
 *
 * What is in brackets is a slot that is moving: until it has moved it counts as where it
 * is. A map is taken whole or not at all.
 */
#include "backplane/redis_map.h"

#include <string.h>

enum { FIELDS = 8 }; /* before the slots */

typedef struct field {
    const char *at;
    size_t len;
} field;

typedef struct reading {
    const char *at, *end; /* of a line */
} reading;

static bool next_field(reading *r, field *out)
{
    while (r->at < r->end && *r->at == ' ') {
        r->at++;
    }
    out->at = r->at;
    while (r->at < r->end && *r->at != ' ') {
        r->at++;
    }
    out->len = (size_t)(r->at - out->at);
    return out->len > 0;
}

static bool has_flag(const field *flags, const char *flag)
{
    size_t n = strlen(flag), from = 0;
    for (size_t i = 0; i <= flags->len; i++) {
        if (i == flags->len || flags->at[i] == ',') {
            if (i - from == n && memcmp(flags->at + from, flag, n) == 0) {
                return true;
            }
            from = i + 1;
        }
    }
    return false;
}

/* Digits to the end or to a mark; -1: none, or more than `max`. */
static long number(const char *p, const char *end, long max)
{
    long n = 0;
    if (p == end) {
        return -1;
    }
    for (; p < end; p++) {
        if (*p < '0' || *p > '9' || n > max) {
            return -1;
        }
        n = n * 10 + (*p - '0');
    }
    return n <= max ? n : -1;
}

static bool copy_word(char *out, size_t cap, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] <= ' ' || p[i] >= 0x7f) {
            return false;
        }
    }
    if (len == 0 || len >= cap) {
        return false;
    }
    memcpy(out, p, len);
    out[len] = '\0';
    return true;
}

/* HOST:PORT@BUS[,NAME...]; HOST may be an IPv6 address, or missing. */
static bool read_address(const field *f, const fwi_redis_host *from, bool names,
                         fwi_redis_host *out)
{
    const char *end = f->at + f->len;
    const char *bus = memchr(f->at, '@', f->len);
    const char *comma = memchr(f->at, ',', f->len);
    const char *port_end = bus != NULL ? bus : comma != NULL ? comma : end;
    const char *colon = memrchr(f->at, ':', (size_t)(port_end - f->at));
    if (colon == NULL) {
        return false;
    }
    long port = number(colon + 1, port_end, 65535);
    size_t len = (size_t)(colon - f->at);
    bool unknown = len == 0 || (len == 1 && f->at[0] == '?');
    if (port < 1) {
        return false;
    }
    out->port = (int)port;
    if (names && comma != NULL) {
        const char *name = comma + 1;
        const char *name_end = memchr(name, ',', (size_t)(end - name));
        size_t n = (size_t)((name_end != NULL ? name_end : end) - name);
        /* Behind it stand settings of later versions: NAME=VALUE. */
        if (n > 0 && memchr(name, '=', n) == NULL) {
            return copy_word(out->host, sizeof out->host, name, n);
        }
    }
    if (unknown) {
        memcpy(out->host, from->host, sizeof out->host);
        return from->host[0] != '\0';
    }
    return copy_word(out->host, sizeof out->host, f->at, len);
}

static fwi_redis_master *add_master(fwi_redis_map *map)
{
    if ((map->n & (map->n - 1)) == 0) { /* it is full at powers of two */
        size_t cap = map->n == 0 ? 1 : map->n * 2;
        fwi_redis_master *more = realloc(map->masters, cap * sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        map->masters = more;
    }
    fwi_redis_master *m = &map->masters[map->n++];
    memset(m, 0, sizeof *m);
    return m;
}

static bool has_id(const fwi_redis_map *map, const char *id)
{
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->masters[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static const char *take_slots(fwi_redis_map *map, const field *f)
{
    const char *end = f->at + f->len;
    const char *dash = memchr(f->at, '-', f->len);
    long first = number(f->at, dash != NULL ? dash : end, FWI_REDIS_SLOTS - 1);
    long last = dash != NULL ? number(dash + 1, end, FWI_REDIS_SLOTS - 1) : first;
    if (first < 0 || last < first) {
        return "a range of slots can't be read";
    }
    for (long slot = first; slot <= last; slot++) {
        if (map->owner[slot] != FWI_REDIS_NO_MASTER) {
            return "two masters have the same slot";
        }
        map->owner[slot] = (uint16_t)(map->n - 1);
    }
    map->masters[map->n - 1].slots += (unsigned)(last - first + 1);
    map->unserved -= (unsigned)(last - first + 1);
    return NULL;
}

static const char *read_master(fwi_redis_map *map, const field *fields, reading *rest,
                               const fwi_redis_host *from, bool names)
{
    field f;
    char id[sizeof map->masters->id];
    fwi_redis_host at = {.port = 0};
    reading look = *rest;
    bool serves = false;
    while (next_field(&look, &f)) {
        serves = serves || f.at[0] != '[';
    }
    if (!serves) {
        return NULL;
    }
    if (!copy_word(id, sizeof id, fields[0].at, fields[0].len)) {
        return "the id of a node can't be read";
    }
    if (has_id(map, id)) {
        return "two masters have the same id";
    }
    if (!read_address(&fields[1], from, names, &at)) {
        return "the address of a master can't be read";
    }
    if (map->n == FWI_REDIS_MASTERS_MAX) {
        return "too many masters";
    }
    fwi_redis_master *m = add_master(map);
    if (m == NULL) {
        return "out of memory";
    }
    memcpy(m->id, id, sizeof id);
    m->at = at;
    const char *problem = NULL;
    while (problem == NULL && next_field(rest, &f)) {
        problem = f.at[0] != '[' ? take_slots(map, &f) : NULL;
    }
    return problem;
}

static const char *read_line(fwi_redis_map *map, reading *line,
                             const fwi_redis_host *from, bool names)
{
    field fields[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        if (!next_field(line, &fields[i])) {
            return i == 0 ? NULL : "a line is too short";
        }
    }
    bool is_master = has_flag(&fields[2], "master") && !has_flag(&fields[2], "noaddr");
    return is_master ? read_master(map, fields, line, from, names) : NULL;
}

const char *fwi_redis_map_read(const char *text, size_t len, const fwi_redis_host *from,
                               bool names, fwi_redis_map *out)
{
    *out = (fwi_redis_map){.unserved = FWI_REDIS_SLOTS};
    for (unsigned i = 0; i < FWI_REDIS_SLOTS; i++) {
        out->owner[i] = FWI_REDIS_NO_MASTER;
    }
    const char *end = text + len, *problem = NULL;
    while (problem == NULL && text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        reading line = {text, stop != NULL ? stop : end};
        if (line.end > line.at && line.end[-1] == '\r') {
            line.end--;
        }
        problem = read_line(out, &line, from, names);
        text = stop != NULL ? stop + 1 : end;
    }
    if (problem == NULL && out->n == 0) {
        problem = "no master serves a slot";
    }
    if (problem != NULL) {
        fwi_redis_map_fini(out);
    }
    return problem;
}

static bool has_host(const fwi_redis_url *url, const fwi_redis_host *at)
{
    for (size_t i = 0; i < url->n_hosts; i++) {
        if (strcmp(url->hosts[i].host, at->host) == 0 && url->hosts[i].port == at->port) {
            return true;
        }
    }
    return false;
}

void fwi_redis_map_add_hosts(const fwi_redis_map *map, fwi_redis_url *url, size_t given)
{
    url->n_hosts = given;
    for (size_t i = 0; i < map->n && url->n_hosts < FWI_REDIS_HOSTS_MAX; i++) {
        if (!has_host(url, &map->masters[i].at)) {
            url->hosts[url->n_hosts++] = map->masters[i].at;
        }
    }
}

void fwi_redis_map_fini(fwi_redis_map *map)
{
    free(map->masters);
    map->masters = NULL;
    map->n = 0;
}
