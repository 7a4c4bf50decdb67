/*
 * An event in the hands of a scripting language. C gives an event back when its handler
 * has finished (fw_events_done) and then frees it; a language's object lives until it is
 * collected, and somebody may look at it in between. So a handle has two states:
 *
 *   owing     it holds the event, and the session has no credit for it yet
 *   finished  it holds nothing, and says so to whoever asks
 *
 * and a third for those that were kept by reference, which hold but owe nothing. A handle
 * that is collected while it owes gives back first: so a dropped event can't stop a
 * session for ever. Not for two threads at a time; interpreters see to that.
 */
#ifndef FWB_EVENT_HANDLE_H
#define FWB_EVENT_HANDLE_H

#include <stdlib.h>

#include <fanwire/fanwire.h>

typedef struct fwb_event {
    fw_event *e; /* NULL: finished */
    fw_hub *hub; /* NULL: owes nothing. Its memory stays while events of it are held. */
} fwb_event;

/* Takes the event (and leaves it to the caller if it returns NULL: out of memory). */
static inline fwb_event *fwb_event_new(fw_event *e, fw_hub *hub)
{
    fwb_event *h = (fwb_event *)malloc(sizeof *h);
    if (h != NULL) {
        h->e = e;
        h->hub = hub;
    }
    return h;
}

static inline void fwb_event_finish(fwb_event *h)
{
    fw_event *e = h->e;
    h->e = NULL;
    if (e == NULL) {
        return;
    }
    if (h->hub != NULL) {
        fw_events_done(h->hub, &e, 1);
    } else {
        fw_event_unref(e);
    }
}

static inline void fwb_event_free(fwb_event *h)
{
    if (h != NULL) {
        fwb_event_finish(h);
        free(h);
    }
}

#endif
