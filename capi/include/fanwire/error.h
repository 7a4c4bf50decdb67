/**
 * Errors. A function that can fail returns FW_OK (0) or one of these numbers, all
 * negative. A call that fails has had no effect and causes no event later (an emitter's
 * may have had one). Numbers are never used again for something else.
 */
#ifndef FANWIRE_ERROR_H
#define FANWIRE_ERROR_H

#include <fanwire/export.h>

/* XX(name, number, can it help to try again later, sentence) */
#define FW_ERROR_MAP(XX)                                                                 \
    XX(INVALID, -1, 0, "an argument is not allowed")                                     \
    XX(MEMORY, -2, 1, "out of memory")                                                   \
    XX(OPTION, -3, 0, "an option has no such name or not an allowed value")              \
    XX(STATE, -4, 0, "not possible in this state")                                       \
    XX(BUSY, -5, 1, "a queue is full, or somebody else does this already")               \
    XX(GONE, -6, 0, "it is not there any more")                                          \
    XX(TOO_BIG, -7, 0, "larger than a limit allows")                                     \
    XX(CLOSED, -8, 0, "the hub is stopped or stopping")                                  \
    XX(TIMEOUT, -9, 1, "it took too long")                                               \
    XX(LISTEN, -10, 0, "an address can't be listened on")                                \
    XX(TLS, -11, 0, "a certificate or key can't be used")                                \
    XX(BACKPLANE, -12, 1, "the backplane can't be reached or refused")                   \
    XX(FORKED, -13, 0, "this hub belongs to the parent process")                         \
    XX(SYSTEM, -14, 0, "the operating system refused")                                   \
    XX(REFUSED, -15, 0, "a handler refused")                                             \
    XX(LIMIT, -16, 0, "a configured limit is reached")

enum {
    FW_OK = 0,
#define FWI_ERROR_ENUM(name, number, retriable, text) FW_ERR_##name = number,
    FW_ERROR_MAP(FWI_ERROR_ENUM)
#undef FWI_ERROR_ENUM
};

FW_BEGIN_DECLS

/**
 * The general sentence for an error number, "ok" for 0, "unknown error" for others.
 *
 * @return valid for ever
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_strerror(int err);

/**
 * The name of an error number: "FW_ERR_GONE", "FW_OK" for 0.
 *
 * @return valid for ever; "FW_ERR_?" for an unknown number
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_err_name(int err);

/**
 * Can the same call succeed later?
 *
 * @return 1 or 0
 * @thread any
 * @since  0.1
 */
FW_API int fw_err_is_retriable(int err);

/**
 * What exactly went wrong in the last call of this thread that failed, as a sentence
 * for a person: "listen ws://127.0.0.1:9090/ws: address already in use".
 *
 * @return valid until this thread's next failing call; "" if none failed yet
 * @thread any; each thread has its own
 * @since  0.1
 */
FW_API const char *fw_error_detail(void);

FW_END_DECLS

#endif
