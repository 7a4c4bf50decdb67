/*
 * A whole server in this process: what is written to a socket of it, in pieces. A client
 * that has said all ends its side, and then the server ends its own, in time, and serves
 * on. The first byte says where (the WebSocket address, or that of pages and API), the
 * second how it is cut.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fanwire/fanwire.h>

#include "fuzz.h"

enum { END_MS = 20000 };

static fw_hub *hub;
static char folder[] = "/tmp/fanwire-fuzz-XXXXXX", file[64];

static void stop(void)
{
    fw_hub_free(hub);
    unlink(file);
    rmdir(folder);
}

static void start(void)
{
    static const char *const set[][2] = {
        {"http.listen", "127.0.0.1:0"}, {"api.key", "secret"},
        {"raw.mode", "rooms"},          {"raw.format", "json"},
        {"compression", "on"},          {"message.max_bytes", "64KiB"},
        {"client.insecure", "on"},      {"namespace.kept.history.size", "5"},
    };
    char url[128];
    /* At exit the hub ends. OpenSSL, which its threads use first, would have tidied up
     * before, and would lose then what it keeps for each of them. */
    MUST(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) == 1);
    fw_options *o = fw_options_new();
    MUST(o != NULL && mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/s", folder);
    snprintf(url, sizeof url, "unix:%s:/ws", file);
    MUST(fw_options_set(o, "listen", url) == FW_OK);
    for (size_t i = 0; i < FWI_ARRAY_LEN(set); i++) {
        MUST(fw_options_set(o, set[i][0], set[i][1]) == FW_OK);
    }
    MUST(fw_hub_new(&hub, o) == FW_OK && fw_hub_start(hub) == FW_OK);
    fw_options_free(o);
    atexit(stop);
}

static int call_ws(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(a.sun_path, file, strlen(file) + 1);
    MUST(fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static int call_http(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    const struct linger at_once = {1, 0}; /* or thousands would wait for their end */
    const char *colon = strchr(fw_hub_http_address(hub), ':');
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_port = htons((uint16_t)atoi(colon + 1));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MUST(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    MUST(connect(fd, (const struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

/* Throws away what comes. false: that was the end. */
static bool hear(int fd, int timeout_ms)
{
    char bytes[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    MUST(poll(&p, 1, timeout_ms) > 0 || timeout_ms == 0);
    return p.revents == 0 || recv(fd, bytes, sizeof bytes, 0) > 0;
}

static bool send_piece(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
            MUST(poll(&p, 1, END_MS) > 0);
            if ((p.revents & (POLLERR | POLLHUP)) != 0) {
                return false;
            }
            n = 0;
        }
        data += n;
        len -= (size_t)n;
        if (!hear(fd, 0)) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (hub == NULL) {
        start();
    }
    fuzz_input in = {data, size};
    int fd = fuzz_u8(&in) % 2 ? call_http() : call_ws();
    size_t piece = fuzz_u8(&in) * 16u + 16u;
    while (in.left > 0 && send_piece(fd, in.at, FWI_MIN(in.left, piece))) {
        free(fuzz_take(&in, piece).data);
    }
    shutdown(fd, SHUT_WR);
    while (hear(fd, END_MS)) {
        /* it has more to say */
    }
    close(fd);
    return 0;
}
