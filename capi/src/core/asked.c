/*
 * The table of such questions, one a loop; see asked.h. A ref names its loop and is never
 * used again, so an answer that comes too late finds nobody. @thread loop
 */
#include "core/asked.h"

#include <string.h>

#include "core/session_inside.h"

/* A ref: our bit, loop (6 bits), a count. */
enum { LOOP_BIT = 57 };
_Static_assert(FWI_LOOPS_MAX <= 64, "a loop's number has six bits");

fwi_asked *fwi_asked_new(fwi_session *s, fwi_list *all, fwi_asked_fn fn,
                         const char *channel)
{
    fwi_shard *shard = s->shard;
    size_t n = strlen(channel) + 1;
    fwi_asked *a = calloc(1, sizeof *a + n);
    if (a == NULL) {
        return NULL;
    }
    a->s = s;
    a->fn = fn;
    a->ref = FWI_ASKED_BIT | (uint64_t)shard->index << LOOP_BIT | ++shard->last_asked;
    memcpy(a->channel, channel, n);
    HASH_ADD(hh, shard->asked, ref, sizeof a->ref, a);
    if (!FWI_HASH_ADDED(a)) {
        free(a);
        return NULL;
    }
    fwi_list_init(&a->link);
    fwi_list_append(all, &a->link);
    return a;
}

static void drop_found(fwi_asked *a)
{
    for (size_t i = 0; a->found != NULL && i < a->n; i++) {
        fw_message_unref(a->found[i]);
    }
    free(a->found);
    free(a->numbers);
}

void fwi_asked_free(fwi_asked *a)
{
    HASH_DEL(a->s->shard->asked, a);
    fwi_list_remove(&a->link);
    drop_found(a);
    free(a);
}

/* A place more in the array, which may move. NULL: out of memory. */
static void *grown(fwi_asked *a, void *array, size_t size)
{
    size_t cap = a->n < a->cap ? a->cap : a->cap > 0 ? a->cap * 2 : 64;
    void *more = cap == a->cap ? array : realloc(array, cap * size);
    if (more != NULL) {
        a->cap = cap;
    }
    return more;
}

bool fwi_asked_keep(fwi_asked *a, fw_message *m)
{
    fw_message **found = grown(a, a->found, sizeof *found);
    if (found == NULL) {
        return false;
    }
    a->found = found;
    a->found[a->n++] = fw_message_ref(m);
    a->bytes += fwi_message_cost(m);
    return true;
}

bool fwi_asked_keep_number(fwi_asked *a, uint64_t number)
{
    uint64_t *numbers = grown(a, a->numbers, sizeof *numbers);
    if (numbers == NULL) {
        return false;
    }
    a->numbers = numbers;
    a->numbers[a->n++] = number;
    a->bytes += sizeof number;
    return true;
}

/* On the session's loop. */
static void answer(fwi_shard *shard, const fw_event *e)
{
    fwi_asked *a = NULL;
    HASH_FIND(hh, shard->asked, &e->token, sizeof e->token, a);
    if (a == NULL) {
        return;
    }
    a->again = false;
    if (a->s->state == FWI_SESSION_OPEN) {
        a->fn(a->s, a, e);
    }
    if (!a->again) {
        fwi_asked_free(a);
    }
}

static void run_answer(fwi_shard *shard, fwi_item *item)
{
    answer(shard, item->ptr);
    fwi_item_free(item);
}

static void free_event(void *event)
{
    fw_event_unref(event);
}

void fwi_asked_tell(fwi_hub *hub, fw_event *e)
{
    if ((e->token & FWI_ASKED_BIT) == 0) {
        fwi_shard_raise(hub->shard[0], e, NULL);
        return;
    }
    unsigned loop = (unsigned)(e->token >> LOOP_BIT) & 63;
    if (loop == 0) {
        answer(hub->shard[0], e);
        return;
    }
    fwi_item *item = fwi_item_new(run_answer, NULL, NULL);
    fw_event *copy = item != NULL ? fwi_event_copy(e) : NULL;
    if (copy == NULL) {
        fwi_item_free(item);
        fwi_shard_count(hub->shard[0], FWI_STAT_INBOX_DROPPED);
        return;
    }
    item->ptr = copy;
    item->ptr_free = free_event;
    fwi_shard_post(hub->shard[loop], item, false);
}
