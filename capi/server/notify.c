/*
 * sd_notify(3) without libsystemd: a datagram to the socket that NOTIFY_SOCKET names, a
 * file or, with an @, an abstract name. Main thread. Failing is not an error: who asked
 * will notice the silence.
 */
#include "notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void fwd_notify(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe) */
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = name != NULL ? strlen(name) : 0;
    if (len < 2 || len >= sizeof to.sun_path || (name[0] != '/' && name[0] != '@')) {
        return;
    }
    memcpy(to.sun_path, name, len);
    if (name[0] == '@') {
        to.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (struct sockaddr *)&to, size);
    close(fd);
}

void fwd_notify_reloading(void)
{
    struct timespec t;
    char state[64];
    clock_gettime(CLOCK_MONOTONIC, &t);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u);
    fwd_notify(state);
}

/* Which unit a process is of, as its control group says. */
static size_t read_group(pid_t pid, char *out, size_t cap)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    size_t n = fread(out, 1, cap, file);
    fclose(file);
    return n;
}

void fwd_notify_relieved(pid_t successor)
{
    char ours[1024], theirs[1024], state[32];
    size_t n = read_group(getpid(), ours, sizeof ours);
    if (n > 0 && read_group(successor, theirs, sizeof theirs) == n &&
        memcmp(ours, theirs, n) == 0) {
        snprintf(state, sizeof state, "MAINPID=%d", (int)successor);
        fwd_notify(state);
    } else {
        fwd_notify("STOPPING=1");
    }
}
