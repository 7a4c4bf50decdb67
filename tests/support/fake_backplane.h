/*
 * A backplane that the test plays: it says what comes, and answers what was asked, when
 * it likes and as it likes. What a room keeps is an array of the test's. For unit tests
 * of core's side of histories.
 */
#ifndef TESTS_SUPPORT_FAKE_BACKPLANE_H
#define TESTS_SUPPORT_FAKE_BACKPLANE_H

#include "core/backplane.h"
#include "core/loop.h"

enum { FAKE_BACKPLANE_MAX = 2048 };

typedef struct fake_publish {
    char channel[64], text[64];
    fwi_terms terms; /* zeros for none */
} fake_publish;

typedef struct fake_read {
    char channel[64];
    fwi_history_query query;
    uint64_t ref;
} fake_read;

typedef struct fake_backplane {
    fwi_backplane base;
    fwi_loop *loop;
    bool told, up;
    unsigned n_fresh, n_publishes, n_reads, n_answered, n_forgets;
    unsigned n_channels;
    char fresh[64][64];                    /* to be reported */
    char channels[FAKE_BACKPLANE_MAX][64]; /* subscribed to */
    fake_publish publish[FAKE_BACKPLANE_MAX];
    fake_read read[FAKE_BACKPLANE_MAX]; /* [n_answered..n_reads) wait for an answer */
    uint64_t forget[16];
} fake_backplane;

/* For core_rig_backplane; the last one made is fake_backplane_last. */
fwi_backplane *fake_backplane_new(fwi_loop *loop, const fwi_backplane_sink *sink,
                                  void *sink_user);
extern fake_backplane *fake_backplane_last;

/* Who writes from now on, for what tells two messages with one position apart; 0: nobody,
 * they can't be told apart. */
extern uint64_t fake_writer;

/* on_message: the text is "E:N". epoch 0: "plain". */
void fake_say(const char *channel, uint64_t epoch, uint64_t offset);

/* Answers the oldest read with messages first..last (none if last < first) of what the
 * query asks for; top as given. */
void fake_answer(uint64_t epoch, uint64_t top, uint64_t first, uint64_t last);
/* As a room that keeps from..top would, a page being at most `page` messages. */
void fake_answer_honestly(uint64_t epoch, uint64_t from, uint64_t top, unsigned page);
void fake_answer_error(void);
unsigned fake_waiting(void);       /* reads without answer */
const fake_read *fake_asked(void); /* the oldest of them */

/* Published with that ref. */
void fake_published(uint64_t ref, int err, uint64_t epoch, uint64_t offset);
/* Up: and all that is subscribed to was missed. */
void fake_state(bool up);

#endif
