/*
 * Publishes from a process that has no hub: one blocking connection, one command, one
 * answer. Called by the API's emitter, on whatever thread, one call at a time.
 *
 * A publish that failed isn't repeated by itself: Redis may have taken it. The connection
 * is dropped then and made anew by the next publish.
 */
#include "backplane/backplanes.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <unistd.h>

#include "backplane/redis_blocking.h"
#include "backplane/redis_command.h"
#include "backplane/redis_find_master.h"
#include "base/clock.h"
#include "base/rand.h"
#include "core/error.h"
#include "core/message.h"
#include "wire/name.h"

enum {
    DEFAULT_TIMEOUT_MS = 5000,
    /* Sentinels aren't asked more often because nobody hears what is published. */
    ASK_AGAIN_MS = 5000
};

struct fwi_redis_emitter {
    fwi_redis_config config;
    fwi_redis_blocking *connection; /* NULL: not connected */
    redisReader *reader;
    size_t sentinel;   /* which to ask first */
    uint64_t found_us; /* when the master was asked for */
    uint64_t serial;
    pid_t owner; /* the process that the connection and the number belong to */
};

fwi_redis_emitter *fwi_redis_emitter_new(const fwi_redis_config *config)
{
    fwi_redis_emitter *e = calloc(1, sizeof *e);
    if (e != NULL) {
        e->config = *config;
        e->owner = getpid();
    }
    return e;
}

static void disconnect(fwi_redis_emitter *e)
{
    fwi_redis_blocking_close(e->connection);
    e->connection = NULL;
    if (e->reader != NULL) {
        redisReaderFree(e->reader);
        e->reader = NULL;
    }
}

void fwi_redis_emitter_free(fwi_redis_emitter *e)
{
    if (e == NULL) {
        return;
    }
    disconnect(e);
    free(e);
}

static int send_command(fwi_redis_emitter *e, int argc, const char **argv,
                        const size_t *lens, uint64_t deadline_us)
{
    fwi_buf command;
    fwi_buf_init(&command);
    int err = fwi_redis_command(&command, argc, argv, lens)
                  ? fwi_redis_blocking_write(e->connection, command.data, command.len,
                                             deadline_us)
                  : fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    fwi_buf_fini(&command);
    return err;
}

static int next_reply(fwi_redis_emitter *e, redisReply **out, uint64_t deadline_us)
{
    char bytes[4096];
    for (;;) {
        void *any = NULL;
        if (redisReaderGetReply(e->reader, &any) != REDIS_OK) {
            return fwi_error(FW_ERR_BACKPLANE, "redis: not what Redis says: %s",
                             e->reader->errstr);
        }
        if (any != NULL) {
            *out = any;
            return FW_OK;
        }
        long n = fwi_redis_blocking_read(e->connection, bytes, sizeof bytes, deadline_us);
        if (n < 0) {
            return (int)n;
        }
        if (redisReaderFeed(e->reader, bytes, (size_t)n) != REDIS_OK) {
            return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
        }
    }
}

/* One command and its answer: *number if it is one. */
static int ask(fwi_redis_emitter *e, int argc, const char **argv, const size_t *lens,
               uint64_t deadline_us, long long *number)
{
    redisReply *reply = NULL;
    int err = send_command(e, argc, argv, lens, deadline_us);
    if (err == FW_OK) {
        err = next_reply(e, &reply, deadline_us);
    }
    if (err != FW_OK) {
        return err;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        char quoted[200];
        fwi_log_quote(quoted, sizeof quoted, reply->str, reply->len);
        err = fwi_error(FW_ERR_BACKPLANE, "redis: %s: %s", argv[0], quoted);
    } else if (number != NULL && reply->type != REDIS_REPLY_INTEGER) {
        err = fwi_error(FW_ERR_BACKPLANE, "redis: %s: not a number", argv[0]);
    } else if (number != NULL) {
        *number = reply->integer;
    }
    freeReplyObject(reply);
    return err;
}

static int ask_words(fwi_redis_emitter *e, int argc, const char **argv,
                     uint64_t deadline_us)
{
    size_t lens[3];
    for (int i = 0; i < argc; i++) {
        lens[i] = strlen(argv[i]);
    }
    return ask(e, argc, argv, lens, deadline_us, NULL);
}

