/*
 * The page of members that a PRESENCE event has: made by presence.c, read by the
 * application.
 * @thread any
 */
#include "core/event.h"

fwi_members *fwi_members_new(fw_message *const *m, size_t n)
{
    fwi_members *l = calloc(1, sizeof *l + n * sizeof(fw_message *));
    if (l == NULL) {
        return NULL;
    }
    atomic_init(&l->refs, 1);
    l->n = n;
    for (size_t i = 0; i < n; i++) {
        l->m[i] = fw_message_ref(m[i]);
        l->cost += fwi_message_cost(m[i]);
    }
    return l;
}

void fwi_members_unref(fwi_members *l)
{
    if (l == NULL || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        fw_message_unref(l->m[i]);
    }
    free(l);
}

size_t fw_event_members(const fw_event *e)
{
    return e->members ? e->members->n : 0;
}

uint64_t fw_event_total(const fw_event *e)
{
    return e->members ? e->members->total : 0;
}

uint64_t fw_event_cursor(const fw_event *e)
{
    return e->members ? e->members->next : 0;
}

/* NULL: there are not so many. */
static const fw_message *member(const fw_event *e, size_t i)
{
    return i < fw_event_members(e) ? e->members->m[i] : NULL;
}

fw_session_id fw_event_member_session(const fw_event *e, size_t i)
{
    const fw_message *m = member(e, i);
    return m ? m->origin->session : fw_session_none();
}

const char *fw_event_member_user(const fw_event *e, size_t i)
{
    const fw_message *m = member(e, i);
    return m && m->origin->user[0] ? m->origin->user : NULL;
}

const char *fw_event_member_node(const fw_event *e, size_t i)
{
    const fw_message *m = member(e, i);
    return m ? m->origin->node_name : "";
}

const void *fw_event_member_info(const fw_event *e, size_t i, size_t *len)
{
    const fw_message *m = member(e, i);
    if (len != NULL) {
        *len = m ? fwi_message_len(m) : 0;
    }
    return m ? (const void *)fwi_message_bytes(m) : "";
}
