/*
 * redis_floor: what a message costs from PUBLISH to a subscriber, through a Redis and
 * nothing else: what the way between two nodes costs at least.
 *
 *   redis_floor --port N | --unix PATH [--rate R | --closed K] [--size B] [--warmup S]
 *               [--seconds S]
 *
 * One thread, two connections: one publishes, at a rate or with so many on their way, the
 * other hears. One JSON object, with the names that fanwire-bench uses.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/report.h"

enum { READ_SIZE = 256 * 1024, MESSAGE_MAX = 64 * 1024 };

static struct {
    const char *path;
    int port;
    double rate, warmup_s, seconds;
    unsigned closed;
    size_t size;
} plan = {.closed = 64, .size = 128, .warmup_s = 1, .seconds = 4};

static int publisher, subscriber, epoll_fd;
static uint64_t sent, heard;
static histogram latency;
static char in[READ_SIZE + MESSAGE_MAX];
static size_t in_len;

static void die(const char *what)
{
    perror(what);
    exit(1); // NOLINT(concurrency-mt-unsafe): one thread
}

static int dial(void)
{
    int fd, on = 1, err;
    if (plan.path) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        snprintf(a.sun_path, sizeof a.sun_path, "%s", plan.path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        err = connect(fd, (struct sockaddr *)&a, sizeof a);
    } else {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)plan.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        err = connect(fd, (struct sockaddr *)&a, sizeof a);
    }
    if (err != 0) {
        die("redis_floor: connect");
    }
    return fd;
}

static void write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) {
            die("redis_floor: send");
        }
        p += n;
        len -= (size_t)n;
    }
}

/* So many PUBLISHes in one write; each message begins with the time of when it is to be.
 */
static void publish(unsigned n, uint64_t when_ns)
{
    static char out[64 * (MESSAGE_MAX + 64)];
    size_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        at += (size_t)sprintf(out + at, "*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n$%zu\r\n",
                              plan.size);
        memset(out + at, 'x', plan.size);
        memcpy(out + at, &when_ns, sizeof when_ns);
        memcpy(out + at + plan.size, "\r\n", 2);
        at += plan.size + 2;
    }
    write_all(publisher, out, at);
    sent += n;
}

/* What a message looks like on the subscriber's side is always the same but for its
 * bytes, so nothing need be parsed. */
static void hear(void)
{
    static const char frame[] = "*3\r\n$7\r\nmessage\r\n$5\r\nbench\r\n";
    char length[32];
    size_t head = sizeof frame - 1 + (size_t)sprintf(length, "$%zu\r\n", plan.size);
    size_t whole = head + plan.size + 2, at = 0;
    ssize_t n = recv(subscriber, in + in_len, READ_SIZE, 0);
    if (n <= 0) {
        die("redis_floor: recv");
    }
    in_len += (size_t)n;
    uint64_t now = now_ns();
    for (; in_len - at >= whole; at += whole) {
        uint64_t when;
        if (memcmp(in + at, frame, sizeof frame - 1) != 0) {
            fputs("redis_floor: not a message\n", stderr);
            exit(1); // NOLINT(concurrency-mt-unsafe): one thread
        }
        memcpy(&when, in + at + head, sizeof when);
        histogram_add(&latency, now > when ? now - when : 0);
        heard++;
    }
    memmove(in, in + at, in_len - at);
    in_len -= at;
}

static void throw_away(int fd)
{
    static char answers[READ_SIZE];
    if (recv(fd, answers, sizeof answers, 0) <= 0) {
        die("redis_floor: recv");
    }
}

static void turn(int timeout_ms)
{
    struct epoll_event events[2];
    int n = epoll_wait(epoll_fd, events, 2, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == subscriber) {
            hear();
        } else {
            throw_away(publisher);
        }
    }
}

static void talk(double seconds)
{
    static uint64_t next_ns;
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    uint64_t step = plan.rate > 0 ? (uint64_t)(1e9 / plan.rate) : 0;
    if (next_ns == 0) {
        next_ns = now_ns();
    }
    for (uint64_t now; (now = now_ns()) < end;) {
        if (plan.rate > 0) {
            for (; next_ns <= now; next_ns += step) {
                publish(1, next_ns);
            }
            /* Whole milliseconds are slept, the rest is spun, as fanwire-bench does. */
            turn((int)((next_ns - now) / 1000000));
        } else {
            if (sent - heard < plan.closed) {
                uint64_t more = plan.closed - (sent - heard);
                publish((unsigned)(more < 64 ? more : 64), now);
            }
            turn(10);
        }
    }
}

static bool take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},    {"unix", 1, NULL, 'u'}, {"rate", 1, NULL, 'r'},
        {"closed", 1, NULL, 'c'},  {"size", 1, NULL, 'b'}, {"warmup", 1, NULL, 'w'},
        {"seconds", 1, NULL, 't'}, {NULL, 0, NULL, 0}};
    int which;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        double value = optarg ? strtod(optarg, NULL) : 0;
        switch (which) {
        case 'p':
            plan.port = (int)value;
            break;
        case 'u':
            plan.path = optarg;
            break;
        case 'r':
            plan.rate = value;
            break;
        case 'c':
            plan.closed = (unsigned)value;
            break;
        case 'b':
            plan.size = (size_t)value;
            break;
        case 'w':
            plan.warmup_s = value;
            break;
        case 't':
            plan.seconds = value;
            break;
        default:
            return false;
        }
    }
    return (plan.port > 0 || plan.path) && plan.size >= 8 && plan.size <= MESSAGE_MAX;
}

static void subscribe(void)
{
    static const char command[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\nbench\r\n";
    write_all(subscriber, command, sizeof command - 1);
    throw_away(subscriber); /* the confirmation */
}

static void print(double seconds, uint64_t said, uint64_t came)
{
    report_begin(NULL, '{');
    report_count("size", plan.size);
    report_real("seconds", seconds, 3);
    report_count("sent", said);
    report_count("delivered", came);
    report_real("deliveries_per_s", (double)came / seconds, 0);
    report_real("messages_per_s", (double)came / seconds, 0);
    report_latency("latency_us", &latency);
    report_count("lost", sent - heard);
    report_count("duplicated", 0);
    report_count("out_of_order", 0);
    report_count("closed", 0);
    report_end('}');
}

int main(int argc, char **argv)
{
    if (!take_options(argc, argv)) {
        fputs("redis_floor --port N | --unix PATH [--rate R | --closed K] [--size B]"
              " [--warmup S] [--seconds S]\n",
              stderr);
        return 2;
    }
    publisher = dial();
    subscriber = dial();
    subscribe();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        int fd = i ? subscriber : publisher;
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
    talk(plan.warmup_s);
    memset(&latency, 0, sizeof latency);
    uint64_t sent_before = sent, heard_before = heard, begin = now_ns();
    talk(plan.seconds);
    double seconds = (double)(now_ns() - begin) / 1e9;
    uint64_t said = sent - sent_before, came = heard - heard_before;
    for (int patience = 0; heard < sent && patience < 1000; patience++) {
        turn(5);
    }
    print(seconds, said, came);
    return 0;
}
