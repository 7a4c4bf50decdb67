/*
 * See handover.h for who says what. Messages are datagrams with a connection
 * (SOCK_SEQPACKET), so that none comes in pieces; no step waits without a deadline.
 *
 * The path is bound under another name and renamed when this process serves: so there is
 * no moment at which a successor finds nobody, and a path that can't be bound is noticed
 * before anything else is disturbed. Its mode is 0600, and the peer's user is checked all
 * the same: a directory may be shared.
 */
#include "handover.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

enum {
    ANSWER_MS = 10000, /* to one line; nothing but a stopped process needs as much */
    STARVED_MS = 100,  /* until a call is tried again that no descriptor was there for */
    START_MS = 60000,  /* for the successor's start: Redis may be far away */
    FDS_MAX = 253,     /* the kernel's own limit of a message, SCM_MAX_FD */
    TEXT_MAX = 64
};

static const char hello_own[] = "fanwired 1 own", hello_lent[] = "fanwired 1 lent";
static const char ready[] = "ready", yours[] = "yours";

typedef union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
} control;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *reason(int number, char *out, size_t cap)
{
    return strerror_r(number, out, cap);
}

static void hang_up(fwd_handover *h)
{
    if (h->peer_fd >= 0) {
        close(h->peer_fd);
    }
    h->peer_fd = -1;
    h->deadline_ms = -1;
}

