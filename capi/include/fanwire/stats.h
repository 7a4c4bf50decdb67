/**
 * Counters: the same that /metrics shows, by the same names. Figures of the backplane are
 * asked for on another thread: a call may wait a second for them, but never on one of the
 * hub's own threads.
 */
#ifndef FANWIRE_STATS_H
#define FANWIRE_STATS_H

#include <stddef.h>
#include <stdint.h>

#include <fanwire/event.h>
#include <fanwire/export.h>

FW_BEGIN_DECLS

/**
 * One figure of a hub.
 *
 * @param name  borrowed, with labels if it has any: "fanwire_sessions",
 *              "fanwire_limit_hits_total{limit=\"sessions\"}"
 * @param value out, written on success
 * @return FW_OK, FW_ERR_INVALID no such figure, FW_ERR_CLOSED hub not running
 * @thread any
 * @since  0.1
 */
FW_API int fw_stats_get(fw_hub *hub, const char *name, double *value);

/**
 * All figures in Prometheus' text format, as /metrics gives them.
 *
 * @param text out, owned by caller, NUL-terminated, to be given to fw_stats_text_free()
 * @return FW_OK, FW_ERR_MEMORY, FW_ERR_CLOSED hub not running
 * @thread any
 * @since  0.1
 */
FW_API int fw_stats_text(fw_hub *hub, char **text);

/** @param text taken; NULL is allowed @thread any @since 0.1 */
FW_API void fw_stats_text_free(char *text);

FW_END_DECLS

#endif
