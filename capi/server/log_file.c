/*
 * fanwired's log. Lines come from the threads of the hub and from main; each is put
 * together first and written by one call, so that lines never mix.
 *
 * text: 2026-11-23T18:12:56.123Z info  hub: message key=value
 * json:
 * {"time":"2026-11-23T18:12:56.123Z","level":"info","component":"hub","message":"..."}
 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

enum {
    LINE_MAX_BYTES =
        8192,       /* a message of the library has 1024, escaped up to six times */
    ESCAPED_MAX = 6 /* \u001f */
};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

static fw_log_level read_level(const char *name)
{
    fw_log_level level = FW_LOG_ERROR;
    while (level < FW_LOG_TRACE && strcmp(fw_log_level_name(level), name) != 0) {
        level++;
    }
    return level;
}

static void read_options(fwd_log *log, const fw_options *options)
{
    log->path = fw_options_get(options, "log.file");
    log->json = strcmp(fw_options_get(options, "log.format"), "json") == 0;
    log->level = (int)read_level(fw_options_get(options, "log.level"));
}

int fwd_log_open(fwd_log *log, const fw_options *options)
{
    *log = (fwd_log){.fd = STDERR_FILENO};
    read_options(log, options);
    pthread_mutex_init(&log->lock, NULL);
    if (log->path[0] == '\0') {
        return FWD_OK;
    }
    log->fd = open_file(log->path);
    if (log->fd < 0) {
        char why[128];
        return fwd_report(FWD_FAILED, "log.file: %s: %s", log->path,
                          strerror_r(errno, why, sizeof why));
    }
    return FWD_OK;
}

static void close_fd(int fd)
{
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

void fwd_log_close(fwd_log *log)
{
    close_fd(log->fd);
    pthread_mutex_destroy(&log->lock);
}

static void write_to(fwd_log *log, int fd)
{
    pthread_mutex_lock(&log->lock);
    int old = log->fd;
    log->fd = fd;
    pthread_mutex_unlock(&log->lock);
    close_fd(old);
}

void fwd_log_reopen(fwd_log *log)
{
    if (log->path[0] == '\0') {
        if (log->fd != STDERR_FILENO) {
            write_to(log, STDERR_FILENO);
        }
        return;
    }
    int fd = open_file(log->path);
    if (fd < 0) {
        char why[128];
        fwd_log_say(log, FW_LOG_ERROR, "the log can't be reopened file=%s error=\"%s\"",
                    log->path, strerror_r(errno, why, sizeof why));
        return;
    }
    write_to(log, fd);
    fwd_log_say(log, FW_LOG_INFO, "log reopened file=%s", log->path);
}

void fwd_log_reload(fwd_log *log, const fw_options *options)
{
    read_options(log, options);
    fwd_log_reopen(log);
}

/* How many bytes the character at p has (RFC 3629); 0: it is none. */
static size_t utf8_length(const unsigned char *p)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        {0x01, 0x7f, 0, 0xff, 1},    {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].first_min || p[0] > forms[i].first_max) {
            continue;
        }
        /* The NUL at the text's end is no continuation, so nothing is read behind it. */
        size_t n = 1;
        while (n < forms[i].len && (p[n] & 0xc0) == 0x80) {
            n++;
        }
        bool second =
            n == 1 || (p[1] >= forms[i].second_min && p[1] <= forms[i].second_max);
        return n == forms[i].len && second ? n : 0;
    }
    return 0;
}

/* Text of the library is printable, but it may have been cut inside a character. */
static size_t append(char *out, size_t n, const char *text, bool json)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0' && n + ESCAPED_MAX + 4 < LINE_MAX_BYTES) {
        size_t len = utf8_length(p);
        if (json && (*p == '"' || *p == '\\')) {
            out[n++] = '\\';
            out[n++] = (char)*p++;
        } else if (len == 0 || *p < ' ' || *p == 0x7f) {
            n += (size_t)snprintf(out + n, ESCAPED_MAX + 1, json ? "\\u%04x" : "\\x%02x",
                                  len == 0 && json ? 0xfffd : *p);
            p++;
        } else {
            memcpy(out + n, p, len);
            n += len;
            p += len;
        }
    }
    out[n] = '\0';
    return n;
}

static size_t append_time(char *out)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(out, 64, "%Y-%m-%dT%H:%M:%S", &tm);
    return n + (size_t)snprintf(out + n, 64 - n, ".%03ldZ", now.tv_nsec / 1000000);
}

static size_t make_line(const fwd_log *log, char *out, fw_log_level level,
                        const char *component, const char *message)
{
    size_t n = 0;
    const char *level_name = fw_log_level_name(level);
    if (!log->json) {
        n = append_time(out);
        n += (size_t)snprintf(out + n, 64, " %-5s ", level_name);
        n = append(out, n, component, false);
        n = append(out, n, ": ", false);
        n = append(out, n, message, false);
    } else {
        n = (size_t)snprintf(out, 64, "{\"time\":\"");
        n += append_time(out + n);
        n += (size_t)snprintf(out + n, 64, "\",\"level\":\"%s\",\"component\":\"",
                              level_name);
        n = append(out, n, component, true);
        n += (size_t)snprintf(out + n, 64, "\",\"message\":\"");
        n = append(out, n, message, true);
        out[n++] = '"';
        out[n++] = '}';
    }
    out[n++] = '\n';
    return n;
}

void fwd_log_line(void *user, fw_log_level level, const char *component,
                  const char *message)
{
    fwd_log *log = user;
    char line[LINE_MAX_BYTES + 128];
    if ((int)level > log->level) {
        return;
    }
    size_t len = make_line(log, line, level, component, message), done = 0;
    pthread_mutex_lock(&log->lock);
    while (done < len) {
        ssize_t n = write(log->fd, line + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break; /* A full disk must not stop the service. */
        }
        done += (size_t)n;
    }
    pthread_mutex_unlock(&log->lock);
}

void fwd_log_say(fwd_log *log, fw_log_level level, const char *fmt, ...)
{
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    fwd_log_line(log, level, "fanwired", message);
}
