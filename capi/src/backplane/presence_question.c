/*
 * Questions about presence that wait. See the header.
 */
#include "backplane/presence_question.h"

#include <string.h>

#include <fanwire/error.h>

fwi_presence_question *fwi_presence_question_new(const char *channel, uint64_t cursor,
                                                 uint32_t limit, uint64_t ref)
{
    size_t len = channel ? strlen(channel) : 0;
    fwi_presence_question *q = calloc(1, sizeof *q + len + 1);
    if (q == NULL) {
        return NULL;
    }
    fwi_list_init(&q->link);
    q->cursor = cursor;
    q->limit = limit;
    q->ref = ref;
    q->of_nodes = channel == NULL;
    memcpy(q->channel, channel ? channel : "", len);
    return q;
}

fwi_presence_question *fwi_presence_question_pop(fwi_list *list)
{
    fwi_list *e = fwi_list_pop(list);
    return e != NULL ? fwi_list_entry(e, fwi_presence_question, link) : NULL;
}

void fwi_presence_question_answer(fwi_backplane *bp, fwi_presence_question *q,
                                  const fwi_member_page *page)
{
    uint64_t ref = q->ref;
    free(q);
    if (bp->sink->on_members != NULL) {
        bp->sink->on_members(bp->sink_user, ref, page);
    }
}

void fwi_presence_question_fail(fwi_backplane *bp, fwi_presence_question *q, int err,
                                const char *why)
{
    fwi_presence_question_answer(bp, q, &(fwi_member_page){.err = err, .why = why});
}

void fwi_presence_questions_stop(fwi_backplane *bp, fwi_list *list)
{
    for (fwi_presence_question *q; (q = fwi_presence_question_pop(list)) != NULL;) {
        fwi_presence_question_fail(bp, q, FW_ERR_CLOSED, "stopped before it was done");
    }
}

void fwi_presence_questions_fini(fwi_list *list)
{
    for (fwi_presence_question *q; (q = fwi_presence_question_pop(list)) != NULL;) {
        free(q);
    }
}
