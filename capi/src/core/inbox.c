/*
 * The way into a loop from other threads: a list under a lock that is held for a few
 * instructions, and for one write to the loop's wake-up by who pushes first after it was
 * empty.
 * @thread any; taking and closing: the loop
 */
#include "core/inbox.h"

#include <string.h>

void fwi_inbox_init(fwi_inbox *in, size_t max_bytes)
{
    FWI_ASSERT(pthread_mutex_init(&in->lock, NULL) == 0);
    in->head = NULL;
    in->tail = &in->head;
    in->bytes = 0;
    in->max_bytes = max_bytes;
    in->closed = false;
    in->wake = NULL;
    in->user = NULL;
}

void fwi_inbox_fini(fwi_inbox *in)
{
    for (fwi_item *item = fwi_inbox_take(in), *next; item != NULL; item = next) {
        next = item->next;
        fwi_item_free(item);
    }
    pthread_mutex_destroy(&in->lock);
}

fwi_item *fwi_item_new(fwi_item_fn run, const char *text, fw_message *m)
{
    size_t n = text ? strlen(text) : 0;
    fwi_item *item = calloc(1, sizeof *item + n + 1);
    if (item == NULL) {
        return NULL;
    }
    item->run = run;
    item->cost = sizeof *item + n;
    if (text != NULL) {
        memcpy(item->text, text, n + 1);
    }
    if (m != NULL) {
        item->m = fw_message_ref(m);
        item->cost += fwi_message_cost(m);
    }
    return item;
}

fwi_item *fwi_item_in(void *room, fwi_item_fn run)
{
    fwi_item *item = memset(room, 0, FWI_ITEM_ROOM);
    item->run = run;
    item->cost = sizeof *item;
    item->lent = true;
    return item;
}

void fwi_item_free(fwi_item *item)
{
    if (item != NULL) {
        fw_message_unref(item->m);
        if (item->ptr_free != NULL) {
            item->ptr_free(item->ptr);
        }
        if (!item->lent) {
            free(item);
        }
    }
}

fwi_inbox_result fwi_inbox_push(fwi_inbox *in, fwi_item *item, bool limited)
{
    fwi_inbox_result result = FWI_INBOX_MORE;
    pthread_mutex_lock(&in->lock);
    if (in->closed) {
        result = FWI_INBOX_CLOSED;
    } else if (limited && in->bytes + item->cost > in->max_bytes) {
        result = FWI_INBOX_BUSY;
    } else {
        if (in->head == NULL) {
            result = FWI_INBOX_FIRST;
        }
        item->next = NULL;
        *in->tail = item;
        in->tail = &item->next;
        in->bytes += item->cost;
        if (result == FWI_INBOX_FIRST && in->wake != NULL) {
            in->wake(in->user);
        }
    }
    pthread_mutex_unlock(&in->lock);
    return result;
}

fwi_item *fwi_inbox_take(fwi_inbox *in)
{
    pthread_mutex_lock(&in->lock);
    fwi_item *head = in->head;
    in->head = NULL;
    in->tail = &in->head;
    in->bytes = 0;
    pthread_mutex_unlock(&in->lock);
    return head;
}

void fwi_inbox_close(fwi_inbox *in)
{
    pthread_mutex_lock(&in->lock);
    in->closed = true;
    pthread_mutex_unlock(&in->lock);
}

size_t fwi_inbox_bytes(fwi_inbox *in)
{
    pthread_mutex_lock(&in->lock);
    size_t bytes = in->bytes;
    pthread_mutex_unlock(&in->lock);
    return bytes;
}
