/*
 * How a hub wakes nginx: an event loop that waits for nothing but what Lua has connected
 * itself. A Unix socket is listened on for the moment in which Lua connects to it; our
 * end of that connection is then for the hub to write to (fw_hub_event_wake), and for Lua
 * when it wants to be called again after nginx had its turn; the file is gone. It lay in
 * a directory of its own which nobody else may enter.
 */
#ifndef FWB_LUA_WAKE_H
#define FWB_LUA_WAKE_H

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "batch.h"

#define FWB_WAKE "fanwire.wake"

typedef struct fwb_wake {
    int fd;         /* listens, then our end of the connection; -1: closed */
    size_t dir_len; /* of path; 0: there is none */
    struct sockaddr_un at;
} fwb_wake;

static void fwb_wake_end(fwb_wake *w)
{
    if (w->fd >= 0) {
        close(w->fd);
        w->fd = -1;
    }
    if (w->dir_len > 0) {
        unlink(w->at.sun_path);
        w->at.sun_path[w->dir_len] = '\0';
        rmdir(w->at.sun_path);
        w->dir_len = 0;
    }
}

static int fwb_wake_gc(lua_State *L)
{
    fwb_wake_end((fwb_wake *)luaL_checkudata(L, 1, FWB_WAKE));
    return 0;
}

static int fwb_wake_fail(lua_State *L, fwb_wake *w, const char *what)
{
    char why[256];

    snprintf(why, sizeof why, "%s: %s", what, strerror(errno));
    fwb_wake_end(w);
    return fwb_fail(L, FW_ERR_SYSTEM, why);
}

/* fwb_wake_listen(directory): a listener and its path, or nil, why, name */
static int fwb_wake_listen(lua_State *L)
{
    size_t len;
    const char *dir = luaL_checklstring(L, 1, &len);
    fwb_wake *w = (fwb_wake *)lua_newuserdata(L, sizeof *w);

    memset(w, 0, sizeof *w);
    w->fd = -1;
    w->at.sun_family = AF_UNIX;
    luaL_getmetatable(L, FWB_WAKE);
    lua_setmetatable(L, -2);
    int n = snprintf(w->at.sun_path, sizeof w->at.sun_path, "%s/fanwire.XXXXXX", dir);
    if (strlen(dir) != len || n < 0 ||
        (size_t)n + sizeof "/wake" > sizeof w->at.sun_path) {
        return fwb_fail(L, FW_ERR_INVALID, "the path of a Unix socket has 107 bytes");
    }
    if (mkdtemp(w->at.sun_path) == NULL) { /* of mode 0700 */
        char what[256];
        snprintf(what, sizeof what, "a directory in %s", dir);
        return fwb_wake_fail(L, w, what);
    }
    w->dir_len = (size_t)n;
    memcpy(w->at.sun_path + n, "/wake", sizeof "/wake");
    w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&w->at, sizeof w->at) != 0 ||
        listen(w->fd, 1) != 0) {
        return fwb_wake_fail(L, w, w->at.sun_path);
    }
    lua_pushstring(L, w->at.sun_path);
    return 2;
}

/* The connection that this very process has made, whoever else may have tried. */
static int fwb_wake_accept_own(int listener)
{
    for (;;) {
        struct ucred peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
                       peer.pid == getpid())) {
            return fd;
        }
        close(fd);
    }
}

/* fwb_wake_accept(listener, hub): the hub writes to the connection that was made to the
 * listener, which is its other end from now on. true, or nil, why, name */
static int fwb_wake_accept_for(lua_State *L, fw_hub *hub)
{
    fwb_wake *w = (fwb_wake *)luaL_checkudata(L, 1, FWB_WAKE);
    int fd = fwb_wake_accept_own(w->fd);

    if (fd < 0) {
        return fwb_wake_fail(L, w, "accepting the connection that wakes");
    }
    fwb_wake_end(w);
    w->fd = fd;
    return fwb_outcome(L, fw_hub_event_wake(hub, fd)); /* which has a copy */
}

/* fwb_wake_now(wake): as if an event had come */
static int fwb_wake_now(lua_State *L)
{
    fwb_wake *w = (fwb_wake *)luaL_checkudata(L, 1, FWB_WAKE);

    if (w->fd >= 0) {
        (void)send(w->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); /* full: is readable */
    }
    return 0;
}

static void fwb_wake_register(lua_State *L)
{
    if (luaL_newmetatable(L, FWB_WAKE)) {
        lua_pushcfunction(L, fwb_wake_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, fwb_wake_listen);
    lua_setfield(L, -2, "fwb_wake_listen");
    lua_pushcfunction(L, fwb_wake_now);
    lua_setfield(L, -2, "fwb_wake_now");
    lua_pushcfunction(L, fwb_wake_gc);
    lua_setfield(L, -2, "fwb_wake_close");
}

#endif
