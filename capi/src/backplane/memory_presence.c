/*
 * Questions wait for the flush, so that no answer comes from inside the question. See the
 * header. A cursor is the serial of the last entry that was shown.
 */
#include "backplane/memory_presence.h"

#include <fanwire/error.h>

#include "backplane/presence_question.h"

typedef fwi_presence_question question;

void fwi_memory_presence_init(fwi_memory_presence *mp, fwi_backplane *bp)
{
    mp->bp = bp;
    fwi_presence_table_init(&mp->table);
    fwi_list_init(&mp->reads);
}

void fwi_memory_presence_fini(fwi_memory_presence *mp)
{
    fwi_presence_questions_fini(&mp->reads);
    fwi_presence_table_fini(&mp->table);
}

bool fwi_memory_presence_enter(fwi_memory_presence *mp, const char *channel,
                               fw_message *member, bool tell)
{
    return fwi_presence_put(&mp->table, channel, member, tell) != NULL;
}

void fwi_memory_presence_leave(fwi_memory_presence *mp, const char *channel,
                               fw_session_id session)
{
    fwi_present *p = fwi_presence_find(&mp->table, channel, session);
    if (p != NULL) {
        fwi_presence_remove(&mp->table, p);
    }
}

bool fwi_memory_presence_read(fwi_memory_presence *mp, const char *channel,
                              uint64_t cursor, uint32_t limit, uint64_t ref)
{
    question *q = fwi_presence_question_new(channel, cursor, limit, ref);
    if (q != NULL) {
        fwi_list_append(&mp->reads, &q->link);
    }
    return q != NULL;
}

static void answer_nodes(fwi_memory_presence *mp, question *q)
{
    const fwi_backplane_sink *sink = mp->bp->sink;
    fw_message *self = sink->describe ? sink->describe(mp->bp->sink_user) : NULL;
    fwi_member_page page = {.why = "", .members = &self, .n = self != NULL};
    page.total = page.n;
    fwi_presence_question_answer(mp->bp, q, &page);
    fw_message_unref(self);
}

/* The page holds references: who is told may take members out. */
static size_t gather(const fwi_presence_channel *c, const question *q,
                     fw_message **members, uint64_t *next)
{
    size_t n = 0;
    uint64_t last = 0;
    for (fwi_present *p = c->present; p != NULL; p = p->hh.next) {
        if (p->serial <= q->cursor) {
            continue;
        }
        if (n == q->limit) {
            *next = last;
            return n;
        }
        members[n++] = fw_message_ref(p->member);
        last = p->serial;
    }
    *next = 0;
    return n;
}

static void answer_channel(fwi_memory_presence *mp, question *q)
{
    fwi_presence_channel *c = fwi_presence_channel_find(&mp->table, q->channel);
    fwi_member_page page = {.why = "", .total = c ? HASH_COUNT(c->present) : 0};
    size_t most = FWI_MIN((size_t)page.total, (size_t)q->limit);
    if (most > 0) {
        page.members = malloc(most * sizeof *page.members);
        if (page.members == NULL) {
            fwi_presence_question_fail(mp->bp, q, FW_ERR_MEMORY, "out of memory");
            return;
        }
        page.n = gather(c, q, page.members, &page.next);
    }
    fwi_presence_question_answer(mp->bp, q, &page);
    for (size_t i = 0; i < page.n; i++) {
        fw_message_unref(page.members[i]);
    }
    free(page.members);
}

void fwi_memory_presence_flush(fwi_memory_presence *mp)
{
    fwi_list asked;
    fwi_list_init(&asked);
    fwi_list_splice(&asked, &mp->reads);
    for (question *q; (q = fwi_presence_question_pop(&asked)) != NULL;) {
        if (q->of_nodes) {
            answer_nodes(mp, q);
        } else {
            answer_channel(mp, q);
        }
    }
}

void fwi_memory_presence_stop(fwi_memory_presence *mp)
{
    fwi_presence_questions_stop(mp->bp, &mp->reads);
}
