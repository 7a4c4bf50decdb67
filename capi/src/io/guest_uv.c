/*
 * See guest_uv.h. The guest's handles are told from ours by what they watch: we watch our
 * listeners, and the guest sockets and its pipe.
 */
#include "io/guest_uv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/uv_inside.h"

enum { SPARES = 4, HOLDER = SPARES - 1 };

struct fwi_guest {
    fwi_uv_loop *u;
    uv_handle_t *pipe; /* NULL: it has none */
    int pipe_fd;
    /* One socket of ours by several numbers. The last one is what holds the pipe's
     * number. The others are lower than that, as the kernel gives the lowest first: they
     * are let go before it is, so that other threads get those. -1: none */
    int spare[SPARES];
    fwi_fdmark mark; /* theirs */
};

/* --- coming --- */

static void let_go(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void free_guest(fwi_guest *g)
{
    for (int i = 0; i < SPARES; i++) {
        let_go(&g->spare[i]);
    }
    free(g);
}

static fwi_guest *arrive(fwi_loop *loop)
{
    fwi_guest *g = malloc(sizeof *g);
    if (g == NULL) {
        return NULL;
    }
    *g = (fwi_guest){.u = fwi_uv_of(loop), .pipe_fd = -1, .spare = {-1, -1, -1, -1}};
    g->spare[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (int i = 1; i < SPARES && g->spare[i - 1] >= 0; i++) {
        g->spare[i] = fcntl(g->spare[0], F_DUPFD_CLOEXEC, 0);
    }
    if (g->spare[HOLDER] < 0 || !fwi_uv_descriptors_left(FWI_DESCRIPTORS_GUEST)) {
        int err = errno;
        free_guest(g);
        errno = err;
        return NULL;
    }
    g->mark = fwi_fdmark_of(g->spare[HOLDER]);
    return g;
}

static bool is_ours(const fwi_guest *g, int fd)
{
    for (fwi_list *e = g->u->listeners.next; e != &g->u->listeners; e = e->next) {
        if (fwi_uv_listener_fd(fwi_uv_listener_at(e)) == fd) {
            return true;
        }
    }
    return false;
}

/* Its other handles that watch a descriptor, if there are any, watch sockets. */
static void find_pipe(uv_handle_t *handle, void *user)
{
    fwi_guest *g = user;
    uv_os_fd_t fd;
    struct stat st;
    if (handle->type == UV_POLL && uv_fileno(handle, &fd) == 0 && !is_ours(g, fd) &&
        fstat(fd, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        g->pipe = handle;
        g->pipe_fd = fd;
    }
}

static void settle(fwi_guest *g)
{
    uv_walk(&g->u->uv, find_pipe, g);
}

/* --- going --- */

static bool is_spare(const fwi_guest *g, int fd)
{
    return fwi_fdmark_fits(&g->mark, fd);
}

/* From here on the number is told from another thread's by what is behind it. */
static void pack(fwi_guest *g)
{
    if (g->pipe != NULL) {
        dup3(g->spare[HOLDER], g->pipe_fd, O_CLOEXEC);
    }
    for (int i = 0; i < HOLDER; i++) {
        let_go(&g->spare[i]);
    }
}

/* Is the number ours to be closed? It is if libwebsockets hasn't closed it yet, and if it
 * has and nobody took it. */
static bool hold(const fwi_guest *g)
{
    if (g->pipe == NULL || is_spare(g, g->pipe_fd)) {
        return true;
    }
    int got = fcntl(g->spare[HOLDER], F_DUPFD_CLOEXEC, g->pipe_fd);
    if (got == g->pipe_fd) {
        return true;
    }
    let_go(&got);
    return false;
}

static bool leave(fwi_guest *g)
{
    bool held = hold(g);
    if (!held) {
        g->pipe->close_cb = NULL;
    }
    bool gone = fwi_loop_uv_vacate(&g->u->loop);
    if (held && g->pipe != NULL && is_spare(g, g->pipe_fd)) {
        close(g->pipe_fd); /* once was enough for it */
    }
    free_guest(g);
    return gone && held;
}

const fwi_guest_ops fwi_guest_uv = {
    .arrive = arrive,
    .settle = settle,
    .pack = pack,
    .leave = leave,
};
