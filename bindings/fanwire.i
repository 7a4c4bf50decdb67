/*
 * The public headers for scripting languages, said once. What a language has to know of
 * its own (how text, bytes, errors and events look there) is in LANGUAGE/typemaps.i.
 *
 *   swig -python -builtin -doxygen -Ibindings -Icapi/include ... bindings/fanwire.i
 *
 * The functions keep their C names: this layer is for the hand-written one above it, which
 * speaks the language. Three things are common to all languages:
 *   - no callback ever comes from a foreign thread: events wait in the hub's queue, and a
 *     call of fw_hub_poll takes a batch of them (hubs are made with events=queued);
 *   - handles free what they hold when they are collected, so nothing that frees is here;
 *   - an event is given back when its handler has finished, at the latest when its handle
 *     is collected: see event_handle.h.
 */
#if defined(SWIGPYTHON)
%module(package="fanwire", threads="1") native
/* Only what blocks lets other threads run: everything else is over before a switch would
 * pay, and holding the interpreter keeps a handle from being finished meanwhile. */
%nothread;
/* The headers' comments become docstrings. */
%feature("doxygen:alias:thread") "Thread: "
#else
%module fanwire_native
#endif

%{
#include <fanwire/fanwire.h>

#include "event_handle.h"
#if defined(SWIGPYTHON)
#include "python/batch.h"
#elif defined(SWIGLUA)
#include "lua/batch.h"
#include "lua/wake.h"
#endif
%}

/* Told to SWIG and not read from the header: macros of linkage mean nothing to it. */
#define FW_API
#define FW_BEGIN_DECLS
#define FW_END_DECLS
#define FW_PRINTF(fmt, args)

/* ---- handles ------------------------------------------------------------------------- */

%nodefaultctor;
%nodefaultdtor;

struct fw_options {};
struct fw_hub {};
struct fw_message {};
struct fw_emitter {};
%rename(fw_event) fwb_event; /* before the struct, or it is ignored */
struct fwb_event {};


%extend fw_options { ~fw_options() { fw_options_free($self); } }
%extend fw_hub { ~fw_hub() { FWB_BLOCKING(fw_hub_free($self)); } }
%extend fw_message { ~fw_message() { fw_message_unref($self); } }
%extend fw_emitter { ~fw_emitter() { fw_emitter_free($self); } }
%extend fwb_event { ~fwb_event() { fwb_event_free($self); } }

%newobject fw_options_new;
%newobject fw_message_new;

%ignore fw_options_free;
%ignore fw_hub_free;
%ignore fw_message_ref;
%ignore fw_message_unref;
%ignore fw_emitter_free;
%ignore fw_event_unref;
%ignore fw_stats_text_free;
/* Would be called on the hub's threads: FW_EVENT_LOG brings the lines instead. */
%ignore fw_hub_on_log;
/* Likewise, and a page mustn't wait for an interpreter. */
%ignore fw_hub_on_metrics;
%ignore fw_metrics_fn;
/* Macros for the C compiler. */
%ignore FW_ERROR_MAP;
%ignore FW_VERSION;
%ignore FW_SESSION_ID_TEXT;
/* Positions are text here, and none where there is no history. */
%ignore fw_position;
%ignore fw_position_text;
%ignore fw_position_parse;
%ignore FW_POSITION_TEXT;
/* Borrowed: a HISTORY event brings its messages as values. */
%ignore fw_event_message;
%ignore fw_event_message_count;
/* Ids are text here, and event handles not what C calls so: said again below. */
%ignore fw_session_id;
%ignore fw_session_id_text;
%ignore fw_session_id_parse;
%ignore fw_event_ref;
%ignore fw_events_done;
%ignore fw_hub_poll;
%ignore fw_hub_on;

#if defined(SWIGPYTHON)
%include "python/typemaps.i"
#elif defined(SWIGLUA)
%include "lua/typemaps.i"
#endif

%include <fanwire/version.h>
/* Only the enumeration and the functions: the list is a macro that SWIG can't expand. */
%include "errors.i"
%include <fanwire/options.h>
%include <fanwire/log.h>
%include <fanwire/position.h>
%include <fanwire/session.h>
%include <fanwire/message.h>
%include <fanwire/event.h>
%include <fanwire/hub.h>
%include <fanwire/room.h>
/* From here on a user is always somebody; a session's may be nobody (None). */
%apply const char *name { const char *user };
%include <fanwire/user.h>
%include <fanwire/emitter.h>
%include <fanwire/stats.h>

/* ---- where a language's form differs from C's ------------------------------------------ */

%rename(fw_hub_on) fwb_hub_on;
%rename(fw_event_ref) fwb_event_ref;
%newobject fwb_event_ref;
%feature("autodoc", "fw_hub_on(hub, type)

Switch events of a type on, before the start: they are raised and queued from then on.")
fwb_hub_on;
%feature("autodoc", "fw_event_ref(event) -> event

A handle that may be kept as long as one likes; it owes nothing.") fwb_event_ref;

%inline %{
/* Switch events of a type on: they are raised and queued from then on. */
static int fwb_hub_on(fw_hub *hub, fw_event_type type)
{
    return fw_hub_on(hub, type, NULL, NULL);
}

/* A handle that may be kept as long as one likes; it owes nothing. */
static fwb_event *fwb_event_ref(fw_event *e)
{
    fw_event *kept = fw_event_ref(e);
    fwb_event *handle = kept != NULL ? fwb_event_new(kept, NULL) : NULL;

    if (handle == NULL) {
        fw_event_unref(kept);
    }
    return handle;
}
%}
