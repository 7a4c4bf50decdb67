/*
 * The one table of options and a set of their values. Surfaces (flags, environment, INI
 * file, keyword arguments, docs/options.md) are all made from the table.
 *
 * A set is written by one thread and then only read.
 */
#ifndef FWI_CORE_OPTIONS_H
#define FWI_CORE_OPTIONS_H

#include <fanwire/options.h>

#include "base/base.h"

/* XX(symbol, name, type, minimum, maximum, default, since, help)
 * Durations are in milliseconds, sizes in bytes. Types are the rows of
 * fwi_option_types: what is allowed and the names of choices stand there. Rows of one
 * heading (see `groups` in options.c) stand together. */
#define FWI_OPTION_MAP(XX)                                                               \
    XX(LISTEN, "listen", LISTEN_URLS, 0, 0, "ws://127.0.0.1:9090/ws", "0.1",             \
       "where WebSocket clients are served; port 0 picks a free one and prints it")      \
    XX(LISTEN_SHARED, "listen.shared", SWITCH, 0, 1, "off", "0.1",                       \
       "let several processes listen on one port (SO_REUSEPORT)")                        \
    XX(CENTRIFUGE_PATH, "centrifuge.path", PATH, 0, 0, "/connection/websocket", "0.1",   \
       "where every listener serves clients of the Centrifuge protocol; empty or off: "  \
       "nowhere")                                                                        \
    XX(CENTRIFUGE_UNI_SSE_PATH, "centrifuge.uni_sse.path", PATH, 0, 0,                   \
       "/connection/uni_sse", "0.1",                                                     \
       "where every listener serves unidirectional SSE of the Centrifuge protocol; "     \
       "empty or off: nowhere")                                                          \
    XX(CENTRIFUGE_SSE_PATH, "centrifuge.sse.path", PATH, 0, 0, "/connection/sse", "0.1", \
       "where clients of the Centrifuge protocol hear a stream of events if they have "  \
       "no WebSocket; empty or off: nowhere")                                            \
    XX(CENTRIFUGE_HTTP_STREAM_PATH, "centrifuge.http_stream.path", PATH, 0, 0,           \
       "/connection/http_stream", "0.1",                                                 \
       "where they hear a stream of lines; empty or off: nowhere")                       \
    XX(CENTRIFUGE_EMULATION_PATH, "centrifuge.emulation.path", PATH, 0, 0, "/emulation", \
       "0.1", "where they say what they have to say; empty or off: nowhere")             \
    XX(SSE_PATH, "sse.path", PATH, 0, 0, "/sse", "0.1",                                  \
       "where every listener serves raw clients that only listen, by Server-Sent "       \
       "Events; empty or off: nowhere")                                                  \
    XX(THREADS, "threads", THREADS, 1, 64, "1", "0.1",                                   \
       "how many loops serve sessions; auto is one a core")                              \
    XX(EVENTS, "events", EVENTS, 0, 0, "inline", "0.1",                                  \
       "library: handlers on the loops' threads, or a queue for one poller")             \
    XX(EVENTS_PER_SESSION, "events.per_session", NUMBER, 1, 65536, "64", "0.1",          \
       "queued and unfinished events of a session before its reading stops; so does a "  \
       "sixteenth of events.max_bytes")                                                  \
    XX(EVENTS_MAX_BYTES, "events.max_bytes", SIZE, 65536, 1099511627776, "16MiB", "0.1", \
       "queued and unfinished events in all before reading stops")                       \
    XX(INBOX_MAX_BYTES, "inbox.max_bytes", SIZE, 65536, 1099511627776, "64MiB", "0.1",   \
       "what may wait between threads; full is FW_ERR_BUSY")                             \
    XX(HISTORY_CACHE_MAX_BYTES, "history.cache.max_bytes", SIZE, 65536, 1099511627776,   \
       "64MiB", "0.1",                                                                   \
       "what a node keeps of rooms with history in its memory, for who comes back")      \
    XX(DECISION_TIMEOUT, "decision.timeout", DURATION, 1, 3600000, "5s", "0.1",          \
       "how long a handler may take over CONNECT, JOIN and other questions")             \
    XX(HANDSHAKE_TIMEOUT, "handshake.timeout", DURATION, 1, 3600000, "5s", "0.1",        \
       "how long a client may take to send its HTTP head, TLS included")                 \
    XX(LIMIT_PENDING, "limit.pending", NUMBER, 1, 1000000, "10000", "0.1",               \
       "connections without a verdict")                                                  \
    XX(HTTP_LISTEN, "http.listen", ADDRESS, 0, 0, "", "0.1",                             \
       "where /health, /ready, /metrics and /api are served; empty or off: nowhere")     \
    XX(HTTP_REQUEST_TIMEOUT, "http.request_timeout", DURATION, 1, 3600000, "10s", "0.1", \
       "how long a request there may take to come, head and body; then 408")             \
    XX(HTTP_IDLE_TIMEOUT, "http.idle_timeout", DURATION, 1, 3600000, "75s", "0.1",       \
       "how long a connection there is kept for the next request")                       \
    XX(LIMIT_HTTP_CONNECTIONS, "limit.http_connections", NUMBER, 1, 1000000, "1000",     \
       "0.1", "connections there; one more is answered 503")                             \
    XX(API_KEY, "api.key", API_KEYS, 0, 0, "", "0.1",                                    \
       "keys of the HTTP API, each as good as the others; empty: there is no API")       \
    XX(API_MAX_BYTES, "api.max_bytes", SIZE, 64, 1073741824, "4MiB", "0.1",              \
       "of the body of a request to the API; more is 413")                               \
    XX(API_MAX_ITEMS, "api.max_items", NUMBER, 1, 1000000, "10000", "0.1",               \
       "commands, channels, members or messages of one request to the API or answer")    \
    XX(API_TIMEOUT, "api.timeout", DURATION, 1, 3600000, "10s", "0.1",                   \
       "how long the answer to a request to the API may take")                           \
    XX(ADMIN_PASSWORD, "admin.password", PASSWORD, 0, 0, "", "0.1",                      \
       "who knows it may use the page /admin on http.listen; empty: there is none")      \
    XX(REDIS_URL, "redis.url", REDIS_URL, 0, 0, "", "0.1",                               \
       "the Redis that connects the nodes; empty: this node alone, in memory")           \
    XX(REDIS_PREFIX, "redis.prefix", PREFIX, 0, 0, "fanwire", "0.1",                     \
       "first part of every channel and key")                                            \
    XX(REDIS_REQUIRED, "redis.required", SWITCH, 0, 1, "off", "0.1",                     \
       "don't start while Redis can't be reached")                                       \
    XX(REDIS_QUEUE_MAX_BYTES, "redis.queue.max_bytes", SIZE, 1024, 1099511627776,        \
       "16MiB", "0.1", "publishes that may wait while Redis is away")                    \
    XX(REDIS_QUEUE_DEADLINE, "redis.queue.deadline", DURATION, 1, 86400000, "30s",       \
       "0.1", "how long a publish may wait while Redis is away")                         \
    XX(REDIS_TLS_CA, "redis.tls.ca", FILE_NAME, 0, 0, "", "0.1",                         \
       "file of the authority that signed Redis' certificate; empty: the system's")      \
    XX(REDIS_TLS_CERT, "redis.tls.cert", FILE_NAME, 0, 0, "", "0.1",                     \
       "certificate file to show to Redis")                                              \
    XX(REDIS_TLS_KEY, "redis.tls.key", FILE_NAME, 0, 0, "", "0.1", "its key file")       \
    XX(REDIS_TLS_INSECURE, "redis.tls.insecure", SWITCH, 0, 1, "off", "0.1",             \
       "don't check Redis' certificate")                                                 \
    XX(NODE_NAME, "node.name", NODE, 0, 0, "", "0.1",                                    \
       "this node's name; empty: HOST-PID")                                              \
    XX(NODE_LEASE, "node.lease", DURATION, 1000, 3600000, "10s", "0.1",                  \
       "a node that wasn't heard of for so long is dead")                                \
    XX(HEARTBEAT_INTERVAL, "heartbeat.interval", DURATION, 0, 86400000, "25s", "0.1",    \
       "how often an open session is pinged; 0s is off")                                 \
    XX(HEARTBEAT_TIMEOUT, "heartbeat.timeout", DURATION, 1, 3600000, "10s", "0.1",       \
       "how long the answer to a ping may take")                                         \
    XX(MESSAGE_MAX_BYTES, "message.max_bytes", SIZE, 1, 1073741824, "1MiB", "0.1",       \
       "of one message; a larger one closes its sender's session with 1009")             \
    XX(OUTBOX_MAX_BYTES, "outbox.max_bytes", SIZE, 1024, 1099511627776, "1MiB", "0.1",   \
       "what may wait for a slow reader")                                                \
    XX(OUTBOX_POLICY, "outbox.policy", POLICY, 0, 0, "close", "0.1",                     \
       "over that: close the session, or drop; latest keeps the newest of each room")    \
    XX(WRITE_DELAY, "write.delay", DURATION, 0, 1000, "0ms", "0.1",                      \
       "wait that long for more before writing")                                         \
    XX(COMPRESSION, "compression", SWITCH, 0, 1, "off", "0.1",                           \
       "compress messages for clients that offer permessage-deflate, and take theirs")   \
    XX(COMPRESSION_MIN_BYTES, "compression.min_bytes", SIZE, 1, 1073741824, "256",       \
       "0.1", "a shorter message is sent as it is")                                      \
    XX(SSE_RETRY, "sse.retry", DURATION, 1, 86400000, "2s", "0.1",                       \
       "after about how long clients of Server-Sent Events come again: each is told a "  \
       "time of its own, from half of it to one and a half")                             \
    XX(DRAIN_RATE, "drain.rate", NUMBER, 1, 1000000, "1000", "0.1",                      \
       "sessions closed a second while draining")                                        \
    XX(DRAIN_TIMEOUT, "drain.timeout", DURATION, 0, 86400000, "30s", "0.1",              \
       "how long draining may take")                                                     \
    XX(HANDOVER_PATH, "handover.path", FILE_NAME, 0, 0, "", "0.1",                       \
       "fanwired: a Unix socket by which the next one takes over the port; empty: none") \
    XX(ORIGINS, "origins", ORIGINS, 0, 0, "", "0.1",                                     \
       "origins let in beside the same host, https://example.org; * is all")             \
    XX(PROXY_TRUSTED, "proxy.trusted", NETWORKS, 0, 0, "127.0.0.0/8,::1", "0.1",         \
       "proxies whose X-Forwarded-For and X-Real-IP are believed")                       \
    XX(LIMIT_SESSIONS, "limit.sessions", NUMBER, 0, 16777216, "0", "0.1",                \
       "sessions in all; 0 is off")                                                      \
    XX(LIMIT_SESSIONS_PER_ADDRESS, "limit.sessions_per_address", NUMBER, 0, 16777216,    \
       "0", "0.1", "sessions of one client address; 0 is off")                           \
    XX(LIMIT_SESSIONS_PER_USER, "limit.sessions_per_user", NUMBER, 0, 16777216, "0",     \
       "0.1", "sessions of one user on a node; 0 is off")                                \
    XX(LIMIT_MESSAGE_RATE, "limit.message_rate", NUMBER, 0, 1000000, "0", "0.1",         \
       "messages a second of one session, of which each command of a batch is one; "     \
       "more closes it with 1008, or 3013 in the centrifuge protocol; 0 is off")         \
    XX(LIMIT_PUBLISH_RATE_PER_USER, "limit.publish_rate_per_user", NUMBER, 0, 1000000,   \
       "0", "0.1",                                                                       \
       "messages a second that clients of one user may publish on a node; 0 is off")     \
    XX(LIMIT_PUBLISH_RATE_PER_ADDRESS, "limit.publish_rate_per_address", NUMBER, 0,      \
       1000000, "0", "0.1",                                                              \
       "messages a second that clients of one address may publish on a node; 0 is off")  \
    XX(LIMIT_JOIN_RATE_PER_USER, "limit.join_rate_per_user", NUMBER, 0, 1000000, "0",    \
       "0.1", "rooms a second that clients of one user may enter on a node; 0 is off")   \
    XX(LIMIT_JOIN_RATE_PER_ADDRESS, "limit.join_rate_per_address", NUMBER, 0, 1000000,   \
       "0", "0.1",                                                                       \
       "rooms a second that clients of one address may enter on a node; 0 is off")       \
    XX(LIMIT_EMULATION_RATE_PER_ADDRESS, "limit.emulation_rate_per_address", NUMBER, 0,  \
       1000000, "1000", "0.1",                                                           \
       "requests a second by which clients of one address that have no WebSocket may "   \
       "speak on a node; more is 429; 0 is off")                                         \
    XX(LIMIT_ROOMS_PER_SESSION, "limit.rooms_per_session", NUMBER, 1, 65535, "128",      \
       "0.1", "rooms a session may be in")                                               \
    XX(LIMIT_RESUBSCRIBE_RATE, "limit.resubscribe_rate", NUMBER, 1, 1000000, "1000",     \
       "0.1",                                                                            \
       "centrifuge protocol: subscribers a second, of each loop, that are told to come " \
       "again when a room's history is lost; more of them wait")                         \
    XX(TLS_CERT, "tls.cert", FILE_NAME, 0, 0, "", "0.1",                                 \
       "certificate chain file (PEM) for wss listeners")                                 \
    XX(TLS_KEY, "tls.key", FILE_NAME, 0, 0, "", "0.1", "its key file (PEM)")             \
    XX(LOG_LEVEL, "log.level", LEVEL, 0, 0, "info", "0.1",                               \
       "the most talkative level that is logged")                                        \
    XX(LOG_FORMAT, "log.format", LOG_FORMAT, 0, 0, "text", "0.1",                        \
       "a line for people, or an object for machines")                                   \
    XX(LOG_FILE, "log.file", FILE_NAME, 0, 0, "", "0.1",                                 \
       "fanwired: append log lines to this file instead of stderr; HUP reopens it")      \
    XX(RAW_MODE, "raw.mode", RAW_MODE, 0, 0, "app", "0.1",                               \
       "app: messages are events of the application; rooms: ?room=R joins, what is "     \
       "sent reaches the room (fanwired's default)")                                     \
    XX(RAW_FORMAT, "raw.format", RAW_FORMAT, 0, 0, "plain", "0.1",                       \
       "rooms mode: members get messages plain, or wrapped in json with their sender")   \
    XX(RAW_ECHO_TO_SENDER, "raw.echo_to_sender", SWITCH, 0, 1, "on", "0.1",              \
       "rooms mode: who sends hears itself")                                             \
    XX(RAW_USER, "raw.user", RAW_USER, 0, 0, "auto", "0.1",                              \
       "who a client is: what the query says (rooms mode; so anybody can be anybody), "  \
       "what its token says, or nobody; auto is token where there is a key for tokens, " \
       "else query")                                                                     \
    XX(TOKEN_HMAC_SECRET, "token.hmac_secret", SECRETS, 0, 0, "", "0.1",                 \
       "secrets that tokens may be signed with (HS256, HS384, HS512); the first one is " \
       "what fanwired token signs with")                                                 \
    XX(TOKEN_PUBLIC_KEY, "token.public_key", PEMS, 0, 0, "", "0.1",                      \
       "public keys that tokens are verified with (RS256, RS384, RS512, ES256, ES384, "  \
       "EdDSA): PEM texts, or files of them")                                            \
    XX(TOKEN_JWKS, "token.jwks", FILE_NAMES, 0, 0, "", "0.1",                            \
       "files of public keys as a JWKS (RFC 7517)")                                      \
    XX(TOKEN_ISSUER, "token.issuer", TEXT, 0, 0, "", "0.1",                              \
       "what iss must be in every token; empty: not looked at")                          \
    XX(TOKEN_AUDIENCE, "token.audience", TEXT, 0, 0, "", "0.1",                          \
       "what aud must be or contain in every token; empty: not looked at")               \
    XX(TOKEN_GRACE, "token.grace", DURATION, 0, 3600000, "25s", "0.1",                   \
       "centrifuge protocol: how long after its token's end a connection or "            \
       "subscription still waits for a new one")                                         \
    XX(CLIENT_ANONYMOUS, "client.anonymous", SWITCH, 0, 1, "off", "0.1",                 \
       "let in clients without a token, as nobody")                                      \
    XX(CLIENT_INSECURE, "client.insecure", SWITCH, 0, 1, "off", "0.1",                   \
       "centrifuge protocol: ask for no token and allow everything, for trying out")     \
    XX(HOOK_CONNECT_URL, "hook.connect.url", HTTP_URL, 0, 0, "", "0.1",                  \
       "fanwired: asked who may connect, and as whom; empty: not asked")                 \
    XX(HOOK_REFRESH_URL, "hook.refresh.url", HTTP_URL, 0, 0, "", "0.1",                  \
       "fanwired: asked whether a connection that expires may stay; empty: not asked")   \
    XX(HOOK_SUBSCRIBE_URL, "hook.subscribe.url", HTTP_URL, 0, 0, "", "0.1",              \
       "fanwired: asked who may come into a room; empty: not asked")                     \
    XX(HOOK_SUB_REFRESH_URL, "hook.sub_refresh.url", HTTP_URL, 0, 0, "", "0.1",          \
       "fanwired: asked whether a subscription that expires may stay; empty: not asked") \
    XX(HOOK_PUBLISH_URL, "hook.publish.url", HTTP_URL, 0, 0, "", "0.1",                  \
       "fanwired: asked what clients may say in a room; empty: not asked")               \
    XX(HOOK_RPC_URL, "hook.rpc.url", HTTP_URL, 0, 0, "", "0.1",                          \
       "fanwired: asked what clients call (centrifuge protocol); empty: not asked")      \
    XX(HOOK_DISCONNECT_URL, "hook.disconnect.url", HTTP_URL, 0, 0, "", "0.1",            \
       "fanwired: told that a session has ended; empty: not told")                       \
    XX(HOOK_TIMEOUT, "hook.timeout", DURATION, 1, 600000, "1s", "0.1",                   \
       "fanwired: how long a request to a hook may take, and how long it may wait "      \
       "before")                                                                         \
    XX(HOOK_CONCURRENCY, "hook.concurrency", NUMBER, 1, 10000, "64", "0.1",              \
       "fanwired: requests to a hook at a time")                                         \
    XX(HOOK_PER_SESSION, "hook.per_session", NUMBER, 1, 10000, "8", "0.1",               \
       "fanwired: of these for one session; what it publishes is asked one by one")      \
    XX(HOOK_QUEUE, "hook.queue", NUMBER, 1, 1000000, "1000", "0.1",                      \
       "fanwired: requests to a hook that may wait for a turn; one more fails at once")  \
    XX(HOOK_MAX_BYTES, "hook.max_bytes", SIZE, 64, 1073741824, "64KiB", "0.1",           \
       "fanwired: of a hook's answer; a larger one is a failure")                        \
    XX(HOOK_HEADERS, "hook.headers", HEADER_NAMES, 0, 0, "", "0.1",                      \
       "fanwired: headers of the client's handshake that hooks get, too; cookie, for "   \
       "one")                                                                            \
    XX(HOOK_SECRET, "hook.secret", HEADER_SECRET, 0, 0, "", "0.1",                       \
       "fanwired: hooks are sent Authorization: Bearer and this; empty: nothing")        \
    XX(HOOK_TLS_CA, "hook.tls.ca", FILE_NAME, 0, 0, "", "0.1",                           \
       "fanwired: file of the authority that signed the certificates of hooks; empty: "  \
       "the system's")                                                                   \
    XX(HOOK_BREAKER_FAILURES, "hook.breaker.failures", NUMBER, 0, 1000000, "10", "0.1",  \
       "fanwired: failures in a row after which a hook isn't asked for a while; 0: it "  \
       "always is")                                                                      \
    XX(HOOK_BREAKER_PAUSE, "hook.breaker.pause", DURATION, 1, 3600000, "5s", "0.1",      \
       "fanwired: how long that is; then a single request tries")                        \
    XX(USER_PRESENCE, "user.presence", SWITCH, 0, 1, "off", "0.1",                       \
       "know where each user is online: all sessions of a user, on all nodes")           \
    FWI_ROOM_OPTION_MAP(XX)

