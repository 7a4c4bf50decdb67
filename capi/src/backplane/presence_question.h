/*
 * A question of the hub about presence, who is in a channel or which nodes there are,
 * until it is answered. Both backplanes keep them in lists; loop 0's thread.
 */
#ifndef FWI_BACKPLANE_PRESENCE_QUESTION_H
#define FWI_BACKPLANE_PRESENCE_QUESTION_H

#include "base/list.h"
#include "core/backplane.h"

typedef struct fwi_presence_question {
    fwi_list link;
    uint64_t cursor, ref;
    uint32_t limit;
    bool of_nodes;
    char channel[];
} fwi_presence_question;

/* channel NULL: the nodes are asked for. NULL: out of memory. */
fwi_presence_question *fwi_presence_question_new(const char *channel, uint64_t cursor,
                                                 uint32_t limit, uint64_t ref);

/* The oldest; NULL: there is none. */
fwi_presence_question *fwi_presence_question_pop(fwi_list *list);

/* Both call the hub. It is freed. */
void fwi_presence_question_answer(fwi_backplane *bp, fwi_presence_question *q,
                                  const fwi_member_page *page);
void fwi_presence_question_fail(fwi_backplane *bp, fwi_presence_question *q, int err,
                                const char *why);

/* The backplane is stopped: whoever waits is told. */
void fwi_presence_questions_stop(fwi_backplane *bp, fwi_list *list);

void fwi_presence_questions_fini(fwi_list *list);

#endif
