/*
 * Starts and stops redis-server for tests. Every process is addressed by the id that fork
 * gave; nothing is ever ended by name.
 */
#include "support/redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 64, START_TIMEOUT_MS = 60000 };

struct redis_server {
    struct redis_server *next; /* in `running` */
    pid_t owner;               /* the process that started it */
    redis_server_options options;
    pid_t pid; /* 0: not running */
    int port, tls_port, bus_port;
    char dir[64];
    char socket[96], url[128], ca[96], cert[96], key[96], log[96], config[96];
};

/* Those not stopped yet: a test that fails leaves them, and exit() tidies up. */
static redis_server *running;

static _Noreturn void fail(const char *what, const char *detail)
{
    fprintf(stderr, "redis_server: %s: %s\n", what, detail);
    exit(1);
}

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A port that was free a moment ago. Below those that the kernel gives to anybody's
 * connections: it is to be free, too, when a server that was killed comes back. */
static int free_port(void)
{
    for (;;) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        uint16_t dice;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || getrandom(&dice, sizeof dice, 0) != sizeof dice) {
            fail("no free port", strerror(errno));
        }
        int port = 20000 + dice % 12000;
        a.sin_port = htons((uint16_t)port);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        bool is_free = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
        close(fd);
        if (is_free) {
            return port;
        }
    }
}

/* Runs a program to its end; its output goes to `out` (a descriptor) if that is >= 0. */
static int run(const char *const *argv, int out)
{
    pid_t pid = fork();
    if (pid < 0) {
        fail("fork", strerror(errno));
    }
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(out >= 0 ? out : null, 1);
        dup2(out >= 0 ? out : null, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_certificates(redis_server *r)
{
    const char *const argv[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:P-256",
                                "-nodes",
                                "-days",
                                "2",
                                "-subj",
                                "/CN=localhost",
                                "-addext",
                                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                                "-keyout",
                                r->key,
                                "-out",
                                r->cert,
                                NULL};
    if (run(argv, -1) != 0) {
        fail("openssl", "could not make a certificate");
    }
    /* Self-signed: the certificate is its own CA. */
    snprintf(r->ca, sizeof r->ca, "%s", r->cert);
}

static void write_config(const redis_server *r)
{
    FILE *f = fopen(r->config, "w");
    if (f == NULL || fputs(r->options.config, f) < 0 || fclose(f) != 0) {
        fail(r->config, strerror(errno));
    }
}

static void push(const char **argv, size_t *n, const char *a)
{
    if (*n >= MAX_ARGS) {
        fail("start", "too many arguments");
    }
    argv[(*n)++] = a;
}

static void push_pair(const char **argv, size_t *n, const char *a, const char *b)
{
    push(argv, n, a);
    push(argv, n, b);
}

static void exec_server(const redis_server *r)
{
    const char *argv[MAX_ARGS + 1];
    char port[16], tls_port[16], bus_port[16];
    size_t n = 0;
    snprintf(port, sizeof port, "%d", r->port);
    snprintf(tls_port, sizeof tls_port, "%d", r->tls_port);
    snprintf(bus_port, sizeof bus_port, "%d", r->bus_port);
    push(argv, &n, "redis-server");
    if (r->options.config != NULL) {
        push(argv, &n, r->config);
    }
    push_pair(argv, &n, "--port", port);
    push_pair(argv, &n, "--bind", "127.0.0.1");
    push_pair(argv, &n, "--unixsocket", r->socket);
    push_pair(argv, &n, "--unixsocketperm", "700");
    push_pair(argv, &n, "--save", "");
    push_pair(argv, &n, "--appendonly", "no");
    push_pair(argv, &n, "--daemonize", "no");
    push_pair(argv, &n, "--dir", r->dir);
    push_pair(argv, &n, "--logfile", r->log);
    if (r->tls_port != 0) {
        push_pair(argv, &n, "--tls-port", tls_port);
        push_pair(argv, &n, "--tls-cert-file", r->cert);
        push_pair(argv, &n, "--tls-key-file", r->key);
        push_pair(argv, &n, "--tls-ca-cert-file", r->ca);
        push_pair(argv, &n, "--tls-auth-clients", "no");
    }
    if (r->bus_port != 0) {
        push_pair(argv, &n, "--cluster-port", bus_port);
    }
    for (size_t i = 0; r->options.args != NULL && r->options.args[i] != NULL; i++) {
        push(argv, &n, r->options.args[i]);
    }
    argv[n] = NULL;
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Does it answer PING with anything but "I am still loading"? */
static bool answers(const redis_server *r)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", r->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char reply[64];
    ssize_t got = 0;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
        send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 1000) == 1) {
            got = recv(fd, reply, sizeof reply - 1, 0);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (got <= 0) {
        return false;
    }
    reply[got] = '\0';
    return strncmp(reply, "-LOADING", 8) != 0;
}

/* false: it ended by itself, which a port taken meanwhile would explain. */
static bool launch(redis_server *r)
{
    pid_t parent = getpid();
    r->pid = fork();
    if (r->pid < 0) {
        fail("fork", strerror(errno));
    }
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(127);
        }
        exec_server(r);
    }
    long deadline = now_ms() + START_TIMEOUT_MS;
    while (!answers(r)) {
        if (waitpid(r->pid, NULL, WNOHANG) == r->pid) {
            r->pid = 0;
            return false;
        }
        if (now_ms() > deadline) {
            fail(r->log, "redis-server does not answer");
        }
        poll(NULL, 0,
             2); /* There is no event to wait for: a condition with a deadline. */
    }
    return true;
}

