/*
 * What the tests of queued events share: a hub with a queue, and numbered messages.
 */
#ifndef TEST_EVENTS_RIG_H
#define TEST_EVENTS_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

static inline test_hub *queued_hub(int kind, unsigned more_types)
{
    test_hub *h = test_hub_new((unsigned)kind);
    test_hub_set(h, "events", "queued");
    h->record =
        1u << FW_EVENT_OPEN | 1u << FW_EVENT_MESSAGE | 1u << FW_EVENT_CLOSE | more_types;
    return h;
}

static inline fw_session_id take_open(test_hub *h)
{
    fw_event *e = test_hub_expect(h, FW_EVENT_OPEN);
    fw_session_id id = fw_event_session(e);
    test_hub_done(h, e);
    return id;
}

static inline void expect_number(const fw_event *e, int number)
{
    size_t len = 0;
    const char *data = fw_event_data(e, &len);
    char want[16];
    snprintf(want, sizeof want, "%d", number);
    ck_assert_msg(len == strlen(want) && memcmp(data, want, len) == 0,
                  "\"%.*s\" instead of %s", (int)len, data, want);
}

static inline void send_numbers(ws_client *c, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        ck_assert(ws_client_text(c, text));
    }
}

#endif
