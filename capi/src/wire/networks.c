/*
 * Lists of networks, and the address of a client behind trusted proxies. Addresses are
 * compared as IPv6, IPv4 as ::ffff:a.b.c.d, so that one comparison serves both.
 *
 * Called by the door for each connection. Pure; @thread any
 */
#include "wire/ws_handshake.h"

#include <arpa/inet.h>
#include <string.h>

enum { TEXT_MAX = 64 };

typedef struct network {
    struct in6_addr address;
    unsigned bits;
} network;

struct fwi_networks {
    size_t n;
    network item[];
};

/* An address of either family, perhaps with a zone ("fe80::1%eth0"), blanks cut off. */
static bool read_address(const char *p, size_t len, struct in6_addr *out, bool *is_v4)
{
    char text[TEXT_MAX] = "::ffff:";
    size_t prefix = strlen(text);
    const char *zone = memchr(p, '%', len);
    size_t n = zone ? (size_t)(zone - p) : len;
    if (n == 0 || n >= sizeof text - prefix) {
        return false;
    }
    memcpy(text + prefix, p, n);
    text[prefix + n] = '\0';
    *is_v4 = memchr(p, ':', n) == NULL;
    return inet_pton(AF_INET6, *is_v4 ? text : text + prefix, out) == 1;
}

static bool read_network(const char *text, network *out)
{
    const char *slash = strchr(text, '/');
    bool is_v4;
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (!read_address(text, len, &out->address, &is_v4)) {
        return false;
    }
    unsigned max = is_v4 ? 32 : 128;
    unsigned bits = max;
    if (slash) {
        const char *p = slash + 1;
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > 3 || p[digits] != '\0') {
            return false;
        }
        bits = (unsigned)strtoul(p, NULL, 10);
    }
    out->bits = bits + (is_v4 ? 96 : 0);
    return bits <= max;
}

fwi_networks *fwi_networks_new(const char *const *items, size_t n, size_t *bad)
{
    fwi_networks *list = calloc(1, sizeof *list + n * sizeof list->item[0]);
    *bad = n;
    if (list == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(items[i], "unix") == 0) {
            continue; /* peers on Unix sockets are in every list */
        }
        if (!read_network(items[i], &list->item[list->n++])) {
            free(list);
            *bad = i;
            return NULL;
        }
    }
    return list;
}

void fwi_networks_free(fwi_networks *n)
{
    free(n);
}

static bool is_in(const struct in6_addr *address, const network *net)
{
    unsigned bytes = net->bits / 8;
    unsigned rest = net->bits % 8;
    if (memcmp(address->s6_addr, net->address.s6_addr, bytes) != 0) {
        return false;
    }
    unsigned differ = rest ? address->s6_addr[bytes] ^ net->address.s6_addr[bytes] : 0u;
    return differ >> (8 - rest) == 0;
}

static bool list_contains(const fwi_networks *list, const struct in6_addr *address)
{
    for (size_t i = 0; i < list->n; i++) {
        if (is_in(address, &list->item[i])) {
            return true;
        }
    }
    return false;
}

bool fwi_networks_contain(const fwi_networks *n, const char *peer)
{
    struct in6_addr address;
    bool is_v4;
    return peer[0] == '\0' ||
           (n->n > 0 && read_address(peer, strlen(peer), &address, &is_v4) &&
            list_contains(n, &address));
}

/* The usual form; IPv4 without the ::ffff: in front. */
static void write_address(const struct in6_addr *address, char *out, size_t cap)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        inet_ntop(AF_INET, address->s6_addr + 12, text, sizeof text);
    } else {
        inet_ntop(AF_INET6, address, text, sizeof text);
    }
    snprintf(out, cap, "%s", text);
}

/* From the end of the list, where the nearest proxy wrote, to the first that is no proxy
 * of ours; what stands before that one anybody may have written. */
static bool last_foreign(const char *list, const fwi_networks *trusted,
                         struct in6_addr *address)
{
    size_t end = strlen(list);
    for (;;) {
        const char *comma = memrchr(list, ',', end);
        size_t from = comma ? (size_t)(comma - list) + 1 : 0;
        from += strspn(list + from, " \t");
        size_t to = FWI_MAX(from, end);
        while (to > from && (list[to - 1] == ' ' || list[to - 1] == '\t')) {
            to--;
        }
        bool is_v4;
        if (!read_address(list + from, to - from, address, &is_v4)) {
            return false;
        }
        if (comma == NULL || !list_contains(trusted, address)) {
            return true;
        }
        end = (size_t)(comma - list);
    }
}

void fwi_client_address(const fwi_http_request *r, const char *peer,
                        const fwi_networks *trusted, char *out, size_t cap)
{
    struct in6_addr address;
    bool is_v4;
    if (fwi_networks_contain(trusted, peer)) {
        const char *list = fwi_http_request_header(r, "x-forwarded-for");
        if (list && last_foreign(list, trusted, &address)) {
            write_address(&address, out, cap);
            return;
        }
        const char *real = fwi_http_request_header(r, "x-real-ip");
        if (real && read_address(real, strlen(real), &address, &is_v4)) {
            write_address(&address, out, cap);
            return;
        }
    }
    /* An IPv4 address has only one form. */
    if (strchr(peer, ':') != NULL && read_address(peer, strlen(peer), &address, &is_v4)) {
        write_address(&address, out, cap);
    } else {
        snprintf(out, cap, "%s", peer);
    }
}