static void stop_all(void)
{
    while (running != NULL && running->owner == getpid()) {
        redis_server_stop(running);
    }
}

static void enlist(redis_server *r)
{
    static bool registered;
    if (!registered) {
        registered = true;
        atexit(stop_all);
    }
    r->owner = getpid();
    r->next = running;
    running = r;
}

static void unlist(const redis_server *r)
{
    for (redis_server **p = &running; *p != NULL; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            return;
        }
    }
}

redis_server *redis_server_start(const redis_server_options *options)
{
    redis_server *r = calloc(1, sizeof *r);
    if (r == NULL) {
        fail("start", "out of memory");
    }
    if (options != NULL) {
        r->options = *options;
    }
    snprintf(r->dir, sizeof r->dir, "/tmp/fanwire-redis-XXXXXX");
    if (mkdtemp(r->dir) == NULL) {
        fail(r->dir, strerror(errno));
    }
    enlist(r);
    /* Absolute: redis-server changes its directory before it binds. */
    snprintf(r->socket, sizeof r->socket, "%s/redis.sock", r->dir);
    snprintf(r->url, sizeof r->url, "redis+unix://%s", r->socket);
    snprintf(r->log, sizeof r->log, "%s/redis.log", r->dir);
    snprintf(r->cert, sizeof r->cert, "%s/cert.pem", r->dir);
    snprintf(r->key, sizeof r->key, "%s/key.pem", r->dir);
    snprintf(r->config, sizeof r->config, "%s/redis.conf", r->dir);
    if (r->options.tls) {
        make_certificates(r);
    }
    if (r->options.config != NULL) {
        write_config(r);
    }
    for (int attempt = 0; attempt < 5; attempt++) {
        r->port = r->options.tcp ? free_port() : 0;
        r->tls_port = r->options.tls ? free_port() : 0;
        r->bus_port = r->options.cluster ? free_port() : 0;
        if (launch(r)) {
            return r;
        }
    }
    fail(r->log, "redis-server ends at once: is it installed?");
    return NULL;
}

void redis_server_kill(redis_server *r)
{
    if (r->pid == 0) {
        return;
    }
    kill(r->pid, SIGKILL);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    r->pid = 0;
}

void redis_server_restart(redis_server *r)
{
    redis_server_kill(r);
    if (!launch(r)) {
        fail(r->log, "redis-server does not come back");
    }
}

void redis_server_pause(redis_server *r)
{
    int status = 0;
    kill(r->pid, SIGSTOP);
    if (waitpid(r->pid, &status, WUNTRACED) != r->pid || !WIFSTOPPED(status)) {
        fail("pause", "redis-server did not stop");
    }
}

void redis_server_resume(redis_server *r)
{
    kill(r->pid, SIGCONT);
}

void redis_server_set_args(redis_server *r, const char *const *args)
{
    r->options.args = args;
}

const char *redis_server_socket(const redis_server *r)
{
    return r->socket;
}

int redis_server_port(const redis_server *r)
{
    return r->port;
}

int redis_server_tls_port(const redis_server *r)
{
    return r->tls_port;
}

int redis_server_bus_port(const redis_server *r)
{
    return r->bus_port;
}

const char *redis_server_url(const redis_server *r)
{
    return r->url;
}

const char *redis_server_ca(const redis_server *r)
{
    return r->ca[0] != '\0' ? r->ca : NULL;
}

const char *redis_server_key(const redis_server *r)
{
    return r->options.tls ? r->key : NULL;
}

int redis_server_cli(const redis_server *r, char *out, size_t cap, const char *arg, ...)
{
    const char *argv[MAX_ARGS + 1] = {"redis-cli", "-s", r->socket};
    size_t n = 3;
    va_list ap;
    va_start(ap, arg);
    for (const char *a = arg; a != NULL; a = va_arg(ap, const char *)) {
        push(argv, &n, a);
    }
    va_end(ap);
    argv[n] = NULL;

    FILE *f = tmpfile();
    if (f == NULL) {
        fail("tmpfile", strerror(errno));
    }
    int status = run(argv, fileno(f));
    rewind(f);
    size_t got = fread(out, 1, cap - 1, f);
    fclose(f);
    while (got > 0 && out[got - 1] == '\n') {
        got--;
    }
    out[got] = '\0';
    return status;
}

void redis_server_stop(redis_server *r)
{
    if (r == NULL) {
        return;
    }
    unlist(r);
    redis_server_kill(r);
    const char *const argv[] = {"rm", "-rf", "--", r->dir, NULL};
    run(argv, -1);
    free(r);
}
