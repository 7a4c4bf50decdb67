/*
 * What the other process says while listening sockets are handed over: the text of the
 * input in datagrams that are parted by a byte FF, the first with as many descriptors as
 * the first byte says, of which the second says what they are. The first half plays the
 * one that takes over, then the one that is relieved. Its functions are static, so the
 * file itself stands here.
 */
#include <netinet/in.h>

#include "../../capi/server/handover.c"
#include "fuzz.h"

/* Nobody reads what is reported. */
int fwd_report(int status, const char *fmt, ...)
{
    (void)fmt;
    return status;
}

void fwd_log_say(fwd_log *log, fw_log_level level, const char *fmt, ...)
{
    (void)log;
    (void)level;
    (void)fmt;
}

static int one_of(unsigned kind)
{
    const struct sockaddr_in any = {.sin_family = AF_INET};
    if (kind % 3 == 0) {
        return dup(STDERR_FILENO); /* no socket at all */
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0 && bind(fd, (const struct sockaddr *)&any, sizeof any) == 0);
    MUST(kind % 3 == 1 || listen(fd, 1) == 0);
    return fd;
}

static void send_all(int fd, fuzz_input *in, unsigned n_fds, unsigned kind)
{
    enum { SENT_MAX = 8 };
    int fds[FDS_MAX];
    fwd_handover other = {.peer_fd = fd};
    for (unsigned i = 0; i < n_fds; i++) {
        fds[i] = one_of(kind);
    }
    for (unsigned i = 0; i < SENT_MAX && in->left > 0; i++) {
        fuzz_piece text = fuzz_until(in, 0xff);
        if (i == 0 && n_fds > 0) {
            say_with_sockets(&other, text.data, fds, n_fds);
        } else {
            say(&other, text.data);
        }
        free(text.data);
    }
    for (unsigned i = 0; i < n_fds; i++) {
        close(fds[i]);
    }
}

/* The peer has said all this, and will say no more. */
static fwd_handover open_with(fuzz_input *in, unsigned n_fds, unsigned kind, int *peer)
{
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) ==
         0);
    *peer = pair[1];
    send_all(*peer, in, n_fds, kind);
    shutdown(*peer, SHUT_WR);
    return (fwd_handover){.path = "",
                          .listen_fd = -1,
                          .peer_fd = pair[0],
                          .deadline_ms = now_ms() + START_MS};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size}, again;
    unsigned n_fds = fuzz_u8(&in) % 5, kind = fuzz_u8(&in);
    fw_hub *hub = NULL;
    again = in;
    MUST(fw_hub_new(&hub, NULL) == FW_OK);
    int peer;
    fwd_handover h = open_with(&in, n_fds, kind, &peer);
    if (take_over(&h, hub) == FWD_OK && h.peer_fd >= 0) {
        relieve(&h, hub);
    }
    hang_up(&h);
    close(peer);
    fw_hub_free(hub);

    h = open_with(&again, n_fds, kind, &peer);
    for (unsigned i = 0; i < 8 && h.peer_fd >= 0 && !fwd_handover_step(&h, NULL); i++) {
        /* until it is ready, or given up */
    }
    hang_up(&h);
    close(peer);
    return 0;
}
