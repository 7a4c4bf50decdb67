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
 * @return FW_OK, FW_ERR_INVALID no such figure, FW_ERR_CLOSED hub not running,
 *         FW_ERR_MEMORY
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

/**
 * Writes figures of the application's own as lines of Prometheus' text format, HELP and
 * TYPE included, as snprintf does: at most cap bytes with a NUL.
 *
 * @return how many bytes there are without the NUL, if more than cap - 1 it is called
 *         again with more room
 * @thread several of the hub's and yours, perhaps at once: it must not block
 */
typedef size_t (*fw_metrics_fn)(void *user, char *out, size_t cap);

/**
 * Have figures of your own shown behind the hub's: by /metrics, fw_stats_text and
 * fw_stats_get. Names and labels are not looked at.
 *
 * @param fn   NULL: none
 * @param user given back to fn, never touched; both must be good until the hub is stopped
 * @return FW_OK, FW_ERR_STATE after fw_hub_start
 * @thread any, before fw_hub_start
 * @since  0.1
 */
FW_API int fw_hub_on_metrics(fw_hub *hub, fw_metrics_fn fn, void *user);

FW_END_DECLS

#endif
