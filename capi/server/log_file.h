/*
 * Where fanwired's log goes: stderr or log.file, as text or JSON, a line each.
 */
#ifndef FANWIRED_LOG_FILE_H
#define FANWIRED_LOG_FILE_H

#include <fanwire/fanwire.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct fwd_log {
    pthread_mutex_t lock; /* of fd: HUP exchanges it while others write */
    int fd;
    const char *path; /* ""; or log.file, borrowed from the options */
    atomic_bool json;
    atomic_int level; /* fw_log_level: the most talkative that is written */
} fwd_log;

/* Reads log.file, log.format and log.level; options are borrowed as long as log. 0, or
 * the exit status after the reason was reported. */
int fwd_log_open(fwd_log *log, const fw_options *options);
void fwd_log_close(fwd_log *log);

/* Opens log.file anew, after it was moved away. If that fails the old one is kept, and
 * told. @thread main */
void fwd_log_reopen(fwd_log *log);

/* The same with other options, borrowed from now on instead of those before. @thread main
 */
void fwd_log_reload(fwd_log *log, const fw_options *options);

/* A fw_log_fn; user is the fwd_log. @thread any */
void fwd_log_line(void *user, fw_log_level level, const char *component,
                  const char *message);

/* A line of fanwired's own. @thread any */
void fwd_log_say(fwd_log *log, fw_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
