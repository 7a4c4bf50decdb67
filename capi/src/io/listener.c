/*
 * Listening sockets. They are made here and not by libuv, which accepts as long as
 * somebody waits: here a turn takes at most 32 newcomers, so that a storm of them can't
 * starve those who are there. libuv only says when somebody waits.
 *
 * Owned by the hub; hands connected descriptors out and forgets them. A port in use fails
 * at open, since SO_REUSEPORT is set only where sharing is asked for. SO_REUSEADDR lets a
 * server come back while connections of its forerunner are in TIME-WAIT; it doesn't help
 * where the port is the source port of somebody's outgoing connection.
 * @thread init until the loop runs, then loop
 */
#include "io/uv_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/error.h"
#include "io/listener_fd.h"

enum {
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
    ACCEPTS_A_TURN = 32,
    PAUSE_MS = 100,
    /* What may be in the kernel's queue, and some who come meanwhile; without a limit a
     * storm could keep a closing listener busy for ever. */
    DRAIN_MAX = 2 * BACKLOG
};

struct fwi_listener {
    uv_poll_t poll;
    fwi_uv_loop *u;
    fwi_list link;
    fwi_listener_events events;
    void *user;
    int fd; /* -1 once closed */
    int port;
    uint64_t turn; /* in which it has had its share */
    fwi_timer pause;
    bool lent;  /* others have the socket, too */
    char *file; /* of a Unix socket; removed only if it is still this one */
    dev_t dev;
    ino_t ino;
};

/* --- making the socket: each returns a descriptor or -errno --- */

static int fail_with(int fd, int err)
{
    if (fd >= 0) {
        close(fd);
    }
    return -err;
}

static int open_tcp_at(const struct addrinfo *a, bool shared)
{
    int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)) {
        return fail_with(fd, errno);
    }
    if (a->ai_family == AF_INET6) {
        const struct sockaddr_in6 *in6 =
            (const struct sockaddr_in6 *)(const void *)a->ai_addr;
        /* "::" means everybody; any other address means itself. */
        int only6 = !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6) != 0) {
            return fail_with(fd, errno);
        }
    }
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        return fail_with(fd, errno);
    }
    return fd;
}

/* The first address of a name that this machine can have; IPv4 first, since that is what
 * "localhost" in a proxy's configuration mostly leads to. An address in use ends it: the
 * name's other address would be a surprise. */
static int open_first(const struct addrinfo *all, bool shared)
{
    static const int families[] = {AF_INET, AF_INET6};
    int result = -EAFNOSUPPORT;
    for (size_t i = 0; i < FWI_ARRAY_LEN(families); i++) {
        for (const struct addrinfo *a = all; a != NULL; a = a->ai_next) {
            if (a->ai_family != families[i]) {
                continue;
            }
            result = open_tcp_at(a, shared);
            if (result != -EADDRNOTAVAIL && result != -EAFNOSUPPORT) {
                return result;
            }
        }
    }
    return result;
}

