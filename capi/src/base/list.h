/*
 * A doubly linked list whose links live inside the elements. The head is an element
 * too, so nothing is ever a special case. An element that is in no list points to itself.
 */
#ifndef FWI_BASE_LIST_H
#define FWI_BASE_LIST_H

#include "base/base.h"

typedef struct fwi_list {
    struct fwi_list *next, *prev;
} fwi_list;

static inline void fwi_list_init(fwi_list *l)
{
    l->next = l->prev = l;
}

static inline bool fwi_list_is_empty(const fwi_list *l)
{
    return l->next == l;
}

/* Is this element in a list? */
static inline bool fwi_list_is_linked(const fwi_list *e)
{
    return e->next != e;
}

static inline void fwi_list_append(fwi_list *head, fwi_list *e)
{
    e->prev = head->prev;
    e->next = head;
    head->prev->next = e;
    head->prev = e;
}

/* Takes it out of whatever list it is in; harmless if it is in none. */
static inline void fwi_list_remove(fwi_list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    fwi_list_init(e);
}

static inline fwi_list *fwi_list_pop(fwi_list *head)
{
    fwi_list *e = head->next;
    if (e == head) {
        return NULL;
    }
    fwi_list_remove(e);
    return e;
}

/* Moves all of `from` to the end of `to`. */
static inline void fwi_list_splice(fwi_list *to, fwi_list *from)
{
    if (fwi_list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    fwi_list_init(from);
}

#define fwi_list_entry(e, type, member) fwi_container_of(e, type, member)

#endif
