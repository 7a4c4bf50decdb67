/*
 * See the header.
 */
#include "backplane/redis_peer.h"

#include <string.h>

#include "backplane/redis_command.h"
#include "core/error.h"

enum { TEXTS_MAX = 4 };

void fwi_redis_peer_close(fwi_redis_peer *p)
{
    fwi_redis_blocking_close(p->connection);
    p->connection = NULL;
    fwi_redis_reader_free(p->reader);
    p->reader = NULL;
}

bool fwi_redis_peer_is_open(const fwi_redis_peer *p)
{
    return p->connection != NULL && !fwi_redis_blocking_is_stale(p->connection);
}

int fwi_redis_peer_problem(const fwi_redis_peer *p, const char *what, const char *said)
{
    char quoted[200], who[300] = "";
    fwi_log_quote(quoted, sizeof quoted, said, strlen(said));
    if (p->kind != NULL) {
        snprintf(who, sizeof who, "%s %s:%d: ", p->kind, p->config.url.host,
                 p->config.url.port);
    }
    return fwi_error(FW_ERR_BACKPLANE, "redis: %s%s: %s", who, what, quoted);
}

int fwi_redis_peer_check(const fwi_redis_peer *p, const char *what,
                         const fwi_redis_reply *reply)
{
    return reply->whole.type == FWI_REDIS_ERROR
               ? fwi_redis_peer_problem(p, what, reply->whole.str)
               : FW_OK;
}

int fwi_redis_peer_number(const fwi_redis_peer *p, const char *what,
                          const fwi_redis_reply *reply, long long *out)
{
    int err = fwi_redis_peer_check(p, what, reply);
    /* Below 0 it would be an error to whoever is told it. */
    if (err == FW_OK &&
        (reply->whole.type != FWI_REDIS_INTEGER || reply->whole.integer < 0)) {
        err = fwi_redis_peer_problem(p, what, "not a number of receivers");
    }
    if (err == FW_OK) {
        *out = reply->whole.integer;
    }
    return err;
}

static int next_reply(fwi_redis_peer *p, uint64_t deadline_us,
                      const fwi_redis_reply **out)
{
    char bytes[4096];
    for (;;) {
        const char *why;
        *out = fwi_redis_reader_next(p->reader, &why);
        if (*out != NULL) {
            return FW_OK;
        }
        if (why != NULL) {
            return fwi_redis_peer_problem(p, "not what Redis says", why);
        }
        long n = fwi_redis_blocking_read(p->connection, bytes, sizeof bytes, deadline_us);
        if (n < 0) {
            return (int)n;
        }
        if (!fwi_redis_reader_feed(p->reader, bytes, (size_t)n)) {
            return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
        }
    }
}

int fwi_redis_peer_ask(fwi_redis_peer *p, int argc, const char *const *argv,
                       const size_t *lens, uint64_t deadline_us,
                       const fwi_redis_reply **out)
{
    size_t own[TEXTS_MAX];
    fwi_buf command;
    for (int i = 0; lens == NULL && i < argc && i < TEXTS_MAX; i++) {
        own[i] = strlen(argv[i]);
    }
    fwi_buf_init(&command);
    int err = fwi_redis_command(&command, argc, argv, lens != NULL ? lens : own)
                  ? fwi_redis_blocking_write(p->connection, command.data, command.len,
                                             deadline_us)
                  : fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    fwi_buf_fini(&command);
    return err == FW_OK ? next_reply(p, deadline_us, out) : err;
}

static int greet_with(fwi_redis_peer *p, int argc, const char *const *argv,
                      uint64_t deadline_us)
{
    const fwi_redis_reply *reply;
    int err = fwi_redis_peer_ask(p, argc, argv, NULL, deadline_us, &reply);
    return err == FW_OK ? fwi_redis_peer_check(p, argv[0], reply) : err;
}

static int greet(fwi_redis_peer *p, uint64_t deadline_us)
{
    const fwi_redis_url *url = &p->config.url;
    int err = FW_OK;
    if (url->user[0] != '\0') {
        err = greet_with(p, 3, (const char *[]){"AUTH", url->user, url->password},
                         deadline_us);
    } else if (url->password[0] != '\0') {
        err = greet_with(p, 2, (const char *[]){"AUTH", url->password}, deadline_us);
    }
    if (err == FW_OK && url->database != 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", url->database);
        err = greet_with(p, 2, (const char *[]){"SELECT", number}, deadline_us);
    }
    return err;
}

int fwi_redis_peer_open(fwi_redis_peer *p, uint64_t deadline_us)
{
    if (fwi_redis_peer_is_open(p)) {
        return FW_OK;
    }
    fwi_redis_peer_close(p);
    p->reader = fwi_redis_reader_new();
    if (p->reader == NULL || !fwi_redis_reader_begin(p->reader)) {
        return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    }
    int err = fwi_redis_blocking_open(&p->connection, &p->config, deadline_us);
    return err == FW_OK ? greet(p, deadline_us) : err;
}
