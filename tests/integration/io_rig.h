/*
 * What test_io.c and test_io_listener.c share: a real loop, made before each test, and
 * listeners on it that note down whom they accept and hang up at once. The callbacks run
 * on the loop's thread; `seen` is guarded by the rig's lock.
 */
#ifndef TESTS_IO_RIG_H
#define TESTS_IO_RIG_H

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/error.h"
#include "io/loop_uv.h"
#include "support/loop_rig.h"

static rig r;
static char folder[64], file[128];

static struct {
    unsigned accepted, starved, in_turn, most_in_turn, turn;
    uint64_t stale_us; /* how old the loop's time was in on_accept */
    char peer[64];
} seen;

static inline void on_accept(void *user, int fd, const char *peer)
{
    uint64_t now_us = fwi_clock_us();
    rig_note_begin(&r);
    seen.in_turn = seen.turn == r.turns ? seen.in_turn + 1 : 1;
    seen.turn = r.turns;
    seen.most_in_turn = FWI_MAX(seen.most_in_turn, seen.in_turn);
    seen.accepted++;
    seen.stale_us = now_us - fwi_loop_now_us(r.loop);
    snprintf(seen.peer, sizeof seen.peer, "%s", peer);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    (void)user;
    close(fd);
    rig_note_end(&r);
}

static inline void on_starved(void *user)
{
    (void)user;
    rig_note_begin(&r);
    seen.starved++;
    rig_note_end(&r);
}

static const fwi_listener_events listener_events = {on_accept, on_starved};

static inline void setup(void)
{
    memset(&seen, 0, sizeof seen);
    seen.turn = UINT32_MAX;
    snprintf(folder, sizeof folder, "/tmp/fw-io-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/s.sock", folder);
    rig_new(&r);
}

static inline void teardown(void)
{
    rig_free(&r);
    unlink(file);
    rmdir(folder);
}

static inline fwi_listener *listen_at(const fwi_listen_at *at)
{
    fwi_listener *l = NULL;
    int err = fwi_listener_open(&l, r.loop, at, &listener_events, NULL);
    ck_assert_msg(err == FW_OK, "%s", fw_error_detail());
    return l;
}

static inline fwi_listener *listen_loopback(void)
{
    return listen_at(&(fwi_listen_at){.host = "127.0.0.1"});
}

static inline int connect_port(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static inline bool has_accepted(void *arg)
{
    return seen.accepted >= *(unsigned *)arg;
}

static inline bool wait_accepted(unsigned n)
{
    return rig_wait(&r, has_accepted, &n);
}

#endif
