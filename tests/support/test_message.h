/*
 * A message that a test has made. Where there is no memory for it the test ends by an
 * assertion of its own: what is looked at is the library's memory.
 */
#ifndef FW_TESTS_TEST_MESSAGE_H
#define FW_TESTS_TEST_MESSAGE_H

#include "core/message.h"

static inline fw_message *test_message(fwi_msg_kind kind, const void *data, size_t len,
                                       unsigned flags)
{
    fw_message *m = fwi_message_new(kind, data, len, flags);
    FWI_ASSERT(m != NULL);
    return m;
}

#endif
