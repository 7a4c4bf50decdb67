/*
 * Counters. Each loop counts into a set of its own, without locks; readers add the sets
 * up. A new counter is a new row here, beside its words for /metrics.
 */
#ifndef FWI_CORE_STATS_H
#define FWI_CORE_STATS_H

#include <stdatomic.h>

#include "base/buf.h"

/* XX(symbol, metric, labels, kind, help). Rows of one metric stand together. */
#define FWI_STAT_MAP(XX)                                                                 \
    XX(SESSIONS, "fanwire_sessions", "", "gauge", "Open sessions")                       \
    XX(SESSIONS_RAW, "fanwire_protocol_sessions", "protocol=\"raw\"", "gauge",           \
       "Open sessions, by what they speak")                                              \
    XX(SESSIONS_CENTRIFUGE, "fanwire_protocol_sessions", "protocol=\"centrifuge\"",      \
       "gauge", "")                                                                      \
    XX(SESSIONS_SSE, "fanwire_protocol_sessions", "protocol=\"sse\"", "gauge", "")       \
    XX(SESSIONS_UNI_SSE, "fanwire_protocol_sessions", "protocol=\"uni_sse\"", "gauge",   \
       "")                                                                               \
    XX(SESSIONS_CENTRIFUGE_SSE, "fanwire_protocol_sessions",                             \
       "protocol=\"centrifuge_sse\"", "gauge", "")                                       \
    XX(SESSIONS_HTTP_STREAM, "fanwire_protocol_sessions",                                \
       "protocol=\"centrifuge_http_stream\"", "gauge", "")                               \
    XX(PENDING, "fanwire_pending_connections", "", "gauge",                              \
       "Connections without a verdict yet")                                              \
    XX(ROOMS, "fanwire_rooms", "", "gauge", "Rooms with members, a loop each")           \
    XX(MEMBERS, "fanwire_room_members", "", "gauge", "Memberships of sessions in rooms") \
    XX(CONNECTS, "fanwire_connects_total", "", "counter", "Sessions opened")             \
    XX(REFUSED, "fanwire_refused_total", "", "counter",                                  \
       "Connections answered with an HTTP error instead of a session")                   \
    XX(CLOSES_CLEAN, "fanwire_closes_total", "kind=\"clean\"", "counter",                \
       "Sessions ended: clean with a Close frame of the peer, by_us, gone without one")  \
    XX(CLOSES_BY_US, "fanwire_closes_total", "kind=\"by_us\"", "counter", "")            \
    XX(CLOSES_GONE, "fanwire_closes_total", "kind=\"gone\"", "counter", "")              \
    XX(PROTOCOL_ERRORS, "fanwire_protocol_errors_total", "", "counter",                  \
       "Sessions closed because the peer broke RFC 6455")                                \
    XX(TOKENS_BAD, "fanwire_tokens_refused_total", "reason=\"bad\"", "counter",          \
       "Tokens that were not good, and connections that needed one and had none")        \
    XX(TOKENS_EXPIRED, "fanwire_tokens_refused_total", "reason=\"expired\"", "counter",  \
       "")                                                                               \
    XX(TOKENS_MISSING, "fanwire_tokens_refused_total", "reason=\"missing\"", "counter",  \
       "")                                                                               \
    XX(HTTP_ERRORS, "fanwire_http_errors_total", "", "counter",                          \
       "Requests refused before they were a handshake: malformed, too large, too slow")  \
    XX(IN, "fanwire_messages_in_total", "", "counter", "Messages from clients")          \
    XX(IN_BYTES, "fanwire_messages_in_bytes_total", "", "counter",                       \
       "Their payload in bytes")                                                         \
    XX(UNROUTED, "fanwire_messages_unrouted_total", "", "counter",                       \
       "Messages from clients that went nowhere: no handler, no room")                   \
    XX(PUBLISH_REFUSED, "fanwire_publishes_refused_total", "", "counter",                \
       "Messages from clients that the application didn't let into their room")          \
    XX(PUBLISHED, "fanwire_published_total", "", "counter",                              \
       "Messages published to rooms, users, nodes and everyone by this node")            \
    XX(UNKNOWN, "fanwire_messages_unknown_total", "", "counter",                         \
       "Messages of other nodes of a kind that this version doesn't know, dropped")      \
    XX(DELIVERIES, "fanwire_deliveries_total", "", "counter",                            \
       "Messages given to open sessions")                                                \
    XX(WRITTEN, "fanwire_written_total", "", "counter", "Messages handed to sockets")    \
    XX(WRITES, "fanwire_writes_total", "", "counter", "Writes to sockets")               \
    XX(WRITTEN_BYTES, "fanwire_written_bytes_total", "", "counter",                      \
       "Bytes handed to sockets")                                                        \
    XX(DEFLATED, "fanwire_deflated_total", "result=\"smaller\"", "counter",              \
       "Messages compressed, once for all who get them, and those that got no smaller")  \
    XX(NOT_DEFLATED, "fanwire_deflated_total", "result=\"no_smaller\"", "counter", "")   \
    XX(DEFLATED_BEFORE, "fanwire_deflated_bytes_total", "side=\"before\"", "counter",    \
       "Payload of messages compressed, before and after")                               \
    XX(DEFLATED_AFTER, "fanwire_deflated_bytes_total", "side=\"after\"", "counter", "")  \
    XX(INFLATED, "fanwire_inflated_total", "", "counter",                                \
       "Messages from clients that were compressed")                                     \
    XX(INFLATED_BEFORE, "fanwire_inflated_bytes_total", "side=\"before\"", "counter",    \
       "Their payload, before and after it was inflated")                                \
    XX(INFLATED_AFTER, "fanwire_inflated_bytes_total", "side=\"after\"", "counter", "")  \
    XX(INFLATE_BROKEN, "fanwire_inflate_failures_total", "reason=\"broken\"", "counter", \
       "Sessions closed over a compressed message: broken, or larger than allowed")      \
    XX(INFLATE_TOO_BIG, "fanwire_inflate_failures_total", "reason=\"too_large\"",        \
       "counter", "")                                                                    \
    XX(HISTORY_READS, "fanwire_room_history_reads_total", "", "counter",                 \
       "Pages of history read for rooms of this node: holes, and who came back")         \
    XX(HISTORY_GAPS, "fanwire_room_history_gaps_total", "", "counter",                   \
       "Times that a message of a room with history was found missing")                  \
    XX(HISTORY_REPEATED, "fanwire_room_history_repeated_total", "", "counter",           \
       "Messages of rooms with history that had come before, and were dropped")          \
    XX(HISTORY_RESETS, "fanwire_room_history_resets_total", "", "counter",               \
       "Times that members were told that messages are lost for good")                   \
    XX(RECOVERED, "fanwire_recoveries_total", "result=\"recovered\"", "counter",         \
       "Joins with a position: who got all that was missed, and who couldn't")           \
    XX(UNRECOVERABLE, "fanwire_recoveries_total", "result=\"lost\"", "counter", "")      \
    XX(HISTORY_CACHE, "fanwire_history_cache_bytes", "", "gauge",                        \
       "What the memory of rooms with history holds: history.cache.max_bytes")           \
    XX(OUTBOX_BYTES, "fanwire_outbox_bytes", "", "gauge",                                \
       "What waits in outboxes for sockets that take no more")                           \
    XX(OUTBOX_SESSIONS, "fanwire_outbox_sessions", "", "gauge",                          \
       "Sessions for which something waits there")                                       \
    XX(OVERFLOW_CLOSE, "fanwire_outbox_overflows_total", "policy=\"close\"", "counter",  \
       "Times that a slow reader's outbox was full, by what was done about it")          \
    XX(OVERFLOW_DROP_OLDEST, "fanwire_outbox_overflows_total", "policy=\"drop_oldest\"", \
       "counter", "")                                                                    \
    XX(OVERFLOW_DROP_NEWEST, "fanwire_outbox_overflows_total", "policy=\"drop_newest\"", \
       "counter", "")                                                                    \
    XX(OVERFLOW_LATEST, "fanwire_outbox_overflows_total", "policy=\"latest\"",           \
       "counter", "")                                                                    \
    XX(OUTBOX_DROPPED, "fanwire_outbox_dropped_total", "", "counter",                    \
       "Messages dropped from outboxes of slow readers, or left there when they closed") \
    XX(LIMIT_SESSIONS, "fanwire_limit_hits_total", "limit=\"sessions\"", "counter",      \
       "Times that a limit was reached")                                                 \
    XX(LIMIT_ADDRESS, "fanwire_limit_hits_total", "limit=\"sessions_per_address\"",      \
       "counter", "")                                                                    \
    XX(LIMIT_USER, "fanwire_limit_hits_total", "limit=\"sessions_per_user\"", "counter", \
       "")                                                                               \
    XX(LIMIT_RATE, "fanwire_limit_hits_total", "limit=\"message_rate\"", "counter", "")  \
    XX(LIMIT_ROOMS, "fanwire_limit_hits_total", "limit=\"rooms_per_session\"",           \
       "counter", "")                                                                    \
    XX(LIMIT_PUBLISH_USER, "fanwire_limit_hits_total",                                   \
       "limit=\"publish_rate_per_user\"", "counter", "")                                 \
    XX(LIMIT_PUBLISH_ADDRESS, "fanwire_limit_hits_total",                                \
       "limit=\"publish_rate_per_address\"", "counter", "")                              \
    XX(LIMIT_PUBLISH_ROOM, "fanwire_limit_hits_total", "limit=\"publish_rate\"",         \
       "counter", "")                                                                    \
    XX(LIMIT_JOIN_USER, "fanwire_limit_hits_total", "limit=\"join_rate_per_user\"",      \
       "counter", "")                                                                    \
    XX(LIMIT_JOIN_ADDRESS, "fanwire_limit_hits_total",                                   \
       "limit=\"join_rate_per_address\"", "counter", "")                                 \
    XX(LIMIT_JOIN_ROOM, "fanwire_limit_hits_total", "limit=\"join_rate\"", "counter",    \
       "")                                                                               \
    XX(LIMIT_EMULATION, "fanwire_limit_hits_total",                                      \
       "limit=\"emulation_rate_per_address\"", "counter", "")                            \
    XX(LIMIT_RATES, "fanwire_limit_hits_total", "limit=\"rates\"", "counter", "")        \
    XX(LIMIT_RESUBSCRIBE, "fanwire_limit_hits_total", "limit=\"resubscribe_rate\"",      \
       "counter", "")                                                                    \
    XX(LIMIT_PENDING, "fanwire_limit_hits_total", "limit=\"pending\"", "counter", "")    \
    XX(LIMIT_MESSAGE, "fanwire_limit_hits_total", "limit=\"message_max_bytes\"",         \
       "counter", "")                                                                    \
    XX(LIMIT_INBOX, "fanwire_limit_hits_total", "limit=\"inbox_max_bytes\"", "counter",  \
       "")                                                                               \
    XX(LIMIT_EVENTS, "fanwire_limit_hits_total", "limit=\"events_max_bytes\"",           \
       "counter", "")                                                                    \
    XX(LIMIT_EVENTS_SESSION, "fanwire_limit_hits_total", "limit=\"events_per_session\"", \
       "counter", "")                                                                    \
    XX(LIMIT_COMMANDS, "fanwire_limit_hits_total", "limit=\"commands\"", "counter", "")  \
    XX(LIMIT_ANSWERS, "fanwire_limit_hits_total", "limit=\"answers\"", "counter", "")    \
    XX(LIMIT_FILES, "fanwire_limit_hits_total", "limit=\"open_files\"", "counter", "")   \
    XX(LIMIT_HTTP_CONNECTIONS, "fanwire_limit_hits_total", "limit=\"http_connections\"", \
       "counter", "")                                                                    \
    XX(LIMIT_HTTP_REQUEST, "fanwire_limit_hits_total", "limit=\"http_request_timeout\"", \
       "counter", "")                                                                    \
    XX(LIMIT_HTTP_BODY, "fanwire_limit_hits_total", "limit=\"api_max_bytes\"",           \
       "counter", "")                                                                    \
    XX(LIMIT_API_ITEMS, "fanwire_limit_hits_total", "limit=\"api_max_items\"",           \
       "counter", "")                                                                    \
    XX(LIMIT_API_TIME, "fanwire_limit_hits_total", "limit=\"api_timeout\"", "counter",   \
       "")                                                                               \
    XX(LIMIT_ADMIN_LOGINS, "fanwire_limit_hits_total", "limit=\"admin_logins\"",         \
       "counter", "")                                                                    \
    XX(LIMIT_TRACES, "fanwire_limit_hits_total", "limit=\"traces\"", "counter", "")      \
    XX(LIMIT_TRACE_REPORTS, "fanwire_limit_hits_total", "limit=\"trace_reports\"",       \
       "counter", "")                                                                    \
    XX(HTTP_REQUESTS, "fanwire_http_requests_total", "", "counter",                      \
       "Requests on http.listen that were complete")                                     \
    XX(EMULATED, "fanwire_emulation_requests_total", "result=\"taken\"", "counter",      \
       "Requests by which clients without WebSocket speak: passed on, or refused")       \
    XX(EMULATION_REFUSED, "fanwire_emulation_requests_total", "result=\"refused\"",      \
       "counter", "")                                                                    \
    XX(API_COMMANDS, "fanwire_api_commands_total", "", "counter",                        \
       "Commands of the HTTP API that were answered, each of a batch")                   \
    XX(API_ERRORS, "fanwire_api_errors_total", "", "counter",                            \
       "Commands of the HTTP API that were answered with an error")                      \
    XX(API_UNAUTHORIZED, "fanwire_api_unauthorized_total", "", "counter",                \
       "Requests to the HTTP API without a good key")                                    \
    XX(ADMIN_REFUSED, "fanwire_admin_refused_total", "", "counter",                      \
       "Wrong passwords of the admin page")                                              \
    XX(HEARTBEAT_TIMEOUTS, "fanwire_heartbeat_timeouts_total", "", "counter",            \
       "Sessions closed because they answered no ping")                                  \
    XX(DECISION_TIMEOUTS, "fanwire_decision_timeouts_total", "", "counter",              \
       "CONNECT and JOIN events that nobody decided in time")                            \
    XX(EVENTS_DROPPED, "fanwire_events_dropped_total", "", "counter",                    \
       "Events dropped because the application was behind")                              \
    XX(INBOX_DROPPED, "fanwire_inbox_dropped_total", "", "counter",                      \
       "Messages dropped between loops because an inbox was full")                       \
    XX(RELOADS, "fanwire_config_reloads_total", "result=\"ok\"", "counter",              \
       "Times that options were to be taken over while the node ran")                    \
    XX(RELOADS_FAILED, "fanwire_config_reloads_total", "result=\"failed\"", "counter", "")