/* The options of rooms, the table's last rows. Each is there once for rooms without a
 * namespace, "room.X", and for every namespace that has a name: "namespace.NAME.X". */
#define FWI_ROOM_OPTION_MAP(XX)                                                          \
    XX(ROOM_HISTORY_SIZE, "room.history.size", NUMBER, 0, 1000000, "0", "0.1",           \
       "how many of a room's newest messages are kept for who comes back; 0: none")      \
    XX(ROOM_HISTORY_TTL, "room.history.ttl", DURATION, 1000, 31536000000, "300s", "0.1", \
       "how long they are kept after the last one")                                      \
    XX(ROOM_PRESENCE, "room.presence", SWITCH, 0, 1, "off", "0.1",                       \
       "know who is in a room, on all nodes")                                            \
    XX(ROOM_JOIN_LEAVE, "room.join_leave", SWITCH, 0, 1, "off", "0.1",                   \
       "tell a room's members who comes and goes")                                       \
    XX(ROOM_RECOVERY_MODE, "room.recovery_mode", RECOVERY, 0, 0, "stream", "0.1",        \
       "centrifuge protocol: of a room with history a subscriber gets all that it "      \
       "missed (stream), or the newest message alone, at its first time, too (cache)")   \
    XX(ROOM_PUBLISH_RATE, "room.publish_rate", NUMBER, 0, 1000000, "0", "0.1",           \
       "messages a second that all clients may publish to a room on a node; 0 is off")   \
    XX(ROOM_JOIN_RATE, "room.join_rate", NUMBER, 0, 1000000, "0", "0.1",                 \
       "clients a second that may enter a room on a node; 0 is off")                     \
    XX(ROOM_ASK_SUBSCRIBE, "room.ask.subscribe", SWITCH, 0, 1, "on", "0.1",              \
       "the application decides who comes in, if it handles JOIN (fanwired: "            \
       "hook.subscribe.url)")                                                            \
    XX(ROOM_ASK_PUBLISH, "room.ask.publish", SWITCH, 0, 1, "on", "0.1",                  \
       "the application decides what clients say, if it handles PUBLISH (fanwired: "     \
       "hook.publish.url)")                                                              \
    XX(ROOM_ALLOW_SUBSCRIBE, "room.allow.subscribe", SWITCH, 0, 1, "off", "0.1",         \
       "centrifuge protocol: clients may subscribe, where no handler decides")           \
    XX(ROOM_ALLOW_PUBLISH, "room.allow.publish", SWITCH, 0, 1, "off", "0.1",             \
       "centrifuge protocol: clients may publish, where no handler decides")             \
    XX(ROOM_ALLOW_PRESENCE, "room.allow.presence", SWITCH, 0, 1, "off", "0.1",           \
       "centrifuge protocol: clients may ask who is there")                              \
    XX(ROOM_ALLOW_HISTORY, "room.allow.history", SWITCH, 0, 1, "off", "0.1",             \
       "centrifuge protocol: clients may ask what was said")