/* Is the other end a process of our user? Notes which. */
static bool is_ours(fwd_handover *h, uid_t *who)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof peer;
    bool known = getsockopt(h->peer_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;
    h->peer = peer.pid;
    *who = peer.uid;
    return known && peer.uid == geteuid();
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* --- messages --- */

static bool say(fwd_handover *h, const char *text)
{
    return send(h->peer_fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static bool say_with_sockets(fwd_handover *h, const char *text, const int *fds, size_t n)
{
    control c;
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr m = {.msg_iov = &bytes,
                       .msg_iovlen = 1,
                       .msg_control = c.room,
                       .msg_controllen = CMSG_SPACE(n * sizeof *fds)};
    memset(&c, 0, sizeof c);
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(n * sizeof *fds);
    memcpy(CMSG_DATA(head), fds, n * sizeof *fds);
    return sendmsg(h->peer_fd, &m, MSG_NOSIGNAL) == (ssize_t)bytes.iov_len;
}

/* What has come with a message, to be closed or given away. */
static size_t take_sockets(struct msghdr *m, int fds[FDS_MAX])
{
    size_t n = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(m); head != NULL;
         head = CMSG_NXTHDR(m, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t bytes = head->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes && n < FDS_MAX; at += sizeof(int)) {
            memcpy(&fds[n++], CMSG_DATA(head) + at, sizeof(int));
        }
    }
    return n;
}

/* The next message, waiting for it at most so long; text becomes "" where there is none.
 * 0 or an errno: ETIMEDOUT, ECONNRESET for an end. */
static int hear(fwd_handover *h, int timeout_ms, char text[TEXT_MAX], int fds[FDS_MAX],
                size_t *n_fds)
{
    control c;
    struct iovec bytes = {.iov_base = text, .iov_len = TEXT_MAX - 1};
    struct msghdr m = {.msg_iov = &bytes,
                       .msg_iovlen = 1,
                       .msg_control = c.room,
                       .msg_controllen = sizeof c.room};
    struct pollfd p = {.fd = h->peer_fd, .events = POLLIN};
    int64_t until = now_ms() + timeout_ms;
    int left = timeout_ms;
    text[0] = '\0';
    *n_fds = 0;
    while (poll(&p, 1, left) < 0 && errno == EINTR) {
        left = (int)(until - now_ms());
        left = left > 0 ? left : 0;
    }
    ssize_t len = recvmsg(h->peer_fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (len < 0) {
        return errno == EAGAIN ? ETIMEDOUT : errno;
    }
    text[len] = '\0';
    *n_fds = take_sockets(&m, fds);
    return len == 0 ? ECONNRESET : 0;
}

/* --- the one that takes over --- */

/* Under a name of its own; fwd_handover_begin gives it the right one. */
static int bind_path(fwd_handover *h)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char why[128];
    int n = snprintf(a.sun_path, sizeof a.sun_path, "%s.%d", h->path, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof a.sun_path) {
        return fwd_report(FWD_CONFIGURATION, "handover.path: %s: longer than %zu bytes",
                          h->path, sizeof a.sun_path - 12);
    }
    h->listen_fd = new_socket();
    (void)unlink(a.sun_path); /* of a process that had our number and was killed */
    /* On Linux bind gives the file the mode that the socket has. */
    if (h->listen_fd < 0 || fchmod(h->listen_fd, 0600) != 0 ||
        bind(h->listen_fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        return fwd_report(FWD_FAILED, "handover.path: %s: %s", h->path,
                          reason(errno, why, sizeof why));
    }
    memcpy(h->bound, a.sun_path, sizeof h->bound);
    struct stat st;
    if (listen(h->listen_fd, 4) != 0 || lstat(h->bound, &st) != 0) {
        return fwd_report(FWD_FAILED, "handover.path: %s: %s", h->path,
                          reason(errno, why, sizeof why));
    }
    h->dev = st.st_dev;
    h->ino = st.st_ino;
    return FWD_OK;
}

/* Calls who runs there. *somebody: he has answered the call. */
static int call(fwd_handover *h, bool *somebody)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    char why[128];
    uid_t who;
    *somebody = false;
    if (lstat(h->path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return fwd_report(FWD_FAILED,
                          "handover.path: %s: a file that is no socket is there already",
                          h->path);
    }
    memcpy(a.sun_path, h->path, strlen(h->path) + 1);
    h->peer_fd = new_socket();
    if (h->peer_fd < 0 ||
        connect(h->peer_fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        int number = errno;
        hang_up(h);
        return number == ENOENT || number == ECONNREFUSED
                   ? FWD_OK
                   : fwd_report(FWD_FAILED, "handover.path: %s: %s", h->path,
                                reason(number, why, sizeof why));
    }
    if (!is_ours(h, &who)) {
        return fwd_report(FWD_FAILED, "handover.path: %s: user %ld listens there",
                          h->path, (long)who);
    }
    *somebody = true;
    return FWD_OK;
}

static int give_to_hub(const fwd_handover *h, fw_hub *hub, const int *fds, size_t n)
{
    int err = FW_OK;
    for (size_t i = 0; i < n; i++) {
        int taken = err == FW_OK ? fw_hub_listener_take(hub, fds[i]) : FW_ERR_INVALID;
        if (taken == FW_ERR_INVALID) {
            close(fds[i]); /* no socket that listens, or one behind an error */
        }
        err = err == FW_OK ? taken : err;
    }
    return err == FW_OK ? FWD_OK
                        : fwd_report(FWD_FAILED, "handover.path: %s: %s", h->path,
                                     fw_error_detail());
}

static int take_over(fwd_handover *h, fw_hub *hub)
{
    char text[TEXT_MAX], why[128];
    int fds[FDS_MAX];
    size_t n;
    int number = hear(h, ANSWER_MS, text, fds, &n);
    if (number == ECONNRESET) {
        /* It has ended, or lets nobody take over: then the port tells. */
        fwd_log_say(h->log, FW_LOG_WARN, "hand-over: the running one has hung up");
        hang_up(h);
        return FWD_OK;
    }
    bool lent = strcmp(text, hello_lent) == 0;
    if (number == 0 && (lent || strcmp(text, hello_own) == 0)) {
        h->lent = h->lent || lent;
        fwd_log_say(h->log, FW_LOG_INFO, "hand-over: sockets taken pid=%d sockets=%zu",
                    (int)h->peer, n);
        return give_to_hub(h, hub, fds, n);
    }
    for (size_t i = 0; i < n; i++) {
        close(fds[i]);
    }
    return fwd_report(FWD_FAILED, "handover.path: %s: %s", h->path,
                      number != 0 ? reason(number, why, sizeof why)
                                  : "it speaks another version's language");
}

int fwd_handover_open(fwd_handover *h, const fw_options *options, fwd_log *log, bool lent,
                      fw_hub *hub)
{
    *h = (fwd_handover){.path = fw_options_get(options, "handover.path"),
                        .log = log,
                        .lent = lent,
                        .listen_fd = -1,
                        .peer_fd = -1,
                        .deadline_ms = -1};
    if (h->path[0] == '\0') {
        return FWD_OK;
    }
    bool somebody = false;
    int status = bind_path(h);
    if (status == FWD_OK) {
        status = call(h, &somebody);
    }
    return status == FWD_OK && somebody ? take_over(h, hub) : status;
}

/* The forerunner lets go of what we have; or has ended, and that is as good. */
static void relieve(fwd_handover *h, fw_hub *hub)
{
    char text[TEXT_MAX], why[128];
    int fds[FDS_MAX];
    size_t n = 0;
    int number = say(h, ready) ? hear(h, ANSWER_MS, text, fds, &n) : ECONNRESET;
    for (size_t i = 0; i < n; i++) {
        close(fds[i]); /* there are none in this message */
    }
    hang_up(h);
    if (number != 0 && number != ECONNRESET) {
        fwd_log_say(h->log, FW_LOG_WARN,
                    "hand-over: no answer, and both accept now pid=%d error=\"%s\"",
                    (int)h->peer, reason(number, why, sizeof why));
        return;
    }
    if (!h->lent) {
        fw_hub_listener_own(hub);
    }
    fwd_log_say(h->log, FW_LOG_INFO, "hand-over: done pid=%d", (int)h->peer);
}

void fwd_handover_begin(fwd_handover *h, fw_hub *hub)
{
    char why[128];
    if (h->peer_fd >= 0) {
        relieve(h, hub);
    }
    if (h->listen_fd < 0) {
        return;
    }
    if (rename(h->bound, h->path) != 0) {
        fwd_log_say(h->log, FW_LOG_ERROR,
                    "hand-over: nobody can take over file=%s error=\"%s\"", h->path,
                    reason(errno, why, sizeof why));
        return;
    }
    memcpy(h->bound, h->path, strlen(h->path) + 1);
}

void fwd_handover_close(fwd_handover *h)
{
    struct stat st;
    hang_up(h);
    if (h->listen_fd < 0) {
        return;
    }
    close(h->listen_fd);
    h->listen_fd = -1;
    if (lstat(h->bound, &st) == 0 && st.st_dev == h->dev && st.st_ino == h->ino) {
        unlink(h->bound);
    }
}

/* --- the one that is relieved --- */

int fwd_handover_fd(const fwd_handover *h)
{
    if (h->peer_fd >= 0) {
        return h->peer_fd;
    }
    return h->deadline_ms < 0 ? h->listen_fd : -1;
}

int fwd_handover_timeout_ms(const fwd_handover *h)
{
    if (h->deadline_ms < 0) {
        return -1;
    }
    int64_t left = h->deadline_ms - now_ms();
    return left > 0 ? (int)left : 0;
}

static bool send_sockets(fwd_handover *h, fw_hub *hub)
{
    int fds[FDS_MAX];
    size_t n = 0;
    int fd = FW_OK;
    while (n < FDS_MAX && (fd = fw_hub_listener_fd(hub, n)) >= 0) {
        fds[n++] = fd;
    }
    /* All of them, or none: what is kept back would be refused. */
    bool all = fd == FW_ERR_INVALID && n > 0;
    bool sent = all && say_with_sockets(h, h->lent ? hello_lent : hello_own, fds, n);
    for (size_t i = 0; i < n; i++) {
        close(fds[i]);
    }
    return sent;
}

/* The call goes on waiting, and listen_fd would be readable all the while. */
static void call_again_later(fwd_handover *h, int number)
{
    char why[128];
    if (number == EAGAIN || number == EINTR || number == ECONNABORTED) {
        return; /* whoever has called is gone */
    }
    h->deadline_ms = now_ms() + STARVED_MS;
    if (!h->starved) {
        fwd_log_say(h->log, FW_LOG_WARN, "hand-over: a call can't be answered: %s",
                    reason(number, why, sizeof why));
        h->starved = true;
    }
}

static void answer_call(fwd_handover *h, fw_hub *hub)
{
    uid_t who;
    h->deadline_ms = -1;
    h->peer_fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (h->peer_fd < 0) {
        call_again_later(h, errno);
        return;
    }
    h->starved = false;
    if (!is_ours(h, &who)) {
        fwd_log_say(h->log, FW_LOG_WARN, "hand-over: refused to user %ld pid=%d",
                    (long)who, (int)h->peer);
        hang_up(h);
    } else if (!send_sockets(h, hub)) {
        fwd_log_say(h->log, FW_LOG_WARN, "hand-over: the sockets can't be sent pid=%d",
                    (int)h->peer);
        hang_up(h);
    } else {
        fwd_log_say(h->log, FW_LOG_INFO, "hand-over: sockets sent pid=%d", (int)h->peer);
        h->deadline_ms = now_ms() + START_MS;
    }
}

bool fwd_handover_step(fwd_handover *h, fw_hub *hub)
{
    char text[TEXT_MAX];
    int fds[FDS_MAX];
    size_t n;
    if (h->peer_fd < 0) {
        answer_call(h, hub);
        return false;
    }
    int number = hear(h, 0, text, fds, &n);
    for (size_t i = 0; i < n; i++) {
        close(fds[i]); /* nobody has asked for any */
    }
    if (number == 0 && strcmp(text, ready) == 0) {
        return true;
    }
    if (number == ETIMEDOUT && fwd_handover_timeout_ms(h) > 0) {
        return false;
    }
    fwd_log_say(h->log, FW_LOG_WARN, "hand-over: given up, %s pid=%d",
                number == ETIMEDOUT    ? "the other isn't ready in time"
                : number == ECONNRESET ? "the other has ended before it was ready"
                                       : "the other doesn't speak our language",
                (int)h->peer);
    hang_up(h);
    return false;
}

bool fwd_handover_is_under_way(const fwd_handover *h)
{
    return h->peer_fd >= 0;
}

pid_t fwd_handover_finish(fwd_handover *h)
{
    say(h, yours);
    /* The file is left to the successor, who puts his own in its place. */
    close(h->listen_fd);
    h->listen_fd = -1;
    hang_up(h);
    return h->peer;
}