static int open_tcp(fwi_listener *l, const fwi_listen_at *at)
{
    char port[12];
    snprintf(port, sizeof port, "%d", at->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *all;
    int err = getaddrinfo(at->host, port, &hints, &all);
    if (err != 0) {
        return fwi_error(FW_ERR_LISTEN, "%s", gai_strerror(err));
    }
    int fd = open_first(all, at->shared);
    freeaddrinfo(all);
    if (fd < 0) {
        char text[128];
        return fwi_error(FW_ERR_LISTEN, "%s", fwi_uv_strerror(fd, text, sizeof text));
    }
    l->fd = fd;
    l->port = fwi_listener_fd_port(fd);
    return FW_OK;
}

/* Does a server answer at this Unix socket? 0: the file is stale or isn't there. A full
 * backlog (EAGAIN) is a server too. Two servers that start at the same moment may both
 * see a stale file; the later one then has the name. Who runs several has them on paths
 * of their own. */
static int unix_in_use(const struct sockaddr_un *a)
{
    struct stat st;
    if (lstat(a->sun_path, &st) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -ENOTSOCK;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int err =
        connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 ? EADDRINUSE : errno;
    close(fd);
    switch (err) {
    case ECONNREFUSED:
    case ENOENT:
        return 0;
    case EAGAIN:
        return -EADDRINUSE;
    default:
        return -err; /* EPROTOTYPE: a datagram socket; EACCES: somebody else's */
    }
}

static int open_unix_at(const struct sockaddr_un *a)
{
    int err = unix_in_use(a);
    if (err != 0) {
        return err;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    if ((unlink(a->sun_path) != 0 && errno != ENOENT) ||
        bind(fd, (const struct sockaddr *)a, sizeof *a) != 0) {
        return fail_with(fd, errno);
    }
    if (listen(fd, BACKLOG) != 0) {
        err = errno;
        unlink(a->sun_path);
        return fail_with(fd, err);
    }
    return fd;
}

/* So that another's file at the same place is known as such. */
static void note_file(fwi_listener *l)
{
    struct stat st;
    if (lstat(l->file, &st) == 0) {
        l->dev = st.st_dev;
        l->ino = st.st_ino;
    }
}

static int open_unix(fwi_listener *l, const fwi_listen_at *at)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(at->file) >= sizeof a.sun_path) {
        return fwi_error(FW_ERR_LISTEN, "the path is longer than %zu bytes",
                         sizeof a.sun_path - 1);
    }
    memcpy(a.sun_path, at->file, strlen(at->file) + 1);
    l->file = strdup(at->file);
    if (l->file == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    int fd = open_unix_at(&a);
    if (fd == -ENOTSOCK) {
        return fwi_error(FW_ERR_LISTEN, "a file that is no socket is there already");
    }
    if (fd < 0) {
        char text[128];
        return fwi_error(FW_ERR_LISTEN, "%s", fwi_uv_strerror(fd, text, sizeof text));
    }
    l->fd = fd;
    note_file(l);
    return FW_OK;
}

/* --- accepting --- */

/* What inet_ntop writes, which does it by way of printf. */
static void write_ipv4(char *out, const void *address)
{
    const uint8_t *ip = address;
    for (int i = 0; i < 4; i++) {
        if (ip[i] >= 100) {
            *out++ = (char)('0' + ip[i] / 100);
        }
        if (ip[i] >= 10) {
            *out++ = (char)('0' + ip[i] / 10 % 10);
        }
        *out++ = (char)('0' + ip[i] % 10);
        *out++ = i < 3 ? '.' : '\0';
    }
}

/* out has room for INET6_ADDRSTRLEN. */
static void write_peer(char *out, size_t cap, const struct sockaddr *a)
{
    out[0] = '\0';
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a;
        write_ipv4(out, &in->sin_addr);
    } else if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)a;
        const struct in6_addr *ip = &in6->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(ip)) {
            write_ipv4(out, &ip->s6_addr[12]);
        } else {
            inet_ntop(AF_INET6, ip, out, (socklen_t)cap);
        }
    }
}

