/*
 * The logger: a function of the application's behind a level. Copied into whatever
 * speaks; silent until told where to speak to.
 */
#ifndef FWI_BASE_LOG_H
#define FWI_BASE_LOG_H

#include "base/base.h"

typedef enum {
    FWI_LOG_ERROR,
    FWI_LOG_WARN,
    FWI_LOG_INFO,
    FWI_LOG_DEBUG,
    FWI_LOG_TRACE
} fwi_log_level;

typedef struct fwi_log {
    void (*fn)(void *user, int level, const char *component, const char *message);
    void *user;
    _Atomic int level; /* the most talkative that is let through; may change */
} fwi_log;

static inline bool fwi_log_is_on(const fwi_log *log, fwi_log_level level)
{
    return log->fn != NULL && (int)level <= log->level;
}

/* One line; what comes from a peer must have gone through fwi_log_quote. @thread any */
void fwi_log_write(const fwi_log *log, fwi_log_level level, const char *component,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define FWI_LOG(log, level, component, ...)                                              \
    do {                                                                                 \
        if (fwi_log_is_on((log), (level))) {                                             \
            fwi_log_write((log), (level), (component), __VA_ARGS__);                     \
        }                                                                                \
    } while (0)

/* Foreign bytes as one printable line: control characters and bad UTF-8 become \xNN, the
 * rest is cut at `cap`. Returns out. */
const char *fwi_log_quote(char *out, size_t cap, const void *data, size_t len);

#endif
