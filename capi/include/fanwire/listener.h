/**
 * Listening sockets that come from elsewhere and go elsewhere: made by a service manager
 * (systemd's socket activation), or handed from one process to the next, so that a
 * restart never closes the port.
 *
 * Whoever takes over: fw_hub_listener_take for each socket, then fw_hub_start; and
 * fw_hub_listener_own when its forerunner has let go. Whoever is relieved: a duplicate of
 * each by fw_hub_listener_fd, sent over a Unix socket; and fw_hub_listener_release when
 * the other serves, then fw_hub_drain. Until then each of them may fail, and the other
 * serves on. fanwired does all this by its option "handover.path".
 */
#ifndef FANWIRE_LISTENER_H
#define FANWIRE_LISTENER_H

#include <stddef.h>

#include <fanwire/event.h>
#include <fanwire/export.h>

FW_BEGIN_DECLS

/**
 * Give a hub a socket that listens already. fw_hub_start uses it for the address of
 * option "listen" or "http.listen" that it is bound to, instead of opening that; port 0
 * takes any port. Nobody is accepted by it before the start has succeeded. A socket whose
 * address isn't in the options is told to the log and closed.
 *
 * The hub takes it for one that others hold, too, until fw_hub_listener_own: at the end
 * it is only closed, whoever waits in its queue goes on waiting, and a Unix socket's file
 * stays.
 *
 * @param fd taken, unless FW_ERR_INVALID or FW_ERR_FORKED; becomes non-blocking and
 *           close-on-exec
 * @return FW_OK; FW_ERR_INVALID no listening stream socket of TCP or Unix, or a number
 *         that the hub was given before; FW_ERR_STATE after fw_hub_start, FW_ERR_FORKED,
 *         FW_ERR_MEMORY
 * @thread any, before fw_hub_start
 * @since  0.1
 */
FW_API int fw_hub_listener_take(fw_hub *hub, int fd);

/**
 * A duplicate of one of the sockets that the hub listens on, to be sent to another
 * process. The hub goes on accepting.
 *
 * @param index 0 and up: those of option "listen" in their order, then "http.listen"
 * @return a descriptor, owned by caller, close-on-exec; FW_ERR_INVALID past the last,
 *         FW_ERR_CLOSED not running, or it listens no more, FW_ERR_STATE called on a
 *         loop's thread, FW_ERR_SYSTEM out of descriptors
 * @thread any but the hub's own
 * @since  0.1
 */
FW_API int fw_hub_listener_fd(fw_hub *hub, size_t index);

/**
 * Accept no more, "http.listen" included, and leave the sockets to whoever has duplicates
 * of them. Sessions go on. fw_hub_drain, later, lets in first who is still shaking hands;
 * it does so, too, where the sockets are a service manager's.
 *
 * @return FW_OK, FW_ERR_STATE not running or called on a loop's thread
 * @thread any but the hub's own
 * @since  0.1
 */
FW_API int fw_hub_listener_release(fw_hub *hub);

/**
 * Nobody else has the sockets that were taken: the hub does at the end what it does with
 * its own, turns away who waits and removes the file of a Unix socket.
 *
 * @return FW_OK, FW_ERR_STATE not running or called on a loop's thread
 * @thread any but the hub's own
 * @since  0.1
 */
FW_API int fw_hub_listener_own(fw_hub *hub);

FW_END_DECLS

#endif
