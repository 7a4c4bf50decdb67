/**
 * fanwire: many processes that act as one WebSocket server.
 *
 * This header includes the whole public interface and nothing more. Each
 * function says in its own header what it does, who owns what, from which thread
 * it may be called, which errors it returns and since which version it exists.
 *
 * Five words are used for memory everywhere: *borrowed* (for the call only),
 * *copied*, *taken*, *owned by caller*, *valid until ...*.
 */
#ifndef FANWIRE_FANWIRE_H
#define FANWIRE_FANWIRE_H

#include <fanwire/emitter.h>
#include <fanwire/error.h>
#include <fanwire/event.h>
#include <fanwire/export.h>
#include <fanwire/hub.h>
#include <fanwire/listener.h>
#include <fanwire/log.h>
#include <fanwire/message.h>
#include <fanwire/options.h>
#include <fanwire/position.h>
#include <fanwire/room.h>
#include <fanwire/session.h>
#include <fanwire/stats.h>
#include <fanwire/token.h>
#include <fanwire/user.h>
#include <fanwire/version.h>

#endif