static int greet(fwi_redis_emitter *e, uint64_t deadline_us)
{
    const fwi_redis_url *url = &e->config.url;
    int err = FW_OK;
    if (url->user[0] != '\0') {
        err = ask_words(e, 3, (const char *[]){"AUTH", url->user, url->password},
                        deadline_us);
    } else if (url->password[0] != '\0') {
        err = ask_words(e, 2, (const char *[]){"AUTH", url->password}, deadline_us);
    }
    if (err == FW_OK && url->database != 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", url->database);
        err = ask_words(e, 2, (const char *[]){"SELECT", number}, deadline_us);
    }
    return err;
}

static int check_master(fwi_redis_emitter *e, uint64_t deadline_us)
{
    redisReply *reply = NULL;
    const char *argv[] = {"INFO", "replication"};
    const size_t lens[] = {4, 11};
    int err = send_command(e, 2, argv, lens, deadline_us);
    if (err == FW_OK) {
        err = next_reply(e, &reply, deadline_us);
    }
    if (err != FW_OK) {
        return err;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        char quoted[200];
        fwi_log_quote(quoted, sizeof quoted, reply->str, reply->len);
        err = fwi_error(FW_ERR_BACKPLANE, "redis: INFO: %s", quoted);
    } else if (reply->type != REDIS_REPLY_STRING ||
               strstr(reply->str, "role:master") == NULL) {
        err = fwi_error(FW_ERR_BACKPLANE, "redis: %s:%d is a replica, no master",
                        e->config.url.host, e->config.url.port);
    }
    freeReplyObject(reply);
    return err;
}

/* After a fork two processes hold this emitter. The child takes a connection and a number
 * of its own: on one connection they would read each other's answers, and with one number
 * the nodes would take what the second one sends for repetitions. Closing here leaves the
 * parent's connection alone. */
static void notice_fork(fwi_redis_emitter *e)
{
    if (e->owner != getpid()) {
        disconnect(e);
        e->config.node = fwi_rand_secure();
        e->serial = 0;
        e->owner = getpid();
    }
}

static int connect_again(fwi_redis_emitter *e, uint64_t deadline_us)
{
    if (e->connection != NULL && !fwi_redis_blocking_is_stale(e->connection)) {
        return FW_OK;
    }
    disconnect(e);
    e->reader = redisReaderCreate();
    if (e->reader == NULL) {
        return fwi_error(FW_ERR_MEMORY, "redis: out of memory");
    }
    bool sentinels = e->config.url.kind == FWI_REDIS_SENTINEL;
    int err = FW_OK;
    if (sentinels) {
        err = fwi_redis_find_master(&e->config, e->sentinel, deadline_us, &e->sentinel);
        e->found_us = fwi_clock_us();
    }
    if (err == FW_OK) {
        err = fwi_redis_blocking_open(&e->connection, &e->config, deadline_us);
    }
    if (err == FW_OK) {
        err = greet(e, deadline_us);
    }
    if (err == FW_OK && sentinels) {
        err = check_master(e, deadline_us);
    }
    if (err != FW_OK && sentinels) {
        e->sentinel++; /* What this one said led nowhere. */
    }
    return err;
}

int fwi_redis_emitter_publish(fwi_redis_emitter *e, const char *channel,
                              const fw_message *m, int timeout_ms)
{
    uint64_t wait_ms = timeout_ms > 0 ? (uint64_t)timeout_ms : DEFAULT_TIMEOUT_MS;
    uint64_t deadline_us = fwi_clock_us() + wait_ms * 1000u;
    fwi_buf name, envelope;
    long long receivers = 0;
    fwi_buf_init(&name);
    fwi_buf_init(&envelope);

    notice_fork(e);
    int err = connect_again(e, deadline_us);
    if (err != FW_OK) {
        goto out;
    }
    if (!fwi_name_to_redis(&name, e->config.prefix, channel) ||
        !fwi_message_encode(m, e->config.node, e->serial + 1, &envelope)) {
        err = fwi_error(FW_ERR_MEMORY, "redis: out of memory");
        goto out;
    }
    e->serial++;
    const char *argv[] = {"PUBLISH", name.data, envelope.data};
    const size_t lens[] = {7, name.len, envelope.len};
    err = ask(e, 3, argv, lens, deadline_us, &receivers);
    if (err == FW_OK && receivers == 0 && e->config.url.kind == FWI_REDIS_SENTINEL &&
        fwi_clock_us() - e->found_us > ASK_AGAIN_MS * 1000u) {
        /* A master that was replaced and doesn't know has no nodes any more. */
        disconnect(e);
    }
out:
    fwi_buf_fini(&name);
    fwi_buf_fini(&envelope);
    if (err != FW_OK) {
        disconnect(e);
        return err;
    }
    return receivers > INT32_MAX ? INT32_MAX : (int)receivers;
}
