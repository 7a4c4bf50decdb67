/**
 * A hub: this process' part of the cluster. It owns the loops (threads), the listening
 * sockets, the local sessions and rooms, and the link to the backplane.
 *
 * The library starts no thread before fw_hub_start, installs no signal handler and keeps
 * no global state; a process may have several hubs. Two side effects can't be avoided:
 * when a hub is started libwebsockets sets SIGPIPE to be ignored, and its own log is
 * turned to errors and warnings, which go to the hub's log.
 *
 * After fork() a hub belongs to the parent: in the child calls on it that can fail return
 * FW_ERR_FORKED, and the first closes what was inherited (but for the descriptor of
 * events, and sessions whose reading was paused). The child may make a hub of its own.
 */
#ifndef FANWIRE_HUB_H
#define FANWIRE_HUB_H

#include <stddef.h>
#include <stdint.h>

#include <fanwire/event.h>
#include <fanwire/export.h>
#include <fanwire/log.h>
#include <fanwire/message.h>
#include <fanwire/options.h>

FW_BEGIN_DECLS

/**
 * Make a hub. Checks every option; opens and starts nothing.
 *
 * @param hub     out, owned by caller, to be given to fw_hub_free()
 * @param options copied; NULL is all defaults
 * @return FW_OK, FW_ERR_OPTION (options that contradict each other, a key for tokens that
 *         can't be used), FW_ERR_MEMORY, FW_ERR_SYSTEM (a file of keys can't be read; out
 *         of descriptors, with events=queued)
 * @thread any
 * @since  0.1
 */
FW_API int fw_hub_new(fw_hub **hub, const fw_options *options);

/**
 * Have events of one type handled. Events without handler are not raised.
 *
 * With option events=inline the handler runs on the loop's thread that owns the session;
 * it must not block. With events=queued events of this type are put into the queue for
 * fw_hub_poll, and handler must be NULL.
 *
 * @param handler NULL with events=inline takes the handler away
 * @param user    given back to the handler, never touched
 * @return FW_OK; FW_ERR_INVALID unknown type, a handler in queued mode, or LOG in inline
 *         mode; FW_ERR_STATE after fw_hub_start
 * @thread any, before fw_hub_start
 * @since  0.1
 */
FW_API int fw_hub_on(fw_hub *hub, fw_event_type type, fw_handler handler, void *user);

/**
 * Receive log lines up to option "log.level". Without it the library is silent. With
 * events=queued they may be had as events instead: fw_hub_on(hub, FW_EVENT_LOG, ...).
 *
 * @return FW_OK, FW_ERR_STATE after fw_hub_start
 * @thread any, before fw_hub_start
 * @since  0.1
 */
FW_API int fw_hub_on_log(fw_hub *hub, fw_log_fn fn, void *user);

/**
 * Listen, connect, start the threads. When it returns FW_OK every address is listened
 * on; Redis may still be away unless "redis.required" is on.
 *
 * @return FW_OK
 *         FW_ERR_LISTEN    address in use or not allowed: the detail names it
 *         FW_ERR_TLS       certificate or key can't be used: the detail names the file
 *         FW_ERR_BACKPLANE redis.required is on and Redis can't be reached in 5 s
 *         FW_ERR_STATE     started before, or called on a loop's thread
 *         FW_ERR_SYSTEM    no thread, no descriptor to be had; FW_ERR_MEMORY
 *         A hub that could not start may be freed, or started again.
 * @thread any but the hub's own; fw_hub_stop by another waits until this is over
 * @since  0.1
 */
FW_API int fw_hub_start(fw_hub *hub);

/**
 * Take over from other options what can change while the hub runs: those whose
 * fw_options_describe(name, "reload") is "on". TLS certificates are read anew, for
 * connections that come later. Sessions and rooms stay. An option that has changed and
 * can't be taken over stays as it was, and a warning in the log names it.
 *
 * The log level is the hub's; who writes the lines reads his options himself.
 *
 * @param options borrowed; NULL says that they couldn't be read: the metric counts it
 * @return FW_OK; FW_ERR_TLS certificate or key can't be used, FW_ERR_OPTION a key for
 *         tokens can't be used or is lacking, FW_ERR_SYSTEM a file of keys can't be read,
 *         FW_ERR_INVALID options is NULL, FW_ERR_STATE not running or called on a loop's
 *         thread, FW_ERR_MEMORY; after an error everything is as it was
 * @thread any but the hub's own
 * @since  0.1
 */
FW_API int fw_hub_reload(fw_hub *hub, const fw_options *options);

/**
 * Stop listening, refuse with 503 whoever is still shaking hands, and close the sessions
 * with 1001 at "drain.rate" a second. "http.listen" stays open.
 * Blocks until all are gone or the time is over. fw_hub_stop comes after it.
 *
 * @param timeout_ms 0..; negative: option "drain.timeout"
 * @return FW_OK all gone; FW_ERR_TIMEOUT some were left; FW_ERR_STATE not running or
 *         called on a loop's thread
 * @thread any but the hub's own
 * @since  0.1
 */
