/*
 * See fake_backplane.h: it keeps nothing but what was asked.
 */
#include "support/fake_backplane.h"
#include "support/test_message.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <fanwire/error.h>

fake_backplane *fake_backplane_last;
uint64_t fake_writer;

static fake_backplane *of(fwi_backplane *bp)
{
    return (fake_backplane *)(void *)bp;
}

static int start(fwi_backplane *bp)
{
    of(bp)->up = true;
    return 0;
}

static bool subscribe(fwi_backplane *bp, const char *channel)
{
    fake_backplane *fb = of(bp);
    ck_assert_uint_lt(fb->n_fresh, 64);
    snprintf(fb->fresh[fb->n_fresh++], 64, "%s", channel);
    ck_assert_uint_lt(fb->n_channels, FAKE_BACKPLANE_MAX);
    snprintf(fb->channels[fb->n_channels++], 64, "%s", channel);
    fb->loop->ops->wake(fb->loop);
    return true;
}

static void unsubscribe(fwi_backplane *bp, const char *channel)
{
    fake_backplane *fb = of(bp);
    for (unsigned i = 0; i < fb->n_channels; i++) {
        if (strcmp(fb->channels[i], channel) == 0) {
            memmove(fb->channels[i], fb->channels[--fb->n_channels], 64);
            return;
        }
    }
}

static bool publish(fwi_backplane *bp, const char *channel, fw_message *m,
                    const fwi_terms *terms)
{
    fake_backplane *fb = of(bp);
    ck_assert_uint_lt(fb->n_publishes, FAKE_BACKPLANE_MAX);
    fake_publish *p = &fb->publish[fb->n_publishes++];
    snprintf(p->channel, sizeof p->channel, "%s", channel);
    snprintf(p->text, sizeof p->text, "%.*s", (int)fwi_message_len(m),
             (const char *)fwi_message_bytes(m));
    p->terms = terms != NULL ? *terms : (fwi_terms){0};
    return true;
}

static bool read_history(fwi_backplane *bp, const char *channel,
                         const fwi_history_query *query, uint64_t ref)
{
    fake_backplane *fb = of(bp);
    ck_assert_uint_lt(fb->n_reads, FAKE_BACKPLANE_MAX);
    fake_read *r = &fb->read[fb->n_reads++];
    snprintf(r->channel, sizeof r->channel, "%s", channel);
    r->query = *query;
    r->ref = ref;
    return true;
}

static bool forget_history(fwi_backplane *bp, const char *channel, uint64_t ref)
{
    (void)channel;
    of(bp)->forget[of(bp)->n_forgets++] = ref;
    return true;
}

static void flush(fwi_backplane *bp)
{
    fake_backplane *fb = of(bp);
    if (!fb->told) {
        fb->told = true;
        bp->sink->on_state(bp->sink_user, true, NULL);
    }
    while (fb->n_fresh > 0) {
        char channel[64];
        memcpy(channel, fb->fresh[--fb->n_fresh], sizeof channel);
        bp->sink->on_subscribed(bp->sink_user, channel);
    }
}

static void stop(fwi_backplane *bp)
{
    (void)bp;
}

static void free_it(fwi_backplane *bp)
{
    free(bp);
}

static const fwi_backplane_ops ops = {
    .name = "fake",
    .start = start,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .publish = publish,
    .read_history = read_history,
    .forget_history = forget_history,
    .flush = flush,
    .stop = stop,
    .free = free_it,
};

fwi_backplane *fake_backplane_new(fwi_loop *loop, const fwi_backplane_sink *sink,
                                  void *sink_user)
{
    fake_backplane *fb = calloc(1, sizeof *fb);
    ck_assert_ptr_nonnull(fb);
    fb->base = (fwi_backplane){&ops, sink, sink_user};
    fb->loop = loop;
    fake_backplane_last = fb;
    return &fb->base;
}

static fw_message *message_at(uint64_t epoch, uint64_t offset)
{
    char text[64];
    int n = epoch == 0 ? snprintf(text, sizeof text, "plain")
                       : snprintf(text, sizeof text, "%llu:%llu",
                                  (unsigned long long)epoch, (unsigned long long)offset);
    fw_message *m = test_message(FWI_MSG_DATA, text, (size_t)n, FW_TEXT);
    m->at = (fwi_position){epoch, offset};
    m->id = (fwi_envelope_id){fake_writer, fake_writer != 0 ? offset : 0};
    return m;
}

void fake_say(const char *channel, uint64_t epoch, uint64_t offset)
{
    fwi_backplane *bp = &fake_backplane_last->base;
    fw_message *m = message_at(epoch, offset);
    bp->sink->on_message(bp->sink_user, channel, m);
    fw_message_unref(m);
}

unsigned fake_waiting(void)
{
    return fake_backplane_last->n_reads - fake_backplane_last->n_answered;
}

const fake_read *fake_asked(void)
{
    ck_assert_uint_gt(fake_waiting(), 0);
    return &fake_backplane_last->read[fake_backplane_last->n_answered];
}

static void answer(const fwi_history_page *page)
{
    fwi_backplane *bp = &fake_backplane_last->base;
    uint64_t ref = fake_asked()->ref;
    fake_backplane_last->n_answered++;
    bp->sink->on_history(bp->sink_user, ref, page);
}

void fake_answer(uint64_t epoch, uint64_t top, uint64_t first, uint64_t last)
{
    fw_message *messages[FAKE_BACKPLANE_MAX];
    fwi_history_page page = {.why = "", .top = {epoch, top}, .messages = messages};
    for (uint64_t i = first; i <= last; i++) {
        messages[page.n++] = message_at(epoch, i);
    }
    answer(&page);
    for (size_t i = 0; i < page.n; i++) {
        fw_message_unref(messages[i]);
    }
}

void fake_answer_honestly(uint64_t epoch, uint64_t from, uint64_t top, unsigned page)
{
    const fwi_history_query *q = &fake_asked()->query;
    uint64_t first = FWI_MAX(q->since.epoch == 0 ? from : q->since.offset + 1, from);
    uint64_t n =
        FWI_MIN((uint64_t)FWI_MIN(q->limit, page), top + 1 - FWI_MIN(first, top + 1));
    bool other = q->since.epoch != 0 && q->since.epoch != epoch;
    if (n == 0 || other) {
        fake_answer(epoch, top, 1, 0);
    } else {
        fake_answer(epoch, top, first, first + n - 1);
    }
}

void fake_answer_error(void)
{
    answer(&(fwi_history_page){.err = FW_ERR_BACKPLANE, .why = "away"});
}

void fake_published(uint64_t ref, int err, uint64_t epoch, uint64_t offset)
{
    fwi_backplane *bp = &fake_backplane_last->base;
    bp->sink->on_published(
        bp->sink_user, ref,
        &(fwi_published){.err = err, .why = "", .at = {epoch, offset}});
}

void fake_state(bool up)
{
    fake_backplane *fb = fake_backplane_last;
    fwi_backplane *bp = &fb->base;
    for (unsigned i = 0; up && i < fb->n_channels; i++) {
        bp->sink->on_missed(bp->sink_user, fb->channels[i]);
    }
    bp->sink->on_state(bp->sink_user, up, up ? NULL : "away");
}
