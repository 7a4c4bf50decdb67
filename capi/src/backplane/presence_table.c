/*
 * A table of channels, each a table of sessions. See the header.
 */
#include "backplane/presence_table.h"

#include <string.h>

void fwi_presence_table_init(fwi_presence_table *t)
{
    memset(t, 0, sizeof *t);
}

fwi_presence_channel *fwi_presence_channel_find(fwi_presence_table *t,
                                                const char *channel)
{
    fwi_presence_channel *c;
    HASH_FIND_STR(t->channels, channel, c);
    return c;
}

static fwi_present *find_in(fwi_presence_channel *c, fw_session_id session)
{
    fwi_present *p = NULL;
    if (c != NULL) {
        HASH_FIND(hh, c->present, &session, sizeof session, p);
    }
    return p;
}

fwi_present *fwi_presence_find(fwi_presence_table *t, const char *channel,
                               fw_session_id session)
{
    return find_in(fwi_presence_channel_find(t, channel), session);
}

static fwi_presence_channel *channel_of(fwi_presence_table *t, const char *name)
{
    fwi_presence_channel *c = fwi_presence_channel_find(t, name);
    if (c != NULL) {
        return c;
    }
    size_t len = strlen(name);
    c = calloc(1, sizeof *c + len + 1);
    if (c == NULL) {
        return NULL;
    }
    memcpy(c->name, name, len + 1);
    HASH_ADD_STR(t->channels, name, c);
    if (!FWI_HASH_ADDED(c)) {
        free(c);
        return NULL;
    }
    return c;
}

static void free_if_empty(fwi_presence_table *t, fwi_presence_channel *c)
{
    if (c->present == NULL) {
        HASH_DEL(t->channels, c);
        free(c);
    }
}

static fwi_present *add(fwi_presence_table *t, fwi_presence_channel *c,
                        fw_session_id session)
{
    fwi_present *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->channel = c;
    p->session = session;
    p->serial = ++t->serial;
    fwi_list_init(&p->todo);
    HASH_ADD(hh, c->present, session, sizeof p->session, p);
    if (!FWI_HASH_ADDED(p)) {
        free(p);
        return NULL;
    }
    t->n++;
    return p;
}

fwi_present *fwi_presence_put(fwi_presence_table *t, const char *channel,
                              fw_message *member, bool tell)
{
    fwi_presence_channel *c = channel_of(t, channel);
    if (c == NULL) {
        return NULL;
    }
    fwi_present *p = find_in(c, member->origin->session);
    if (p == NULL) {
        p = add(t, c, member->origin->session);
    }
    if (p == NULL) {
        free_if_empty(t, c);
        return NULL;
    }
    fw_message *former = p->member;
    p->member = fw_message_ref(member);
    p->tell = tell;
    fw_message_unref(former);
    return p;
}

void fwi_presence_remove(fwi_presence_table *t, fwi_present *p)
{
    fwi_presence_channel *c = p->channel;
    HASH_DEL(c->present, p);
    fwi_list_remove(&p->todo);
    fw_message_unref(p->member);
    free(p);
    t->n--;
    free_if_empty(t, c);
}

void fwi_presence_table_fini(fwi_presence_table *t)
{
    fwi_presence_channel *c, *next;
    HASH_ITER(hh, t->channels, c, next)
    {
        fwi_present *p, *after;
        bool last = false; /* the channel goes with its last one */
        for (p = c->present; !last; p = after) {
            after = p->hh.next;
            last = after == NULL;
            fwi_presence_remove(t, p);
        }
    }
}