FW_API int fw_hub_drain(fw_hub *hub, int timeout_ms);

/**
 * Close what is left with 1001, give up the sockets after at most a second, join the
 * threads. Events that wait in the queue can still be polled. Stopping twice is not an
 * error.
 *
 * @return FW_OK, FW_ERR_STATE never started or called on a loop's thread
 * @thread any but the hub's own, one call at a time
 * @since  0.1
 */
FW_API int fw_hub_stop(fw_hub *hub);

/**
 * Stop if needed, and free. Events of it that are still held stay valid until
 * fw_events_done() or fw_event_unref().
 *
 * @param hub taken; NULL is allowed
 * @thread any but the hub's own
 * @since  0.1
 */
FW_API void fw_hub_free(fw_hub *hub);

/**
 * A descriptor that is readable while events wait, to put into poll(), epoll or asyncio.
 * Only with events=queued.
 *
 * @return the descriptor, valid until the hub is freed, never to be read or closed by
 *         you; FW_ERR_STATE with events=inline
 * @thread any
 * @since  0.1
 */
FW_API int fw_hub_event_fd(fw_hub *hub);

/**
 * Have a byte written to a socket of yours, too, when the queue of events turns from
 * empty to not empty: for event loops that wait for nothing but what they have connected
 * themselves, like that of nginx' Lua module. What the byte is means nothing; one is
 * written at once if events wait already. A socket that takes no more bytes gets none.
 * Only with events=queued.
 *
 * @param fd a connected stream socket, duplicated, so still yours to close; -1: no more
 * @return FW_OK, FW_ERR_INVALID not a stream socket, FW_ERR_STATE with events=inline,
 *         FW_ERR_SYSTEM out of descriptors
 * @thread any
 * @since  0.1
 */
FW_API int fw_hub_event_wake(fw_hub *hub, int fd);

/**
 * Take waiting events, in order. One poller at a time.
 *
 * @param events     out; each is yours until fw_events_done()
 * @param max        room in the array, 1..
 * @param timeout_ms 0 returns at once, negative waits without end; a hub that doesn't run
 *                   isn't waited for
 * @return how many (0: none in time), FW_ERR_BUSY another thread polls,
 *         FW_ERR_STATE with events=inline, FW_ERR_CLOSED stopped and none left,
 *         FW_ERR_INVALID no room for events
 * @thread any
 * @since  0.1
 */
FW_API int fw_hub_poll(fw_hub *hub, fw_event **events, int max, int timeout_ms);

/**
 * The handlers of these events have finished: free them and give their sessions credit
 * to be read again ("events.per_session", "events.max_bytes"). An event of another hub is
 * given back to that one. An event that fw_event_ref() has kept gives its credit once,
 * however often it is given back.
 *
 * @param events borrowed array; the events in it are taken
 * @thread any
 * @since  0.1
 */
FW_API void fw_events_done(fw_hub *hub, fw_event **events, int n);

/**
 * Let in what a CONNECT, JOIN or PUBLISH event asked for.
 *
 * @param token of the event
 * @param user  copied; CONNECT: whose session it is, NULL: whom its token names, or
 *              nobody's; JOIN, PUBLISH: ignored
 * @return FW_OK, FW_ERR_GONE decided before, too late, or the client has left;
 *         FW_ERR_INVALID user name not allowed, or the token is of another event;
 *         FW_ERR_MEMORY (nothing is decided); FW_ERR_CLOSED hub not running
 * @thread any
 * @since  0.1
 */
FW_API int fw_accept(fw_hub *hub, uint64_t token, const char *user);

/**
 * Answer an RPC event.
 *
 * @param data copied; JSON is passed on as it is, other text as a JSON string, anything
 *             else as one in base64; may be NULL when len is 0
 * @param len  bytes, at most "message.max_bytes"
 * @return FW_OK, FW_ERR_GONE answered before, too late, or the client has left;
 *         FW_ERR_INVALID the token is of another event; FW_ERR_TOO_BIG, FW_ERR_MEMORY
 *         (nothing is answered); FW_ERR_CLOSED hub not running
 * @thread any
 * @since  0.1
 */
FW_API int fw_reply(fw_hub *hub, uint64_t token, const void *data, size_t len);

