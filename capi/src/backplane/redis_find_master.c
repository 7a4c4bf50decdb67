/*
 * Asks Sentinels for the master, waiting for each. See the header. A connection serves
 * one question: it is asked only when the emitter connects.
 */
#include "backplane/redis_find_master.h"

#include <string.h>

#include "backplane/redis_blocking.h"
#include "backplane/redis_command.h"
#include "backplane/redis_topology.h"
#include "base/clock.h"
#include "core/error.h"

typedef struct question {
    const fwi_redis_config *config; /* of the Sentinel */
    fwi_redis_blocking *connection;
    fwi_redis_reader *reader;
    uint64_t deadline_us;
} question;

/* One command and its answer, valid until the next. */
static int ask(question *q, int argc, const char *const *argv,
               const fwi_redis_reply **out)
{
    size_t lens[3];
    char bytes[1024];
    fwi_buf command;
    for (int i = 0; i < argc; i++) {
        lens[i] = strlen(argv[i]);
    }
    fwi_buf_init(&command);
    int err = fwi_redis_command(&command, argc, argv, lens)
                  ? fwi_redis_blocking_write(q->connection, command.data, command.len,
                                             q->deadline_us)
                  : fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    fwi_buf_fini(&command);
    while (err == FW_OK) {
        const char *why;
        *out = fwi_redis_reader_next(q->reader, &why);
        if (*out != NULL) {
            return FW_OK;
        }
        if (why != NULL) {
            return fwi_error(FW_ERR_BACKPLANE, "redis: not what a Sentinel says");
        }
        long n =
            fwi_redis_blocking_read(q->connection, bytes, sizeof bytes, q->deadline_us);
        if (n < 0) {
            return (int)n;
        }
        if (!fwi_redis_reader_feed(q->reader, bytes, (size_t)n)) {
            err = fwi_error(FW_ERR_MEMORY, "redis: out of memory");
        }
    }
    return err;
}

static int authenticate(question *q)
{
    const fwi_redis_url *url = &q->config->url;
    const fwi_redis_reply *reply;
    int err = FW_OK;
    if (url->user[0] != '\0') {
        err = ask(q, 3, (const char *[]){"AUTH", url->user, url->password}, &reply);
    } else if (url->password[0] != '\0') {
        err = ask(q, 2, (const char *[]){"AUTH", url->password}, &reply);
    } else {
        return FW_OK;
    }
    if (err == FW_OK && reply->whole.type == FWI_REDIS_ERROR) {
        char quoted[160];
        fwi_log_quote(quoted, sizeof quoted, reply->whole.str, reply->whole.len);
        err = fwi_error(FW_ERR_BACKPLANE, "redis: Sentinel %s:%d: AUTH: %s", url->host,
                        url->port, quoted);
    }
    return err;
}

static int ask_for_master(question *q, const char *name, fwi_redis_host *to)
{
    const fwi_redis_reply *reply;
    const fwi_redis_url *url = &q->config->url;
    int err =
        ask(q, 3, (const char *[]){"SENTINEL", "get-master-addr-by-name", name}, &reply);
    const char *problem = err == FW_OK ? fwi_redis_master_of(reply, to) : NULL;
    if (problem != NULL) {
        char quoted[160];
        fwi_log_quote(quoted, sizeof quoted, problem, strlen(problem));
        err = fwi_error(FW_ERR_BACKPLANE, "redis: Sentinel %s:%d: %s", url->host,
                        url->port, quoted);
    }
    return err;
}

static int ask_one(const fwi_redis_config *sentinel, const char *name,
                   uint64_t deadline_us, fwi_redis_host *to)
{
    question q = {.config = sentinel, .deadline_us = deadline_us};
    q.reader = fwi_redis_reader_new();
    int err = q.reader != NULL && fwi_redis_reader_begin(q.reader)
                  ? fwi_redis_blocking_open(&q.connection, sentinel, deadline_us)
                  : fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    if (err == FW_OK) {
        err = authenticate(&q);
    }
    if (err == FW_OK) {
        err = ask_for_master(&q, name, to);
    }
    fwi_redis_blocking_close(q.connection);
    fwi_redis_reader_free(q.reader);
    return err;
}

int fwi_redis_find_master(fwi_redis_config *config, size_t first, uint64_t deadline_us,
                          size_t *told)
{
    fwi_redis_url *url = &config->url;
    fwi_redis_config sentinel = *config;
    int err = FW_ERR_BACKPLANE;
    sentinel.url = fwi_redis_url_of_sentinel(url);
    for (size_t i = 0; i < url->n_hosts; i++) {
        size_t which = (first + i) % url->n_hosts;
        uint64_t now_us = fwi_clock_us();
        uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
        fwi_redis_host master;
        memcpy(sentinel.url.host, url->hosts[which].host, sizeof sentinel.url.host);
        sentinel.url.port = url->hosts[which].port;
        /* One share is left for the master itself. */
        err = ask_one(&sentinel, url->master, now_us + left_us / (url->n_hosts - i + 1),
                      &master);
        if (err == FW_OK) {
            memcpy(url->host, master.host, sizeof master.host);
            url->port = master.port;
            *told = which;
            return FW_OK;
        }
    }
    return err;
}