typedef enum {
#define FWI_OPTION_ENUM(symbol, ...) FWI_OPT_##symbol,
    FWI_OPTION_MAP(FWI_OPTION_ENUM)
#undef FWI_OPTION_ENUM
        FWI_OPT_COUNT
} fwi_option;

/* Where the options of rooms stand in the table, and how many they are. */
enum {
#define FWI_OPTION_ONE(...) +1
    FWI_ROOM_OPTIONS = FWI_ROOM_OPTION_MAP(FWI_OPTION_ONE),
#undef FWI_OPTION_ONE
    FWI_ROOM_OPTIONS_FIRST = FWI_OPT_COUNT - FWI_ROOM_OPTIONS
};

/* Values of the choices, in the order in which their names are listed. */
enum { FWI_EVENTS_INLINE, FWI_EVENTS_QUEUED };
enum {
    FWI_POLICY_CLOSE,
    FWI_POLICY_DROP_OLDEST,
    FWI_POLICY_DROP_NEWEST,
    FWI_POLICY_LATEST
};
enum { FWI_RAW_APP, FWI_RAW_ROOMS };
enum { FWI_FORMAT_PLAIN, FWI_FORMAT_JSON };
enum { FWI_RAW_USER_AUTO, FWI_RAW_USER_QUERY, FWI_RAW_USER_TOKEN, FWI_RAW_USER_NONE };
enum { FWI_LOG_FORMAT_TEXT, FWI_LOG_FORMAT_JSON };
enum { FWI_RECOVERY_STREAM, FWI_RECOVERY_CACHE };