/**
 * Answer a CONNECT, JOIN, PUBLISH, REFRESH, SUB_REFRESH or RPC event by JSON, where
 * there is more to say than yes or no. It is the form in which back ends answer to the
 * HTTP proxy of Centrifugo. One of:
 *
 *     {"result":{...}}                                             yes
 *     {"error":{"code":1000,"message":"...","temporary":true}}     no
 *     {"disconnect":{"code":4001,"reason":"..."}}                  no, and it has to go
 *
 * A result may have, by what was asked:
 *   CONNECT      "user", a name; "info", what presence tells of it; "channels", a list of
 *                rooms that it is put into without JOIN being asked, or "subs", an object
 *                of them with "data" each; to clients of the Centrifuge protocol also
 *                "data", and "expire_at" (seconds since 1970): when REFRESH asks
 *   JOIN         of such clients: "data", "expire_at" (SUB_REFRESH), "override" as in
 *                tokens
 *   PUBLISH      "data", which is said instead; text
 *   RPC          "data"
 *   REFRESH, SUB_REFRESH  "expire_at", until when it may stay; past, absent, or with
 *                "expired" true it ends: 3005, or its subscription by 2501; "info", which
 *                presence tells of it from now on, or of it in that room. An error is no
 *                end: it is asked again in a minute
 * What isn't known is passed over. JSON in base64 may stand as "b64data" and "b64info".
 *
 * An error's code is 100..1999, a disconnect's 3000..4999. A raw client that asks to come
 * in gets the status 403, or 503 if the error is temporary, or the code if it is one of
 * 400..599. In its rooms an error is told to nobody.
 *
 * @param token of the event
 * @param data  borrowed; JSON
 * @param len   bytes
 * @return FW_OK, FW_ERR_GONE decided before, too late, or the client has left;
 *         FW_ERR_INVALID it is no such answer, which the detail explains; FW_ERR_TOO_BIG
 *         data over "message.max_bytes", info over 1024; FW_ERR_MEMORY (with these
 *         nothing is decided); FW_ERR_CLOSED hub not running
 * @thread any
 * @since  0.1
 */
FW_API int fw_answer(fw_hub *hub, uint64_t token, const void *data, size_t len);

/**
 * Refuse what a CONNECT, JOIN, PUBLISH, REFRESH, SUB_REFRESH or RPC event asked for.
 *
 * @param code   CONNECT: an HTTP status, 400..599 (to a client of the Centrifuge protocol
 *               an error of that number; from 500 on it tries again); JOIN: 0 and up, not
 *               passed on: the RESULT of the join has FW_ERR_REFUSED and the reason;
 *               REFRESH, SUB_REFRESH: likewise, and it ends; RPC, PUBLISH: 100..1999, the
 *               number of the error that the client gets: up to 399 they are the
 *               protocol's
 * @param reason copied, one line of UTF-8, NULL is ""; the body of the HTTP answer, the
 *               message of the error
 * @return FW_OK, FW_ERR_GONE; FW_ERR_INVALID, FW_ERR_MEMORY (nothing is decided);
 *         FW_ERR_CLOSED
 * @thread any
 * @since  0.1
 */
FW_API int fw_reject(fw_hub *hub, uint64_t token, int code, const char *reason);

/**
 * Send bytes to every session of every node.
 *
 * @return as fw_room_publish
 * @thread any
 * @since  0.1
 */
FW_API int fw_hub_send_all(fw_hub *hub, const void *data, size_t len, unsigned flags);

/**
 * The same with a message built before, which may leave one session out.
 *
 * @param m borrowed; the hub takes references of its own
 * @return FW_OK, FW_ERR_TOO_BIG, FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_hub_send_all_message(fw_hub *hub, fw_message *m);

/**
 * Send bytes to every session of one node. A node that isn't there is not an error.
 *
 * @param node as in fw_session_id.node; this node's own is fw_hub_node()
 * @return as fw_room_publish
 * @thread any
 * @since  0.1
 */
FW_API int fw_node_send(fw_hub *hub, uint64_t node, const void *data, size_t len,
                        unsigned flags);

/**
 * Ask which nodes there are. A PRESENCE event with the ref tells: a member each, this
 * node too, in one page.
 *
 * @param ref a number of yours, 1 .. 2^63 - 1
 * @return FW_OK the event comes, with an error if Redis can't be asked; FW_ERR_INVALID,
 *         FW_ERR_BUSY, FW_ERR_CLOSED, FW_ERR_MEMORY
 * @thread any
 * @since  0.1
 */
FW_API int fw_hub_nodes(fw_hub *hub, uint64_t ref);

/**
 * @return this node's number
 * @thread any
 * @since  0.1
 */
FW_API uint64_t fw_hub_node(const fw_hub *hub);

/**
 * @return this node's name (option "node.name"), valid as long as the hub
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_hub_node_name(const fw_hub *hub);

/**
 * Where the hub listens, as URLs with the port that was really taken.
 *
 * @param index 0 and up, in the order of option "listen"
 * @return valid until the hub is freed or started again; NULL past the last or before
 *         fw_hub_start
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_hub_listen_url(const fw_hub *hub, size_t index);

/**
 * The same for option "http.listen", as "127.0.0.1:9190".
 *
 * @return valid as above; NULL if it is off or not started
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_hub_http_address(const fw_hub *hub);

/**
 * Is this a name that a room or a user may have? The rule that joins and publishes are
 * checked by: 1..255 bytes UTF-8 without control characters.
 *
 * @return FW_OK, or FW_ERR_INVALID with the reason in the detail
 * @thread any
 * @since  0.1
 */
FW_API int fw_name_check(const char *name);

FW_END_DECLS

#endif
