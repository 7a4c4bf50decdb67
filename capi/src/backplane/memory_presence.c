/*
 * Questions wait for the flush, so that no answer comes from inside the question. See the
 * header. A cursor is the serial of the last entry that was shown.
 */
#include "backplane/memory_presence.h"

#include <string.h>

#include <fanwire/error.h>

typedef struct question {
    fwi_list link;
    uint64_t cursor, ref;
    uint32_t limit;
    bool of_nodes;
    char channel[];
} question;

void fwi_memory_presence_init(fwi_memory_presence *mp, fwi_backplane *bp)
{
    mp->bp = bp;
    fwi_presence_table_init(&mp->table);
    fwi_list_init(&mp->reads);
}

void fwi_memory_presence_fini(fwi_memory_presence *mp)
{
    for (fwi_list *e; (e = fwi_list_pop(&mp->reads)) != NULL;) {
        free(fwi_list_entry(e, question, link));
    }
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
    size_t len = channel ? strlen(channel) : 0;
    question *q = calloc(1, sizeof *q + len + 1);
    if (q == NULL) {
        return false;
    }
    q->cursor = cursor;
    q->limit = limit;
    q->ref = ref;
    q->of_nodes = channel == NULL;
    memcpy(q->channel, channel ? channel : "", len);
    fwi_list_append(&mp->reads, &q->link);
    return true;
}

static void tell(fwi_memory_presence *mp, const question *q, const fwi_member_page *page)
{
    if (mp->bp->sink->on_members != NULL) {
        mp->bp->sink->on_members(mp->bp->sink_user, q->ref, page);
    }
}

static void tell_failed(fwi_memory_presence *mp, const question *q)
{
    tell(mp, q, &(fwi_member_page){.err = FW_ERR_BACKPLANE, .why = "out of memory"});
}

static void answer_nodes(fwi_memory_presence *mp, const question *q)
{
    const fwi_backplane_sink *sink = mp->bp->sink;
    fw_message *self = sink->describe ? sink->describe(mp->bp->sink_user) : NULL;
    fwi_member_page page = {.why = "", .members = &self, .n = self != NULL};
    page.total = page.n;
    tell(mp, q, &page);
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

static void answer_channel(fwi_memory_presence *mp, const question *q)
{
    fwi_presence_channel *c = fwi_presence_channel_find(&mp->table, q->channel);
    fwi_member_page page = {.why = "", .total = c ? HASH_COUNT(c->present) : 0};
    size_t most = FWI_MIN((size_t)page.total, (size_t)q->limit);
    if (most > 0) {
        page.members = malloc(most * sizeof *page.members);
        if (page.members == NULL) {
            tell_failed(mp, q);
            return;
        }
        page.n = gather(c, q, page.members, &page.next);
    }
    tell(mp, q, &page);
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
    for (fwi_list *e; (e = fwi_list_pop(&asked)) != NULL;) {
        question *q = fwi_list_entry(e, question, link);
        if (q->of_nodes) {
            answer_nodes(mp, q);
        } else {
            answer_channel(mp, q);
        }
        free(q);
    }
}