/* NUMBER, THREADS (auto: 0), SIZE, DURATION (ms), SWITCH, and choices. */
int64_t fwi_options_int(const fw_options *o, fwi_option which);

/* The text of any option; a list is joined by commas. Never NULL. */
const char *fwi_options_text(const fw_options *o, fwi_option which);

/* Lists: how many, and each. */
size_t fwi_options_count(const fw_options *o, fwi_option which);
const char *fwi_options_item(const fw_options *o, fwi_option which, size_t index);

/* The namespaces that an option was set for, and the numbers of their options: `which`
 * is the row of "room.X". What wasn't set for one is at the table's default. */
size_t fwi_options_namespaces(const fw_options *o);
const char *fwi_options_namespace(const fw_options *o, size_t index);
int64_t fwi_options_namespace_int(const fw_options *o, size_t index, fwi_option which);

/* Do they name a key for tokens? */
bool fwi_options_have_keys(const fw_options *o);

/* May it change while a hub runs? */
bool fwi_option_is_live(fwi_option which);

/* Names each option, those of namespaces too, that has another value in b than in a. */
typedef void (*fwi_options_differs)(void *user, const char *name, bool live);
void fwi_options_compare(const fw_options *a, const fw_options *b,
                         fwi_options_differs differs, void *user);

/* NULL: out of memory. */
fw_options *fwi_options_copy(const fw_options *o);

#endif
