/**
 * What the library says of itself.
 */
#ifndef FANWIRE_LOG_H
#define FANWIRE_LOG_H

#include <fanwire/export.h>

FW_BEGIN_DECLS

typedef enum {
    FW_LOG_ERROR = 0,
    FW_LOG_WARN = 1,
    FW_LOG_INFO = 2,
    FW_LOG_DEBUG = 3,
    FW_LOG_TRACE = 4
} fw_log_level;

/**
 * Receives a line. It is called on whatever thread has something to say, several at a
 * time if the hub has several loops; it must not block and not call into the hub.
 *
 * @param component borrowed: "hub", "redis", "listen", "session", ...
 * @param message   borrowed: one line without its end; details follow as key=value
 */
typedef void (*fw_log_fn)(void *user, fw_log_level level, const char *component,
                          const char *message);

/**
 * The name of a level: "error", "warn", "info", "debug", "trace".
 *
 * @return valid for ever; "?" for an unknown one
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_log_level_name(fw_log_level level);

FW_END_DECLS

#endif
