/*
 * Sockets that listen already, looked at from outside: what they are, where they are
 * bound, and whether that is the address that somebody asks for. For listener.c and for
 * the hub, which is given such sockets by a service manager or by its forerunner.
 *
 * It changes nothing and keeps nothing. @thread any
 */
#include "io/listener_fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
} address;

static int number_of(int fd, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

bool fwi_listener_fd_is_one(int fd)
{
    int family = number_of(fd, SO_DOMAIN);
    return number_of(fd, SO_ACCEPTCONN) == 1 && number_of(fd, SO_TYPE) == SOCK_STREAM &&
           (family == AF_INET || family == AF_INET6 || family == AF_UNIX);
}

/* Where it is bound; the family is AF_UNSPEC if that can't be told. */
static void read_address(int fd, address *a)
{
    socklen_t len = sizeof *a;
    memset(a, 0, sizeof *a);
    if (getsockname(fd, &a->any, &len) != 0 || len > sizeof *a) {
        a->any.sa_family = AF_UNSPEC;
    } else if (a->any.sa_family == AF_UNIX && len >= sizeof a->un) {
        a->un.sun_path[sizeof a->un.sun_path - 1] = '\0';
    }
}

int fwi_listener_fd_port(int fd)
{
    address a;
    read_address(fd, &a);
    switch (a.any.sa_family) {
    case AF_INET:
        return ntohs(a.in.sin_port);
    case AF_INET6:
        return ntohs(a.in6.sin6_port);
    default:
        return 0;
    }
}

void fwi_listener_fd_file(int fd, char *out, size_t cap)
{
    address a;
    read_address(fd, &a);
    snprintf(out, cap, "%s", a.any.sa_family == AF_UNIX ? a.un.sun_path : "");
}

void fwi_listener_fd_text(int fd, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";
    address a;
    read_address(fd, &a);
    if (a.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof host);
        snprintf(out, cap, "%s:%d", host, ntohs(a.in.sin_port));
    } else if (a.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof host);
        snprintf(out, cap, "[%s]:%d", host, ntohs(a.in6.sin6_port));
    } else {
        snprintf(out, cap, "unix:%s", a.un.sun_path);
    }
}

/* Does a socket that is bound to [::] take IPv4, too? */
static bool takes_both(int fd, const address *a)
{
    int only6 = 1;
    socklen_t len = sizeof only6;
    return a->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) &&
           getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, &len) == 0 && only6 == 0;
}

static bool is_bound_to(int fd, const address *a, const struct sockaddr *to)
{
    if (to->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)to;
        return a->any.sa_family == AF_INET
                   ? a->in.sin_addr.s_addr == in->sin_addr.s_addr
                   : in->sin_addr.s_addr == htonl(INADDR_ANY) && takes_both(fd, a);
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)to;
    return a->any.sa_family == AF_INET6 && to->sa_family == AF_INET6 &&
           IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &in6->sin6_addr);
}

bool fwi_listener_fd_fits(int fd, const fwi_listen_at *at)
{
    address a;
    read_address(fd, &a);
    if (at->file != NULL || a.any.sa_family == AF_UNIX) {
        return at->file != NULL && a.any.sa_family == AF_UNIX &&
               strcmp(a.un.sun_path, at->file) == 0;
    }
    if (at->port != 0 && at->port != fwi_listener_fd_port(fd)) {
        return false;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *all = NULL;
    bool fits = false;
    if (getaddrinfo(at->host, NULL, &hints, &all) == 0) {
        for (const struct addrinfo *i = all; i != NULL && !fits; i = i->ai_next) {
            fits = is_bound_to(fd, &a, i->ai_addr);
        }
        freeaddrinfo(all);
    }
    return fits;
}