typedef enum {
#define FWI_STAT_ENUM(symbol, ...) FWI_STAT_##symbol,
    FWI_STAT_MAP(FWI_STAT_ENUM)
#undef FWI_STAT_ENUM
        FWI_STAT_COUNT
} fwi_stat;

/* One writer (the loop), any readers. */
typedef struct fwi_stats {
    _Atomic uint64_t value[FWI_STAT_COUNT];
} fwi_stats;

static inline void fwi_stat_add(fwi_stats *stats, fwi_stat which, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&stats->value[which], memory_order_relaxed);
    atomic_store_explicit(&stats->value[which], v + n, memory_order_relaxed);
}

/* For a set that several threads count into. */
static inline void fwi_stat_add_shared(fwi_stats *stats, fwi_stat which, uint64_t n)
{
    atomic_fetch_add_explicit(&stats->value[which], n, memory_order_relaxed);
}

static inline void fwi_stat_sub(fwi_stats *stats, fwi_stat which, uint64_t n)
{
    fwi_stat_add(stats, which, (uint64_t)0 - n);
}

static inline void fwi_stat_set(fwi_stats *stats, fwi_stat which, uint64_t n)
{
    atomic_store_explicit(&stats->value[which], n, memory_order_relaxed);
}

static inline uint64_t fwi_stat_get(const fwi_stats *stats, fwi_stat which)
{
    return atomic_load_explicit(&((fwi_stats *)(uintptr_t)stats)->value[which],
                                memory_order_relaxed);
}

/* The counters of a snapshot (FWI_STAT_COUNT sums) as Prometheus text with HELP and TYPE.
 * false: out of memory. */
bool fwi_stats_text(const uint64_t *sums, fwi_buf *out);

/* The index of "metric" or "metric{labels}"; -1 if there is none. */
int fwi_stats_find(const char *name);

#endif