/* A connected descriptor, or -errno. */
static int accept_one(const fwi_listener *l, char *peer, size_t cap)
{
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    } a;
    socklen_t len = sizeof a;
    a.any.sa_family = AF_UNSPEC;
    int fd = accept4(l->fd, &a.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (l->file == NULL) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    write_peer(peer, cap, &a.any);
    return fd;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(fwi_timer *t)
{
    fwi_listener *l = fwi_container_of(t, fwi_listener, pause);
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* Those who wait stay in the kernel's queue meanwhile. */
static void pause_accepting(fwi_listener *l)
{
    uv_poll_stop(&l->poll);
    fwi_loop_timer_set(&l->u->loop, &l->pause, PAUSE_MS);
}

/* What this accept came to: true, go on. */
static bool go_on_after(fwi_listener *l, int err)
{
    switch (err) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        pause_accepting(l);
        l->events.on_starved(l->user);
        return false;
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
        pause_accepting(l); /* would come again at once and for ever */
        return false;
    default:
        /* ECONNABORTED, EINTR, EPERM, and the network errors that accept(2) passes on:
         * they belong to the one newcomer. */
        return true;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    fwi_listener *l = poll->data;
    fwi_uv_turn_begins(l->u);
    /* libuv may ask epoll again within a turn when it was full of news. */
    if (l->turn == l->u->turns) {
        return;
    }
    l->turn = l->u->turns;
    for (int i = 0; i < ACCEPTS_A_TURN && l->fd >= 0; i++) {
        char peer[INET6_ADDRSTRLEN];
        int fd = accept_one(l, peer, sizeof peer);
        if (fd >= 0) {
            l->events.on_accept(l->user, fd, peer);
        } else if (!go_on_after(l, -fd)) {
            return;
        }
    }
}

/* --- the listener --- */

static void remove_file(fwi_listener *l)
{
    struct stat st;
    if (l->ino != 0 && lstat(l->file, &st) == 0 && st.st_dev == l->dev &&
        st.st_ino == l->ino) {
        unlink(l->file);
    }
    l->ino = 0;
}

static void close_socket(fwi_listener *l)
{
    if (l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }
}

static void free_listener(fwi_listener *l)
{
    free(l->file);
    free(l);
}

static int watch(fwi_listener *l)
{
    int err = uv_poll_init(&l->u->uv, &l->poll, l->fd);
    if (err != 0) {
        char text[128];
        return fwi_error(FW_ERR_SYSTEM, "%s", fwi_uv_strerror(err, text, sizeof text));
    }
    l->poll.data = l;
    l->u->handles++;
    return FW_OK;
}

void fwi_listener_begin(fwi_listener *l)
{
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* NULL: out of memory, and the detail says so. */
static fwi_listener *new_listener(fwi_loop *loop, const fwi_listener_events *events,
                                  void *user)
{
    fwi_listener *l = calloc(1, sizeof *l);
    if (l == NULL) {
        fwi_error(FW_ERR_MEMORY, "out of memory");
        return NULL;
    }
    l->u = fwi_uv_of(loop);
    l->events = *events;
    l->user = user;
    l->fd = -1;
    fwi_timer_init(&l->pause, on_pause_over);
    return l;
}

/* The last step of making one, with what the steps before came to. */
static int finish(fwi_listener **out, fwi_listener *l, int err)
{
    if (err == FW_OK) {
        err = watch(l);
    }
    if (err != FW_OK) {
        if (!l->lent) {
            remove_file(l);
        }
        close_socket(l);
        free_listener(l);
        return err;
    }
    fwi_list_init(&l->link);
    fwi_list_append(&l->u->listeners, &l->link);
    *out = l;
    return FW_OK;
}

int fwi_listener_open(fwi_listener **out, fwi_loop *loop, const fwi_listen_at *at,
                      const fwi_listener_events *events, void *user)
{
    fwi_listener *l = new_listener(loop, events, user);
    if (l == NULL) {
        return FW_ERR_MEMORY;
    }
    int err = finish(out, l, at->file != NULL ? open_unix(l, at) : open_tcp(l, at));
    if (err == FW_OK) {
        fwi_listener_begin(l);
    }
    return err;
}

/* What was made elsewhere may block: accepting is to stop when nobody waits. */
static int take_socket(fwi_listener *l)
{
    char path[sizeof(struct sockaddr_un)];
    int flags = fcntl(l->fd, F_GETFL);
    if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        char text[128];
        return fwi_error(FW_ERR_SYSTEM, "%s", fwi_uv_strerror(-errno, text, sizeof text));
    }
    l->port = fwi_listener_fd_port(l->fd);
    fwi_listener_fd_file(l->fd, path, sizeof path);
    if (path[0] != '\0') {
        l->file = strdup(path);
        if (l->file == NULL) {
            return fwi_error(FW_ERR_MEMORY, "out of memory");
        }
        note_file(l);
    }
    return FW_OK;
}

int fwi_listener_adopt(fwi_listener **out, fwi_loop *loop, int fd,
                       const fwi_listener_events *events, void *user)
{
    fwi_listener *l = new_listener(loop, events, user);
    if (l == NULL) {
        close(fd);
        return FW_ERR_MEMORY;
    }
    l->fd = fd;
    l->lent = true;
    return finish(out, l, take_socket(l));
}

void fwi_listener_lend(fwi_listener *l, bool lent)
{
    l->lent = lent;
}

bool fwi_listener_is_lent(const fwi_listener *l)
{
    return l->lent;
}

int fwi_listener_duplicate(const fwi_listener *l)
{
    return fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
}

int fwi_listener_port(const fwi_listener *l)
{
    return l->port;
}

static void on_poll_closed(uv_handle_t *handle)
{
    fwi_listener *l = handle->data;
    l->u->handles--;
    free_listener(l);
}

static void drain_queue(fwi_listener *l)
{
    for (int i = 0; i < DRAIN_MAX; i++) {
        char peer[INET6_ADDRSTRLEN];
        int fd = accept_one(l, peer, sizeof peer);
        if (fd >= 0) {
            close(fd);
        } else if (fd != -ECONNABORTED && fd != -EINTR) {
            return;
        }
    }
}

void fwi_listener_close(fwi_listener *l)
{
    fwi_list_remove(&l->link);
    fwi_loop_timer_clear(&l->u->loop, &l->pause);
    uv_close((uv_handle_t *)&l->poll, on_poll_closed);
    if (!l->lent) {
        remove_file(l); /* first: from now on nobody new finds it */
        drain_queue(l);
        /* A forked child may still hold the descriptor; without this the port stayed
         * taken and clients would wait there for nobody. */
        shutdown(l->fd, SHUT_RDWR);
    }
    close_socket(l);
}

fwi_listener *fwi_uv_listener_at(fwi_list *link)
{
    return fwi_list_entry(link, fwi_listener, link);
}

int fwi_uv_listener_fd(const fwi_listener *l)
{
    return l->fd;
}
